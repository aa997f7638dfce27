"""The names and marks of everything we make at the vendors, so that each can be found again and none is made twice."""

import re
import uuid
from uuid import UUID

RESERVED_SUBDOMAINS = frozenset(
    {
        "www",
        "api",
        "admin",
        "app",
        "auth",
        "mail",
        "smtp",
        "imap",
        "ftp",
        "ns",
        "ns1",
        "ns2",
        "mx",
        "static",
        "assets",
        "cdn",
        "status",
        "support",
        "help",
        "docs",
        "blog",
        "dev",
        "test",
        "staging",
        "demo",
        "portal",
        "login",
        "dashboard",
        "billing",
        "localhost",
    }
)
DNS_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
NAME_PART = 180  # with a subdomain of 63 characters and the rest, a workspace name keeps to the 256 that Fabric takes
USERS = UUID("5f0c7a1e-6f7c-5c29-9a57-6ad3a5d1f0b4")  # namespace of our user ids; changing it would orphan every user


def host_name(subdomain: str, domain: str) -> str:
    """The customer's address: acme.yourplatform.com."""
    return f"{subdomain}.{domain}"


def owner_mark(organization_id: UUID) -> str:
    """What we write into a vendor's description field so that the thing is known as this organization's."""
    return f"tenant-provisioning:{organization_id}"


def fabric_workspace_name(name: str, subdomain: str) -> str:
    """The name of the workspace that holds the data. Fabric and Power BI share one name space, unique in the Entra tenant."""
    return f"{name[:NAME_PART]} ({subdomain}) data"


def powerbi_workspace_name(name: str, subdomain: str) -> str:
    """The name of the workspace that holds dataset and reports; differs from the data workspace's."""
    return f"{name[:NAME_PART]} ({subdomain}) reports"


def powerbi_profile_name(organization_id: UUID, subdomain: str) -> str:
    """The name of the tenant's service principal profile, the only place where one can carry our mark."""
    return f"{subdomain} {owner_mark(organization_id)}"


def lakehouse_name(subdomain: str) -> str:
    """Lakehouse names take letters, digits and underscores and begin with a letter."""
    return "lh_" + subdomain.replace("-", "_")


def warehouse_name(subdomain: str) -> str:
    """As `lakehouse_name`: a warehouse and a lakehouse share a workspace's SQL endpoint names."""
    return "wh_" + subdomain.replace("-", "_")


def database_name(subdomain: str) -> str:
    """The SQL database's name, in Fabric and on an Azure SQL server."""
    return "db_" + subdomain.replace("-", "_")


def dataset_name(name: str) -> str:
    """The dataset as the customer sees it in Power BI."""
    return f"{name[:200]} dataset"


def connection_name(workspace_id: str) -> str:
    """Connections outlive their workspace, so the name carries the workspace's id and they can be found for removal."""
    return f"tenant-provisioning {workspace_id}"


def user_id(organization_id: UUID, email: str) -> UUID:
    """The id we choose for a user; the same for every attempt, so a retry finds the user it made before."""
    return uuid.uuid5(USERS, f"{organization_id}:{email.strip().lower()}")
