"""Refreshes of datasets: begun with a 202, decided when due by whether the data can really be read."""

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from tenant_provisioning.simulator.fabric.records import Item, Model
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.powerbi.records import Refresh

if TYPE_CHECKING:
    from tenant_provisioning.simulator.world import World

SHARED_CAPACITY_A_DAY = 8
DAY_SECONDS = 86_400
# the refresh history's error codes by what kept the data from being read
ERROR_CODES = {
    "CredentialsNotSpecified": "ModelRefreshFailed_CredentialsNotSpecified",
    "ConnectionNotFound": "DM_GWPipeline_Gateway_InvalidObjectIdException",
}
PROCESSING_ERROR = "ModelRefresh_ShortMessage_ProcessingError"


class Refreshes:
    """All refreshes, by dataset."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._table = world.table("powerbi.refreshes", Refresh)
        self._by_dataset: dict[str, list[str]] = {}
        for refresh in self._table.values():
            self._by_dataset.setdefault(refresh.dataset_id, []).append(refresh.id)
        world.fabric.agenda.on("refresh", self._finish)

    def begin(self, item: Item, model: Model, *, enhanced: bool, kind: str, on_capacity: bool) -> Refresh:
        """A refresh on its way; refused while another runs, and where there is nothing to refresh from."""
        if model.pushed:
            raise Refusal("InvalidRequest", "Invalid dataset. This API can only be called on a Model-based dataset")
        earlier = self.of(item.id)
        if earlier and earlier[0].finished_at is None:
            raise Refusal(
                "InvalidRequest", "Invalid dataset refresh request. Another refresh request is already executing"
            )
        now = self._world.now()
        if not on_capacity:
            if enhanced:
                raise Refusal("InvalidRequest", "Enhanced refresh is only supported for datasets on dedicated capacity")
            if sum(refresh.started_at > now - DAY_SECONDS for refresh in earlier) >= SHARED_CAPACITY_A_DAY:
                raise Refusal(
                    "RefreshLimitExceeded", "Invalid dataset refresh request. The daily refresh limit is reached"
                )
        fault = self._world.faults.claim("refresh_failed", "powerbi", "refresh_dataset", item.name)
        doomed = (fault.plan.code or PROCESSING_ERROR, fault.plan.message or "The refresh failed.") if fault else None
        identifier = self._world.new_id()
        due = self._world.fabric.agenda.after(self._world.latency.lasts("powerbi.refresh"), "refresh", identifier)
        self._by_dataset.setdefault(item.id, []).append(identifier)
        return self._table.put(identifier, Refresh(identifier, item.id, enhanced, kind, now, due, doomed=doomed))

    def get(self, dataset_id: str, refresh_id: str) -> Refresh:
        """The dataset's refresh with that id."""
        refresh = self._table.get(refresh_id)
        if refresh is None or refresh.dataset_id != dataset_id:
            raise Refusal("RefreshNotFound", "The refresh was not found.")
        return refresh

    def of(self, dataset_id: str) -> list[Refresh]:
        """The dataset's refreshes, newest first."""
        return [refresh for refresh in map(self._table.get, reversed(self._by_dataset.get(dataset_id, []))) if refresh]

    def cancel(self, refresh: Refresh) -> None:
        """End a refresh that is still going."""
        if refresh.finished_at is not None:
            raise Refusal("InvalidRequest", "The refresh is not in progress")
        self._table.put(refresh.id, replace(refresh, status="Cancelled", finished_at=self._world.now()))

    def _finish(self, refresh_id: str) -> None:
        refresh = self._table.get(refresh_id)
        if refresh is None or refresh.finished_at is not None:
            return
        error = refresh.doomed
        model = self._world.fabric.models.find(refresh.dataset_id)
        if error is None and model is not None:
            try:
                self._world.fabric.models.load(model)
            except Refusal as refusal:
                error = (ERROR_CODES.get(refusal.code, PROCESSING_ERROR), refusal.message)
        ended = replace(refresh, status="Failed" if error else "Completed", finished_at=refresh.due_at, error=error)
        self._table.put(refresh.id, ended)


def exception_json(refresh: Refresh) -> str | None:
    """The refresh's serviceExceptionJson: a JSON text within the JSON, None when all went well."""
    if refresh.error is None:
        return None
    code, message = refresh.error
    return json.dumps(
        {"errorCode": code} | ({} if code == ERROR_CODES["CredentialsNotSpecified"] else {"errorDescription": message})
    )
