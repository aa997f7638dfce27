"""How many requests a credential has left in the running minute."""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Allowance:
    """What the headers of an answer tell, and the wait in seconds when the request was one too many."""

    limit: int
    remaining: int
    reset: int
    wait: int | None

    def headers(self) -> dict[str, str]:
        """As GoDaddy sends them with every answer."""
        told = {"Limit": self.limit, "Remaining": self.remaining, "Reset": self.reset}
        return {f"RateLimit-{name}": str(value) for name, value in told.items()}


@dataclass
class RequestWindows:
    """One fixed window a credential; it begins with the first request in it."""

    _windows: dict[str, tuple[float, int]] = field(default_factory=dict)

    def take(self, credential: str, limit: int, *, now: float, length: float, enforced: bool) -> Allowance:
        """Count a request made now; one that is too many is not counted when the limit is enforced."""
        began, used = self._windows.get(credential, (now, 0))
        if now >= began + length:
            began, used = now, 0
        reset = max(1, math.ceil(began + length - now))
        if enforced and used >= limit:
            return Allowance(limit, 0, reset, reset)
        self._windows[credential] = began, used + 1
        return Allowance(limit, max(0, limit - used - 1), reset, None)
