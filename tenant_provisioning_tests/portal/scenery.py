"""A platform with customers in every state, painted with the store's own functions: for browser tests and for screenshots."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from tenant_provisioning.model.artifact import ArtifactKind
from tenant_provisioning.model.catalog import TemplateReport, matching_reports
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.naming import user_id
from tenant_provisioning.model.plan import STEPS, report_step
from tenant_provisioning.model.qa import MANUAL_ITEMS, Outcome, Verdict, judged
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import approval
from tenant_provisioning.store import (
    artifacts,
    checklist,
    organizations,
    progress,
    qa_results,
    reports,
    requests,
    rollbacks,
    users,
)  # fmt: skip
from tenant_provisioning.store.database import Database
from tenant_provisioning_tests.people import KIM, SAM

S = DeploymentStatus
RUN = "5a1c1f6e-2f7b-4a55-9d0e-6f2f0a9b7c11"
MADE = {
    "hosting_domain": ArtifactKind.HOSTING_DOMAIN,
    "dns_record": ArtifactKind.DNS_RECORD,
    "fabric_workspace": ArtifactKind.FABRIC_WORKSPACE,
    "powerbi_workspace": ArtifactKind.POWERBI_WORKSPACE,
}


class Painter:
    """Makes organizations and brings each as far as wanted."""

    def __init__(self, db: Database, settings: Settings, templates: Sequence[TemplateReport]) -> None:
        self._db, self._settings, self._templates = db, settings, templates

    async def request(self, subdomain: str, name: str, *, by: str = SAM.email, **providers: str) -> Organization:
        """A new organization that nobody works on yet."""
        form: dict[str, Any] = {
            "name": name,
            "subdomain": subdomain,
            "lms": "APTEM",
            "english_maths": "BKSB",
            "crm": "HUBSPOT",
        }
        people = [{"email": f"ada@{subdomain}.example", "first_name": "Ada", "last_name": "Lovelace"}]
        return await requests.submit(
            self._db, form | providers | {"super_users": people}, requested_by=by, default_domain="yourplatform.com"
        )

    async def provision(
        self,
        organization: Organization,
        *,
        upto: str = "",
        failing: Mapping[str, str] | None = None,
        reports_done: int = 1000,
    ) -> Organization:
        """The steps done until `upto`, which runs; those of `failing` fail for a reason and end the attempt."""
        who, failing = organization.id, failing or {}
        await organizations.claim(self._db, who, RUN, actor="provision_tenant")
        for step in STEPS:
            if step.name == "deployed_reports":
                await self._reports(organization, reports_done, failing, running=upto == step.name)
            if step.name in failing or step.name == upto:
                await progress.start_step(self._db, who, step.name, run_id=RUN)
                if step.name in failing:
                    await progress.fail_step(self._db, who, step.name, reason=failing[step.name])
                break
            await self._done(organization, step.name)
            for check in step.checks:
                verdict = judged(check, expected="as it should be", found="as it should be", reason="")
                await self.judge(organization, step.name, verdict)
        if upto:
            return await organizations.get_organization(self._db, who)
        await organizations.release(self._db, who, RUN)
        if failing:
            reason = next(iter(failing.values()))
            return await organizations.move(self._db, who, S.FAILED, actor="provision_tenant", reason=reason)
        return await organizations.move(self._db, who, S.PENDING_QA, actor="provision_tenant")

    async def judge(self, organization: Organization, step: str, verdict: Verdict, *, blocking: bool = True) -> None:
        """A verdict of the newest round."""
        await qa_results.record_verdict(
            self._db, organization.id, run_id=RUN, step=step, verdict=verdict, blocking=blocking
        )

    async def tick_all(self, organization: Organization, *, by: str = SAM.email) -> None:
        """The whole checklist, ticked."""
        for item in MANUAL_ITEMS:
            await checklist.tick(self._db, organization.id, item, done_by=by, note="")

    async def approve(self, organization: Organization, *, by: str = KIM.email) -> None:
        """An approval that stands."""
        await approval.approve(self._db, organization.id, self._settings, by=by, note="All good.")

    async def go_live(self, organization: Organization) -> Organization:
        """The organization, live."""
        await self.tick_all(organization)
        await self.approve(organization)
        return await organizations.move(self._db, organization.id, S.ACTIVE, actor="go_live")

    async def roll_back(self, organization: Organization, *, finished: bool) -> Organization:
        """A rollback under way, or at its end."""
        await rollbacks.request_rollback(self._db, organization.id, actor=SAM.email, confirmed=organization.name)
        found = await rollbacks.begin_rollback(self._db, organization.id)
        if finished:
            found = await organizations.move(self._db, organization.id, S.ROLLED_BACK, actor="rollback_tenant")
        return found

    async def _done(self, organization: Organization, step: str) -> None:
        await progress.start_step(self._db, organization.id, step, run_id=RUN)
        await progress.finish_step(self._db, organization.id, step)
        if step == "super_users":
            for person in (await requests.get_form(self._db, organization.id)).super_users:
                await users.save_user(self._db, organization.id, user_id(organization.id, person.email), person)
        if step in MADE:
            made = await artifacts.intend(self._db, organization.id, MADE[step])
            await artifacts.record_present(self._db, made.id, vendor_id=str(UUID(int=made.id.int ^ 1)))

    async def _reports(
        self, organization: Organization, most: int, failing: Mapping[str, str], *, running: bool
    ) -> None:
        for at, template in enumerate(matching_reports(self._templates, organization.providers)):
            step = report_step(template.key)
            if at >= most and not (running and at < most + 4):
                continue
            await progress.start_step(self._db, organization.id, step, run_id=RUN)
            if at >= most:
                continue
            if "deployed_reports" in failing and at in (3, 11):
                await progress.fail_step(
                    self._db, organization.id, step, reason=failing["deployed_reports"], a_rerun_can_help=True
                )
                continue
            await reports.save_deployed_report(
                self._db, organization.id, template.key, powerbi_report_id=str(UUID(int=at + 1)),
                workspace_id=str(UUID(int=7)), dataset_id=str(UUID(int=8)), content_hash=template.content_hash,
            )  # fmt: skip
            await progress.finish_step(self._db, organization.id, step)


async def paint(db: Database, settings: Settings, templates: Sequence[TemplateReport]) -> dict[str, Organization]:
    """One organization for each state that a page can show, by what it is there to show."""
    painter = Painter(db, settings, templates)
    scene: dict[str, Organization] = {}
    live = await painter.provision(await painter.request("northgate", "Northgate College", lms="ONEFILE"))
    scene["live"] = await painter.go_live(live)
    suspended = await painter.go_live(await painter.provision(await painter.request("brightpath", "Brightpath Skills")))
    scene["suspended"] = await organizations.move(
        db, suspended.id, S.SUSPENDED, actor=KIM.email, reason="Invoice open since August"
    )
    gone = await painter.provision(await painter.request("oldfield", "Oldfield Training"))
    scene["rolled_back"] = await painter.roll_back(gone, finished=True)
    going = await painter.provision(await painter.request("westbrook", "Westbrook Apprenticeships", crm="SALESFORCE"))
    scene["rolling_back"] = await painter.roll_back(going, finished=False)
    scene["pending_qa"] = await painter.provision(await painter.request("acme", "Acme Training"))
    ready = await painter.provision(await painter.request("harbour", "Harbour Learning", by=KIM.email, hr="CASCADE"))
    await painter.tick_all(ready)
    scene["approvable"] = ready
    checked = await painter.provision(await painter.request("lighthouse", "Lighthouse Academy", lms="BUD"))
    wrong = Verdict(
        "dataset_answers_a_query", Outcome.FAILED, "6 tables", "5 tables",
        "The table attendance does not answer: refresh the dataset, then run the checks again.",
    )  # fmt: skip
    await painter.judge(checked, "powerbi_dataset", wrong)
    scene["check_failed"] = checked
    failing = {
        "deployed_reports": "Power BI: clone report: the capacity is overloaded (HTTP 429, CapacityNotAvailable)"
    }
    scene["failed"] = await painter.provision(
        await painter.request("riverside", "Riverside Institute"), failing=failing
    )
    scene["provisioning"] = await painter.provision(
        await painter.request("summit", "Summit Professional", english_maths="CENTURY"),
        upto="deployed_reports",
        reports_done=17,
    )
    scene["requested"] = await painter.request("meadow", "Meadow Vale Training", by=KIM.email)
    return scene
