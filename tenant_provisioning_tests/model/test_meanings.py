"""What vendors' codes mean to people."""

import pytest

from tenant_provisioning.model.errors import (
    ChecksOutstanding,
    DatabaseUnavailable,
    OwnershipConflict,
    VendorRejected,
    VendorUnavailable,
    passes_in,
)
from tenant_provisioning.model.lifecycle import LONGEST_WAIT, MOST_WAITS, wait_before_attempt
from tenant_provisioning.model.meanings import MEANINGS, WAIT, in_plain_words, meaning_of

VENDORS = {
    "GoDaddy", "Vercel", "Microsoft Entra", "Microsoft Fabric", "Power BI", "Supabase Auth", "Azure SQL", "SQL", "Azure Key Vault",
}  # fmt: skip


@pytest.mark.parametrize(("vendor", "code"), MEANINGS)
def test_every_known_code_has_a_sentence_that_explains_and_one_that_says_what_to_do(vendor: str, code: str) -> None:
    known = MEANINGS[vendor, code]

    assert vendor in VENDORS
    for sentence in (known.explanation, known.action):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert code not in known.explanation


def test_an_error_is_told_in_the_vendors_words_with_what_they_mean_and_what_to_do() -> None:
    error = VendorUnavailable(
        "Microsoft Fabric",
        "create lakehouse",
        "The name is not available",
        status=400,
        code="ItemDisplayNameNotAvailableYet",
    )

    assert in_plain_words(error) == (
        "Microsoft Fabric: create lakehouse: The name is not available (HTTP 400, ItemDisplayNameNotAvailableYet). "
        f"Fabric keeps the name of something that was removed for a while. {WAIT}"
    )


def test_an_unknown_code_is_told_as_it_is() -> None:
    error = VendorRejected("Power BI", "clone report", "no", code="NeverSeen")

    assert meaning_of(error) is None
    assert in_plain_words(error) == str(error)


def test_what_passes_by_itself_is_told_from_what_needs_a_person() -> None:
    assert passes_in(VendorUnavailable("GoDaddy", "put", "busy", retry_after=90)) == 90
    assert passes_in(VendorUnavailable("GoDaddy", "put", "busy")) == 0
    assert passes_in(DatabaseUnavailable("away")) == 0
    assert passes_in(ChecksOutstanding("not yet")) == 0
    for lasting in (VendorRejected("GoDaddy", "put", "no"), OwnershipConflict("theirs"), ValueError("ours")):
        assert passes_in(lasting) is None


def test_waiting_grows_to_an_hour_and_ends_after_about_a_day() -> None:
    waits = [wait_before_attempt(number) for number in range(MOST_WAITS + 1)]

    assert waits[-1] is None
    granted = [wait for wait in waits if wait is not None]
    assert granted == sorted(granted)
    assert granted[-1] == LONGEST_WAIT
    assert 20 < sum(wait.total_seconds() for wait in granted) / 3600 < 30
