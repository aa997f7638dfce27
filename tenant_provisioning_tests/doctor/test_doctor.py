"""Doctor looks at everything the product needs, changes nothing, and every ✗ names the right thing."""

import json
import re
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from tenant_provisioning.doctor.examination import CHECKS
from tenant_provisioning.doctor.findings import Finding, Outcome, is_well
from tenant_provisioning.doctor.report import as_object, as_text
from tenant_provisioning.embedded.environment import SIMULATED_WORLD
from tenant_provisioning.embedded.postgres import EmbeddedPostgres
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.vault import Vault, generate_key
from tenant_provisioning_tests.conftest import World

Visiting = Callable[..., Awaitable[dict[str, Finding]]]
NOBODY = "99999999-9999-4999-8999-999999999999"
PAUSED = UUID("33333333-3333-4333-8333-333333333334")


def ill(found: dict[str, Finding]) -> set[str]:
    return {name for name, finding in found.items() if finding.outcome is Outcome.FAILED}


def signs(found: dict[str, Finding], part: str) -> set[Outcome]:
    return {finding.outcome for name, finding in found.items() if name.startswith(f"{part}.")}


async def test_where_all_is_well_every_check_passes_quickly_and_nothing_was_changed(
    visit: Visiting, world: World
) -> None:
    before, began = world.snapshot(), time.monotonic()
    found = await visit()
    assert {finding.outcome for finding in found.values()} == {Outcome.PASSED}, as_text(list(found.values())).plain
    assert time.monotonic() - began < 30
    assert [*found] == [*(check.name for check in CHECKS), "clock.skew"]
    wrote = {(seen["vendor"], seen["operation"]) for seen in world.requests() if seen["method"] not in {"GET", "HEAD"}}
    assert wrote == {("entra", "token")}
    assert world.snapshot() == before


KNOBS: list[tuple[str, dict[str, Any], str, str]] = [
    ("fabric", {"call_apis": False}, "fabric.apis", "Service principals can call Fabric public APIs"),
    ("fabric", {"call_apis": False}, "powerbi.apis", "Service principals can call Fabric public APIs"),
    ("fabric", {"create_workspaces": False}, "fabric.creation", "Enable it for the app"),
    ("fabric", {"capacity_contributor": False}, "fabric.capacity", "contributor of that capacity"),
    ("fabric", {"execute_queries": False}, "powerbi.queries", "Enable it for the app"),
    ("godaddy", {"account_may_use_dns_api": False}, "godaddy.domain", "Discount Domain Club"),
]


@pytest.mark.parametrize(("vendor", "knobs", "check", "mend"), KNOBS, ids=lambda value: str(value)[:40])
async def test_a_permission_that_a_vendor_took_away_is_named(
    visit: Visiting, world: World, vendor: str, knobs: dict[str, Any], check: str, mend: str
) -> None:
    world.control("PATCH", f"knobs/{vendor}", knobs)
    found = await visit()
    alike = {name for other, same, name, _ in KNOBS if (other, same) == (vendor, knobs)}
    assert ill(found) == alike
    assert mend in found[check].mend


