"""`make bench`: a line of JSON per figure on standard output as it is known, progress and a table of all on standard error.

Everything that is compared is measured in one call, side by side, on one simulator. Each module next door measures one thing.
"""

from collections.abc import Iterator
from importlib import import_module

import click
from rich.console import Console
from rich.table import Table

from tenant_provisioning_tests.bench.measure import Measure

# each module has `measure(quick: bool) -> Iterator[Measure]`
MODULES: dict[str, str] = {
    "P1": "wall",
    "P2": "cpu",
    "hollow": "hollow",
    "P3": "first_call",
    "P4": "budgets",
    "P5": "throughput",
    "P6": "growth",
    "P7": "pages",
    "P8": "hosts",
    "start": "launchers",
}


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(sorted(MODULES)))
@click.option("--quick", is_flag=True, help="Fewer runs and smaller numbers: does it still work, not how fast is it.")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure NAMES, or everything."""
    console = Console(stderr=True)
    table = Table("", "measure", "value", "goal", "", title="make bench")
    for name in names or MODULES:
        console.print(f"{name}: measuring …")
        for found in _measure(name, quick):
            click.echo(found.as_json())
            verdict = {True: "✓", False: "✗", None: ""}[found.meets]
            table.add_row(found.measure, found.title, f"{found.value:.3g} {found.unit}", found.goal, verdict)
    console.print(table)


def _measure(name: str, quick: bool) -> Iterator[Measure]:
    found: Iterator[Measure] = import_module(f"tenant_provisioning_tests.bench.{MODULES[name]}").measure(quick=quick)
    return found


if __name__ == "__main__":
    main()
