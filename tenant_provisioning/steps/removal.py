"""Undoing what the ledger says was created, newest first. What was adopted stays: it was there before us. The rollback of an
organization, with its status and its rows, is built on this."""

from collections.abc import AsyncIterator, Awaitable, Callable, Collection

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.steps import (
    dns_record,
    fabric_data_store,
    fabric_workspace,
    hosting_domain,
    powerbi_dataset,
    powerbi_profile,
    powerbi_workspace,
    reports,
    super_users,
)
from tenant_provisioning.steps.context import StepContext
from tenant_provisioning.store import artifacts

REMOVERS: dict[ArtifactKind, Callable[[StepContext, Artifact], Awaitable[None]]] = {
    ArtifactKind.HOSTING_DOMAIN: hosting_domain.remove,
    ArtifactKind.DNS_RECORD: dns_record.remove,
    ArtifactKind.FABRIC_WORKSPACE: fabric_workspace.remove,
    ArtifactKind.DATA_STORE: fabric_data_store.remove,
    ArtifactKind.POWERBI_WORKSPACE: powerbi_workspace.remove,
    ArtifactKind.POWERBI_PROFILE: powerbi_profile.remove,
    ArtifactKind.CONNECTION: powerbi_dataset.remove,
    ArtifactKind.DATASET: powerbi_dataset.remove,
    ArtifactKind.REPORT: reports.remove,
    ArtifactKind.SUPER_USER: super_users.remove,
}


async def remove_created(
    ctx: StepContext, kinds: Collection[ArtifactKind] = tuple(ArtifactKind)
) -> AsyncIterator[Artifact]:
    """Removes everything of these kinds that the ledger holds as created, newest first, and yields each artifact once it is gone.

    May be interrupted and run again: what is gone is marked so, and removing it twice is quiet.
    """
    for artifact in await artifacts.list_artifacts(ctx.db, ctx.organization.id):
        if artifact.kind not in kinds:
            continue
        if artifact.created:
            await REMOVERS[artifact.kind](ctx, artifact)
        await artifacts.record_removed(ctx.db, artifact.id)
        if artifact.created:
            yield artifact
