"""Template reports that one customer can get together must not share a title: it names the report in the workspace.

Several reports may serve one feature; which of them a feature then shows is for the database's linking to decide.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from tenant_provisioning.catalog.entries import Entry
from tenant_provisioning.catalog.yaml_tree import Mistakes


def can_match_together(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """True when some customer's choices satisfy both needs: no category is named by both with different providers."""
    return all(other.get(category, provider) == provider for category, provider in one.items())


def find_clashes(entries: Sequence[Entry], mistakes: Mistakes) -> None:
    """Add a mistake for every entry with the title, in any case, of an earlier one that a customer can get with it."""
    seen: dict[str, list[tuple[Entry, Mapping[str, str]]]] = defaultdict(list)
    for entry in entries:
        if entry.title is None or entry.needs is None:
            continue
        needs, group = entry.needs, seen[" ".join(entry.title.casefold().split())]
        earlier = next((other for other, others in group if can_match_together(needs, others)), None)
        if earlier is not None:
            other = f"{earlier.key} ({earlier.node.place})"
            mistakes.at(entry.title_node, f"{other} has the same title “{entry.title}”, and one customer can get both")
        group.append((entry, needs))
