"""The errors of this product, a small family.

    ProvisioningError
    ├── RequestInvalid          the form has mistakes: every one of them, by field
    ├── CatalogInvalid          the catalog has mistakes: every one of them, with file and line
    ├── NoSuchTenant            no onboarding request made this tenant
    ├── LifecycleError          the organization may not make this move now
    ├── ChecksOutstanding       checks have yet to be carried out: worth another attempt
    ├── OwnershipConflict       a thing with this name exists and is not ours
    ├── SetupError              a setting or credential is missing or wrong; names it and says what to do
    │   └── DatabaseUnavailable the platform database is away, or its address is wrong: worth another attempt
    └── VendorError             a vendor said no or nothing: vendor, operation, status, code, request id
        ├── VendorUnavailable   worth another attempt; carries retry_after where the vendor gave one
        │   └── StillAtWork     it has begun and was not done by the deadline: worth a later attempt, not one at once
        └── VendorRejected      a rerun cannot change it

Texts are read by super admins and end up in the database and the Dagster UI: they name the thing, the vendor's reason and what
to do, and never hold a secret or personal data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


class ProvisioningError(Exception):
    """Anything this product refuses or fails to do, in words a person can act on."""


class RequestInvalid(ProvisioningError):
    """The onboarding request has mistakes; `errors` maps a field's path ("super_users.1.email") to its sentences."""

    def __init__(self, errors: Mapping[str, Sequence[str]]) -> None:
        self.errors = {field: tuple(sentences) for field, sentences in errors.items()}
        super().__init__("; ".join(f"{field}: {' '.join(said)}" for field, said in self.errors.items()))


@dataclass(frozen=True)
class CatalogMistake:
    """One mistake in the catalog and where it is; `line` counts from 1."""

    file: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class CatalogInvalid(ProvisioningError):
    """The catalog cannot be used; `mistakes` lists every one."""

    def __init__(self, mistakes: Sequence[CatalogMistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(map(str, mistakes)))


class NoSuchTenant(ProvisioningError):
    """No onboarding request made this tenant."""


class LifecycleError(ProvisioningError):
    """The organization may not make this move, or another run is already at work on it."""


class ChecksOutstanding(ProvisioningError):
    """Checks that have to pass first have not been carried out yet; nothing says that they would fail."""


class OwnershipConflict(ProvisioningError):
    """A thing with the name we need exists at a vendor and carries another owner's mark, or none."""


class SetupError(ProvisioningError):
    """A setting, a credential or a template is missing or wrong; the text names it and says what to do."""


class DatabaseUnavailable(SetupError):
    """The platform database cannot be reached, or a connection to it was lost: what was being done may be done again."""


class VendorError(ProvisioningError):
    """A vendor's answer, or its absence. `code` is the vendor's own; `request_id` is what its support asks for."""

    def __init__(
        self,
        vendor: str,
        operation: str,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
    ) -> None:
        self.vendor, self.operation, self.message = vendor, operation, message
        self.status, self.code, self.request_id = status, code, request_id
        facts = [f"HTTP {status}" if status else "", code or "", f"request {request_id}" if request_id else ""]
        told = ", ".join(fact for fact in facts if fact)
        super().__init__(f"{vendor}: {operation}: {message}" + (f" ({told})" if told else ""))


class VendorUnavailable(VendorError):
    """Another attempt can succeed: no answer, throttling, a server error. `retry_after` is in seconds, as the vendor said."""

    def __init__(
        self,
        vendor: str,
        operation: str,
        message: str,
        *,
        status: int | None = None,
        code: str | None = None,
        request_id: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(vendor, operation, message, status=status, code=code, request_id=request_id)
        self.retry_after = retry_after


class StillAtWork(VendorUnavailable):
    """What the vendor does in its own time was not done by our deadline; `message` holds the state it told last."""


class VendorRejected(VendorError):
    """The vendor understood and refused: only a change on one side or the other helps, not a rerun."""


def passes_in(error: BaseException) -> float | None:
    """In how many seconds another attempt may succeed, 0 where nobody knows; None when somebody has to change something first."""
    if isinstance(error, VendorUnavailable):
        return error.retry_after or 0.0
    return 0.0 if isinstance(error, ChecksOutstanding | DatabaseUnavailable) else None
