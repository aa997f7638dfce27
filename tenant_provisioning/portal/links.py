"""Where the things of a tenant open, as its steps said it, and where its runs open in Dagster. Nobody is asked."""

from collections.abc import Sequence

from tenant_provisioning.model.plan import report_step
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.store.progress import StepProgress


class Links:
    """The addresses of one tenant's things; each is empty while the thing is not there."""

    def __init__(self, organization: Organization, steps: Sequence[StepProgress], settings: Settings) -> None:
        self._urls = {step.step: step.url for step in steps if step.url.startswith("https://")}
        self._dagster = settings.dagster_url.rstrip("/")
        self.site = f"https://{organization.subdomain}.{organization.domain}"
        workspace = self._urls.get("powerbi_workspace", "")
        # every report of the tenant, in Power BI
        self.reports = f"{workspace}/list" if workspace else ""

    def thing(self, step: str) -> str:
        """What the step has made."""
        return self.reports if step == "deployed_reports" else self._urls.get(step, "")

    def report(self, key: str) -> str:
        """The report that was made of this template."""
        return self._urls.get(report_step(key), "")

    def run(self, run_id: str) -> str:
        """The run in Dagster's UI; empty where nobody said where that is."""
        return f"{self._dagster}/runs/{run_id}" if self._dagster and run_id else ""
