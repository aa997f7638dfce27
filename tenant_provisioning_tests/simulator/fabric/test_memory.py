"""What the simulated Fabric and Power BI remember when their process is killed."""

from pathlib import Path

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.entra.state import object_id_of
from tenant_provisioning.simulator.fabric.creation import Order
from tenant_provisioning.simulator.fabric.records import Operation
from tenant_provisioning.simulator.fabric.state import Principal
from tenant_provisioning.simulator.latency import Latency
from tenant_provisioning.simulator.world import CAPACITY_ID, CLIENT_ID

OWNER = Principal(object_id_of(CLIENT_ID))


def test_everything_is_there_after_a_kill_and_what_was_on_its_way_still_arrives(tmp_path: Path) -> None:
    killed = build_world(state_file=tmp_path / "state.sqlite", latency=Latency("realistic", 1))
    workspace = killed.fabric.workspaces.create(OWNER.grant(), "Acme", "mark", CAPACITY_ID)
    killed.advance(60)
    begun = killed.fabric.creation.create(workspace, Order("Lakehouse", "lh", OWNER.id), at_once=0)
    imported = killed.powerbi.imports.begin(workspace, OWNER.id, "Progress.pbix", b"not a zip")
    killed.commit()
    world = build_world(state_file=tmp_path / "state.sqlite")
    assert isinstance(begun, Operation)
    assert world.fabric.workspaces.named("acme") == workspace
    assert list(world.fabric.items.within(workspace.id)) == []
    world.advance(3600)
    world.fabric.agenda.settle()
    assert [item.type for item in world.fabric.items.within(workspace.id)] == ["Lakehouse", "SQLEndpoint"]
    assert world.fabric.operations.get(begun.id).failure is None
    assert world.powerbi.imports.get(workspace.id, imported.id).state == "Failed"


def test_a_reset_leaves_only_the_templates(tmp_path: Path) -> None:
    world = build_world(state_file=tmp_path / "state.sqlite")
    before = world.fabric.snapshot()
    world.fabric.workspaces.create(OWNER.grant(), "Acme", "", CAPACITY_ID)
    world.reset()
    after = world.fabric.snapshot()
    assert [found["id"] for found in after["workspaces"]] == [found["id"] for found in before["workspaces"]]
    assert world.fabric.workspaces.named("Acme") is None
