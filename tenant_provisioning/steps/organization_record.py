"""The organization's row: every id on it, and the status that tells a person to look. The ids come from the ledger."""

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import TemplateReport
from tenant_provisioning.model.errors import LifecycleError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import planned_steps
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.ownership import require_artifact
from tenant_provisioning.store import organizations, progress
from tenant_provisioning.store.vault import is_encrypted

NAME = "organization_record"


async def ensure(ctx: StepContext, templates: tuple[TemplateReport, ...]) -> StepResult:
    """The row holds every id; an organization that was being provisioned waits for QA now."""
    planned = [step for step in planned_steps(template.key for template in templates) if step != NAME]
    missing = await progress.unfinished_steps(ctx.db, ctx.organization.id, planned)
    if missing:
        raise LifecycleError(
            f"{ctx.organization.name} is not complete, so it cannot go to QA. Still to do: {', '.join(missing)}"
        )
    ids = {
        "fabric_workspace_id": ArtifactKind.FABRIC_WORKSPACE,
        "data_store_id": ArtifactKind.DATA_STORE,
        "powerbi_workspace_id": ArtifactKind.POWERBI_WORKSPACE,
        "dataset_id": ArtifactKind.DATASET,
    }
    found = {column: str((await require_artifact(ctx, kind, step=kind)).vendor_id) for column, kind in ids.items()}
    await organizations.record_ids(ctx.db, ctx.organization.id, host=ctx.host, **found)
    current = await organizations.get_organization(ctx.db, ctx.organization.id)
    if current.status is DeploymentStatus.PROVISIONING:
        await organizations.move(
            ctx.db,
            ctx.organization.id,
            DeploymentStatus.PENDING_QA,
            actor=f"run {ctx.run_id}",
            reason="every step is done",
        )
        current = await organizations.get_organization(ctx.db, ctx.organization.id)
    return StepResult(facts={"status": current.status, **found}, links={"site": f"https://{ctx.host}"})


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether the connection string lies encrypted in the row, and is this row's."""
    sealed = await organizations.get_connection(ctx.db, ctx.organization.id)
    if sealed is None:
        found = "no connection string"
    elif not is_encrypted(sealed):
        found = "plain text"
    else:
        ctx.vault.decrypt(sealed, ctx.organization.id, "data_store_connection")
        found = "encrypted"
    return [
        judged(
            "secret_is_encrypted",
            expected="encrypted",
            found=found,
            reason="The data store's connection string is not stored encrypted. Run the data store step again.",
        )
    ]
