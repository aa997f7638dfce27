"""Long-running operations: begun with a 202, carried out when due, asked for by id. Their owners say what they do."""

from collections.abc import Callable
from dataclasses import replace

from tenant_provisioning.simulator.fabric.agenda import Agenda
from tenant_provisioning.simulator.fabric.records import Failure, Operation
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.world import World

Work = Callable[[object], object]
FAILED = Failure("OperationFailed", "The operation could not be completed.")


class Operations:
    """All operations. `claim` of a fault of kind operation_failed dooms one from its beginning."""

    def __init__(self, world: World, agenda: Agenda) -> None:
        self._world = world
        self._agenda = agenda
        self._table = world.table("fabric.operations", Operation)
        self._works: dict[str, tuple[Work, Work | None]] = {}
        agenda.on("operation", self._finish)

    def on(self, work: str, carry_out: Work, give_up: Work | None = None) -> None:
        """Say what this work does with its subject, returning the result, and what undoes its beginning."""
        self._works[work] = (carry_out, give_up)

    def begin(self, work: str, subject: object, *, about: str, has_result: bool = True) -> Operation:
        """An operation that is due later; `about` is the name that a fault may match."""
        fault = self._world.faults.claim("operation_failed", "fabric", work, about)
        doomed = Failure(fault.plan.code or FAILED.code, fault.plan.message or FAILED.message) if fault else None
        identifier = self._world.new_id()
        due = self._agenda.after(self._world.latency.lasts("fabric.operation"), "operation", identifier)
        operation = Operation(identifier, work, subject, self._world.now(), due, has_result, doomed=doomed)
        return self._table.put(identifier, operation)

    def get(self, operation_id: str) -> Operation:
        """The operation; refused when there is none with that id."""
        operation = self._table.get(operation_id)
        if operation is None:
            raise Refusal("OperationNotFound", "The requested operation was not found.")
        return operation

    def progress(self, operation: Operation) -> float:
        """How much of its time has passed, 0 to 1; 1 only once it is finished."""
        if operation.finished_at is not None:
            return 1.0
        whole = operation.due_at - operation.created_at
        return min(0.99, (self._world.now() - operation.created_at) / whole) if whole else 0.0

    def result(self, operation_id: str) -> Operation:
        """The operation, if it succeeded with a result."""
        operation = self.get(operation_id)
        if operation.failure is not None:
            raise Refusal(operation.failure.code, operation.failure.message)
        if operation.finished_at is None:
            raise Refusal("OperationNotCompleted", "The operation is not completed yet.")
        if not operation.has_result:
            raise Refusal("OperationHasNoResult", "The operation has no result.")
        return operation

    def _finish(self, operation_id: str) -> None:
        operation = self._table.get(operation_id)
        if operation is None:
            return
        carry_out, give_up = self._works[operation.work]
        result, failure = None, operation.doomed
        if failure is None:
            try:
                result = carry_out(operation.subject)
            except Refusal as refusal:
                failure = Failure(refusal.code, refusal.message)
        if failure is not None and give_up is not None:
            give_up(operation.subject)
        self._table.put(
            operation_id, replace(operation, subject=None, finished_at=operation.due_at, result=result, failure=failure)
        )
