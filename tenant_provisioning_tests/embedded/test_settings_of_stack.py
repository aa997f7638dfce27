"""What the parts of a stack are told, and where they listen."""

import socket
import stat
from dataclasses import fields
from pathlib import Path

import pytest

from tenant_provisioning.embedded.environment import environment_for_children, settings_of_stack, write_up_env
from tenant_provisioning.embedded.ports import Ports
from tenant_provisioning.embedded.postgres import EmbeddedPostgres
from tenant_provisioning.model.errors import SetupError
from tenant_provisioning.settings import Settings, load_settings


@pytest.fixture
def settings(tmp_path: Path) -> dict[str, str]:
    ports = Ports(postgres=5001, simulator=5002, dns=5003, mail_smtp=5004, mail=5005, dagster=5006)
    return settings_of_stack(tmp_path, ports, EmbeddedPostgres(tmp_path, port=5001), tmp_path / "catalog")


@pytest.fixture
def nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """An environment that knows no setting, in a directory without `.env`."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATA_DIR", str(tmp_path))


@pytest.mark.usefixtures("nothing_set")
def test_up_env_gives_a_later_command_every_setting_and_is_private(settings: dict[str, str], tmp_path: Path) -> None:
    write_up_env(tmp_path / "up.env", settings)
    assert stat.S_IMODE((tmp_path / "up.env").stat().st_mode) == 0o600
    loaded = load_settings()
    assert loaded.database_url.get_secret_value() == settings["DATABASE_URL"]
    assert loaded.fabric_api_url == "https://localhost:5002/v1"
    assert loaded.nameservers == (("127.0.0.1", 5003),)
    assert (loaded.smtp_port, loaded.smtp_starttls) == (5004, False)


@pytest.mark.usefixtures("nothing_set")
def test_without_a_stack_a_command_says_how_to_start_one() -> None:
    with pytest.raises(SetupError, match="tenant-provisioning up"):
        load_settings()


def test_no_vendor_of_a_stack_is_a_real_one(settings: dict[str, str]) -> None:
    # where a person's browser goes is no address that we call
    urls = {name for name in Settings.model_fields if name.endswith("_url")} - {"powerbi_app_url", "fabric_app_url"}
    for name in urls:
        assert "localhost:" in settings[name.upper()] or "127.0.0.1:" in settings[name.upper()], name


def test_a_real_credential_in_the_environment_does_not_reach_the_children(
    settings: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENTRA_CLIENT_CERTIFICATE_PATH", "/secrets/real.pem")
    monkeypatch.setenv("vercel_team_id", "team_real")
    monkeypatch.setenv("GODADDY_API_URL", "https://api.godaddy.com")
    monkeypatch.setenv("CLONE_CONCURRENCY", "3")
    told = environment_for_children(settings)
    assert "ENTRA_CLIENT_CERTIFICATE_PATH" not in told
    assert "vercel_team_id" not in told
    assert told["GODADDY_API_URL"] == "https://localhost:5002"
    assert told["CLONE_CONCURRENCY"] == "3"


def test_the_secrets_key_is_made_once_for_its_owner_only(settings: dict[str, str], tmp_path: Path) -> None:
    again = settings_of_stack(tmp_path, Ports(), EmbeddedPostgres(tmp_path), tmp_path)
    assert again["SECRETS_KEY"] == settings["SECRETS_KEY"]
    assert settings["SECRETS_KEY"].startswith("k1:")
    kept = tmp_path / "secrets" / "secrets-key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert stat.S_IMODE(kept.parent.stat().st_mode) == 0o700


def test_ports_are_free_and_different_and_the_same_at_the_next_start(tmp_path: Path) -> None:
    first = Ports().chosen(tmp_path / "ports.json")
    assert len(set(vars(first).values())) == len(fields(Ports))
    assert Ports().chosen(tmp_path / "ports.json") == first
    other = Ports().chosen(tmp_path / "other.json")
    assert not set(vars(first).values()) & set(vars(other).values())


def test_a_remembered_port_that_is_taken_is_replaced(tmp_path: Path) -> None:
    first = Ports().chosen(tmp_path / "ports.json")
    with socket.create_server(("127.0.0.1", first.mail)):
        second = Ports().chosen(tmp_path / "ports.json")
    assert second.mail != first.mail
    assert second.dagster == first.dagster


def test_a_port_that_a_person_set_is_used_or_refused_by_name(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        wanted = Ports.from_environment({"DAGSTER_PORT": str(port)})
        with pytest.raises(SetupError, match=f"port {port} for dagster is taken.*DAGSTER_PORT"):
            wanted.chosen(tmp_path / "ports.json")
    assert wanted.chosen(tmp_path / "ports.json").dagster == port
    with pytest.raises(SetupError, match="MAIL_PORT is 'http'"):
        Ports.from_environment({"MAIL_PORT": "http"})
