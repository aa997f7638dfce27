"""The CNAME record acme.yourplatform.com at GoDaddy, pointing to the target that Vercel named. Attaching the host is
`hosting_domain`."""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import OwnershipConflict, VendorRejected
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact, require_artifact
from tenant_provisioning.store import artifacts
from tenant_provisioning.vendors.godaddy import Record

KIND = ArtifactKind.DNS_RECORD


async def ensure(ctx: StepContext) -> StepResult:
    """The record exists with exactly the target of the hosting domain."""
    target = await _target(ctx)
    godaddy, domain, name = ctx.vendors.godaddy, ctx.organization.domain, ctx.organization.subdomain

    async def find(row: Artifact | None) -> Found | None:
        record = await godaddy.find_record(domain, "CNAME", name)
        if record is None:
            return None
        data = record.data.rstrip(".")
        # The target belongs to our project alone, so it serves as the mark; so does one that we meant to write before.
        ours_by_ledger = row is not None and (row.vendor_id is not None or data == row.details.get("target"))
        if ours_by_ledger and data != target:
            await godaddy.put_record(domain, Record("CNAME", name, target, ctx.settings.dns_ttl))
        return Found(ctx.host, ours=ours_by_ledger or data == target, details={"target": target})

    async def create(row: Artifact) -> Found:
        await artifacts.note(ctx.db, row.id, target=target)
        try:
            await godaddy.put_record(domain, Record("CNAME", name, target, ctx.settings.dns_ttl))
        except VendorRejected as refusal:
            if refusal.code != "DUPLICATE_RECORD":
                raise
            raise OwnershipConflict(
                f"{ctx.host} has other DNS records already, and a CNAME cannot stand beside them. "
                "Remove them at GoDaddy, or choose another subdomain, then try again."
            ) from refusal
        return Found(ctx.host, ours=True, details={"target": target})

    await ensure_artifact(ctx, KIND, thing=f"a CNAME record for {ctx.host}", find=find, create=create)
    return StepResult(facts={"record": f"CNAME {ctx.host}", "target": target, "ttl_seconds": ctx.settings.dns_ttl})


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the world's DNS answers with the target."""
    target = await _target(ctx)
    found = await ctx.vendors.resolver.find_cname(ctx.host)
    return [
        judged(
            "resolves_to_the_web_app",
            expected=target,
            found=found or "no CNAME record",
            reason=f"{ctx.host} does not resolve to the web app yet. DNS can take some minutes: run the check again, "
            "then look at the record at GoDaddy.",
        )
    ]


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The record is gone, unless somebody has pointed it elsewhere since: then it is theirs."""
    domain, name = ctx.organization.domain, ctx.organization.subdomain
    record = await ctx.vendors.godaddy.find_record(domain, "CNAME", name)
    if record is not None and record.data.rstrip(".") == artifact.details.get("target"):
        await ctx.vendors.godaddy.delete_record(domain, "CNAME", name)


async def _target(ctx: StepContext) -> str:
    hosting = await require_artifact(ctx, ArtifactKind.HOSTING_DOMAIN, step="hosting_domain")
    return str(hosting.details["cname_target"])
