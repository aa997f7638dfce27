"""How long the vendors take: nothing under `instant`, roughly what the real ones take under `realistic`.

Retry-After values and durations that were seen in recorded traffic are marked [REC]; the rest are guesses, and no more
than that. `scale` shortens or stretches them all alike. What happens meanwhile is the vendor's state's to say.
"""

from dataclasses import dataclass

from tenant_provisioning.simulator import following

PROFILES = ("instant", "realistic")

READ_SECONDS = 0.12  # guess: a read at a cloud vendor
WRITE_SECONDS = 0.4  # guess: a change at a cloud vendor
READING = ("get", "list", "find", "check")

# seconds until a call is answered, where a guess by its verb would be far off (all guesses)
CALLS = {
    "entra.token": 0.25,
    "entra.openid_configuration": 0.05,
    "godaddy.put_records": 0.6,
    "godaddy.delete_records": 0.6,
    "fabric.create_workspace": 1.5,
    "fabric.delete_workspace": 1.5,
    "fabric.create_lakehouse": 4.0,
    "fabric.create_connection": 2.0,
    "fabric.bind_connection": 1.5,
    "powerbi.create_group": 1.5,
    "powerbi.clone_report": 2.0,
    "powerbi.import": 1.5,
    "powerbi.rebind_report": 0.8,
    "powerbi.execute_queries": 0.6,
    "supabase.create_user": 0.15,
    "supabase.get_user": 0.05,
}

# seconds until work that goes on in the background is done
PROCESSES = {
    "godaddy.zone_change": 2.0,  # "a few seconds", by dns-lexicon's retries
    "vercel.verification": 2.0,  # guess
    "fabric.operation": 20.0,  # [REC] Retry-After of creates and getDefinition
    "fabric.capacity_assignment": 5.0,  # guess
    "fabric.sql_endpoint": 30.0,  # [REC] unfinished at 11 of 12 first reads
    "fabric.notebook_job": 60.0,  # guess: a Spark session has to start
    "fabric.name_reserved": 300.0,  # fabric-cicd waits up to this long for a deleted item's name
    "fabric.permission": 5.0,  # guess
    "powerbi.import": 15.0,  # guess
    "powerbi.refresh": 15.0,  # guess
    "powerbi.datasources": 3.0,  # guess: the reference app polls for them after a create
    "azure_sql.copy": 120.0,  # guess
    "azure_sql.create": 45.0,  # guess
    "key_vault.purge": 5.0,  # 409 "for seconds after"
}
PROCESS_SECONDS = 2.0  # guess: work that has no line above


@dataclass(frozen=True)
class Latency:
    """A profile and its scale. Calls and processes are named `<vendor>.<operation>`."""

    profile: str = "instant"
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.profile not in PROFILES or not self.scale > 0:
            raise ValueError(f"latency is one of {PROFILES} with a scale above 0, not {self.profile} x {self.scale}")

    def of(self, operation: str) -> float:
        """Seconds until the call is answered."""
        if self.profile == "instant":
            return 0.0
        verb = operation.rpartition(".")[2]
        guess = READ_SECONDS if verb.startswith(READING) else WRITE_SECONDS
        return CALLS.get(operation, guess) * self.scale

    def lasts(self, process: str) -> float:
        """Seconds until the background process, which begins now, is done."""
        seconds = 0.0 if self.profile == "instant" else PROCESSES.get(process, PROCESS_SECONDS) * self.scale
        following.begins(process, seconds)
        return seconds

    def retry_after(self, seconds: float) -> int:
        """What a Retry-After header says instead of these seconds: 0 under instant, else at least 1."""
        return 0 if self.profile == "instant" else max(1, round(seconds * self.scale))
