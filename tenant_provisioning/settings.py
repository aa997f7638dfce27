"""Every setting of the product, read from the environment, `.env`, and what `tenant-provisioning up` wrote for its own children.

The vendors' addresses default to the real vendors. No setting is named anywhere else; `.env.example` lists them all.
"""

import os
from functools import cached_property
from pathlib import Path
from uuid import UUID

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.model.qa import MANUAL_ITEMS


def data_dir() -> Path:
    """Where the embedded default keeps its database, certificates and logs; DATA_DIR moves it."""
    return Path(os.environ.get("DATA_DIR", ".data")).absolute()


class CatalogSettings(BaseSettings):
    """Where the catalog lies: all that is needed to draw the graph of assets, before any credential is set."""

    model_config = SettingsConfigDict(extra="ignore", frozen=True)

    catalog_path: Path = Path(".data/catalog")


class Settings(CatalogSettings):
    """One object for cli, Dagster and portal. Build it with `load_settings`, which explains what is missing."""

    # the platform
    platform_name: str = "Training Platform"
    platform_domain: str = "yourplatform.com"
    database_url: SecretStr = Field(description="PostgreSQL of the platform: postgresql://…")
    dagster_url: str = Field(default="", description="where people reach the Dagster UI; empty: the portal links no run")
    secrets_key: SecretStr = Field(description="key id and base64 of 32 bytes, as in k1:…; encrypts tenant secrets")
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
    entra_client_certificate_path: Path | None = None
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

    @field_validator("required_manual_items")
    @classmethod
    def _known_items(cls, given: str) -> str:
        unknown = sorted(set(_listed(given)) - MANUAL_ITEMS.keys())
        if unknown:
            raise ValueError(f"{', '.join(unknown)} is no item of the checklist; known are {', '.join(MANUAL_ITEMS)}")
        return given

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

    @cached_property
    def nameservers(self) -> tuple[tuple[str, int], ...]:
        """DNS servers to ask, as (address, port); none means the system's resolver."""
        pairs = (entry.strip().rpartition(":") for entry in self.dns_nameservers.split(",") if entry.strip())
        return tuple((address, int(port)) for address, _, port in pairs)


def load_settings() -> Settings:
    """The settings, or SetupError naming each variable that is missing or wrong.

    The environment wins over `.env`, which wins over the file of a running embedded stack.
    """
    try:
        return Settings(_env_file=_files())
    except ValidationError as mistakes:
        raise SetupError(_explain(mistakes)) from None


def catalog_path() -> Path:
    """Where the catalog lies, by CATALOG_PATH or its default."""
    return CatalogSettings(_env_file=_files()).catalog_path


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
