import re
from dataclasses import fields
from pathlib import Path

from tenant_provisioning.embedded.ports import Ports
from tenant_provisioning.settings import Settings

ROOT = Path(__file__).parents[2]
# read by Dagster's own files, and by the embedded default before it has settings
DAGSTER = {"DAGSTER_PG_URL", "CELERY_BROKER", "CELERY_BACKEND", "MAX_CONCURRENT_RUNS", "CODE_SERVER_HOST"}
ELSEWHERE = {*DAGSTER, "DATA_DIR", *(f"{port.name.upper()}_PORT" for port in fields(Ports))}


def test_env_example_names_every_setting_and_no_other() -> None:
    named = re.findall(r"^(?:# )?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)

    assert len(named) == len(set(named)), "a setting is listed twice"
    assert set(named) >= ELSEWHERE
    assert set(named) - ELSEWHERE == {name.upper() for name in Settings.model_fields}


def test_env_example_leaves_open_what_is_required_and_shows_the_default_of_the_rest() -> None:
    text = (ROOT / ".env.example").read_text()
    required = {name.upper() for name, field in Settings.model_fields.items() if field.is_required()}

    open_lines = set(re.findall(r"^([A-Z][A-Z_]+)=$", text, re.MULTILINE))

    assert required <= open_lines
    assert open_lines - required == {"ENTRA_CLIENT_SECRET"}, (
        "one of secret or certificate is needed; the secret is the usual one"
    )
