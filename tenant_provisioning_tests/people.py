"""The cast: who comes to the portal. Each has an id in Supabase Auth and the `app_metadata` that says what they are."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

PASSWORD = "correct horse battery staple"


@dataclass(frozen=True)
class Person:
    """Somebody with an account, or without one."""

    email: str
    user_id: UUID
    app_metadata: dict[str, Any] = field(default_factory=dict)


SAM = Person("sam@yourplatform.com", UUID(int=1), {"role": "platform_admin"})  # a super admin
KIM = Person("kim@yourplatform.com", UUID(int=2), {"role": "platform_admin"})  # another one
ADA = Person(
    "ada@acme.example", UUID(int=3), {"role": "super_user", "organization_id": str(UUID(int=9))}
)  # a customer's
EVERYBODY = (SAM, KIM, ADA)
