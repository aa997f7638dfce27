"""How the vendors have fared, by the hour."""

from tenant_provisioning.model.errors import VendorError, VendorRejected, VendorUnavailable
from tenant_provisioning.store.database import Database
from tenant_provisioning.store.vendor_incidents import record_incidents, vendor_health

BUSY = VendorUnavailable("Power BI", "clone report", "too many requests", status=429, retry_after=7)
AWAY = VendorUnavailable("Power BI", "list reports", "no answer within 30 seconds")
REFUSED = VendorRejected("GoDaddy", "put DNS record", "access was refused", status=403)


async def test_incidents_add_up_by_vendor_and_kind(db: Database) -> None:
    await record_incidents(db, [BUSY, BUSY, REFUSED])
    await record_incidents(db, [BUSY, AWAY])
    await record_incidents(db, [])

    godaddy, powerbi = await vendor_health(db, hours=24)

    assert (godaddy.vendor, godaddy.throttled, godaddy.unavailable, godaddy.rejected) == ("GoDaddy", 0, 0, 1)
    assert (powerbi.vendor, powerbi.throttled, powerbi.unavailable, powerbi.rejected) == ("Power BI", 3, 1, 0)
    assert godaddy.last_message == str(REFUSED)
    assert powerbi.last_message in {str(AWAY), str(BUSY)}


async def test_what_is_older_than_a_month_is_forgotten(db: Database) -> None:
    await record_incidents(db, [AWAY])
    async with db.connection() as connection:
        await connection.execute("update vendor_incidents set hour = hour - interval '31 days'")
    assert await vendor_health(db, hours=24) == []

    await record_incidents(db, [REFUSED])

    async with db.connection() as connection:
        rows = await (await connection.execute("select vendor from vendor_incidents")).fetchall()
    assert [row["vendor"] for row in rows] == ["GoDaddy"]


async def test_a_count_that_cannot_be_kept_fails_nobody(db: Database) -> None:
    await record_incidents(db, [VendorError("A\x00B", "call", "text")])

    assert await vendor_health(db, hours=24) == []
