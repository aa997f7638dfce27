"""What exists at a vendor, as the ledger `provisioned_artifacts` knows it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


class ArtifactKind(StrEnum):
    """The kinds of thing provisioning makes, in the order it makes them."""

    HOSTING_DOMAIN = "hosting_domain"
    DNS_RECORD = "dns_record"
    FABRIC_WORKSPACE = "fabric_workspace"
    DATA_STORE = "data_store"
    POWERBI_WORKSPACE = "powerbi_workspace"
    POWERBI_PROFILE = "powerbi_profile"
    CONNECTION = "connection"
    DATASET = "dataset"
    REPORT = "report"
    SUPER_USER = "super_user"


WORKSPACE_KINDS = (ArtifactKind.FABRIC_WORKSPACE, ArtifactKind.POWERBI_WORKSPACE)


class ArtifactState(StrEnum):
    """`intended` is written before the vendor call, `present` after it, `removed` by rollback."""

    INTENDED = "intended"
    PRESENT = "present"
    REMOVED = "removed"


@dataclass(frozen=True)
class Artifact:
    """A ledger row. `key` tells things of one kind apart (a template key, a user id) and is empty where there is one only.

    `created` is False for what was adopted: rollback leaves it alone. `details` holds what later steps need, never a secret.
    """

    id: UUID
    organization_id: UUID
    kind: ArtifactKind
    key: str
    state: ArtifactState
    vendor_id: str | None
    created: bool
    details: Mapping[str, Any] = field(default_factory=dict)
    sequence: int = 0
    updated_at: datetime | None = None