SETTINGS: list[tuple[dict[str, Any], set[str], str]] = [
    ({"entra_client_secret": "no"}, {"entra.fabric_token"}, "ENTRA_CLIENT_SECRET"),
    ({"entra_client_id": NOBODY}, {"entra.fabric_token"}, "ENTRA_CLIENT_ID"),
    ({"entra_tenant_id": NOBODY}, {"entra.fabric_token"}, "ENTRA_TENANT_ID"),
    ({"fabric_capacity_id": PAUSED}, {"fabric.capacity"}, "Resume it"),
    ({"fabric_capacity_id": UUID(NOBODY)}, {"fabric.capacity"}, "FABRIC_CAPACITY_ID"),
    ({"template_workspace_id": UUID(NOBODY)}, {"fabric.template_workspace"}, "TEMPLATE_WORKSPACE_ID"),
    ({"template_dataset_id": UUID(NOBODY)}, {"fabric.template_items"}, "Set TEMPLATE_DATASET_ID to"),
    ({"template_notebook_id": UUID(NOBODY)}, {"fabric.template_items"}, "Set TEMPLATE_NOTEBOOK_ID to"),
    ({"azure_sql_template_database": "absent"}, {"stores.template_database"}, "AZURE_SQL_TEMPLATE_DATABASE"),
    ({"data_store_dacpac_path": Path("/absent.dacpac")}, {"stores.templates"}, "DATA_STORE_DACPAC_PATH"),
    ({"workspace_budget": 2}, {"powerbi.budget"}, "Roll back"),
    ({"godaddy_api_key": "no"}, {"godaddy.domain"}, "GODADDY_API_KEY"),
    ({"godaddy_api_secret": "no"}, {"godaddy.domain"}, "GODADDY_API_SECRET"),
    ({"platform_domain": "elsewhere.com"}, {"godaddy.domain", "dns.resolvers"}, "PLATFORM_DOMAIN"),
    ({"platform_domain": "elsewhere.com"}, {"godaddy.domain", "dns.resolvers"}, "DNS_NAMESERVERS"),
    ({"vercel_token": "no"}, {"vercel.project"}, "VERCEL_TOKEN"),
    ({"vercel_project": "no"}, {"vercel.project"}, "VERCEL_PROJECT"),
    ({"vercel_team_id": "no"}, {"vercel.project"}, "VERCEL_TEAM_ID"),
    (
        {"supabase_service_role_key": SIMULATED_WORLD["SUPABASE_ANON_KEY"]},
        {"supabase.service_role"},
        "SUPABASE_SERVICE_ROLE_KEY",
    ),
    ({"supabase_service_role_key": "no"}, {"supabase.service_role"}, "SUPABASE_SERVICE_ROLE_KEY"),
    ({"supabase_anon_key": "no"}, {"supabase.anon_key"}, "SUPABASE_ANON_KEY"),
    ({"catalog_path": Path("/absent")}, {"platform.catalog_files"}, ""),
    ({"smtp_port": 9}, {"mail.server"}, "SMTP_PORT"),
    ({"secrets_key": "k1:short"}, {"keys.ring"}, ""),
]


ALONE = ("entra_", "platform_domain", "template_workspace_id")  # other checks rest on what these break


def rounds() -> list[list[tuple[dict[str, Any], set[str], str]]]:
    """The cases in as few visits as can be: mistakes that have nothing to do with each other are made at once."""
    packed: list[list[tuple[dict[str, Any], set[str], str]]] = []
    for case in SETTINGS:
        fitting = (
            cases
            for cases in packed
            if not any(set(case[0]) & set(other[0]) or case[1] & other[1] for other in cases)
            and not any(name.startswith(ALONE) for known in (*cases, case) for name in known[0])
        )
        if (cases := next(fitting, None)) is None:
            packed.append(cases := [])
        cases.append(case)
    return packed


@pytest.mark.parametrize("cases", rounds(), ids=lambda cases: next(iter(cases[0][0])))
async def test_settings_that_are_wrong_are_named_and_what_rests_on_them_is_not_tried(
    visit: Visiting, world: World, cases: list[tuple[dict[str, Any], set[str], str]]
) -> None:
    found = await visit(**{name: value for changes, _, _ in cases for name, value in changes.items()})
    assert ill(found) == {name for _, failed, _ in cases for name in failed}
    for _, failed, mend in cases:
        assert any(mend in found[name].mend for name in failed)
    for check in CHECKS:
        because = [name for name in check.needs if found[name].outcome in {Outcome.FAILED, Outcome.NOT_TRIED}]
        assert (found[check.name].outcome is Outcome.NOT_TRIED) == bool(because)
        assert all(name in found[check.name].found for name in because)


