"""The people of an organization, as the platform's app knows them. Their sign-in is Supabase's: `vendors.supabase`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenant_provisioning.model.errors import OwnershipConflict
from tenant_provisioning.model.tenant import SuperUser
from tenant_provisioning.store.database import Database


@dataclass(frozen=True)
class User:
    """A row of `users`; `id` is also the id in Supabase Auth, `role` a key of `roles`."""

    id: UUID
    email: str
    first_name: str
    last_name: str
    role: str
    created_at: datetime


async def save_user(
    db: Database, organization_id: UUID, user_id: UUID, person: SuperUser, role: str = "super_user"
) -> None:
    """Make the user's row or bring it up to date; OwnershipConflict when the id is a user of another organization."""
    async with db.statement() as connection:
        saved = await connection.execute(
            """insert into users (id, organization_id, email, first_name, last_name, role_key)
               values (%s, %s, %s, %s, %s, %s)
               on conflict (id) do update set
                 email = excluded.email, first_name = excluded.first_name, last_name = excluded.last_name,
                 role_key = excluded.role_key
               where users.organization_id = excluded.organization_id""",
            (user_id, organization_id, person.email, person.first_name, person.last_name, role),
        )
        if saved.rowcount == 0:
            raise OwnershipConflict(f"the user {user_id} belongs to another organization")


async def delete_user(db: Database, organization_id: UUID, user_id: UUID) -> None:
    """Remove the user's row; quiet when there is none."""
    async with db.statement() as connection:
        await connection.execute("delete from users where organization_id = %s and id = %s", (organization_id, user_id))


async def list_users(db: Database, organization_id: UUID) -> list[User]:
    """The organization's users by email."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select id, email, first_name, last_name, role_key as role, created_at from users
               where organization_id = %s order by email""",
            (organization_id,),
        )
        return [User(**row) async for row in rows]
