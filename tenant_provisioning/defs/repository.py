"""The project as Dagster asks for it: every run is a part of a job, and customers are alike."""

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from functools import lru_cache

import dagster as dg

KEPT_PARTS = 32  # of 1.2 MB each: sets of providers, and retries of single reports, that are usual at a time


class Project(dg.RepositoryDefinition):
    """A repository that keeps the last parts of its jobs.

    Dagster picks a run's assets out of the job's 400 wherever it meets the run: twice before it is created, and in its process.
    Which assets they are depends on the selection alone, so whoever outlives a run, code server and warm workers, picks once.
    """

    def __init__(self, whole: dg.RepositoryDefinition) -> None:
        super().__init__(
            whole.name,
            repository_data=whole._repository_data,
            description=whole.description,
            metadata=whole.metadata,
            repository_load_data=whole.repository_load_data,
        )
        self._part = lru_cache(KEPT_PARTS)(self._pick)

    def get_maybe_subset_job_def(
        self,
        job_name: str,
        op_selection: Iterable[str] | None = None,
        asset_selection: AbstractSet[dg.AssetKey] | None = None,
        asset_check_selection: AbstractSet[dg.AssetCheckKey] | None = None,
    ) -> dg.JobDefinition:
        """The job, or the part of it that is selected."""
        selections = (op_selection, asset_selection, asset_check_selection)
        return self._part(job_name, *(None if one is None else frozenset(one) for one in selections))

    def _pick(
        self,
        job_name: str,
        ops: frozenset[str] | None,
        assets: frozenset[dg.AssetKey] | None,
        checks: frozenset[dg.AssetCheckKey] | None,
    ) -> dg.JobDefinition:
        part: dg.JobDefinition = super().get_maybe_subset_job_def(job_name, ops, assets, checks)
        return part
