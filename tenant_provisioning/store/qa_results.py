"""What the automatic checks found, every time they ran. What a verdict is, is `model.qa`."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from tenant_provisioning.model.errors import NoSuchTenant
from tenant_provisioning.model.qa import Outcome, Verdict
from tenant_provisioning.store.database import Database


@dataclass(frozen=True)
class RecordedVerdict:
    """A verdict with the step it judges, the run that came to it, and whether going live depends on it."""

    step: str
    verdict: Verdict
    blocking: bool
    run_id: str
    attempt: int
    checked_at: datetime


async def record_verdict(
    db: Database, organization_id: UUID, *, run_id: str, step: str, verdict: Verdict, blocking: bool
) -> None:
    """Keep the verdict beside the earlier ones, under the attempt of the onboarding request."""
    async with db.statement() as connection:
        kept = await connection.execute(
            """insert into qa_results
                 (organization_id, attempt, run_id, step, check_name, outcome, blocking, expected, found, reason)
               select organization_id, attempt, %(run_id)s, %(step)s, %(check)s, %(outcome)s, %(blocking)s,
                      %(expected)s, %(found)s, %(reason)s
               from onboarding_requests where organization_id = %(organization_id)s""",
            {
                "organization_id": organization_id,
                "run_id": run_id,
                "step": step,
                "check": verdict.check,
                "outcome": verdict.outcome,
                "blocking": blocking,
                "expected": verdict.expected,
                "found": verdict.found,
                "reason": verdict.reason,
            },
        )
        if kept.rowcount == 0:
            raise NoSuchTenant(f"organization {organization_id} has no onboarding request")


async def latest_verdicts(
    db: Database, organization_id: UUID, *, carried_out_only: bool = False
) -> list[RecordedVerdict]:
    """The newest verdict of each check, by step and check; the newest one that says something, if asked so."""
    async with db.statement() as connection:
        rows = await connection.execute(
            """select distinct on (step, check_name) * from qa_results
               where organization_id = %s and (outcome <> 'not_carried_out' or not %s)
               order by step, check_name, id desc""",
            (organization_id, carried_out_only),
        )
        return [
            RecordedVerdict(
                step=row["step"],
                verdict=Verdict(
                    row["check_name"], Outcome(row["outcome"]), row["expected"], row["found"], row["reason"]
                ),
                blocking=row["blocking"],
                run_id=row["run_id"],
                attempt=row["attempt"],
                checked_at=row["checked_at"],
            )
            async for row in rows
        ]
