"""Onboarding requests: the only way a tenant begins. What makes a form valid is `model.tenant`."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import psycopg
from psycopg.types.json import Jsonb

from tenant_provisioning.model.catalog import CATEGORIES
from tenant_provisioning.model.data_store import DataStoreKind, OwnDataStore
from tenant_provisioning.model.errors import LifecycleError, NoSuchTenant, RequestInvalid, SetupError
from tenant_provisioning.model.lifecycle import DeploymentStatus, wait_before_attempt
from tenant_provisioning.model.tenant import OnboardingForm, Organization, SuperUser, validate_form
from tenant_provisioning.store.catalog import read_providers
from tenant_provisioning.store.database import Connection, Database, acting
from tenant_provisioning.store.organizations import CONNECTION_COLUMN, organization_of
from tenant_provisioning.store.vault import Vault

WORK = "work"  # the channel on which the database tells that there is a new request or another attempt at one


@dataclass(frozen=True)
class Work:
    """An organization that is not finished, as the onboarding sensor needs it. `attempt` counts from 1.

    `selection` names the steps that the attempt is about; empty: everything that is left to do.
    """

    request_id: UUID
    organization_id: UUID
    subdomain: str
    attempt: int
    status: DeploymentStatus
    claimed_by_run: str | None
    providers: Mapping[str, str]
    selection: tuple[str, ...] = ()
    is_due_again: bool = False


async def submit(
    db: Database,
    raw: Any,
    *,
    requested_by: str,
    default_domain: str,
    offered: Collection[DataStoreKind] = (DataStoreKind.LAKEHOUSE,),
    vault: Vault | None = None,
    draft_id: UUID | None = None,
) -> Organization:
    """The new organization, or RequestInvalid with every mistake by field and no row written.

    `offered` are the kinds of data store that can be chosen. The connection string of a data store that the customer brings is
    encrypted by the `vault` here and now, and is no part of the request's row. Organization, request and subscription
    come into being together; the database writes the audit log's first row. Of a draft comes one
    organization, however often it is submitted.
    """
    async with acting(db, requested_by) as connection:
        # one at a time, so that two forms at once cannot both claim a name or an email
        await connection.execute("select pg_advisory_xact_lock(hashtext('tenant_provisioning.submit'))")
        if draft_id is not None and (made := await _made_of(connection, draft_id)):
            return made
        form = await _validated(connection, raw, default_domain, offered)
        try:
            organization = await _insert_organization(connection, form)
        except psycopg.errors.UniqueViolation:
            # only by somebody who does not come through here
            raise RequestInvalid(
                {"subdomain": [f"“{form.subdomain}” has just been taken by another organization. Choose another."]}
            ) from None
        await connection.execute(
            "insert into onboarding_requests (organization_id, form, requested_by) values (%s, %s, %s)",
            (organization.id, Jsonb(_to_json(form)), requested_by),
        )
        await connection.execute(
            "insert into subscriptions (organization_id, plan, status) values (%s, 'standard', 'pending')",
            (organization.id,),
        )
        if form.own_data_store is not None:
            await _seal_connection(connection, organization.id, form.own_data_store, vault)
        if draft_id is not None:
            # what was typed is in the request now, and a secret is nowhere else
            await connection.execute(
                "update onboarding_drafts set submitted_as = %s, fields = '{}', secrets = '{}' where id = %s",
                (organization.id, draft_id),
            )
        return organization


async def _seal_connection(
    connection: Connection, organization_id: UUID, own: OwnDataStore, vault: Vault | None
) -> None:
    if vault is None:
        raise SetupError("a connection string arrived where nothing can encrypt it: SECRETS_KEY has to be given here")
    sealed = vault.encrypt(own.connection_string, organization_id, CONNECTION_COLUMN)
    await connection.execute(
        "update organizations set data_store_connection = %s where id = %s", (sealed, organization_id)
    )


async def mistakes(
    db: Database, raw: Any, *, default_domain: str, offered: Collection[DataStoreKind]
) -> Mapping[str, Sequence[str]]:
    """What is wrong with a form that is not finished yet, by field; nothing is stored."""
    async with db.connection() as connection:
        try:
            await _validated(connection, raw, default_domain, offered)
        except RequestInvalid as invalid:
            return invalid.errors
    return {}


async def get_form(db: Database, organization_id: UUID) -> OnboardingForm:
    """The form with which the organization began; NoSuchTenant when it has none."""
    async with db.statement() as connection:
        rows = await connection.execute(
            "select form from onboarding_requests where organization_id = %s", (organization_id,)
        )
        row = await rows.fetchone()
    if row is None:
        raise _no_request(organization_id)
    return _from_json(row["form"])


async def retry(db: Database, organization_id: UUID, *, actor: str, selection: Sequence[str] = ()) -> int:
    """The number of the attempt that a person asks for: at these steps, or at all that is left.

    LifecycleError unless the organization has failed, so that of two who ask at once one does.
    """
    async with acting(db, actor, "retry") as connection:
        rows = await connection.execute(
            "select name, deployment_status, rollback_requested_at from organizations where id = %s for update",
            (organization_id,),
        )
        row = await rows.fetchone()
        if row is None:
            raise NoSuchTenant(f"there is no organization {organization_id}")
        if row["deployment_status"] != DeploymentStatus.FAILED:
            now = row["deployment_status"]
            raise LifecycleError(f"{row['name']} is {now}: only what has failed can be tried again")
        if row["rollback_requested_at"] is not None:
            raise LifecycleError(f"{row['name']} is to be rolled back: nothing is tried again")
        return await _next_attempt(connection, organization_id, actor, "retry", selection)


async def next_attempt(db: Database, organization_id: UUID, *, actor: str, reason: str) -> int:
    """The number of the attempt that this asks for, 2 being the first repetition; it is audited.

    An organization that has failed is provisioning again from here on. Its waits are counted anew.
    """
    async with acting(db, actor, reason) as connection:
        return await _next_attempt(connection, organization_id, actor, reason, ())


async def begin_due_attempt(db: Database, organization_id: UUID, *, actor: str, reason: str) -> int | None:
    """The number of the attempt whose time has come; None when somebody else has asked for one meanwhile."""
    async with acting(db, actor, reason) as connection:
        rows = await connection.execute(
            """select waits from organizations
               where id = %s and deployment_status = 'failed' and next_attempt_at <= now() for update""",
            (organization_id,),
        )
        row = await rows.fetchone()
        return await _next_attempt(connection, organization_id, actor, reason, (), waits=row["waits"]) if row else None


async def schedule_attempt(
    db: Database, organization_id: UUID, *, not_before: datetime, actor: str, reason: str
) -> datetime | None:
    """When the next attempt begins by itself, audited; None when it has waited often enough and a person has to look."""
    async with acting(db, actor, reason) as connection:
        rows = await connection.execute("select waits from organizations where id = %s for update", (organization_id,))
        row = await rows.fetchone()
        wait = wait_before_attempt(row["waits"]) if row else None
        rows = await connection.execute(
            """update organizations set next_attempt_at = greatest(now() + %s, %s), waits = waits + 1
               where id = %s and %s::interval is not null returning next_attempt_at, waits""",
            (wait, not_before, organization_id, wait),
        )
        due = await rows.fetchone()
        if due is None:
            await connection.execute(
                "update organizations set next_attempt_at = null where id = %s", (organization_id,)
            )
            return None
        at: datetime = due["next_attempt_at"]
        await connection.execute(
            """insert into audit_log (organization_id, actor, action, reason, details)
               values (%s, %s, 'attempt_scheduled', %s, %s)""",
            (organization_id, actor, reason, Jsonb({"at": at.isoformat(), "wait": due["waits"]})),
        )
        return at


async def list_work(db: Database) -> list[Work]:
    """Organizations that are requested, provisioning or failed, oldest first; not those that are to be rolled back."""
    async with db.statement() as connection:
        # the statuses as literals: only so does the planner see that the partial index fits
        rows = await connection.execute(
            """select request.id as request_id, organization.id as organization_id, subdomain, attempt,
                      deployment_status, claimed_by_run, selection, lms, english_maths, crm, hr,
                      coalesce(deployment_status = 'failed' and next_attempt_at <= now(), false) as is_due_again
               from organizations organization
               join onboarding_requests request on request.organization_id = organization.id
               where deployment_status in ('requested', 'provisioning', 'failed') and rollback_requested_at is null
               order by organization.created_at, organization.id"""
        )
        return [
            Work(
                request_id=row["request_id"],
                organization_id=row["organization_id"],
                subdomain=row["subdomain"],
                attempt=row["attempt"],
                status=DeploymentStatus(row["deployment_status"]),
                claimed_by_run=row["claimed_by_run"],
                providers={category: row[category] for category in CATEGORIES if row[category] is not None},
                selection=tuple(row["selection"] or ()),
                is_due_again=row["is_due_again"],
            )
            async for row in rows
        ]


async def _next_attempt(
    connection: Connection,
    organization_id: UUID,
    actor: str,
    reason: str,
    selection: Sequence[str],
    *,
    waits: int = 0,
) -> int:
    rows = await connection.execute(
        """update onboarding_requests set attempt = attempt + 1, selection = %s
           where organization_id = %s returning attempt""",
        (list(selection) or None, organization_id),
    )
    row = await rows.fetchone()
    if row is None:
        raise _no_request(organization_id)
    details = {"attempt": row["attempt"]} | ({"only": list(selection)} if selection else {})
    await connection.execute(
        """insert into audit_log (organization_id, actor, action, reason, details)
           values (%s, %s, 'attempt_requested', %s, %s)""",
        (organization_id, actor, reason, Jsonb(details)),
    )
    await connection.execute(
        "update organizations set deployment_status = 'provisioning', status_reason = null "
        "where id = %s and deployment_status = 'failed'",
        (organization_id,),
    )
    await connection.execute(
        "update organizations set next_attempt_at = null, waits = %s where id = %s", (waits, organization_id)
    )
    return int(row["attempt"])


def _no_request(organization_id: UUID) -> NoSuchTenant:
    return NoSuchTenant(f"organization {organization_id} has no onboarding request")


async def _made_of(connection: Connection, draft_id: UUID) -> Organization | None:
    rows = await connection.execute(
        """select organizations.* from onboarding_drafts join organizations on organizations.id = submitted_as
           where onboarding_drafts.id = %s""",
        (draft_id,),
    )
    row = await rows.fetchone()
    return organization_of(row) if row else None


class _Asked(set[str]):
    """Holds nothing, and remembers what it was asked for."""

    def __contains__(self, one: object) -> bool:
        self.add(str(one))
        return False


async def _validated(
    connection: Connection, raw: Any, default_domain: str, offered: Collection[DataStoreKind]
) -> OnboardingForm:
    """The form, or RequestInvalid; of all that is taken, the database is asked only for what this form wants."""
    providers, subdomains, emails = await read_providers(connection), _Asked(), _Asked()
    rest: dict[str, Any] = {"providers": providers, "default_domain": default_domain, "offered": offered}
    with suppress(RequestInvalid):
        validate_form(raw, taken_subdomains=subdomains, taken_emails=emails, **rest)
    taken = await _taken_subdomains(connection, subdomains)
    return validate_form(raw, taken_subdomains=taken, taken_emails=await _taken_emails(connection, emails), **rest)


async def _taken_subdomains(connection: Connection, wanted: Collection[str]) -> set[str]:
    rows = await connection.execute(
        "select subdomain from organizations where subdomain = any(%s) and deployment_status <> 'rolled_back'",
        (list(wanted),),
    )
    return {row["subdomain"] async for row in rows}


async def _taken_emails(connection: Connection, wanted: Collection[str]) -> set[str]:
    """Those of people who exist, and of people whom a form has named and who do not exist yet."""
    rows = await connection.execute(
        """select email from users join organizations on organizations.id = users.organization_id
           where email = any(%(wanted)s) and deployment_status <> 'rolled_back'
           union
           select email from unnest(%(wanted)s::text[]) email
           cross join lateral (
             select organization_id from onboarding_requests
             where form -> 'super_users' @> jsonb_build_array(jsonb_build_object('email', email))
           ) request join organizations on organizations.id = request.organization_id
           where deployment_status <> 'rolled_back'""",
        {"wanted": list(wanted)},
    )
    return {row["email"] async for row in rows}


async def _insert_organization(connection: Connection, form: OnboardingForm) -> Organization:
    rows = await connection.execute(
        """insert into organizations (name, subdomain, domain, lms, english_maths, crm, hr, data_store_kind)
           values (%s, %s, %s, %s, %s, %s, %s, %s) returning *""",
        (
            form.name,
            form.subdomain,
            form.domain,
            *(form.providers.get(category) for category in CATEGORIES),
            form.data_store,
        ),
    )
    row = await rows.fetchone()
    assert row is not None  # noqa: S101 - returning always returns
    return organization_of(row)


def _to_json(form: OnboardingForm) -> dict[str, Any]:
    # the shape in which it was submitted, so that it can be shown and checked again
    return {
        "name": form.name,
        "subdomain": form.subdomain,
        "domain": form.domain,
        **form.providers,
        "data_store": _told(form),
        "super_users": [asdict(person) for person in form.super_users],
    }


def _told(form: OnboardingForm) -> str | dict[str, str]:
    if form.own_data_store is None:
        return form.data_store
    return {"kind": form.data_store, "workspace_url": form.own_data_store.workspace_url}  # and never the secret


def _from_json(form: Mapping[str, Any]) -> OnboardingForm:
    told = form["data_store"]
    kind, own = (told["kind"], OwnDataStore(told["workspace_url"])) if isinstance(told, dict) else (told, None)
    return OnboardingForm(
        name=form["name"],
        subdomain=form["subdomain"],
        domain=form["domain"],
        providers={category: form[category] for category in CATEGORIES if category in form},
        data_store=DataStoreKind(kind),
        super_users=tuple(SuperUser(**person) for person in form["super_users"]),
        own_data_store=own,
    )
