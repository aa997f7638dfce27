"""`make faults`: every vendor call and every commit of the clean run x every kind of fault, and what became of each.

Prints progress and the table on standard error, one line of JSON on standard output. Exit code 0 only when nothing failed, nothing
was made twice, nothing was left over and no mail went out twice.
"""

import json
import os
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import Queue, get_context
from typing import Any

import click

from tenant_provisioning.embedded.postgres import throwaway_postgres
from tenant_provisioning_tests.faults import injection
from tenant_provisioning_tests.faults.lab import new_lab
from tenant_provisioning_tests.faults.sweep import Experiment, Point, Result, record

SIGNS = {"alone": "·", "rerun": "r", "FAILED": "F", "missed": "?"}
COLUMNS = (
    "refused", "500", "503", "429", "expired", "reset", "timeout", "timeout_after", "lost", "malformed", "lost_before",
    "lost_after", "kill_before", "kill_after",
)  # fmt: skip


def sweep(
    url: Callable[[str], str],
    *,
    workers: int,
    choose: Any = lambda cases: cases,
    attempts: int = 1,
    to_the_end: bool = False,
    progress: Any = lambda *_: None,
) -> tuple[list[Point], list[Result]]:
    """The points of the clean run, and the result of every case that `choose` leaves of all."""
    context = get_context("fork")
    tasks, results = context.Queue(), context.Queue()
    crew = [
        context.Process(target=_work, args=(url, number, attempts, to_the_end, tasks, results))
        for number in range(workers)
    ]
    for process in crew:
        process.start()
    try:
        points = _heard(results, crew)
        cases = choose([(point, fault) for point in points for fault in point.faults])
        for case in cases:
            tasks.put(case)
        for _ in crew:
            tasks.put(None)
        found: list[Result] = []
        while len(found) < len(cases):
            result = _heard(results, crew)
            if isinstance(result, Result):
                found.append(result)
                progress(result, len(found), len(cases))
        return points, found
    finally:
        for process in crew:
            process.kill()
            process.join()


@contextmanager
def _server(address: str) -> Iterator[Callable[[str], str]]:
    """Gives the address of any database: on the server at this address, or on one that is gone at the end."""
    if address:
        yield lambda name: f"{address.rpartition('/')[0]}/{name}"
        return
    with throwaway_postgres() as server:
        yield server.url


def _work(url: Any, number: int, attempts: int, to_the_end: bool, tasks: "Queue[Any]", results: "Queue[Any]") -> None:
    try:
        injection.install()
        with new_lab(url, number, attempts=attempts) as lab:
            clean = record(lab)
            results.put(clean.points)
            while (case := tasks.get()) is not None:
                try:
                    results.put(Experiment(lab, clean, *case, to_the_end=to_the_end).run())
                except Exception:  # noqa: BLE001 - the laboratory's own mistakes are results too
                    results.put(Result(*case, "FAILED", None, traceback.format_exc()))
    except BaseException:
        results.put(RuntimeError(traceback.format_exc()))
        raise


def _heard(results: "Queue[Any]", crew: Iterable[Any]) -> Any:
    while True:
        try:
            told = results.get(timeout=5)
        except Exception:  # noqa: BLE001 - nothing has come yet
            if not any(process.is_alive() for process in crew):
                raise RuntimeError("every worker is gone") from None
            continue
        if isinstance(told, RuntimeError):
            raise told
        return told


def summary(points: list[Point], results: list[Result]) -> dict[str, int]:
    """What is printed as JSON."""
    outcomes = Counter(result.outcome for result in results)
    return {
        "calls": sum(point.side == "call" for point in points),
        "commits": sum(point.side == "commit" for point in points),
        "cases": len(results),
        "recovered_alone": outcomes["alone"],
        "recovered_after_rerun": outcomes["rerun"],
        "failed": outcomes["FAILED"],
        "duplicates": sum(result.count("duplicates") for result in results),
        "orphans": sum(result.count("orphans") for result in results),
        "mails_twice": sum(result.count("mails_twice") for result in results),
        "missed": outcomes["missed"],
    }


