"""What the embedded parts tell their children: every setting of the product, pointing at this computer.

The credentials are those of the simulated world and open nothing anywhere else. What a setting means is in `settings`.
"""

import base64
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from tenant_provisioning.embedded.kept import kept_secret, write_private
from tenant_provisioning.embedded.ports import LOOPBACK, Ports
from tenant_provisioning.embedded.postgres import EmbeddedPostgres
from tenant_provisioning.embedded.templates import dacpac_path, write_dacpac
from tenant_provisioning.settings import Settings

SIMULATED_WORLD = {
    "PLATFORM_DOMAIN": "yourplatform.com",
    "ENTRA_TENANT_ID": "11111111-1111-4111-8111-111111111111",
    "ENTRA_CLIENT_ID": "22222222-2222-4222-8222-222222222222",
    "ENTRA_CLIENT_SECRET": "simulated-client-secret",
    "FABRIC_CAPACITY_ID": "33333333-3333-4333-8333-333333333333",
    "TEMPLATE_WORKSPACE_ID": "44444444-4444-4444-8444-444444444444",
    "TEMPLATE_DATASET_ID": "55555555-5555-4555-8555-555555555555",
    "TEMPLATE_NOTEBOOK_ID": "66666666-6666-4666-8666-666666666666",
    "AZURE_SQL_SERVER_ID": "/subscriptions/88888888-8888-4888-8888-888888888888/resourceGroups/training-platform"
    "/providers/Microsoft.Sql/servers/training-platform-sql",
    "AZURE_SQL_TEMPLATE_DATABASE": "template",
    "DATA_STORE_KINDS": "lakehouse,warehouse,fabric_sql_database,azure_sql_database,bring_your_own",
    "GODADDY_API_KEY": "simulated-key",
    "GODADDY_API_SECRET": "simulated-godaddy-secret",
    "VERCEL_TOKEN": "simulated-vercel-token",
    "VERCEL_PROJECT": "training-platform",
    "SUPABASE_SERVICE_ROLE_KEY": "simulated-service-role-key",
    "SUPABASE_ANON_KEY": "simulated-anon-key",
}
# how vendors are called and what a mail says stay a person's choice, whoever the vendors are
KEPT_CHOICES = {
    "PLATFORM_NAME",
    "MAIL_FROM",
    "REQUIRED_MANUAL_ITEMS",
    "REQUIRE_SECOND_APPROVER",
    "DNS_TTL",
    "CALL_TIMEOUT",
    "CALL_ATTEMPTS",
    "OPERATION_DEADLINE",
    "CLONE_CONCURRENCY",
    "IMPORT_CONCURRENCY",
    "GODADDY_CALLS_PER_MINUTE",
    "VERCEL_DOMAINS_PER_HOUR",
    "FABRIC_CALLS_PER_MINUTE",
    "POWERBI_QUERIES_PER_MINUTE",
    "MAILS_PER_MINUTE",
    "SENSOR_WAIT",
    "EVENT_LOG_DAYS",
    "STEP_RETRIES",
    "STEP_RETRY_WAIT",
    "WORKSPACE_BUDGET",
    "POWERBI_PROFILES",
}


def settings_of_stack(data_dir: Path, ports: Ports, postgres: EmbeddedPostgres, catalog: Path) -> dict[str, str]:
    """The settings that point at the embedded parts, Dagster's storage and home included."""
    simulator = f"https://localhost:{ports.simulator}"
    return {
        **SIMULATED_WORLD,
        "DATA_DIR": str(data_dir),
        "DATABASE_URL": postgres.url("platform"),
        "CATALOG_PATH": str(catalog),
        "SECRETS_KEY": kept_secret(data_dir / "secrets" / "secrets-key", _new_key),
        "ENTRA_AUTHORITY_URL": simulator,
        "FABRIC_API_URL": f"{simulator}/v1",
        "POWERBI_API_URL": f"{simulator}/v1.0/myorg",
        "ARM_API_URL": simulator,
        "SQL_GATEWAY": f"{LOOPBACK}:{ports.tds}",
        "DATA_STORE_DACPAC_PATH": str(write_dacpac(dacpac_path(data_dir))),
        "GODADDY_API_URL": simulator,
        "VERCEL_API_URL": simulator,
        "SUPABASE_URL": simulator,
        "KEY_VAULT_URL": simulator,
        "DNS_NAMESERVERS": f"{LOOPBACK}:{ports.dns}",
        "TLS_CA_FILE": str(ca_file(data_dir)),
        "SMTP_HOST": LOOPBACK,
        "SMTP_PORT": str(ports.mail_smtp),
        "SMTP_STARTTLS": "false",
        "PORTAL_URL": f"http://{LOOPBACK}:{ports.portal}",
        "DAGSTER_URL": f"http://{LOOPBACK}:{ports.dagster}",
        "DAGSTER_HOME": str(data_dir / "dagster_home"),
        "DAGSTER_PG_URL": postgres.url("dagster", driver="psycopg2"),
    }


def ca_file(data_dir: Path) -> Path:
    """Where the simulator leaves the certificate of its CA."""
    return data_dir / "simulator" / "ca.pem"


def environment_for_children(settings: Mapping[str, str]) -> dict[str, str]:
    """Our own environment with these settings; a real vendor's credential that is set in ours does not get through."""
    ours = {name.upper() for name in Settings.model_fields} - KEPT_CHOICES
    kept = {name: value for name, value in os.environ.items() if name.upper() not in ours}
    return {**kept, **settings, "PYTHONUNBUFFERED": "1"}


def write_up_env(path: Path, settings: Mapping[str, str]) -> None:
    """The settings as a dotenv file that only its owner can read."""
    write_private(path, "".join(f"{name}='{value}'\n" for name, value in settings.items()))


def _new_key() -> str:
    return f"k1:{base64.b64encode(secrets.token_bytes(32)).decode()}"
