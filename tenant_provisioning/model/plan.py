"""The steps of provisioning, of going live and of rollback, in the order a person sees them.

How each is done is `steps`; how they depend on each other is `defs.assets`.
"""

from collections.abc import Iterable
from dataclasses import dataclass

REPORT_PREFIX = "reports/"
ROLLBACK_PREFIX = "rollback/"


@dataclass(frozen=True)
class PlannedStep:
    """A step by its asset name, with a title for people and the asset checks that guard it, in order."""

    name: str
    title: str
    checks: tuple[str, ...] = ()


STEPS: tuple[PlannedStep, ...] = (
    PlannedStep("hosting_domain", "Host attached to the web app"),
    PlannedStep("dns_record", "Subdomain", ("resolves_to_the_web_app",)),
    PlannedStep("fabric_workspace", "Fabric workspace", ("workspace_is_on_capacity",)),
    PlannedStep("data_store_shell", "Data store, before its tables"),
    PlannedStep("fabric_data_store", "Data store", ("schema_is_ready", "endpoint_is_ready")),
    PlannedStep("powerbi_workspace", "Power BI workspace", ("reports_workspace_is_on_capacity",)),
    PlannedStep("report_imports", "Report files"),
    PlannedStep("dataset_shell", "Dataset, before its data"),
    PlannedStep("powerbi_dataset", "Dataset", ("dataset_is_bound_to_own_data", "dataset_answers_a_query")),
    PlannedStep("deployed_reports", "Reports", ("all_reports_are_deployed", "reports_are_bound_to_own_dataset")),
    PlannedStep("module_configuration", "Modules", ("modules_are_initialized", "features_point_to_deployed_reports")),
    PlannedStep("super_users", "Super users", ("super_users_can_sign_in", "super_users_see_only_their_own")),
    PlannedStep("organization_record", "Organization record", ("secret_is_encrypted",)),
)
STEP_NAMES = tuple(step.name for step in STEPS)

# Beyond provisioning: a person has approved, and the customer is let in.
GO_LIVE = PlannedStep("live_tenant", "Live")

# The way back: first nobody can get in any more, then what points to the tenant goes, then what it points to.
ROLLBACK_STEPS: tuple[PlannedStep, ...] = (
    PlannedStep("rollback/sign_in", "Sign-in closed"),
    PlannedStep("rollback/super_user", "Super users removed"),
    PlannedStep("rollback/dns_record", "Subdomain removed"),
    PlannedStep("rollback/hosting_domain", "Host detached from the web app"),
    PlannedStep("rollback/connection", "Dataset's connection removed"),
    PlannedStep("rollback/powerbi_workspace", "Reports, dataset and their workspace removed"),
    PlannedStep("rollback/fabric_workspace", "Data store and its workspace removed"),
    PlannedStep("rollback/organization_record", "Organization's rows cleared"),
)


def report_step(template_key: str) -> str:
    """The step (and asset) name of one template report."""
    return REPORT_PREFIX + template_key


def planned_steps(template_keys: Iterable[str]) -> tuple[str, ...]:
    """Every step of one tenant, reports included, in order: the reports come right before their roll-up."""
    at = STEP_NAMES.index("deployed_reports")
    return (*STEP_NAMES[:at], *map(report_step, template_keys), *STEP_NAMES[at:])
