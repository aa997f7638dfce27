"""A world in which all is well, and doctor's findings in it after something was changed."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from tenant_provisioning.doctor.examination import examine
from tenant_provisioning.doctor.findings import Finding
from tenant_provisioning.embedded.mailbox import MailSink
from tenant_provisioning.settings import Settings
from tenant_provisioning_tests.conftest import World


@pytest.fixture(scope="session")
def mail_sink(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailSink]:
    """A mail server."""
    with MailSink(Path(tmp_path_factory.mktemp("mail")) / "box") as sink:
        yield sink


@pytest.fixture(scope="session")
def doctors_database(new_database: Callable[[], str]) -> str:
    """One platform database for all visits: doctor changes nothing."""
    return new_database()


@pytest.fixture
def settings(
    make_settings: Callable[[World, str], Settings], world: World, doctors_database: str, mail_sink: MailSink
) -> Settings:
    """Settings with which everything works."""
    return make_settings(world, doctors_database).model_copy(update={"smtp_port": mail_sink.smtp_port})


@pytest.fixture
def visit(settings: Settings) -> Callable[..., Awaitable[dict[str, Finding]]]:
    """`await visit(vercel_project="x")` is what doctor finds with these settings changed, by check; texts become secrets."""

    async def visit(**changes: Any) -> dict[str, Finding]:
        secret = {name for name in changes if isinstance(getattr(settings, name), SecretStr)}
        given = {name: SecretStr(value) if name in secret else value for name, value in changes.items()}
        return {finding.check: finding for finding in await examine(settings.model_copy(update=given))}

    return visit
