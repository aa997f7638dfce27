"""What the vendors' known error codes mean to a super admin, and what can safely be done about them. One table for all vendors.

How an error is read from a vendor's answer is `vendors`; whether another attempt may help is `errors.passes_in`.
"""

from dataclasses import dataclass

from tenant_provisioning.model.errors import ProvisioningError, VendorError


@dataclass(frozen=True)
class Meaning:
    """One known error: what has happened, and the safe next action."""

    explanation: str
    action: str


WAIT = "Nothing needs to be done: it is tried again by itself."
ENGINEER = "Ask the platform engineer, then try again."

MEANINGS: dict[tuple[str, str], Meaning] = {
    # GoDaddy
    ("GoDaddy", "DUPLICATE_RECORD"): Meaning(
        "The subdomain has other DNS records, and a CNAME cannot stand beside them.",
        "Remove them at GoDaddy if nobody needs them, or onboard under another subdomain, then try again.",
    ),
    ("GoDaddy", "TOO_MANY_REQUESTS"): Meaning("GoDaddy takes 60 requests a minute and no more.", WAIT),
    ("GoDaddy", "ACCESS_DENIED"): Meaning("GoDaddy does not let this account use its DNS API.", ENGINEER),
    ("GoDaddy", "UNABLE_TO_AUTHENTICATE"): Meaning(
        "GoDaddy does not accept our key.", "Check GODADDY_API_KEY and GODADDY_API_SECRET, then try again."
    ),
    ("GoDaddy", "UNKNOWN_DOMAIN"): Meaning("The domain is not registered with this GoDaddy account.", ENGINEER),
    # Vercel
    ("Vercel", "forbidden"): Meaning(
        "Vercel does not let our token do this.", "Check VERCEL_TOKEN and its team, then try again."
    ),
    ("Vercel", "domain_already_in_use"): Meaning(
        "The host is attached to another Vercel project.", "Detach it there, or choose another subdomain, then try again."
    ),
    ("Vercel", "rate_limited"): Meaning("Vercel asks us to slow down.", WAIT),
    # Microsoft Entra
    ("Microsoft Entra", "invalid_client"): Meaning(
        "Microsoft does not accept our credentials; perhaps the secret has expired.",
        "Renew ENTRA_CLIENT_SECRET or the certificate, then try again.",
    ),
    ("Microsoft Entra", "unauthorized_client"): Meaning(
        "Microsoft does not know this application in this directory.", "Check ENTRA_CLIENT_ID and ENTRA_TENANT_ID."
    ),
    # Microsoft Fabric
    ("Microsoft Fabric", "ItemDisplayNameNotAvailableYet"): Meaning(
        "Fabric keeps the name of something that was removed for a while.", WAIT
    ),
    ("Microsoft Fabric", "WorkspaceNameAlreadyExists"): Meaning(
        "A workspace of this name exists already.",
        "Rename or remove it in Fabric if nobody needs it, or onboard under another name, then try again.",
    ),
    ("Microsoft Fabric", "WorkspaceNameIsReserved"): Meaning("Fabric keeps this workspace name for a removed one.", WAIT),
    ("Microsoft Fabric", "CapacityNotFound"): Meaning(
        "The capacity is gone, paused, or not ours to see.", "Check that it runs, and FABRIC_CAPACITY_ID, then try again."
    ),
    ("Microsoft Fabric", "CapacityNotInActiveState"): Meaning(
        "The capacity is paused or being scaled.", "Resume it in the Azure portal, then try again."
    ),
    ("Microsoft Fabric", "InsufficientPrivileges"): Meaning("Our application lacks a permission in Fabric.", ENGINEER),
    ("Microsoft Fabric", "PrincipalWorkspaceLimitExceeded"): Meaning(
        "Our application has as many workspaces as Fabric allows.", "Roll back customers who have left, or ask Microsoft."
    ),
    ("Microsoft Fabric", "WorkspaceItemsLimitExceeded"): Meaning("The workspace is full.", ENGINEER),
    ("Microsoft Fabric", "UnsupportedCapacitySKU"): Meaning(
        "The capacity is of a kind that this needs more of.", "Choose another capacity (FABRIC_CAPACITY_ID), then try again."
    ),
    ("Microsoft Fabric", "DuplicateConnectionName"): Meaning(
        "A connection of this name exists that we may not use.", "Remove it in Fabric if nobody needs it, then try again."
    ),
    ("Microsoft Fabric", "IncorrectCredentials"): Meaning(
        "The data store does not accept the credentials that datasets read with.",
        "Check ENTRA_CLIENT_SECRET or CONNECTION_CLIENT_SECRET, then try again.",
    ),
    ("Microsoft Fabric", "NotebookExecutionFailed"): Meaning(
        "The template notebook, which makes the data store's tables, has failed.", ENGINEER
    ),
    ("Microsoft Fabric", "RequestBlocked"): Meaning("Fabric asks us to slow down.", WAIT),
    ("Microsoft Fabric", "TokenExpired"): Meaning("Our sign-in at Fabric had expired.", WAIT),
    # Power BI
    ("Power BI", "PowerBIEntityNotFound"): Meaning(
        "Power BI does not find a report, dataset or workspace that was there.",
        "Run the step again that makes it; what exists is kept.",
    ),
    ("Power BI", "InsufficientPrivileges"): Meaning("Our application lacks a permission in Power BI.", ENGINEER),
    ("Power BI", "DuplicatePackageFoundError"): Meaning(
        "The workspace holds several things of this report's name.",
        "Remove those that nobody needs in Power BI, then run the report again.",
    ),
    ("Power BI", "TokenExpired"): Meaning("Our sign-in at Power BI had expired.", WAIT),
    # Supabase
    ("Supabase Auth", "email_exists"): Meaning(
        "Somebody else's account has this email address already.",
        "Ask the customer for another address, or have the platform engineer remove the account, then try again.",
    ),
    ("Supabase Auth", "over_request_rate_limit"): Meaning("Supabase asks us to slow down.", WAIT),
    ("Supabase Auth", "bad_jwt"): Meaning(
        "Supabase does not accept our key.", "Check SUPABASE_SERVICE_ROLE_KEY, then try again."
    ),
}  # fmt: skip


def meaning_of(error: BaseException) -> Meaning | None:
    """What is known about a vendor's error, by its code; None for one that is not known."""
    return MEANINGS.get((error.vendor, error.code)) if isinstance(error, VendorError) and error.code else None


def in_plain_words(error: ProvisioningError) -> str:
    """The error as people are told it: the vendor's own words, and where they are known, what they mean and what to do."""
    known = meaning_of(error)
    if known is None:
        return str(error)
    told = str(error).rstrip()
    return f"{told}{'' if told.endswith('.') else '.'} {known.explanation} {known.action}"
