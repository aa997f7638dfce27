"""Dagster's own way to start runs, which also tells whether a run's process is still there. `dagster.yaml` names it.

Without that, Dagster's monitoring never ends a run whose process went together with the code server that started it.
"""

import re

import dagster as dg
import psutil
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._core.launcher import DefaultRunLauncher
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._grpc.types import CanCancelExecutionRequest, CanCancelExecutionResult
from dagster._serdes import deserialize_value

PROCESS = re.compile(r"\(pid: (\d+)\)")
ASK_SECONDS = 10
CLOCKS_DIFFER = 2.0  # seconds between the kernel's idea of when a process began and what was logged of it
GONE = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "the run's process is gone")
RUNNING = CheckRunHealthResult(WorkerStatus.RUNNING)


class WatchedRunLauncher(DefaultRunLauncher):
    """DefaultRunLauncher, with an answer to the question that the monitoring daemon asks of every started run."""

    @property
    def supports_check_run_worker_health(self) -> bool:
        """Yes."""
        return True

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Gone, when neither the code server that started it knows its process nor this machine has it any more."""
        return RUNNING if self._is_known(run) or self._is_here(run) else GONE

    def _is_known(self, run: dg.DagsterRun) -> bool:
        client = self._get_grpc_client_for_termination(run.run_id)  # type: ignore[no-untyped-call]
        if client is None:
            return False
        try:
            told = client.can_cancel_execution(CanCancelExecutionRequest(run_id=run.run_id), timeout=ASK_SECONDS)
        except DagsterUserCodeUnreachableError as error:
            code = getattr(error.__cause__, "code", None)
            return code is None or code().name != "UNAVAILABLE"  # who is only slow gets the benefit of the doubt
        return deserialize_value(told, CanCancelExecutionResult).can_cancel

    def _is_here(self, run: dg.DagsterRun) -> bool:
        events = self._instance.all_logs(run.run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
        for event in events:
            if found := PROCESS.search(event.message or event.user_message):
                try:
                    began = psutil.Process(int(found[1])).create_time()
                except psutil.NoSuchProcess:
                    continue
                if began <= event.timestamp + CLOCKS_DIFFER:  # else the number belongs to another process by now
                    return True
        return False
