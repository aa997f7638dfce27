"""Reports and the dataset each shows. A report's content is opaque to the service; only its bond is understood."""

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from tenant_provisioning.simulator.fabric.definitions import text_of
from tenant_provisioning.simulator.fabric.records import Part, Report
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.world import World

MODEL_ID = re.compile(r"semanticmodelid\s*=\s*\"?([0-9a-fA-F-]{36})")


class Reports:
    """What every report shows, by item id and by dataset."""

    def __init__(self, world: World) -> None:
        self._table = world.table("fabric.reports", Report)
        self._by_dataset: dict[str, dict[str, None]] = defaultdict(dict)
        for report in self._table.values():
            self._index(report)

    def get(self, item_id: str) -> Report:
        """The report of this item."""
        report = self._table.get(item_id)
        if report is None:
            raise Refusal("ItemNotFound", "The requested item was not found.", resource=(item_id, "Report"))
        return report

    def find(self, item_id: str) -> Report | None:
        """The report of this item, or None."""
        return self._table.get(item_id)

    def create(
        self, item_id: str, dataset_id: str | None, *, original_id: str | None = None, package: str | None = None
    ) -> Report:
        """A report that shows this dataset; `package` is the key of the uploaded file it came from."""
        return self._keep(Report(item_id, dataset_id, original_id, package))

    def rebind(self, report: Report, dataset_id: str) -> Report:
        """The report showing another dataset; from then on it cannot be exported."""
        self._by_dataset[report.dataset_id or ""].pop(report.id, None)
        return self._keep(
            replace(report, dataset_id=dataset_id, rebound=report.rebound or report.dataset_id != dataset_id)
        )

    def replace_content(self, report: Report, dataset_id: str | None, package: str | None) -> Report:
        """The report with the content of another package."""
        self._by_dataset[report.dataset_id or ""].pop(report.id, None)
        return self._keep(replace(report, dataset_id=dataset_id, package=package, rebound=False))

    def showing(self, dataset_id: str) -> list[Report]:
        """The reports that show this dataset."""
        return [report for report in map(self._table.get, self._by_dataset.get(dataset_id, {})) if report]

    def forget(self, item_id: str) -> None:
        """Leave nothing of the report."""
        report = self._table.delete(item_id)
        if report:
            self._by_dataset[report.dataset_id or ""].pop(item_id, None)

    def _keep(self, report: Report) -> Report:
        self._index(report)
        return self._table.put(report.id, report)

    def _index(self, report: Report) -> None:
        if report.dataset_id:
            self._by_dataset[report.dataset_id][report.id] = None


def dataset_named(parts: Iterable[Part]) -> str:
    """The id of the semantic model that a report's definition refers to."""
    by_path = {part.path: part for part in parts}
    if "definition.pbir" not in by_path:
        raise Refusal("Report_Import_FailedToImportReport", "Required artifact is missing in 'definition.pbir'.")
    if not {"report.json", "definition/report.json"} & set(by_path):
        raise Refusal("Report_Import_FailedToImportReport", "Required artifact is missing in 'report.json'.")
    try:
        reference = json.loads(text_of(by_path["definition.pbir"]))["datasetReference"]
        bond = reference["byConnection"]
        named = MODEL_ID.search(bond.get("connectionString") or "")
        return named.group(1).lower() if named else str(bond["pbiModelDatabaseName"])
    except (ValueError, KeyError, TypeError) as broken:
        message = "The report's definition.pbir must refer to a semantic model by connection."
        raise Refusal("Report_Import_FailedToImportReport", message) from broken
