"""What every step is given: the organization, the form, the settings, the database and the vendors' clients.

A context lives within one step. The connections in it may be the run's: see `steps.connections`.
"""

import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import TypedDict

from tenant_provisioning.credentials import entra_tokens
from tenant_provisioning.model.errors import NoSuchTenant, VendorError
from tenant_provisioning.model.lifecycle import DeploymentStatus as S
from tenant_provisioning.model.naming import host_name, owner_mark
from tenant_provisioning.model.tenant import OnboardingForm, Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps.connections import Shared
from tenant_provisioning.store import organizations, requests
from tenant_provisioning.store.call_budgets import CallBudgets
from tenant_provisioning.store.database import Database, open_database
from tenant_provisioning.store.vault import Vault
from tenant_provisioning.store.vendor_incidents import record_incidents
from tenant_provisioning.vendors import incidents
from tenant_provisioning.vendors._http import trust
from tenant_provisioning.vendors.admission import Admission
from tenant_provisioning.vendors.azure_sql import AzureSql
from tenant_provisioning.vendors.dns import Resolver
from tenant_provisioning.vendors.fabric import Fabric
from tenant_provisioning.vendors.godaddy import GoDaddy
from tenant_provisioning.vendors.mail import Mailer
from tenant_provisioning.vendors.microsoft import EntraTokens
from tenant_provisioning.vendors.powerbi import PowerBI
from tenant_provisioning.vendors.sql import Sql
from tenant_provisioning.vendors.supabase import SupabaseAuth
from tenant_provisioning.vendors.vercel import Vercel

MAKING = (S.REQUESTED, S.PROVISIONING, S.FAILED)
SOMEBODY_WAITS = (*MAKING, S.PENDING_QA)
MOST_CONNECTIONS = 4  # to the database, for all that a run does at the same time


@dataclass(frozen=True)
class Vendors:
    """The clients of every vendor, open for the length of one step."""

    fabric: Fabric
    powerbi: PowerBI
    godaddy: GoDaddy
    vercel: Vercel
    supabase: SupabaseAuth
    azure_sql: AzureSql
    sql: Sql
    resolver: Resolver
    mailer: Mailer


@dataclass(frozen=True)
class StepContext:
    """Everything one step of one tenant needs. `run_id` names who is at work, in the ledger and the audit log."""

    organization: Organization
    form: OnboardingForm
    settings: Settings
    db: Database
    vault: Vault
    vendors: Vendors
    run_id: str

    @property
    def tokens(self) -> EntraTokens:
        """The service principal's tokens, which say who it is."""
        return entra_tokens(self.settings)

    @property
    def host(self) -> str:
        """The tenant's address, such as acme.yourplatform.com."""
        return host_name(self.organization.subdomain, self.organization.domain)

    @property
    def mark(self) -> str:
        """Our owner mark for this organization."""
        return owner_mark(self.organization.id)


@dataclass(frozen=True)
class StepResult:
    """What a step reports: facts and links that open the thing at the vendor. No secret and no personal data."""

    facts: Mapping[str, str | int | float] = field(default_factory=dict)
    links: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Connections:
    """The ways to the database and to the vendors, and what was found there that no step changes."""

    db: Database
    vendors: Vendors
    form: OnboardingForm


@asynccontextmanager
async def open_context(
    settings: Settings, subdomain: str, run_id: str, shared: Shared[Connections] | None = None
) -> AsyncIterator[StepContext]:
    """The context of one step for the tenant with this subdomain, with the connections that its run has in `shared`.

    Raises NoSuchTenant when no onboarding request made this tenant, SetupError when a setting is unusable.
    """
    shared = shared or Shared()
    async with shared.borrow(run_id, lambda: _open_connections(settings, subdomain)) as connections:
        db, seen = connections.db, list[VendorError]()
        organization = await _find(db, subdomain)
        vault = Vault(settings.secrets_key.get_secret_value())
        try:
            with incidents.heard_by(seen.append):
                yield StepContext(organization, connections.form, settings, db, vault, connections.vendors, run_id)
        finally:
            await record_incidents(db, seen)


