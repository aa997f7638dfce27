"""Clocks: by how much ours differs from the vendors', as their answers to the other checks told it."""

from tenant_provisioning.doctor.findings import Ailment, Check
from tenant_provisioning.doctor.visit import Visit

MILD, SERIOUS = 30, 240  # seconds; Entra refuses assertions that are five minutes off


async def skew(visit: Visit) -> str:
    """Whether we agree with the vendors about the time. One vendor who differs from all others has it wrong itself."""
    vendors = visit.vendors
    told = {
        name: client.skew
        for name, client in (
            ("Fabric", vendors.fabric),
            ("Power BI", vendors.powerbi),
            ("GoDaddy", vendors.godaddy),
            ("Vercel", vendors.vercel),
            ("Supabase", vendors.supabase),
        )
        if client.skew is not None
    }
    if not told:
        raise Ailment("no vendor told the time", "Mend what failed above, then ask again.", mild=True)
    middle = sorted(told.values(), key=abs)[len(told) // 2]
    seen = ", ".join(f"{name} {round(seconds):+d} s" for name, seconds in told.items())
    if abs(middle) > MILD:
        where = "behind" if middle > 0 else "ahead of"
        raise Ailment(
            f"this machine's clock is {abs(middle):.0f} seconds {where} the vendors' ({seen})",
            "Let it follow a time server (timedatectl set-ntp true): sign-in fails when clocks differ by five minutes.",
            mild=abs(middle) <= SERIOUS,
        )
    return f"it agrees with the vendors' ({seen})"


CHECK = Check("clock.skew", "this machine", "compare our clock with the vendors'", skew)
