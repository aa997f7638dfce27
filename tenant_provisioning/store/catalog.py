"""The catalog's copy in the database, for the portal, the platform's app and foreign keys.

Reading it from files is `catalog.manifest`. What has left the catalog stays as a row that is no longer active,
because organizations point to it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from psycopg.types.json import Jsonb

from tenant_provisioning.model.catalog import Catalog, Provider
from tenant_provisioning.store.database import Connection, Database

# One statement for a table whatever the number of rows. xmax is 0 in a row that was inserted and not updated.
PROVIDERS = """
    insert into providers as ours (category, key, name)
    select category, key, name from jsonb_to_recordset(%s) as given (category text, key text, name text)
    on conflict (category, key) do update set name = excluded.name, active = true
    where (ours.name, ours.active) is distinct from (excluded.name, true)
    returning xmax = 0 as added"""
MODULES = """
    insert into module_templates as ours (key, title, position)
    select key, title, position from jsonb_to_recordset(%s) as given (key text, title text, position integer)
    on conflict (key) do update set title = excluded.title, position = excluded.position, retired_at = null
    where (ours.title, ours.position, ours.retired_at) is distinct from (excluded.title, excluded.position, null)
    returning xmax = 0 as added"""
FEATURES = """
    insert into module_features as ours (key, module_key, title, position)
    select key, module_key, title, position
    from jsonb_to_recordset(%s) as given (key text, module_key text, title text, position integer)
    on conflict (key) do update set
      module_key = excluded.module_key, title = excluded.title, position = excluded.position, retired_at = null
    where (ours.module_key, ours.title, ours.position, ours.retired_at)
      is distinct from (excluded.module_key, excluded.title, excluded.position, null)
    returning xmax = 0 as added"""
REPORTS = """
    insert into report_templates as ours
      (key, title, needs, strategy, source_report_id, pbix_path, definition_path, feature_key, content_hash)
    select key, title, needs, strategy, source_report_id, pbix_path, definition_path, feature_key, content_hash
    from jsonb_to_recordset(%s) as given (
      key text, title text, needs jsonb, strategy text, source_report_id text, pbix_path text, definition_path text,
      feature_key text, content_hash text
    )
    on conflict (key) do update set
      title = excluded.title, needs = excluded.needs, strategy = excluded.strategy,
      source_report_id = excluded.source_report_id, pbix_path = excluded.pbix_path,
      definition_path = excluded.definition_path,
      feature_key = excluded.feature_key, content_hash = excluded.content_hash, retired_at = null
    where (ours.title, ours.needs, ours.strategy, ours.source_report_id, ours.pbix_path, ours.definition_path,
           ours.feature_key, ours.content_hash, ours.retired_at)
      is distinct from (excluded.title, excluded.needs, excluded.strategy, excluded.source_report_id,
                        excluded.pbix_path, excluded.definition_path, excluded.feature_key,
                        excluded.content_hash, null)
    returning xmax = 0 as added"""
GONE_PROVIDERS = """
    update providers set active = false
    where active and (category, key) not in (
      select category, key from jsonb_to_recordset(%s) as given (category text, key text)
    )"""
GONE_MODULES = "update module_templates set retired_at = now() where retired_at is null and key <> all(%s)"
GONE_FEATURES = "update module_features set retired_at = now() where retired_at is null and key <> all(%s)"
GONE_REPORTS = "update report_templates set retired_at = now() where retired_at is null and key <> all(%s)"


@dataclass(frozen=True)
class SyncResult:
    """What a sync did to the template reports, and to how many rows of providers, modules and features it did anything.

    A report that comes back after it was retired counts as changed.
    """

    added: int
    changed: int
    retired: int
    unchanged: int
    others_touched: int = 0


async def sync_catalog(db: Database, catalog: Catalog) -> SyncResult:
    """Make the database's copy equal to the catalog; doing it twice changes nothing the second time."""
    providers = [asdict(provider) for provider in catalog.providers]
    modules = [
        {"key": module.key, "title": module.title, "position": at} for at, module in enumerate(catalog.modules, start=1)
    ]
    features = [
        {"key": feature.key, "module_key": module.key, "title": feature.title, "position": at}
        for module in catalog.modules
        for at, feature in enumerate(module.features, start=1)
    ]
    reports = [asdict(report) for report in catalog.reports]
    async with db.connection() as connection:
        await connection.execute("select pg_advisory_xact_lock(hashtext('tenant_provisioning.sync_catalog'))")
        touched = [
            *await _put(connection, PROVIDERS, providers),
            *await _put(connection, MODULES, modules),
            *await _put(connection, FEATURES, features),
        ]
        put = await _put(connection, REPORTS, reports)
        retired = await _drop(connection, GONE_REPORTS, [report.key for report in catalog.reports])
        others = await _drop(connection, GONE_FEATURES, [feature["key"] for feature in features])
        others += await _drop(connection, GONE_MODULES, [module["key"] for module in modules])
        others += await _drop(connection, GONE_PROVIDERS, Jsonb(providers))
    added = sum(put)
    return SyncResult(added, len(put) - added, retired, len(reports) - len(put), len(touched) + others)


@dataclass(frozen=True)
class KnownTemplate:
    """A template report as the catalog has it now, or last had it."""

    title: str
    content_hash: str


async def known_templates(db: Database) -> dict[str, KnownTemplate]:
    """Every template report by its key, those included that have left the catalog."""
    async with db.statement() as connection:
        rows = await connection.execute("select key, title, content_hash from report_templates")
        return {row["key"]: KnownTemplate(row["title"], row["content_hash"]) async for row in rows}


@dataclass(frozen=True)
class OfferedTemplate:
    """A template report that can be deployed, with the module it shows up in."""

    key: str
    title: str
    needs: Mapping[str, str]
    module: str


async def offered_templates(db: Database) -> list[OfferedTemplate]:
    """Every template report of the catalog as it is now, by module and title."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select template.key, template.title, needs, module.title as module
               from report_templates template
               join module_features feature on feature.key = feature_key
               join module_templates module on module.key = module_key
               where template.retired_at is null order by module.position, template.title, template.key"""
        )
        return [OfferedTemplate(**row) async for row in rows]


async def list_providers(db: Database) -> list[Provider]:
    """The providers a customer can choose, by category and key."""
    async with db.connection() as connection:
        return await read_providers(connection)


async def read_providers(connection: Connection) -> list[Provider]:
    """The same within a transaction that is already open."""
    rows = await connection.execute("select key, category, name from providers where active order by category, key")
    return [Provider(**row) async for row in rows]


async def _put(connection: Connection, statement: str, entries: Sequence[dict[str, Any]]) -> list[bool]:
    """For each row that was written, whether it is a new one."""
    rows = await connection.execute(statement.encode(), (Jsonb(list(entries)),))
    return [row["added"] async for row in rows]


async def _drop(connection: Connection, statement: str, keep: list[Any] | Jsonb) -> int:
    return (await connection.execute(statement.encode(), (keep,))).rowcount