@asynccontextmanager
async def _open_connections(settings: Settings, subdomain: str) -> AsyncIterator[Connections]:
    async with open_database(settings.database_url.get_secret_value(), max_size=MOST_CONNECTIONS) as db:
        organization = await _find(db, subdomain)
        form = await requests.get_form(db, organization.id)
        async with open_vendors(settings, gate_of(organization, settings, db)) as vendors:
            yield Connections(db, vendors, form)


async def _find(db: Database, subdomain: str) -> Organization:
    organization = await organizations.find_by_subdomain(db, subdomain)
    if organization is None:
        raise NoSuchTenant(
            f"no onboarding request names the subdomain “{subdomain}”: a tenant begins with a request, "
            "so submit one in the portal or with `tenant-provisioning onboard FILE.json`"
        )
    return organization


def gate_of(organization: Organization, settings: Settings, db: Database) -> CallBudgets:
    """Where this organization's calls wait for their turn; those of onboarding, which somebody waits for, pass the others."""
    return CallBudgets(
        db,
        settings.call_budgets,
        organization.id,
        urgent=organization.status in SOMEBODY_WAITS,
        counted=organization.status in MAKING,
    )


@asynccontextmanager
async def open_vendors(settings: Settings, admission: Admission | None = None) -> AsyncIterator[Vendors]:
    """The clients of every vendor as the settings describe them. Opening sends nothing: each connects at its first call.

    Without `admission` nobody counts the calls: that is for doctor, who makes a few and has to work without a database too.
    """
    tls = trust(settings.tls_ca_file)
    calls: Calls = {"verify": tls, "timeout": settings.call_timeout, "attempts": settings.call_attempts}
    tokens = entra_tokens(settings)
    async with AsyncExitStack() as stack:
        yield Vendors(
            fabric=await stack.enter_async_context(
                Fabric(settings.fabric_api_url, tokens, admission=admission, **calls)
            ),
            powerbi=await stack.enter_async_context(
                PowerBI(settings.powerbi_api_url, tokens, admission=admission, **calls)
            ),
            godaddy=await stack.enter_async_context(
                GoDaddy(
                    settings.godaddy_api_url,
                    settings.godaddy_api_key.get_secret_value(),
                    settings.godaddy_api_secret.get_secret_value(),
                    admission=admission,
                    **calls,
                )
            ),
            vercel=await stack.enter_async_context(
                Vercel(
                    settings.vercel_api_url,
                    settings.vercel_token.get_secret_value(),
                    team_id=settings.vercel_team_id,
                    admission=admission,
                    **calls,
                )
            ),
            supabase=await stack.enter_async_context(
                SupabaseAuth(
                    settings.supabase_url,
                    settings.supabase_service_role_key.get_secret_value(),
                    settings.supabase_anon_key.get_secret_value(),
                    **calls,
                )
            ),
            azure_sql=await stack.enter_async_context(AzureSql(settings.arm_api_url, tokens, **calls)),
            sql=Sql(
                tokens,
                ca_file=settings.tls_ca_file,
                timeout=settings.call_timeout,
                gateway=settings.sql_address,
            ),
            resolver=Resolver(settings.nameservers),
            mailer=Mailer(
                settings.smtp_host,
                settings.smtp_port,
                sender=settings.mail_from,
                username=settings.smtp_username,
                password=settings.smtp_password.get_secret_value(),
                starttls=settings.smtp_starttls,
                implicit_tls=settings.smtp_port == 465,
                tls=tls,
                timeout=settings.call_timeout,
                admission=admission,
            ),
        )


class Calls(TypedDict):
    """How every vendor is called."""

    verify: ssl.SSLContext
    timeout: float
    attempts: int
