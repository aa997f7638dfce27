"""Every setting of the product, read from the environment, `.env`, and what `tenant-provisioning up` wrote for its own children.

The vendors' addresses default to the real vendors. No setting is named anywhere else; `.env.example` lists them all.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from functools import cached_property
from pathlib import Path
from typing import Literal
from uuid import UUID

from pydantic import Field, PrivateAttr, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tenant_provisioning.model.call_budget import HOUR, CallBudget
from tenant_provisioning.model.data_store import DataStoreKind
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.model.qa import MANUAL_ITEMS


def data_dir() -> Path:
    """Where the embedded default keeps its database, certificates and logs; DATA_DIR moves it."""
    return Path(os.environ.get("DATA_DIR", ".data")).absolute()


# what has to be set before a kind of data store can be offered
NEEDS = {
    DataStoreKind.FABRIC_SQL_DATABASE: ("data_store_dacpac_path",),
    DataStoreKind.AZURE_SQL_DATABASE: ("azure_sql_server_id", "azure_sql_template_database"),
}


class CatalogSettings(BaseSettings):
    """Where the catalog lies: all that is needed to draw the graph of assets, before any credential is set."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    catalog_path: Path = Path(".data/catalog")


@dataclass(frozen=True)
class SecretOrigin:
    """Where a secret comes from that a setting refers to, and what its keeper knows of it."""

    provider: str
    name: str
    created_on: datetime | None = None
    expires_on: datetime | None = None

    def __str__(self) -> str:
        return f"{self.provider}:{self.name}"


