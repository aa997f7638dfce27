"""The steps of provisioning in the order a person sees them. How each is done is `steps`; how they depend on each other is `defs.assets`."""

from collections.abc import Iterable
from dataclasses import dataclass

REPORT_PREFIX = "reports/"


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
    PlannedStep("fabric_data_store", "Data store", ("schema_is_ready", "endpoint_is_ready")),
    PlannedStep("powerbi_workspace", "Power BI workspace", ("reports_workspace_is_on_capacity",)),
    PlannedStep("powerbi_dataset", "Dataset", ("dataset_is_bound_to_own_data", "dataset_answers_a_query")),
    PlannedStep("deployed_reports", "Reports", ("all_reports_are_deployed", "reports_are_bound_to_own_dataset")),
    PlannedStep("module_configuration", "Modules", ("modules_are_initialized", "features_point_to_deployed_reports")),
    PlannedStep("super_users", "Super users", ("super_users_can_sign_in", "super_users_see_only_their_own")),
    PlannedStep("organization_record", "Organization record", ("secret_is_encrypted",)),
)
STEP_NAMES = tuple(step.name for step in STEPS)


def report_step(template_key: str) -> str:
    """The step (and asset) name of one template report."""
    return REPORT_PREFIX + template_key


def planned_steps(template_keys: Iterable[str]) -> tuple[str, ...]:
    """Every step of one tenant, reports included, in order: the reports come right before their roll-up."""
    at = STEP_NAMES.index("deployed_reports")
    return (*STEP_NAMES[:at], *map(report_step, template_keys), *STEP_NAMES[at:])
