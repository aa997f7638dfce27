"""Dagster's own Celery launcher, with two answers of its own. `deploy/celery/dagster.yaml` names it.

dagster-celery asks Celery's result backend whether a run is alive. A worker that was killed wrote "started" there and will never
write anything else, so its run would never end; and a Redis that has lost its data would end them all. Here the workers are asked,
who know. That a run is to be ended is noted first, as Dagster's other launchers do, or it would count as crashed and begin again.
"""

import time
import warnings
from collections.abc import Mapping
from typing import Any, Self

import dagster as dg
from dagster._core.launcher.base import CheckRunHealthResult, WorkerStatus
from dagster._serdes import ConfigurableClassData
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tags import DAGSTER_CELERY_TASK_ID_TAG

ANSWER_SECONDS = 1.0  # all workers are asked at once, and nobody knows how many there are: the wait is always this long
ASKED_JUST_NOW = 5.0  # seconds for which the answers serve all runs
RUNNING = CheckRunHealthResult(WorkerStatus.RUNNING)
GONE = CheckRunHealthResult(WorkerStatus.NOT_FOUND, "no worker has this run")

# dagster-celery defines its task anew for every run that it launches, and Celery keeps the first, which is the same
warnings.filterwarnings("ignore", message="Task name '(execute|resume)_job' is already registered")


class WatchedCeleryRunLauncher(CeleryRunLauncher):
    """CeleryRunLauncher; `silence_seconds` is how long no worker may say that it has a run before the run counts as lost.

    A worker says it within milliseconds, and takes up to half a minute to come back to a Redis that was away.
    """

    def __init__(self, silence_seconds: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._silence_seconds = silence_seconds
        self._asked_at = float("-inf")
        self._at_work = frozenset[str]()
        self._missing_since = dict[str, float]()

    @classmethod
    def config_type(cls) -> Any:
        """CeleryRunLauncher's, and `silence_seconds`."""
        silence = dg.Field(int, is_required=False, default_value=60)
        return {**super().config_type(), "silence_seconds": silence}  # type: ignore[dict-item]

    @classmethod
    def from_config_value(cls, inst_data: ConfigurableClassData, config_value: Mapping[str, Any]) -> Self:
        """The launcher that `dagster.yaml` describes."""
        return cls(inst_data=inst_data, **config_value)

    def check_run_worker_health(self, run: dg.DagsterRun) -> CheckRunHealthResult:
        """Gone, when for `silence_seconds` no worker has said that it has the run's task. Raises when Redis cannot be asked."""
        now = time.monotonic()
        at_work = self._tasks_at_work(now)
        if run.tags.get(DAGSTER_CELERY_TASK_ID_TAG) in at_work:
            self._missing_since.pop(run.run_id, None)
            return RUNNING
        if now - self._missing_since.setdefault(run.run_id, now) < self._silence_seconds:
            return RUNNING
        del self._missing_since[run.run_id]
        return GONE

    def terminate(self, run_id: str) -> bool:
        """Whether the worker has been told to end the run; False for one that has ended or never got as far as Celery."""
        run = self._instance.get_run_by_id(run_id)
        if run is None or run.is_finished or DAGSTER_CELERY_TASK_ID_TAG not in run.tags:
            return False
        self._instance.report_run_canceling(run)
        return super().terminate(run_id)

    def _tasks_at_work(self, now: float) -> frozenset[str]:
        """The ids of the tasks that the workers say they are at."""
        if now - self._asked_at > ASKED_JUST_NOW:
            answers = self.celery.control.inspect(timeout=ANSWER_SECONDS).active() or {}
            self._at_work = frozenset(task["id"] for tasks in answers.values() for task in tasks)
            self._asked_at = now
        return self._at_work
