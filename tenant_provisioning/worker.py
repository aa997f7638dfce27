"""The Celery application of a worker on a machine of its own: `celery -A tenant_provisioning.worker worker`. See docs/scale.md.

Broker, backend and settings are those of the launcher in DAGSTER_HOME's `dagster.yaml`, so that both sides agree. The tasks are
dagster-celery's. A worker loads the project before it divides into processes: a run then begins without loading anything, and the
processes share the memory.
"""

import os
import signal
from typing import Any

from celery import signals
from dagster import DagsterInvariantViolationError
from dagster._core.instance import InstanceRef
from dagster_celery.launcher import CeleryRunLauncher
from dagster_celery.tasks import create_execute_job_task, create_resume_job_task

from tenant_provisioning.loading import for_good


def _launcher() -> CeleryRunLauncher:
    """The launcher that the instance names; its storage is left alone, a connection must not be shared by processes."""
    launcher = InstanceRef.from_dir(os.environ["DAGSTER_HOME"]).run_launcher
    if not isinstance(launcher, CeleryRunLauncher):
        raise DagsterInvariantViolationError("DAGSTER_HOME holds a dagster.yaml without a Celery launcher.")
    return launcher


app = _launcher().celery
execute_job = create_execute_job_task(app)
resume_job = create_resume_job_task(app)


@signals.worker_init.connect  # type: ignore[untyped-decorator]
def load_the_project(**_: Any) -> None:
    """Everything a run needs is in memory, and the garbage collector leaves it alone, so that it stays shared."""
    with for_good():
        from tenant_provisioning.definitions import defs

        defs.get_all_jobs()


@signals.task_prerun.connect  # type: ignore[untyped-decorator]
@signals.task_postrun.connect  # type: ignore[untyped-decorator]
def let_it_be_ended(**_: Any) -> None:
    """SIGTERM ends this process, until and after a run handles it by itself: Dagster leaves it ignored where SIGINT is, as here."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
