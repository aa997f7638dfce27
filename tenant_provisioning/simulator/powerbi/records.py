"""What Power BI remembers beside the workspaces and items that it shares with Fabric."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Import:
    """A file on its way to becoming a dataset and a report. `due_at` is when that is decided."""

    id: str
    workspace_id: str
    name: str
    created_at: float
    due_at: float
    state: str
    package: str | None
    conflict: str
    skip_report: bool
    owner_id: str
    override_report: bool = True
    override_model: bool = True
    folder_id: str | None = None
    doomed: tuple[str, str] | None = None
    updated_at: float = 0.0
    dataset_id: str | None = None
    report_id: str | None = None
    error: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Refresh:
    """One refresh of a dataset; `error` is a code and a sentence."""

    id: str
    dataset_id: str
    enhanced: bool
    kind: str
    started_at: float
    due_at: float
    status: str = "Unknown"
    finished_at: float | None = None
    error: tuple[str, str] | None = None
    doomed: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Profile:
    """A profile of a service principal, which has rights of its own."""

    id: str
    name: str
    owner_id: str


@dataclass(frozen=True, slots=True)
class Upload:
    """A temporary place for a large file; `signature` is what its address must carry."""

    id: str
    signature: str
    expires_at: float
    package: str | None = None
    blocks: Mapping[str, bytes] = field(default_factory=dict)
