"""Databases that one test uses after another, each as if new: emptying one takes a few milliseconds, making one a hundred."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Self

import psycopg
from psycopg import sql

WITH_THE_SCHEMA = ("roles", "applied_migrations")  # what the migrations themselves fill
CATALOG = ("providers", "module_templates", "module_features", "report_templates")
EMPTY = """
    select pg_terminate_backend(pid) from pg_stat_activity
    where datname = current_database() and pid <> pg_backend_pid();
    begin;
    set local session_replication_role = replica; -- no foreign keys for the moment
    do $$
    declare
      ours text;
      always boolean := (select tgenabled = 'A' from pg_trigger where tgname = 'audit_log_is_append_only');
    begin
      alter table audit_log disable trigger audit_log_is_append_only;
      for ours in select relname from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'
          and relname <> all (string_to_array(current_setting('app.kept'), ',')) loop
        execute format('delete from public.%I', ours);
      end loop;
      execute 'alter table audit_log enable ' || case when always then 'always ' else '' end
        || 'trigger audit_log_is_append_only';
    end
    $$;
    commit;
"""
TABLES = sql.SQL(
    "select array_agg(relname order by relname) from pg_class where relnamespace = 'public'::regnamespace and relkind = 'r'"
)
WRITTEN = sql.SQL("(select (count(*), sum(xmin::text::bigint))::text from {})")


class Databases:
    """Databases that `make` makes, for one test at a time. `kept` are the tables whose rows belong to them and not to a test."""

    def __init__(self, make: Callable[[], str], kept: tuple[str, ...] = WITH_THE_SCHEMA) -> None:
        self._make, self._kept = make, kept
        self._free: list[_Emptied] = []

    @contextmanager
    def one(self) -> Iterator[str]:
        """The address of a database as it was made."""
        database = self._free.pop() if self._free else _Emptied(self._make(), self._kept)
        yield database.url
        if database.is_as_new():
            self._free.append(database)
        else:
            database.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for database in self._free:
            database.close()


class _Emptied:
    def __init__(self, url: str, kept: tuple[str, ...]) -> None:
        self.url, self._kept = url, kept
        self._connection = psycopg.connect(url, autocommit=True)  # opened once: that takes longer than all the rest
        self._connection.execute("select set_config('app.kept', %s, false)", (",".join(kept),))
        self._new = self._what_is_kept()

    def close(self) -> None:
        self._connection.close()

    def is_as_new(self) -> bool:
        """Whether it is, now that it has been emptied; not where a test has changed what belongs to the database itself."""
        try:
            self._connection.execute(EMPTY)
            return bool(self._what_is_kept() == self._new)
        except psycopg.Error:
            return False

    def _what_is_kept(self) -> Any:
        """The tables' names; of each that is kept, how many rows it has and which transactions wrote them."""
        written = [WRITTEN.format(sql.Identifier(table)) for table in self._kept]
        return self._connection.execute(
            sql.SQL("select ({}), {}").format(TABLES, sql.SQL(", ").join(written))
        ).fetchone()
