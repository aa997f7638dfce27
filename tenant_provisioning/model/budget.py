"""The budget of workspaces: Microsoft lets one service principal hold 1,000, and every tenant takes two."""

from dataclasses import dataclass

WORKSPACES_PER_TENANT = 2
NEARLY = 0.9


@dataclass(frozen=True)
class WorkspaceBudget:
    """How many workspaces the service principal holds, the template's and others' included, and how many it may."""

    held: int
    limit: int

    @property
    def left(self) -> int:
        """Workspaces that may still be made."""
        return max(0, self.limit - self.held)

    @property
    def tenants_left(self) -> int:
        """Tenants that may still be onboarded."""
        return self.left // WORKSPACES_PER_TENANT

    @property
    def is_nearly_spent(self) -> bool:
        """Whether it is time to think about it."""
        return self.held >= NEARLY * self.limit

    def __str__(self) -> str:
        return f"{self.held:,} of {self.limit:,} workspaces"
