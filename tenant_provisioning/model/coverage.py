"""How many template reports each combination of providers gets, and which combinations get none."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product

from tenant_provisioning.model.catalog import CATEGORIES, REQUIRED_CATEGORIES, Provider


@dataclass(frozen=True)
class Combination:
    """A choice of providers, in the order of the categories and None where a category is left out, and how many templates match.

    `own` of them match because of a provider: the others are for everybody.
    """

    choices: tuple[str | None, ...]
    matching: int
    own: int


def coverage(needs: Iterable[Mapping[str, str]], providers: Sequence[Provider]) -> list[Combination]:
    """Every combination that a customer can choose."""
    # a template matches when what it needs is a part of what was chosen: so the parts are counted, not the templates
    wanted = Counter(frozenset(each.items()) for each in needs)
    everybody = wanted[frozenset()]
    found = []
    for choices in product(*(_offered(category, providers) for category in CATEGORIES)):
        chosen = [(category, key) for category, key in zip(CATEGORIES, choices, strict=True) if key is not None]
        matching = sum(wanted[frozenset(part)] for part in _parts(chosen))
        found.append(Combination(choices, matching, matching - everybody))
    return found


def _offered(category: str, providers: Sequence[Provider]) -> list[str | None]:
    keys: list[str | None] = [provider.key for provider in providers if provider.category == category]
    return keys if category in REQUIRED_CATEGORIES else [None, *keys]


def _parts(chosen: Sequence[tuple[str, str]]) -> Iterator[tuple[tuple[str, str], ...]]:
    for size in range(len(chosen) + 1):
        yield from combinations(chosen, size)