class Settings(CatalogSettings):
    """One object for cli, Dagster and portal. Build it with `load_settings`, which explains what is missing."""

    # the platform
    platform_name: str = "Training Platform"
    platform_domain: str = "yourplatform.com"
    database_url: SecretStr = Field(description="PostgreSQL of the platform: postgresql://…")
    dagster_url: str = Field(
        default="", description="where people reach the Dagster UI; empty: the portal links no run"
    )
    secrets_key: SecretStr = Field(
        description="key id and base64 of 32 bytes, as in k1:…; encrypts tenant secrets; older keys behind it, by commas"
    )
    portal_url: str = Field(
        default="http://127.0.0.1:8400",
        description="where a browser reaches the portal; https behind a proxy that ends it",
    )
    required_manual_items: str = Field(
        default="reports_load,signed_in_as_super_user,subdomain_opens",
        description="what a person must tick before an approval, comma separated; empty requires nothing",
    )
    require_second_approver: bool = Field(default=False, description="who submitted the request may not approve it")

    # Microsoft Entra, Fabric, Power BI
    entra_authority_url: str = "https://login.microsoftonline.com"
    entra_tenant_id: str
    entra_client_id: str
    entra_client_secret: SecretStr | None = None
    entra_client_secret_expires_on: date | None = Field(
        default=None, description="as Entra says it, so that doctor can warn in time: Entra does not tell the client"
    )
    entra_client_certificate: SecretStr | None = Field(default=None, description="certificate and private key as PEM")
    entra_client_certificate_path: Path | None = Field(default=None, description="the same in a file")
    entra_client_certificate_password: SecretStr | None = Field(default=None, description="opens the private key")
    fabric_api_url: str = "https://api.fabric.microsoft.com/v1"
    powerbi_api_url: str = "https://api.powerbi.com/v1.0/myorg"
    powerbi_app_url: str = "https://app.powerbi.com"
    fabric_app_url: str = "https://app.fabric.microsoft.com"
    fabric_capacity_id: UUID
    template_workspace_id: UUID
    template_dataset_id: UUID
    template_notebook_id: UUID = Field(description="the notebook that makes a data store's tables")
    data_store_tables: str = Field(
        default="tenant,learners,courses,enrolments,assessments,attendance",
        description="what the notebook makes, comma separated",
    )
    connection_client_secret: SecretStr | None = Field(
        default=None, description="the secret datasets read with, when the client itself signs in with a certificate"
    )

    # data stores and the dataset over them
    data_store_schema_path: Path | None = Field(
        default=None, description="T-SQL that makes a warehouse's tables; empty takes the product's own"
    )
    data_store_dacpac_path: Path | None = Field(default=None, description="the schema of a Fabric SQL database")
    arm_api_url: str = "https://management.azure.com"
    azure_sql_server_id: str = Field(
        default="",
        pattern=r"^$|^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/Microsoft\.Sql/servers/[^/]+$",
        description="the resource id of the Azure SQL server: /subscriptions/…/providers/Microsoft.Sql/servers/…",
    )
    azure_sql_template_database: str = Field(
        default="", description="what tenants' Azure SQL databases are copied from"
    )
    azure_sql_elastic_pool: str = ""
    sql_gateway: str = Field(
        default="",
        pattern=r"^$|^[^:/]+:\d{1,5}$",
        description="host:port to reach every data store's SQL through, if not its own",
    )
    data_store_kinds: str = Field(
        default="lakehouse", validate_default=True, description="the kinds a customer can choose, comma separated"
    )
    dataset_source: Literal["workspace", "folder", "pbix"] = Field(
        default="workspace", description="what datasets are made from: TEMPLATE_DATASET_ID, or DATASET_TEMPLATE_PATH"
    )
    dataset_template_path: Path | None = Field(default=None, description="a folder with a TMDL definition, or a .pbix")
    dataset_server_parameter: str = Field(default="Server", description="of the .pbix: the parameter for the server")
    dataset_database_parameter: str = "Database"
    workspace_budget: int = Field(
        default=1_000, ge=1, description="workspaces a service principal may hold; Microsoft allows 1,000"
    )
    powerbi_profiles: bool = Field(
        default=False, description="a service principal profile for each tenant, which sees that tenant's reports alone"
    )

    # where secrets lie, and when they are old
    key_vault_url: str = Field(default="", description="https://NAME.vault.azure.net, for settings as keyvault:SECRET")
    expiry_warning_days: int = Field(default=30, ge=0, description="days before an expiry from which doctor warns")
    secret_age_warning_days: int = Field(default=365, ge=1, description="days after which a secret or key is old")

    # GoDaddy, Vercel, DNS
    godaddy_api_url: str = "https://api.godaddy.com"
    godaddy_api_key: SecretStr
    godaddy_api_secret: SecretStr
    dns_ttl: int = Field(default=600, ge=600, description="seconds; GoDaddy takes no less than 600")
    dns_nameservers: str = Field(
        default="", description="address:port, comma separated; empty asks the system's resolver"
    )
    vercel_api_url: str = "https://api.vercel.com"
    vercel_token: SecretStr
    vercel_project: str
    vercel_team_id: str = ""

    # Supabase
    supabase_url: str
    supabase_service_role_key: SecretStr
    supabase_anon_key: SecretStr

    # mail
    smtp_host: str
    smtp_port: int = 587
    smtp_username: str = ""
    smtp_password: SecretStr = SecretStr("")
    smtp_starttls: bool = True
    mail_from: str = "Training Platform <welcome@yourplatform.com>"

    # how vendors are called
    tls_ca_file: Path | None = Field(default=None, description="an extra CA to trust, as a PEM file")
    call_timeout: float = Field(default=30, gt=0, description="seconds for one HTTP call")
    call_attempts: int = Field(default=6, ge=1, description="attempts for one call, the first included")
    godaddy_calls_per_minute: int = Field(
        default=60, ge=0, description="what GoDaddy takes from one credential; 0: nobody counts"
    )
    vercel_domains_per_hour: int = Field(default=100, ge=0, description="what Vercel lets a team add, and take away")
    fabric_calls_per_minute: int = Field(
        default=200, ge=0, description="to each of Fabric's APIs; Microsoft publishes no number"
    )
    powerbi_queries_per_minute: int = Field(default=120, ge=0, description="what Power BI takes from one caller")
    mails_per_minute: int = Field(default=30, ge=0, description="what Exchange Online takes from one sender")
    event_log_days: int = Field(
        default=90, ge=1, description="days after which Dagster forgets what a run went through step by step"
    )
    sensor_wait: float = Field(default=4, ge=0, description="seconds a look for new requests stays to hear of one")
    step_retries: int = Field(
        default=2, ge=0, description="times a step is tried again in its run when a vendor was away"
    )
    step_retry_wait: float = Field(default=10, ge=0, description="seconds before that, unless the vendor asks for more")
    operation_deadline: float = Field(
        default=900, gt=0, description="seconds to wait for a long-running operation or an import"
    )
    clone_concurrency: int = Field(default=8, ge=1)
    import_concurrency: int = Field(
        default=4, ge=1, description="Power BI publishes no limit; four is known to be safe"
    )

    # of each setting that was a reference: what it said, and when its keeper lets the secret end and made it
    _origins: dict[str, SecretOrigin] = PrivateAttr(default_factory=dict)

    @field_validator("required_manual_items")
    @classmethod
    def _known_items(cls, given: str) -> str:
        unknown = sorted(set(_listed(given)) - MANUAL_ITEMS.keys())
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no item of the checklist; known are {', '.join(MANUAL_ITEMS)}")
        return given

    @field_validator("data_store_kinds")
    @classmethod
    def _kinds_with_their_templates(cls, given: str, others: ValidationInfo) -> str:
        kinds = _listed(given)
        unknown = sorted(set(kinds) - set(DataStoreKind))
        if unknown or not kinds:
            raise ValueError(f"it names {', '.join(unknown) or 'nothing'}; known are {', '.join(DataStoreKind)}")
        for kind in kinds:
            for needed in NEEDS.get(DataStoreKind(kind), ()):
                if not others.data.get(needed):
                    raise ValueError(f"{kind} can only be offered with {needed.upper()}")
        return given

    @property
    def offered_data_stores(self) -> tuple[DataStoreKind, ...]:
        """The kinds of data store that can be chosen; the first is taken where a request names none."""
        return tuple(DataStoreKind(kind) for kind in _listed(self.data_store_kinds))

    @cached_property
    def sql_address(self) -> tuple[str, int] | None:
        """Where every data store's SQL is reached, None for each at its own address."""
        host, _, port = self.sql_gateway.rpartition(":")
        return (host, int(port)) if host else None

    @property
    def secret_origins(self) -> Mapping[str, "SecretOrigin"]:
        """Where the secrets come from that were given by reference, by setting."""
        return self._origins

    def resolved(self, *, from_vault: bool = True) -> "Settings":
        """The same with the secrets in place of the references to them; SetupError naming setting and secret.

        Without `from_vault` what lies in the key vault stays a reference.
        """
        from tenant_provisioning.credentials import ENVIRONMENT, KEY_VAULT, resolve

        settings = self
        # in this order: what opens the vault may come from the environment
        for provider in (ENVIRONMENT, KEY_VAULT) if from_vault else (ENVIRONMENT,):
            if secrets := resolve(settings, provider):
                origins = {
                    name: SecretOrigin(provider, found.name, found.created_on, found.expires_on)
                    for name, found in secrets.items()
                }
                known = settings._origins
                settings = settings.model_copy(update={name: SecretStr(found.value) for name, found in secrets.items()})
                settings._origins = {**known, **origins}
        return settings

    @property
    def required_items(self) -> tuple[str, ...]:
        """The items of the checklist that a person must tick before an approval, in the checklist's order."""
        return tuple(item for item in MANUAL_ITEMS if item in _listed(self.required_manual_items))

    @property
    def table_names(self) -> tuple[str, ...]:
        """The tables every data store has."""
        return _listed(self.data_store_tables)

    @property
    def connection_secret(self) -> SecretStr:
        """The client secret that datasets read their data store with; SetupError when there is none."""
        secret = self.connection_client_secret or self.entra_client_secret
        if secret is None:
            raise SetupError(
                "settings: CONNECTION_CLIENT_SECRET is not set: a dataset's connection needs a client secret, not a certificate"
            )
        return secret

    @property
    def call_budgets(self) -> Mapping[str, CallBudget]:
        """What the vendors take from us, by the kind of bucket."""
        key, mailbox = self.godaddy_api_key.get_secret_value(), f"{self.smtp_username}@{self.smtp_host}"
        team = self.vercel_team_id or self.vercel_token.get_secret_value()
        return {
            "godaddy": CallBudget(self.godaddy_calls_per_minute, _fingerprint(key)),
            "vercel_domains": CallBudget(self.vercel_domains_per_hour, _fingerprint(team), HOUR),
            "fabric": CallBudget(self.fabric_calls_per_minute, self.entra_client_id),
            "powerbi_queries": CallBudget(self.powerbi_queries_per_minute, self.entra_client_id),
            "mail": CallBudget(self.mails_per_minute, _fingerprint(mailbox)),
        }

    @cached_property
    def nameservers(self) -> tuple[tuple[str, int], ...]:
        """DNS servers to ask, as (address, port); none means the system's resolver."""
        pairs = (entry.strip().rpartition(":") for entry in self.dns_nameservers.split(",") if entry.strip())
        return tuple((address, int(port)) for address, _, port in pairs)


def load_settings(*, from_vault: bool = True) -> Settings:
    """The settings, or SetupError naming each variable that is missing or wrong.

    The environment wins over `.env`, which wins over the file of a running embedded stack. Secrets that are given by
    reference are in place, those in the key vault unless told otherwise.
    """
    try:
        settings = Settings(_env_file=_files())
    except ValidationError as mistakes:
        raise SetupError(_explain(mistakes)) from None
    return settings.resolved(from_vault=from_vault)


def catalog_path() -> Path:
    """Where the catalog lies, by CATALOG_PATH or its default."""
    return CatalogSettings(_env_file=_files()).catalog_path


def _fingerprint(text: str) -> str:
    """Tells accounts apart without naming them."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _files() -> tuple[Path, ...]:
    return (data_dir() / "up.env", Path(".env"))


def _explain(mistakes: ValidationError) -> str:
    told = []
    for mistake in mistakes.errors(include_input=False, include_url=False):
        name = str(mistake["loc"][0]).upper()
        told.append(f"{name} is not set" if mistake["type"] == "missing" else f"{name}: {mistake['msg']}")
    return (
        f"settings: {'; '.join(told)}. Set them in the environment or in .env (see .env.example), "
        "or start the embedded default with `tenant-provisioning up`."
    )
