"""The one dimension of everything: each tenant, by its subdomain, is a partition. The onboarding sensor adds the keys."""

from collections.abc import Iterable

import dagster as dg

tenant = dg.DynamicPartitionsDefinition(name="tenant")


def unknown_tenants(instance: dg.DagsterInstance, tenants: Iterable[str]) -> list[str]:
    """Those of the tenants that are no partition yet. It asks for these alone: there may be thousands of others."""
    return [key for key in sorted(set(tenants)) if not instance.has_dynamic_partition(str(tenant.name), key)]
