"""The one resource: settings and catalog, loaded when the first step needs them and not before, and what a run's steps share."""

from collections.abc import Callable
from functools import cached_property

from tenant_provisioning.catalog.manifest import load_catalog
from tenant_provisioning.model.catalog import Catalog, TemplateReport, matching_reports
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings, load_settings
from tenant_provisioning.steps.connections import Shared
from tenant_provisioning.steps.context import Connections


class Platform:
    """What a run knows of the platform it works for. Raises SetupError at first use when a setting is missing.

    Where a run's steps share an event loop, connections can `linger` so many seconds for the next step.
    """

    def __init__(self, load: Callable[[], Settings] = load_settings, *, linger: float = 0.0) -> None:
        self._load = load
        self.connections = Shared[Connections](linger)

    @cached_property
    def settings(self) -> Settings:
        """The settings, read once a process."""
        return self._load()

    @cached_property
    def catalog(self) -> Catalog:
        """The catalog of template reports, read once a process."""
        return load_catalog(self.settings.catalog_path)

    def reports_for(self, organization: Organization) -> tuple[TemplateReport, ...]:
        """The template reports that match this organization's providers."""
        return matching_reports(self.catalog.reports, organization.providers)
