"""Runs of items. A notebook's run reads the notebook that is really there: its SQL cells make the lakehouse's tables.

Understood are `CREATE TABLE [IF NOT EXISTS] name (column type, …)` and `INSERT INTO name VALUES ('{parameter}', …)`, in
any cell of the item's `.ipynb` or `.py`; other lines do nothing.
"""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import replace

from tenant_provisioning.simulator.fabric.agenda import Agenda
from tenant_provisioning.simulator.fabric.items import Items
from tenant_provisioning.simulator.fabric.records import Failure, Item, Job, Part, TableData
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.stores import LAKEHOUSE, Stores
from tenant_provisioning.simulator.world import World

CREATE = re.compile(r"create\s+table\s+(?:if\s+not\s+exists\s+)?(\w+)\s*\(([^)]*)\)", re.IGNORECASE)
INSERT = re.compile(r"insert\s+into\s+(\w+)\s+values\s*\(([^)]*)\)", re.IGNORECASE)
PARAMETER = re.compile(r"\{(\w+)\}")
FINISHED = frozenset({"Completed", "Failed", "Cancelled", "Deduped"})


class Jobs:
    """All runs of items."""

    def __init__(self, world: World, agenda: Agenda, items: Items, stores: Stores) -> None:
        self._world = world
        self._agenda = agenda
        self._items = items
        self._stores = stores
        self._table = world.table("fabric.jobs", Job)
        self._by_item: dict[str, list[str]] = {}
        for job in self._table.values():
            self._by_item.setdefault(job.item_id, []).append(job.id)
        agenda.on("job", self._finish)

    def run(self, item: Item, job_type: str, parameters: Mapping[str, object], lakehouse_id: str | None) -> Job:
        """A run of the item that ends later."""
        if item.type != "Notebook" or job_type != "RunNotebook":
            raise Refusal("InvalidJobType", f"Job type '{job_type}' is not supported for the item type {item.type}.")
        about = " ".join([item.name, *map(str, parameters.values())])
        fault = self._world.faults.claim("job_failed", "fabric", "run_job", about)
        doomed = Failure(fault.plan.code or "JobFailed", fault.plan.message or "The job failed.") if fault else None
        identifier, now = self._world.new_id(), self._world.now()
        lasts = self._world.latency.lasts("fabric.notebook_job")
        due = self._agenda.after(lasts, "job", identifier)
        job = Job(
            identifier,
            item.id,
            item.workspace_id,
            job_type,
            now,
            now + lasts / 10,
            due,
            parameters,
            lakehouse_id,
            doomed=doomed,
        )
        self._by_item.setdefault(item.id, []).append(identifier)
        return self._table.put(identifier, job)

    def get(self, item_id: str, job_id: str) -> Job:
        """The run of that item; refused when there is none."""
        job = self._table.get(job_id)
        if job is None or job.item_id != item_id:
            raise Refusal("JobInstanceNotFound", "The requested job instance was not found.")
        return job

    def of_item(self, item_id: str) -> list[Job]:
        """The item's runs, newest first."""
        return [job for job in map(self._table.get, reversed(self._by_item.get(item_id, []))) if job]

    def status(self, job: Job) -> str:
        """How far the run is, in the vendor's words."""
        if job.status in FINISHED:
            return job.status
        return "NotStarted" if self._world.now() < job.starts_at else "InProgress"

    def cancel(self, job: Job) -> None:
        """End the run, if it is still going."""
        if job.status in FINISHED:
            raise Refusal("JobAlreadyCompleted", "The job instance is already completed.")
        self._table.put(job.id, replace(job, status="Cancelled", finished_at=self._world.now()))

    def _finish(self, job_id: str) -> None:
        job = self._table.get(job_id)
        if job is None or job.status in FINISHED:
            return
        failure = job.doomed
        if failure is None:
            try:
                self._run_notebook(job)
            except Refusal as refusal:
                failure = Failure(refusal.code, refusal.message)
        self._table.put(
            job.id, replace(job, status="Failed" if failure else "Completed", finished_at=job.due_at, failure=failure)
        )

    def _run_notebook(self, job: Job) -> None:
        if job.lakehouse_id is None:
            raise Refusal(
                "NotebookExecutionFailed", "AnalysisException: No default lakehouse is attached to the notebook."
            )
        lakehouse = self._items.find(job.lakehouse_id)
        if lakehouse is None or lakehouse.type != LAKEHOUSE:
            raise Refusal("NotebookExecutionFailed", f"The default lakehouse {job.lakehouse_id} was not found.")
        tables = dict(self._stores.get(lakehouse.id).written or {})
        carry_out(source_text(self._items.definition(job.item_id)), job.parameters, tables)
        self._stores.write(lakehouse.id, tables)


def source_text(parts: tuple[Part, ...]) -> str:
    """The notebook's source, all cells together."""
    try:
        return "\n".join(
            base64.b64decode(part.payload).decode() for part in parts if part.path.endswith((".ipynb", ".py", ".sql"))
        )
    except (binascii.Error, UnicodeDecodeError) as broken:
        raise Refusal("NotebookExecutionFailed", "The notebook's content cannot be read.") from broken


def carry_out(source: str, parameters: Mapping[str, object], tables: dict[str, TableData]) -> None:
    """Do to the tables what the source's statements say, in their order; a table that is there already is kept."""
    statements = sorted((*CREATE.finditer(source), *INSERT.finditer(source)), key=lambda found: found.start())
    for statement in statements:
        name, inside = statement.group(1), statement.group(2)
        if statement.re is CREATE:
            columns = tuple(column.split()[0] for column in inside.split(",") if column.strip())
            tables.setdefault(name, TableData(columns))
        elif name not in tables:
            raise Refusal(
                "NotebookExecutionFailed",
                f"AnalysisException: [TABLE_OR_VIEW_NOT_FOUND] The table or view `{name}` cannot be found.",
            )
        else:
            row = tuple(_filled_in(value.strip().strip("'\""), parameters) for value in inside.split(","))
            table = tables[name]
            if row not in table.rows:  # the notebook can be run again: it inserts what is not there
                tables[name] = replace(table, rows=(*table.rows, row))


def _filled_in(value: str, parameters: Mapping[str, object]) -> object:
    missing = next((name for name in PARAMETER.findall(value) if name not in parameters), None)
    if missing:
        raise Refusal("NotebookExecutionFailed", f"NameError: name '{missing}' is not defined")
    return PARAMETER.sub(lambda found: str(parameters[found.group(1)]), value)