async def test_without_tokens_nothing_is_asked_of_fabric_and_power_bi(visit: Visiting, world: World) -> None:
    found = await visit(entra_client_secret="no")
    assert signs(found, "fabric") == signs(found, "powerbi") == {Outcome.NOT_TRIED}
    assert not [seen for seen in world.requests() if seen["vendor"] in {"fabric", "powerbi"}]


async def test_where_the_tenant_hides_its_settings_doctor_says_how_far_creation_can_be_known(
    visit: Visiting, world: World
) -> None:
    world.control("PATCH", "knobs/fabric", {"read_admin_apis": False})
    found = await visit()
    assert ill(found) == set()
    assert found["fabric.creation"].outcome is Outcome.WARNED
    assert "cannot be known without creating a workspace" in found["fabric.creation"].found
    assert "Service principals can access read-only admin APIs" in found["fabric.creation"].mend


async def test_a_role_that_only_looks_is_not_enough_in_the_template_workspace(visit: Visiting, world: World) -> None:
    other, ours = "22222222-2222-4222-8222-444444444444", SIMULATED_WORLD["ENTRA_CLIENT_ID"]
    ids = {
        client: world.control("PUT", f"entra/clients/{client}", {"secret": client})["object_id"]
        for client in (other, ours)
    }
    world.control("PUT", f"entra/clients/{ours}", {"secret": SIMULATED_WORLD["ENTRA_CLIENT_SECRET"]})
    roles = f"/v1/workspaces/{SIMULATED_WORLD['TEMPLATE_WORKSPACE_ID']}/roleAssignments"
    someone = {"principal": {"id": ids[other], "type": "ServicePrincipal"}, "role": "Admin"}
    bearer(world, ours, SIMULATED_WORLD["ENTRA_CLIENT_SECRET"], "POST", roles, someone)
    bearer(world, other, other, "PATCH", f"{roles}/{ids[ours]}", {"role": "Viewer"})

    found = await visit()
    assert ill(found) == {"fabric.template_workspace"}
    assert "contributor or member" in found["fabric.template_workspace"].mend

    bearer(world, other, other, "DELETE", f"{roles}/{ids[ours]}")
    found = await visit()
    assert ill(found) == {"fabric.template_workspace"}
    assert "TEMPLATE_WORKSPACE_ID" in found["fabric.template_workspace"].mend


def bearer(world: World, client: str, secret: str, method: str, path: str, body: Any = None) -> None:
    """A call of somebody else's, past our clients."""
    form = {
        "grant_type": "client_credentials",
        "client_id": client,
        "client_secret": secret,
        "scope": "https://api.fabric.microsoft.com/.default",
    }
    token = world.client.post(f"/{SIMULATED_WORLD['ENTRA_TENANT_ID']}/oauth2/v2.0/token", data=form).json()
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    answer: httpx.Response = world.client.request(method, path, json=body, headers=headers)
    answer.raise_for_status()


async def test_a_role_that_is_missing_at_azure_is_named(visit: Visiting, world: World) -> None:
    world.fault("azure_sql.get_database", "refuse", code="AuthorizationFailed", times="forever")
    found = await visit()
    assert ill(found) == {"stores.template_database"}
    assert "SQL DB Contributor" in found["stores.template_database"].mend


async def test_what_is_not_offered_is_not_asked_for(visit: Visiting, world: World) -> None:
    found = await visit(data_store_kinds="lakehouse")
    assert ill(found) == set()
    assert not [seen for seen in world.requests() if seen["vendor"] == "azure_sql"]


async def test_template_reports_that_are_missing_are_named(visit: Visiting, world: World) -> None:
    world.control("POST", "reset")
    found = await visit()
    assert ill(found) == {"powerbi.template_reports"}
    assert "and" in found["powerbi.template_reports"].found
    assert "CATALOG_PATH" in found["powerbi.template_reports"].mend


