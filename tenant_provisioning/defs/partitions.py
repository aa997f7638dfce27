"""The one dimension of everything: each tenant, by its subdomain, is a partition. The onboarding sensor adds the keys."""

import dagster as dg

tenant = dg.DynamicPartitionsDefinition(name="tenant")
