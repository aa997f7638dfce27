"""A sample of `make faults`: a case of each of the commonest faults, drawn from the same clean run."""

import json
import subprocess
import sys

from tenant_provisioning.embedded.postgres import EmbeddedPostgres

SAMPLE = 6


def test_struck_anywhere_a_tenant_ends_as_if_nothing_had_happened(postgres_server: EmbeddedPostgres) -> None:
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tenant_provisioning_tests.faults", "--workers", "1",
         "--sample", str(SAMPLE), "--server", postgres_server.url("postgres")],
        capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert ended.returncode == 0, ended.stderr[-4000:]
    told = json.loads(ended.stdout)
    assert told["cases"] == told["recovered_alone"] + told["recovered_after_rerun"] == SAMPLE
    assert told["calls"] > 90
