"""Imports: a package becomes a dataset and a report after a while, or the import ends as Failed for good."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from tenant_provisioning.simulator.fabric.definitions import encoded
from tenant_provisioning.simulator.fabric.records import Item, Workspace
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.powerbi.packages import CORRUPTED, Package, key_of, read_package
from tenant_provisioning.simulator.powerbi.records import Import

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

CONFLICTS = ("Ignore", "Abort", "Overwrite", "CreateOrOverwrite")


class Imports:
    """All imports, and the bytes of every package that was uploaded, each kept once."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._table = world.table("powerbi.imports", Import)
        self._packages = world.table("powerbi.packages", bytes)
        self._by_workspace: dict[str, list[str]] = {}
        for known in self._table.values():
            self._by_workspace.setdefault(known.workspace_id, []).append(known.id)
        world.fabric.agenda.on("import", self._finish)

    def keep(self, content: bytes) -> str:
        """Keep a package; the key to find it by."""
        key = key_of(content)
        if key not in self._packages:
            self._packages.put(key, content)
        return key

    def package(self, key: str) -> bytes | None:
        """The bytes of a package, or None."""
        return self._packages.get(key)

    def begin(
        self,
        workspace: Workspace,
        owner_id: str,
        display_name: str,
        content: bytes,
        *,
        conflict: str = "Ignore",
        skip_report: bool = False,
        override_report: bool = True,
        override_model: bool = True,
        folder_id: str | None = None,
    ) -> Import:
        """An import on its way. A name conflict is refused at once, a bad package makes the import fail later."""
        name = display_name.removesuffix(".pbix").strip()
        if not name:
            raise Refusal("InvalidRequest", "datasetDisplayName is missing or empty")
        self._check_conflict(workspace, name, conflict, skip_report)
        doomed = self._world.faults.claim("import_failed", "powerbi", "import", display_name)
        stuck = self._world.faults.claim("import_stuck", "powerbi", "import", display_name)
        identifier, now = self._world.new_id(), self._world.now()
        lasts = self._world.latency.lasts("powerbi.import")
        due = now + lasts
        if stuck is None:
            due = self._world.fabric.agenda.after(lasts, "import", identifier)
        made = Import(
            identifier,
            workspace.id,
            name,
            now,
            due,
            "Publishing",
            self.keep(content),
            conflict,
            skip_report,
            owner_id,
            override_report,
            override_model,
            folder_id,
            (doomed.plan.code or CORRUPTED, doomed.plan.message or "The import failed.") if doomed else None,
            now,
        )
        self._by_workspace.setdefault(workspace.id, []).append(identifier)
        return self._table.put(identifier, made)

    def get(self, workspace_id: str, import_id: str) -> Import:
        """The workspace's import with that id."""
        found = self._table.get(import_id)
        if found is None or found.workspace_id != workspace_id:
            raise Refusal("ImportNotFound", f"Import {import_id} was not found.")
        return found

    def of(self, workspace_id: str) -> list[Import]:
        """The workspace's imports, oldest first."""
        return [found for found in map(self._table.get, self._by_workspace.get(workspace_id, [])) if found]

    def all(self) -> Iterable[Import]:
        """Every import."""
        return self._table.values()

    def _check_conflict(self, workspace: Workspace, name: str, conflict: str, skip_report: bool) -> None:
        items = self._world.fabric.items
        datasets = list(items.named(workspace.id, "SemanticModel", name))
        reports = list(items.named(workspace.id, "Report", name))
        most = max(len(datasets), len(reports))
        if conflict == "Abort" and most:
            if skip_report and not reports:
                raise Refusal("DuplicatePackageInvalid", "A dataset of this name is there without its report.")
            raise Refusal("DuplicatePackageFoundError", f"There is already a dataset or report named '{name}'.")
        if conflict == "Overwrite" and not most:
            raise Refusal(
                "DuplicatePackageNotFoundError", f"There is no dataset or report named '{name}' to overwrite."
            )
        if conflict in {"Overwrite", "CreateOrOverwrite"} and most > 1:
            raise Refusal(
                "MoreThanOneDuplicatePackageFoundError", f"There is more than one dataset or report named '{name}'."
            )

    def _finish(self, import_id: str) -> None:
        known = self._table.get(import_id)
        if known is None:
            return
        ended = replace(known, state="Succeeded", updated_at=self._world.now())
        try:
            if known.doomed is not None:
                raise Refusal(*known.doomed)
            workspace = self._world.fabric.workspaces.get(known.workspace_id, known.owner_id)
            content = self._packages.get(known.package or "") or b""
            dataset, report = self._publish(workspace, known, read_package(content))
            ended = replace(ended, dataset_id=dataset.id if dataset else None, report_id=report.id if report else None)
        except Refusal as refusal:
            ended = replace(ended, state="Failed", error=(refusal.code, refusal.message))
        self._table.put(import_id, ended)

    def _publish(self, workspace: Workspace, known: Import, package: Package) -> tuple[Item | None, Item | None]:
        dataset: Item | None = None
        if package.model is not None:
            dataset = self._place(workspace, known, "SemanticModel")
            models = self._world.fabric.models
            model = models.find(dataset.id)
            if model is None:
                models.create(dataset.id, known.owner_id, package.model)
                self._world.fabric.items.define(dataset.id, (encoded("definition.pbism", '{"version":"1.0"}'),))
            elif known.override_model:
                models.reshape(model, package.model)
            shown = dataset.id
        else:
            shown = package.live_dataset_id or ""
            found = self._world.fabric.items.find(shown)
            if found is None or not self._world.fabric.workspaces.role_in(found.workspace_id, known.owner_id):
                raise Refusal(
                    "PowerBIModelNotFoundException", f"The dataset {shown} that the report shows was not found."
                )
        return dataset, None if known.skip_report else self._publish_report(workspace, known, shown)

    def _publish_report(self, workspace: Workspace, known: Import, dataset_id: str) -> Item:
        item = self._place(workspace, known, "Report")
        reports = self._world.fabric.reports
        report = reports.find(item.id)
        if report is None:
            reports.create(item.id, dataset_id, package=known.package)
        elif known.override_report:
            reports.replace_content(report, dataset_id, known.package)
        return item

    def _place(self, workspace: Workspace, known: Import, type: str) -> Item:  # noqa: A002 - the vendor's word
        """The item to write to: the one of this name when the import overwrites, else a new one, even a duplicate."""
        items = self._world.fabric.items
        same = list(items.named(workspace.id, type, known.name))
        if same and known.conflict in {"Overwrite", "CreateOrOverwrite"}:
            return same[0]
        return items.reserve(
            workspace, type, known.name, folder_id=known.folder_id, unique=False, visible_at=self._world.now()
        )
