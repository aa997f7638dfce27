"""The tenant's host, attached to the web app's Vercel project. The DNS record that points to it is `dns_record`."""

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import OwnershipConflict
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import Found, ensure_artifact
from tenant_provisioning.vendors.vercel import DomainTaken

KIND = ArtifactKind.HOSTING_DOMAIN


async def ensure(ctx: StepContext) -> StepResult:
    """The host is attached to the project; the ledger knows the CNAME target that Vercel recommends for it."""
    vercel, project = ctx.vendors.vercel, ctx.settings.vercel_project

    async def find(_row: Artifact | None) -> Found | None:
        domain = await vercel.find_domain(project, ctx.host)
        return None if domain is None else await described()

    async def create(_row: Artifact) -> Found:
        try:
            await vercel.add_domain(project, ctx.host)
        except DomainTaken as refusal:
            raise OwnershipConflict(
                f"{ctx.host} is attached to another Vercel project or team. Detach it there, or choose another subdomain."
            ) from refusal
        return await described()

    async def described() -> Found:
        # Attachment to this very project is the mark: Vercel has no other place for one.
        config = await vercel.get_config(project, ctx.host)
        return Found(ctx.host, ours=True, details={"cname_target": config.cname_target})

    artifact = await ensure_artifact(ctx, KIND, thing=f"the domain {ctx.host}", find=find, create=create)
    return StepResult(
        facts={"host": ctx.host, "cname_target": artifact.details["cname_target"]},
        links={"site": f"https://{ctx.host}"},
    )


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The host is no longer attached to the project; quiet when it already was not."""
    await ctx.vendors.vercel.delete_domain(ctx.settings.vercel_project, artifact.vendor_id or ctx.host)
