"""The vault after its process was killed: values are kept and deleted names stay taken."""

import pytest

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.http import VendorAnswer
from tenant_provisioning.simulator.key_vault.state import Change


def test_values_and_deletions_outlive_the_process(tmp_path):
    before = build_world(state_file=tmp_path / "world.sqlite")
    before.key_vault.set_secret("kept", "one", Change())
    before.key_vault.set_secret("deleted", "two", Change())
    before.key_vault.delete_secret("deleted")
    before.commit()

    after = build_world(state_file=tmp_path / "world.sqlite")

    assert after.key_vault.get_version("kept", None)[1].value == "one"
    with pytest.raises(VendorAnswer) as refused:
        after.key_vault.set_secret("deleted", "three", Change())
    assert refused.value.status == 409
    for world in (before, after):
        world.close()
