"""Everything a person can do to an organization in the portal: each writes rows, says so, and leads back to the page.

What is done about it is the sensors'. A refusal is told on the page: two people at once are no error.
"""

from collections.abc import Awaitable
from uuid import UUID

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.model.errors import LifecycleError, ProvisioningError
from tenant_provisioning.model.lifecycle import DeploymentStatus
from tenant_provisioning.model.plan import REPORT_PREFIX, STEP_NAMES
from tenant_provisioning.model.qa import MANUAL_ITEMS
from tenant_provisioning.model.tenant import Organization
from tenant_provisioning.portal import forms, pages
from tenant_provisioning.steps import approval
from tenant_provisioning.store import access_requests, check_requests, checklist, requests, rollbacks
from tenant_provisioning.store.access_requests import Wish
from tenant_provisioning.store.organizations import get_organization
from tenant_provisioning.store.vault import Vault

S = DeploymentStatus
IN_USE = (S.PENDING_QA, S.ACTIVE)


async def retry(request: Request) -> Response:
    """Another attempt at the steps that the form names, or at all that is left."""
    form = await forms.posted(request)
    selection = [step for step in form.getlist("step") if isinstance(step, str)]
    if not all(step in STEP_NAMES or step.startswith(REPORT_PREFIX) for step in selection):
        raise HTTPException(400, "This form names a step that there is not.")

    async def work() -> str:
        who = pages.admin(request).email
        attempt = await requests.retry(pages.db(request), _id(request), actor=who, selection=selection)
        return f"Attempt {attempt} begins within seconds" + (", at this part alone." if selection else ".")

    return await _said(request, work(), "organization")


async def tick(request: Request) -> Response:
    """An item of the checklist is done, or open again."""
    form = await forms.posted(request)
    item, done, note = forms.text(form, "item"), forms.text(form, "done") == "yes", forms.text(form, "note")

    async def work() -> str:
        db, who, organization = pages.db(request), pages.admin(request).email, await _organization(request)
        if item not in MANUAL_ITEMS:
            raise ProvisioningError("The checklist has no such item.")
        if organization.status is not S.PENDING_QA:
            raise LifecycleError(f"{organization.name} is {_told(organization)}: the checklist belongs to QA.")
        if done:
            await checklist.tick(db, organization.id, item, done_by=who, note=note)
            return f"Ticked: {MANUAL_ITEMS[item]}."
        await checklist.untick(db, organization.id, item, undone_by=who, note=note)
        await approval.settle(db, organization, pages.settings(request), noticed_by=who)
        return f"Open again: {MANUAL_ITEMS[item]}."

    return await _said(request, work(), "qa")


async def run_checks(request: Request) -> Response:
    """Every automatic check is asked again."""

    async def work() -> str:
        organization = await _organization(request)
        if organization.status not in IN_USE:
            raise LifecycleError(
                f"{organization.name} is {_told(organization)}: checks are run again in QA and when it is live."
            )
        await check_requests.request_checks(pages.db(request), organization.id, actor=pages.admin(request).email)
        return "The checks are run again within seconds. Their verdicts appear here."

    return await _said(request, work(), "qa")


async def approve(request: Request) -> Response:
    """The organization may go live, on the evidence that the person was shown."""
    form = await forms.posted(request)
    note, seen = forms.text(form, "note"), forms.text(form, "seen")

    async def work() -> str:
        db, settings, who = pages.db(request), pages.settings(request), pages.admin(request).email
        organization = await _organization(request)
        await approval.approve(db, organization.id, settings, by=who, note=note, seen=seen)
        return f"{organization.name} is approved. It goes live within a minute, after its checks have passed once more."

    return await _said(request, work(), "qa")


