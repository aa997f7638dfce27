"""Doctor as a whole: every check there is, carried out as many at once as their needs allow. The checks are next door."""

import asyncio
from collections.abc import Callable, Mapping

from tenant_provisioning.doctor import (
    clocks,
    data_stores,
    dns,
    entra,
    fabric,
    godaddy,
    keys,
    mail,
    platform,
    powerbi,
    supabase,
    vercel,
)
from tenant_provisioning.doctor.findings import Ailment, Check, Finding, Outcome
from tenant_provisioning.doctor.visit import Visit, open_visit
from tenant_provisioning.model.errors import ProvisioningError, VendorError, VendorUnavailable
from tenant_provisioning.settings import Settings

DEADLINE = 30.0  # seconds for one check
# in the order in which they are told
CHECKS: tuple[Check, ...] = tuple(
    check
    for part in (platform, keys, entra, fabric, data_stores, powerbi, godaddy, dns, vercel, supabase, mail)
    for check in part.CHECKS
)


async def examine(settings: Settings, *, told: Callable[[Finding], None] = lambda _: None) -> list[Finding]:
    """What became of every check, in their order; `told` hears of each as soon as it is known."""
    async with open_visit(settings) as visit:
        done: dict[str, asyncio.Task[Finding]] = {}
        async with asyncio.TaskGroup() as group:
            for check in CHECKS:  # each stands behind those it needs
                done[check.name] = group.create_task(_carry_out(check, visit, done, told))
        findings = [task.result() for task in done.values()]
        # the vendors' clocks are read off the answers to all of this
        last = await look(clocks.CHECK, visit)
    told(last)
    return [*findings, last]


async def _carry_out(
    check: Check, visit: Visit, done: Mapping[str, "asyncio.Task[Finding]"], told: Callable[[Finding], None]
) -> Finding:
    """The finding of one check, once those that it needs have passed."""
    before = [await done[name] for name in check.needs]
    missing = [each for each in before if each.outcome in {Outcome.FAILED, Outcome.NOT_TRIED}]
    if missing:
        because = f"not tried because of {', '.join(each.check for each in missing)}"
        finding = Finding(check.name, check.vendor, check.tried, Outcome.NOT_TRIED, because)
    else:
        finding = await look(check, visit)
    told(finding)
    return finding


async def look(check: Check, visit: Visit) -> Finding:
    """What becomes of one check, whatever it needs."""
    outcome, mend = Outcome.FAILED, ""
    try:
        async with asyncio.timeout(DEADLINE):
            found, outcome = await check.look(visit), Outcome.PASSED
    except Ailment as ailment:
        found, mend = ailment.found, ailment.mend
        outcome = Outcome.WARNED if ailment.mild else Outcome.FAILED
    except VendorUnavailable as silence:
        found, mend = str(silence), check.away
    except VendorError as refusal:
        found, mend = str(refusal), check.mend(refusal)
    except ProvisioningError as error:  # names the setting and says what to do by itself
        found = str(error)
    except TimeoutError:
        found, mend = f"no answer within {DEADLINE:g} seconds", check.away
    return Finding(check.name, check.vendor, check.tried, outcome, found, mend)