async def test_a_domain_that_is_served_by_others_is_told(visit: Visiting, world: World) -> None:
    key = f"sso-key {SIMULATED_WORLD['GODADDY_API_KEY']}:{SIMULATED_WORLD['GODADDY_API_SECRET']}"
    path = f"/v1/domains/{SIMULATED_WORLD['PLATFORM_DOMAIN']}/records/NS/@"
    others = [{"data": "ns1.elsewhere.net", "ttl": 3600}]
    world.client.put(path, json=others, headers={"Authorization": key}).raise_for_status()
    found = await visit()
    assert ill(found) == {"dns.delegation"}
    assert "served by ns1.elsewhere.net" in found["dns.delegation"].found


@pytest.mark.parametrize(("seconds", "outcome"), [(120, Outcome.WARNED), (900, Outcome.FAILED)])
async def test_a_clock_that_is_wrong_is_told(visit: Visiting, world: World, seconds: int, outcome: Outcome) -> None:
    world.control("POST", "clock", {"advance": seconds})
    found = await visit()
    assert found["clock.skew"].outcome is outcome
    told = re.match(r"this machine's clock is (\d+) seconds behind the vendors'", found["clock.skew"].found)
    assert told is not None
    assert abs(int(told[1]) - seconds) <= 2


async def test_a_vendor_that_is_away_is_told_and_the_others_are_looked_at_all_the_same(
    visit: Visiting, world: World
) -> None:
    world.fault("vercel.get_project", "error_before", times="forever")
    found = await visit()
    assert ill(found) == {"vercel.project"}
    assert "Check that this machine reaches it" in found["vercel.project"].mend


async def test_an_empty_database_and_an_absent_one_are_told(visit: Visiting, postgres_server: EmbeddedPostgres) -> None:
    found = await visit(database_url=postgres_server.url("postgres"))
    assert ill(found) == {"platform.migrations"}
    assert found["platform.migrations"].mend == "Run `tenant-provisioning migrate`."
    found = await visit(database_url=postgres_server.url("absent"))
    assert ill(found) == {"platform.database"}
    assert "Check DATABASE_URL" in found["platform.database"].found


async def test_profiles_are_looked_at_where_they_are_wanted(visit: Visiting, world: World) -> None:
    assert (await visit(powerbi_profiles=True))["powerbi.profiles"].outcome is Outcome.PASSED
    world.control("PATCH", "knobs/fabric", {"use_profiles": False})
    found = await visit(powerbi_profiles=True)
    assert ill(found) == {"powerbi.profiles"}
    assert "Allow service principals to create and use profiles" in found["powerbi.profiles"].found
    assert ill(await visit()) == set()


async def test_a_budget_that_is_nearly_spent_is_warned_about(visit: Visiting) -> None:
    found = await visit(workspace_budget=3)
    assert found["powerbi.budget"].outcome is Outcome.PASSED
    assert "1 of 3 workspaces: room for 1 more tenants" in found["powerbi.budget"].found


async def test_the_report_is_read_by_people_and_by_programs_and_holds_no_secret(
    visit: Visiting, settings: Settings
) -> None:
    found = list((await visit(vercel_token="a-token-of-no-use", godaddy_api_secret="another-of-no-use")).values())
    text, told = as_text(found).plain, as_object(found)
    assert "  ✗ vercel.project  read the project VERCEL_PROJECT: " in text
    assert "      → Set VERCEL_TOKEN" in text
    assert "· vercel.target" in text
    assert text.splitlines()[-1].startswith(f"{len(found) - 5} passed, 2 failed, 3 not tried")
    assert told["ok"] is is_well(found) is False
    assert {check["outcome"] for check in told["checks"]} == {"passed", "failed", "not_tried"}
    for secret in ("of-no-use", settings.secrets_key.get_secret_value(), "simulated-client-secret"):
        assert secret not in text + json.dumps(told)
    assert Vault(generate_key()).first not in told
