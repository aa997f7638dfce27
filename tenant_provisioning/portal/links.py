"""Where the things of a tenant open at their vendors, and where its runs open in Dagster. Read off the ledger: nobody is asked."""

from collections.abc import Sequence

from tenant_provisioning.model.artifact import Artifact, ArtifactKind, ArtifactState
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings

# the part of a Fabric address that names the kind of item, by the ledger's kind
STORES = {"lakehouse": "lakehouses", "warehouse": "warehouses", "sql_database": "sqldatabases"}


class Links:
    """The addresses of one tenant's things; each is empty while the thing is not there."""

    def __init__(self, organization: Organization, artifacts: Sequence[Artifact], settings: Settings) -> None:
        present = [each for each in artifacts if each.state is ArtifactState.PRESENT and each.vendor_id]
        ids = {str(each.kind): str(each.vendor_id) for each in present if not each.key}
        self._reports = {each.key: str(each.vendor_id) for each in present if each.kind is ArtifactKind.REPORT}
        self._dagster = settings.dagster_url.rstrip("/")
        self.site = f"https://{organization.subdomain}.{organization.domain}"
        data = _under(f"{settings.fabric_app_url}/groups", ids.get(ArtifactKind.FABRIC_WORKSPACE))
        # the workspace of dataset and reports in Power BI
        self.reports_workspace = _under(f"{settings.powerbi_app_url}/groups", ids.get(ArtifactKind.POWERBI_WORKSPACE))
        store = next((kind for kind in STORES if kind in ids), "")
        self._things = {
            "hosting_domain": self.site if ArtifactKind.HOSTING_DOMAIN in ids else "",
            "fabric_workspace": data,
            "fabric_data_store": _under(data and f"{data}/{STORES.get(store, store)}", ids.get(store)),
            "powerbi_workspace": self.reports_workspace,
            "powerbi_dataset": _under(
                self.reports_workspace and f"{self.reports_workspace}/datasets", ids.get(ArtifactKind.DATASET)
            ),
            "deployed_reports": self.reports_workspace and f"{self.reports_workspace}/list",
            "live_tenant": self.site,
        }

    def thing(self, step: str) -> str:
        """What the step has made."""
        return self._things.get(step, "")

    def report(self, key: str) -> str:
        """The report that was made of this template, in Power BI."""
        return _under(self.reports_workspace and f"{self.reports_workspace}/reports", self._reports.get(key))

    def run(self, run_id: str) -> str:
        """The run in Dagster's UI; empty where nobody said where that is."""
        return _under(self._dagster and f"{self._dagster}/runs", run_id)


def _under(place: str, name: str | None) -> str:
    return f"{place}/{name}" if place and name else ""
