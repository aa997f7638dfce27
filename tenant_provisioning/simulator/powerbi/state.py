"""Power BI as a whole: what only Power BI has. Groups, datasets and reports are Fabric's workspaces and items."""

import base64
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field

from tenant_provisioning.simulator.entra.state import RESOURCES, TokenProblem, object_id_of
from tenant_provisioning.simulator.fabric.records import Credentials, Item, Model, Report, Source, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.powerbi.imports import Imports
from tenant_provisioning.simulator.powerbi.records import Profile, Upload
from tenant_provisioning.simulator.powerbi.refreshes import Refreshes
from tenant_provisioning.simulator.world import CLIENT_ID, TEMPLATE_DATASET_ID, TEMPLATE_WORKSPACE_ID

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

UPLOAD_LASTS_SECONDS = 3600
PROFILES_PER_PRINCIPAL = 100_000


class PowerBIKnobs(BaseModel):
    """What a test may change about Power BI."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    queries_per_minute: int = Field(default=120, ge=1, description="executeQueries, per caller; the documented limit")
    limit_queries: bool = Field(default=False, description="whether that limit holds under instant latency too")
    calls_per_minute: int | None = Field(default=None, ge=1, description="per caller and operation; mostly unpublished")
    minute: float = Field(default=60, gt=0, description="seconds that a minute of these limits lasts")


@dataclass(frozen=True, slots=True)
class SourceOf:
    """A data source with the dataset it belongs to."""

    model: Model
    source: Source


class PowerBIState:
    """The Power BI side of the world; `world.fabric` is made before it."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self.knobs = PowerBIKnobs()
        self.imports = Imports(world)
        self.refreshes = Refreshes(world)
        self.profiles = world.table("powerbi.profiles", Profile)
        self.uploads = world.table("powerbi.uploads", Upload)
        self._seen: dict[tuple[str, str], tuple[int, int]] = {}

    def seed(self) -> None:
        """Nothing: the template workspace is Fabric's, and its reports come from the control API."""

    def snapshot(self) -> dict[str, Any]:
        """Profiles and imports; datasets and reports are in Fabric's workspaces."""
        self._world.fabric.agenda.settle()
        return {
            "profiles": [{"id": profile.id, "displayName": profile.name} for profile in self.profiles.values()],
            "imports": [
                {"id": known.id, "workspaceId": known.workspace_id, "name": known.name, "importState": known.state}
                for known in self.imports.all()
            ],
            "packages": len(self._world.table("powerbi.packages", bytes)),
        }

    def add_template_report(self, report_id: str, name: str) -> None:
        """Put a report into the template workspace, showing the template dataset; once, however often it is asked."""
        fabric = self._world.fabric
        report_id = report_id.lower()
        if fabric.reports.find(report_id) is not None:
            return
        workspace = fabric.workspaces.get(TEMPLATE_WORKSPACE_ID, object_id_of(CLIENT_ID))
        fabric.items.reserve(workspace, "Report", name, unique=False, visible_at=0.0, id=report_id)
        fabric.reports.create(report_id, TEMPLATE_DATASET_ID)

    def is_known_principal(self, principal_id: str, kind: str) -> bool:
        """Whether the directory knows the principal; of users and groups it is taken for granted."""
        if kind == "ServicePrincipalProfile":
            return principal_id in self.profiles
        if kind != "ServicePrincipal":
            return True
        clients = self._world.entra.snapshot()["clients"]
        return any(object_id_of(client_id) == principal_id for client_id in clients)

    # profiles

    def create_profile(self, name: str, owner_id: str) -> Profile:
        """A profile of the service principal, whose names are unique among its profiles."""
        mine = self.profiles_of(owner_id)
        if any(profile.name.casefold() == name.casefold() for profile in mine):
            raise Refusal("PowerBIEntityAlreadyExists", f"A profile named '{name}' already exists.")
        if len(mine) >= PROFILES_PER_PRINCIPAL:
            raise Refusal("ProfileLimitExceeded", "The service principal has its full number of profiles.")
        made = Profile(self._world.new_id(), name, owner_id)
        return self.profiles.put(made.id, made)

    def profiles_of(self, owner_id: str) -> list[Profile]:
        """The service principal's profiles, oldest first."""
        return [profile for profile in self.profiles.values() if profile.owner_id == owner_id]

    def profile(self, profile_id: str, owner_id: str) -> Profile:
        """The service principal's profile with this id."""
        profile = self.profiles.get(profile_id.lower())
        if profile is None or profile.owner_id != owner_id:
            raise Refusal("ProfileNotFound", "The profile was not found.")
        return profile

    # temporary uploads

    def open_upload(self) -> Upload:
        """A new place for a large file, good for an hour."""
        signature = base64.urlsafe_b64encode(self._world.random.randbytes(24)).decode()
        made = Upload(self._world.new_id(), signature, self._world.now() + UPLOAD_LASTS_SECONDS)
        return self.uploads.put(made.id, made)

    def uploaded(self, upload_id: str, signature: str) -> Upload:
        """The place, if the address carries its signature and has not expired."""
        upload = self.uploads.get(upload_id)
        if upload is None or upload.signature != signature or upload.expires_at <= self._world.now():
            raise Refusal("AuthenticationFailed", "The address of the upload is not valid any more.")
        return upload

    def fill_upload(self, upload: Upload, content: bytes) -> None:
        """Keep what was put into the place, whole."""
        self.uploads.put(upload.id, replace(upload, package=self.imports.keep(content), blocks={}))

    def add_block(self, upload: Upload, name: str, content: bytes) -> None:
        """Keep a block of a file until the list of its blocks is put."""
        self.uploads.put(upload.id, replace(upload, blocks={**upload.blocks, name: content}))

    # data sources by the gateway that Power BI makes up for each

    def source(self, gateway_id: str, datasource_id: str | None, caller_id: str) -> list[SourceOf]:
        """The caller's data sources at this gateway, one or all."""
        mine = [
            SourceOf(model, source)
            for model in self._world.fabric.models.all()
            for source in model.sources
            if model.owner_id == caller_id
            and source.gateway_id == gateway_id
            and datasource_id in {None, source.datasource_id}
        ]
        if not mine:
            raise Refusal("DMTS_DatasourceNotFound", "The data source was not found.")
        return mine

    def sign_in(self, known: SourceOf, kind: str, token: str | None) -> None:
        """Give a data source credentials of its own; an access token signs in as its owner for as long as it lives.

        SQL in Fabric takes Entra sign-in only, so every other kind is kept and will not be accepted.
        """
        credentials = Credentials(kind, accepted=False)
        if kind == "OAuth2":
            try:
                identity = self._world.entra.check(token, RESOURCES)
            except TokenProblem as problem:
                raise Refusal("DM_GWPipeline_Client_OAuthTokenInvalid", "The access token is not valid.") from problem
            credentials = Credentials(kind, True, identity.object_id, identity.expires_at)
        self._world.fabric.models.sign_in(known.model, known.source, credentials)

    # throttling

    def blocked_until(self, principal_id: str, operation: str) -> float | None:
        """When the caller may call this operation again, None when now: counted by the minute."""
        allowed = self.knobs.calls_per_minute
        if operation == "execute_queries" and (self.knobs.limit_queries or self._world.latency.profile != "instant"):
            allowed = min(allowed or self.knobs.queries_per_minute, self.knobs.queries_per_minute)
        if allowed is None:
            return None
        length = self.knobs.minute
        minute = int(self._world.now() // length)
        since, calls = self._seen.get((principal_id, operation), (minute, 0))
        calls = calls + 1 if since == minute else 1
        self._seen[principal_id, operation] = minute, calls
        return (minute + 1) * length if calls > allowed else None

    # what a group holds, under Power BI's names

    def dataset(self, dataset_id: str, caller_id: str, workspace: Workspace | None = None) -> tuple[Item, Model]:
        """The dataset, in that group or wherever the caller sees it."""
        item = self._seen_item(dataset_id, caller_id, workspace, "SemanticModel")
        return item, self._world.fabric.models.get(item.id)

    def report(self, report_id: str, caller_id: str, workspace: Workspace | None = None) -> tuple[Item, Report]:
        """The report, in that group or wherever the caller sees it."""
        item = self._seen_item(report_id, caller_id, workspace, "Report")
        return item, self._world.fabric.reports.get(item.id)

    def items(self, workspace: Workspace, type: str) -> Iterable[Item]:  # noqa: A002 - the vendor's word
        """The group's datasets or reports."""
        return self._world.fabric.items.within(workspace.id, type)

    def _seen_item(self, item_id: str, caller_id: str, workspace: Workspace | None, type: str) -> Item:  # noqa: A002
        item = self._world.fabric.items.find(item_id.lower())
        seen = item is not None and item.type == type and (workspace is None or item.workspace_id == workspace.id)
        if item is None or not seen or not self._world.fabric.workspaces.role_in(item.workspace_id, caller_id):
            raise Refusal(
                "ItemNotFound", f"{'Dataset' if type == 'SemanticModel' else 'Report'} {item_id} is not found."
            )
        return item
