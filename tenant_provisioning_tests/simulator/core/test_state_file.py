"""With a state file the vendors forget nothing, and without one a seed decides everything."""

from dataclasses import dataclass
from pathlib import Path

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.storage import StateFile, Table


@dataclass(frozen=True)
class Thing:
    """A record."""

    name: str


def test_records_come_back_in_the_order_in_which_they_were_first_put(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.sqlite")
    table: Table[Thing] = Table("things", file)
    for name in ("b", "a", "c", "d"):
        table.put(name, Thing(name))
    table.put("b", Thing("b again"))
    table.delete("c")
    file.close()

    again: Table[Thing] = Table("things", StateFile(tmp_path / "state.sqlite"))

    assert again.values() == table.values() == [Thing("b again"), Thing("a"), Thing("d")]


def test_what_is_not_committed_is_not_kept(tmp_path: Path) -> None:
    file = StateFile(tmp_path / "state.sqlite")
    Table("things", file).put("a", Thing("a"))

    other: Table[Thing] = Table("things", StateFile(tmp_path / "state.sqlite"))

    assert len(other) == 0
    file.close()
    assert "a" in Table("things", StateFile(tmp_path / "state.sqlite"))


def test_a_world_goes_on_where_it_stopped_and_repeats_no_id(tmp_path: Path) -> None:
    first = build_world(seed=5, state_file=tmp_path / "world.sqlite")
    first.godaddy.replace("yourplatform.com", "CNAME", "acme", [first.godaddy.new_record("a.example")])
    ids = {first.new_id() for _ in range(50)}
    first.close()

    second = build_world(seed=5, state_file=tmp_path / "world.sqlite")

    assert second.godaddy.snapshot() == first.godaddy.snapshot()
    assert second.vercel.snapshot() == first.vercel.snapshot()
    assert not ids & {second.new_id() for _ in range(50)}
    assert second.entra.key_id == first.entra.key_id


def test_a_seed_decides_every_id() -> None:
    worlds = [build_world(seed=seed) for seed in (3, 3, 4)]
    projects = [world.vercel.projects()[0].id for world in worlds]

    assert projects[0] == projects[1]
    assert projects[1] != projects[2]