async def roll_back(request: Request) -> Response:
    """Everything that was made for the organization is taken away, once its name has been typed."""
    confirmed = forms.text(await forms.posted(request), "name")

    async def work() -> str:
        organization = await _organization(request)
        _check_name(organization, confirmed)
        who = pages.admin(request).email
        now = await rollbacks.request_rollback(pages.db(request), organization.id, actor=who, confirmed=confirmed)
        begins = "begins within seconds"
        if now.status is not S.ROLLING_BACK:
            begins = "begins as soon as the work on it has been stopped"
        return f"The rollback of {now.name} {begins}."

    return await _said(request, work(), "organization")


async def suspend(request: Request) -> Response:
    """The organization's users cannot sign in, once its name has been typed; its data stays."""
    form = await forms.posted(request)

    async def work() -> str:
        organization = await _organization(request)
        _check_name(organization, forms.text(form, "name"))
        if organization.status is not S.ACTIVE:
            raise LifecycleError(f"{organization.name} is {_told(organization)}: only what is live can be suspended.")
        if not (reason := forms.text(form, "reason")):
            raise LifecycleError("Say why it is suspended; it is kept in the timeline.")
        await _wish(request, Wish.SUSPEND, reason=reason)
        return f"{organization.name} is being suspended. That takes a few seconds."

    return await _said(request, work(), "qa")


async def resume(request: Request) -> Response:
    """The organization's users can sign in again."""

    async def work() -> str:
        organization = await _organization(request)
        if organization.status is not S.SUSPENDED:
            raise LifecycleError(
                f"{organization.name} is {_told(organization)}: only what is suspended can be resumed."
            )
        await _wish(request, Wish.RESUME)
        return f"{organization.name} is being resumed. That takes a few seconds."

    return await _said(request, work(), "qa")


async def test_login(request: Request) -> Response:
    """A link that signs in once as a super user is being made."""
    chosen = forms.text(await forms.posted(request), "user")

    async def work() -> str:
        organization = await _organization(request)
        if organization.status not in IN_USE:
            raise LifecycleError(
                f"{organization.name} is {_told(organization)}: a test login needs an organization in QA or live."
            )
        try:
            user_id = UUID(chosen) if chosen else None
        except ValueError:
            raise ProvisioningError("Choose one of the super users.") from None
        await _wish(request, Wish.TEST_LOGIN, user_id=user_id)
        return "The link is being made. It appears here within seconds."

    return await _said(request, work(), "qa")


async def show_link(request: Request) -> Response:
    """The link itself, to the person who asked for it, once."""
    db, organization = pages.db(request), await _organization(request)
    who, request_id = pages.admin(request).email, request.path_params["request_id"]
    sealed = await access_requests.take_link(db, request_id, organization.id, by=who)
    if sealed is None:
        pages.flash(request, "This link has been shown already, or is too old. Ask for another.", kind="warn")
        return pages.see_other(request, "qa", organization_id=organization.id)
    vault = Vault(pages.settings(request).secrets_key.get_secret_value())
    url = vault.decrypt(sealed, organization.id, access_requests.LINK_COLUMN)
    return pages.render(request, "test_login.html", organization=organization, url=url, tab="qa")


async def _wish(request: Request, wish: Wish, *, reason: str = "", user_id: UUID | None = None) -> None:
    await access_requests.request_access(
        pages.db(request), _id(request), wish, requested_by=pages.admin(request).email, reason=reason, user_id=user_id
    )


async def _said(request: Request, work: Awaitable[str], route: str) -> Response:
    try:
        pages.flash(request, await work, kind="good")
    except ProvisioningError as refusal:
        pages.flash(request, str(refusal), kind="bad")
    return pages.see_other(request, route, organization_id=_id(request))


async def _organization(request: Request) -> Organization:
    return await get_organization(pages.db(request), _id(request))


def _check_name(organization: Organization, given: str) -> None:
    if given != organization.name:
        raise LifecycleError(f"Nothing was done: to confirm, type the name of the organization, “{organization.name}”.")


def _told(organization: Organization) -> str:
    return pages.STATUS_TITLES[organization.status].lower()


def _id(request: Request) -> UUID:
    found: UUID = request.path_params["organization_id"]
    return found
