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
    # Azure SQL: the codes of Databases_CreateOrUpdate and Databases_Delete in Azure's own specification
    ("Azure SQL", "ConflictingDatabaseOperation"): Meaning("Azure is still at work on this database.", WAIT),
    ("Azure SQL", "ConflictingSystemOperationInProgress"): Meaning("Azure maintains this database just now.", WAIT),
    ("Azure SQL", "TargetElasticPoolBeingUpdated"): Meaning("The elastic pool is being changed just now.", WAIT),
    ("Azure SQL", "OperationInterrupted"): Meaning("Azure broke the operation off for another one.", WAIT),
    ("Azure SQL", "DatabaseCopyLimitPerReplicaReached"): Meaning(
        "The template database is being copied as often at once as Azure allows.", WAIT
    ),
    ("Azure SQL", "SubscriptionTooManyCreateUpdateRequests"): Meaning("Azure asks us to slow down.", WAIT),
    ("Azure SQL", "SubscriptionTooManyRequests"): Meaning("Azure asks us to slow down.", WAIT),
    ("Azure SQL", "TooManyRequests"): Meaning("Azure asks us to slow down.", WAIT),
    ("Azure SQL", "OperationTimedOut"): Meaning("Azure took too long and has undone what it had begun.", WAIT),
    ("Azure SQL", "DatabaseUnavailable"): Meaning("The database does not answer at the moment.", WAIT),
    ("Azure SQL", "RemoteDatabaseExists"): Meaning(
        "The server has a database of this name already.",
        "Remove it in Azure if nobody needs it, or onboard under another subdomain, then try again.",
    ),
    ("Azure SQL", "ResourceNotFound"): Meaning(
        "Azure does not find the template database.", "Check AZURE_SQL_TEMPLATE_DATABASE, then try again."
    ),
    ("Azure SQL", "ParentResourceNotFound"): Meaning(
        "Azure does not find the SQL server.", "Check AZURE_SQL_SERVER_ID, then try again."
    ),
    ("Azure SQL", "SourceServerNotFound"): Meaning(
        "Azure does not find the template database's server.", "Check AZURE_SQL_SERVER_ID, then try again."
    ),
    ("Azure SQL", "AuthorizationFailed"): Meaning(
        "Our application may not make databases on this server.",
        "Give it the role SQL DB Contributor on the server, then try again.",
    ),
    ("Azure SQL", "ServerQuotaExceeded"): Meaning(
        "The server has no throughput left for another database.",
        "Have the quota raised, or remove what nobody needs, then try again.",
    ),
    ("Azure SQL", "ServerDtuQuotaExceeded"): Meaning(
        "The server has no throughput left for another database.",
        "Have the quota raised, or remove what nobody needs, then try again.",
    ),
    ("Azure SQL", "SubscriptionVcoreQuotaExceeded"): Meaning(
        "The subscription has as many cores as Azure allows it.", "Have the quota raised, then try again."
    ),
    ("Azure SQL", "ElasticPoolOverStorage"): Meaning(
        "The elastic pool has no room for another database.", "Give it more storage, then try again."
    ),
    ("Azure SQL", "SubscriptionDisabled"): Meaning("The Azure subscription is switched off.", ENGINEER),
    ("Azure SQL", "ServerDisabled"): Meaning("The SQL server is switched off.", ENGINEER),
    ("Azure SQL", "ProvisioningDisabled"): Meaning(
        "Azure makes no database there for this subscription.", "Choose another region or ask Microsoft."
    ),
    ("Azure SQL", "ExpiredAuthenticationToken"): Meaning("Our sign-in at Azure had expired.", WAIT),
    # SQL itself, by the number of the error
    ("SQL", "4060"): Meaning("The database is not there, or our application may not open it.", ENGINEER),
    ("SQL", "18456"): Meaning("The database does not let our application sign in.", ENGINEER),
    ("SQL", "40615"): Meaning(
        "The server's firewall does not let this machine in.", "Add its address to the firewall's rules, then try again."
    ),
    ("SQL", "40613"): Meaning("The database does not answer at the moment.", WAIT),
    ("SQL", "40501"): Meaning("The database is busy and asks us to slow down.", WAIT),
    # Azure Key Vault: its inner codes, where it tells them (learn.microsoft.com/azure/key-vault/general/rest-error-codes)
    ("Azure Key Vault", "Unauthorized"): Meaning(
        "The key vault does not accept our sign-in.", "Check ENTRA_TENANT_ID and ENTRA_CLIENT_ID, then try again."
    ),
    ("Azure Key Vault", "Forbidden"): Meaning("Our identity may not read this secret.", ENGINEER),
    ("Azure Key Vault", "ForbiddenByRbac"): Meaning(
        "Our identity has no role on the key vault, or has had it for some minutes only.",
        "Give it the role Key Vault Secrets User, wait ten minutes, then try again.",
    ),
    ("Azure Key Vault", "AccessDenied"): Meaning(
        "The vault's access policy does not let our identity read secrets.",
        "Add it to the policy with the permission Get, then try again.",
    ),
    ("Azure Key Vault", "ForbiddenByFirewall"): Meaning(
        "The key vault's firewall does not let this machine in.", "Add its address to the firewall's rules, then try again."
    ),
    ("Azure Key Vault", "ForbiddenByConnection"): Meaning(
        "The key vault is open to private endpoints alone.", "Connect from its network, or open it, then try again."
    ),
    ("Azure Key Vault", "SecretDisabled"): Meaning(
        "The secret is there, and switched off.", "Enable it in the key vault, or name another, then try again."
    ),
    ("Azure Key Vault", "ObjectIsDeletedButRecoverable"): Meaning(
        "The secret was deleted and could still be recovered, so its name is taken.",
        "Recover it in the key vault, then try again.",
    ),
    ("Azure Key Vault", "ObjectIsBeingDeleted"): Meaning(
        "The key vault is still deleting a secret of this name.", "Wait a minute, then try again."
    ),
    ("Azure Key Vault", "ObjectIsBeingRecovered"): Meaning(
        "The key vault is still recovering the secret.", "Wait a minute, then try again."
    ),
    ("Azure Key Vault", "Throttled"): Meaning("The key vault asks us to slow down.", "Wait a minute, then try again."),
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