def is_sound(told: dict[str, int]) -> bool:
    """Whether the promise is kept."""
    return not (told["failed"] or told["duplicates"] or told["orphans"] or told["mails_twice"])


def table(results: list[Result]) -> str:
    """A line a point, a column a fault."""
    cells = {(result.point, result.fault): SIGNS[result.outcome] for result in results}
    points = list(dict.fromkeys(result.point for result in results))
    width = max(len(str(point)) for point in points)
    lines = [" " * width + "  " + " ".join(COLUMNS)]
    chapter = ""
    for point in sorted(
        points, key=lambda one: (["provisioning", "go_live", "rollback"].index(one.chapter), one.unit, one.side)
    ):
        if point.chapter != chapter:
            chapter = point.chapter
            lines.append(f"── {chapter}")
        shown = (cells.get((point, column), " ").center(len(column)) for column in COLUMNS)
        lines.append(f"{point!s:<{width}}  {' '.join(shown)}")
    return "\n".join(
        [*lines, "", "· by itself   r after one re-run by a person   F FAILED   ? the fault did not strike"]
    )


def _explained(result: Result) -> str:
    told = [f"{result.point.chapter}/{result.point} x {result.fault}"]
    if result.difference:
        for what in ("duplicates", "orphans", "missing", "mails_twice", "rows"):
            told += [f"    {what}: {one[:400]}" for one in getattr(result.difference, what)[:6]]
    return "\n".join([*told, f"    {result.why[-1500:]}"])


@click.command()
@click.option("--workers", default=os.cpu_count() or 2, show_default=True, help="Laboratories at work side by side.")
@click.option(
    "--only", default="", help="Only cases whose name contains this, as in “hosting_domain: vercel.add_domain x lost”."
)
@click.option("--sample", default=0, help="So many cases, drawn by --seed, instead of all.")
@click.option("--skip", default=0, help="So many cases, in the order of --seed, are not run: an earlier run did them.")
@click.option("--seed", default=1, show_default=True, help="The order of the cases, and which a sample holds.")
@click.option(
    "--attempts", default=1, show_default=True, help="Attempts of a call within a client; 1 leaves all to the steps."
)
@click.option("--server", default="", help="The address of a PostgreSQL server to work in, instead of one of its own.")
@click.option(
    "--to-the-end", is_flag=True, help="Tell every chapter to its end, also where the state is the clean run's again."
)
def main(
    *, workers: int, only: str, sample: int, skip: int, seed: int, attempts: int, server: str, to_the_end: bool
) -> None:
    """Every vendor call and every commit of a tenant's story x every kind of fault, and what became of each."""
    began = time.monotonic()

    def choose(cases: list[Any]) -> list[Any]:
        wanted = [(point, fault) for point, fault in cases if only in f"{point.chapter}/{point} x {fault}"]
        random.Random(seed).shuffle(wanted)  # noqa: S311 - repeatable on purpose
        if not sample:
            return wanted[skip:]
        numbers = Counter[str]()  # a sample holds as many different faults as it can
        ranked = [(numbers.update([fault]), numbers[fault], at) for at, (_, fault) in enumerate(wanted)]
        return [wanted[at] for _, _, at in sorted(ranked, key=lambda one: one[1:])][:sample]

    def progress(result: Result, done: int, of: int) -> None:
        if result.outcome == "FAILED":
            click.echo(_explained(result), err=True)
        if done % 50 == 0 or done == of:
            click.echo(f"{done} of {of} after {time.monotonic() - began:.0f} s", err=True)

    with _server(server) as url:
        points, results = sweep(
            url, workers=workers, choose=choose, attempts=attempts, to_the_end=to_the_end, progress=progress
        )
    told = summary(points, results)
    if results:
        click.echo(table(results), err=True)
    click.echo(json.dumps(told))
    sys.exit(0 if is_sound(told) else 1)


if __name__ == "__main__":
    main()
