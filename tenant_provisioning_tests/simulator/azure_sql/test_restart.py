"""The server after its process was killed: what was going on goes on."""

from dataclasses import dataclass

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.azure_sql.state import SERVER_ID, Wish
from tenant_provisioning.simulator.latency import Latency

COPY = Wish("westeurope", "Copy", f"{SERVER_ID}/databases/template")


@dataclass(frozen=True)
class SlowWork(Latency):
    """What is begun takes half a minute of the world's clock."""

    def lasts(self, process: str) -> float:  # noqa: ARG002 - every process alike
        return 30.0


def test_a_copy_goes_on_and_a_dropped_database_stays_dropped(tmp_path):
    before = build_world(state_file=tmp_path / "world.sqlite")
    before.azure_sql.put_database("gone", COPY)
    before.azure_sql.delete_database("gone")
    before.latency = SlowWork()
    _, begun = before.azure_sql.put_database("acme", COPY)
    before.commit()

    after = build_world(state_file=tmp_path / "world.sqlite", latency=SlowWork())

    assert after.azure_sql.find_database("gone") is None
    assert after.azure_sql.get_database("acme").status == "Copying"
    after.advance(31)
    assert after.azure_sql.get_database("acme").status == "Online"
    assert after.azure_sql.is_done(after.azure_sql.get_operation(begun.id))
    for world in (before, after):
        world.close()
