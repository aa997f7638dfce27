"""The schema keeps its promises of speed: what is looked up often, and what is deleted through, has an index."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import Connection
from psycopg.rows import TupleRow

UNINDEXED_FOREIGN_KEYS = """
    select conname from pg_constraint con
    where contype = 'f' and connamespace = 'public'::regnamespace and not exists (
      select from pg_index index
      where index.indrelid = con.conrelid and index.indpred is null
        and (index.indkey::smallint[])[0:cardinality(con.conkey) - 1] @> con.conkey
    )"""
ORGANIZATION = "'00000000-0000-4000-8000-000000000001'"
LOOKUPS = {
    "organizations_unfinished_idx": """from organizations
        where deployment_status in ('requested', 'provisioning', 'failed') order by created_at""",
    "organizations_claimed_idx": "from organizations where claimed_by_run is not null",
    "organizations_subdomain_created_at_idx": """from organizations
        where subdomain = 'acme' order by created_at desc limit 1""",
    "organizations_deployment_status_idx": """from organizations
        where deployment_status = 'pending_qa' order by created_at""",
    "provisioned_artifacts_living_key": f"""from provisioned_artifacts
        where organization_id = {ORGANIZATION} and kind = 'report' and key = 'k' and state <> 'removed'""",
    "provisioned_artifacts_newest_first_idx": f"""from provisioned_artifacts
        where organization_id = {ORGANIZATION} order by sequence desc""",
    "qa_results_latest_idx": f"""from qa_results where organization_id = {ORGANIZATION}
        order by step, check_name, id desc""",
    "audit_log_organization_idx": f"from audit_log where organization_id = {ORGANIZATION} order by id",
    "email_outbox_queued_idx": "from email_outbox where state = 'queued' and not_before <= now() order by not_before",
    "approvals_valid_key": f"from approvals where organization_id = {ORGANIZATION} and lapsed_at is null",
    "users_email_idx": "from users where email = 'ada@acme.example'",
}


@pytest.fixture
def connection(server: Any, plain_template: str) -> Iterator[Connection[TupleRow]]:
    # nobody else may be connected to the template while it is copied, so this connection ends with the test
    with psycopg.connect(server.url(plain_template)) as connection:
        yield connection


def test_every_foreign_key_has_an_index(connection: Connection[TupleRow]) -> None:
    assert connection.execute(UNINDEXED_FOREIGN_KEYS).fetchall() == []


@pytest.mark.parametrize("index", LOOKUPS)
def test_a_hot_lookup_is_served_by_its_index_without_sorting(connection: Connection[TupleRow], index: str) -> None:
    connection.execute("set local enable_seqscan = off")  # the tables are empty, so a scan would be cheapest
    connection.execute("set local enable_bitmapscan = off")
    plan = "\n".join(row[0] for row in connection.execute(f"explain select * {LOOKUPS[index]}".encode()))
    assert f"using {index} " in plan
    assert "Sort" not in plan
    connection.rollback()
