"""Who may sign in: a link to try it as a super user, and the door that is closed while an organization is suspended.

A person asks for these without a run: each is one or two calls, and may be repeated at any time. From a terminal they are done at
once; in the portal, which calls no vendor, a person writes a row and a sensor has it done here.
"""

from uuid import UUID

from tenant_provisioning.model.errors import (
    DatabaseUnavailable,
    LifecycleError,
    ProvisioningError,
    VendorRejected,
    VendorUnavailable,
)
from tenant_provisioning.model.lifecycle import DeploymentStatus, check_move
from tenant_provisioning.settings import Settings
from tenant_provisioning.steps import delivery
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, open_context
from tenant_provisioning.steps.delivery import mailed_link_may_be_open
from tenant_provisioning.store import access_requests, audit, organizations, users
from tenant_provisioning.store.access_requests import AccessRequest, Wish
from tenant_provisioning.vendors.supabase import Link

S = DeploymentStatus
BY_SENSOR = "access_sensor"  # in the place of a run's id


async def sign_in_link(ctx: StepContext, *, email: str | None, actor: str) -> Link:
    """A single-use link that signs in as this super user, or as the first; audited without the address.

    LifecycleError while it would void a link the user has been mailed, or the status allows no sign-in.
    """
    name, status = ctx.organization.name, ctx.organization.status
    if status not in (S.PENDING_QA, S.ACTIVE):
        raise LifecycleError(f"{name} is {status}: a test login needs an organization in QA or live")
    wanted = (email or ctx.form.super_users[0].email).strip().lower()
    known = {user.email: user.id for user in await users.list_users(ctx.db, ctx.organization.id)}
    if wanted not in known:
        raise ProvisioningError(f"nobody of {name} has this email; its form names the super users")
    # looked up first, because a magic link for an address that nobody has would make a user
    user = await ctx.vendors.supabase.find_user_by_id(known[wanted])
    if user is None or user.email != wanted:
        raise ProvisioningError(f"the account of this super user of {name} is gone: run the super users step again")
    if await mailed_link_may_be_open(ctx.db, ctx.organization.id, user):
        raise LifecycleError(
            "this super user has been mailed a link and has not used it yet; another link would make that one void. "
            "Wait until they have signed in, or choose another super user."
        )
    link = await ctx.vendors.supabase.generate_link("magiclink", wanted, redirect_to=f"https://{ctx.host}/")
    await audit.append(
        ctx.db, ctx.organization.id, actor=actor, action="test_login", details={"user": str(known[wanted])}
    )
    return link


async def answer_request(settings: Settings, request: AccessRequest) -> None:
    """The wish is fulfilled or refused, in words for the person who had it; or put off while a vendor is away."""
    async with open_context(settings, request.subdomain, BY_SENSOR) as ctx:
        try:
            if ctx.organization.id != request.organization_id:
                raise LifecycleError("the organization has been rolled back, and its name belongs to another")
            link, told = await _fulfil(ctx, request)
        except DatabaseUnavailable:
            raise  # nothing can be answered now; the next look does it
        except VendorUnavailable as error:
            if request.attempts + 1 < access_requests.ATTEMPTS:
                await access_requests.put_off(ctx.db, request, f"{error}. It is tried again by itself.")
            else:
                await access_requests.answer(ctx.db, request, done=False, told=str(error))
        except ProvisioningError as error:
            await access_requests.answer(ctx.db, request, done=False, told=str(error))
        else:
            await access_requests.answer(ctx.db, request, done=True, told=told, link=link)


async def _fulfil(ctx: StepContext, request: AccessRequest) -> tuple[str | None, str]:
    """The encrypted link, if there is one, and a sentence about what was done."""
    who = request.requested_by
    if request.wish is Wish.SUSPEND:
        count = await suspend(ctx, actor=who, reason=request.reason)
        return None, f"{ctx.organization.name} is suspended: {count} user(s) cannot sign in. Its data stays."
    if request.wish is Wish.RESUME:
        count = await resume(ctx, actor=who, reason=request.reason)
        await delivery.deliver_due(ctx.db, ctx.vendors, ctx.settings, organization_id=ctx.organization.id)
        return None, f"{ctx.organization.name} is active: {count} user(s) can sign in again."
    people = {user.id: user.email for user in await users.list_users(ctx.db, ctx.organization.id)}
    email = people.get(request.user_id) if request.user_id else None
    if request.user_id and email is None:
        raise ProvisioningError(f"this user of {ctx.organization.name} is gone")
    link = await sign_in_link(ctx, email=email, actor=who)
    kept = ctx.vault.encrypt(link.action_link, ctx.organization.id, access_requests.LINK_COLUMN)
    return kept, "The link is ready. It signs in once, and is shown once."


async def suspend(ctx: StepContext, *, actor: str, reason: str) -> int:
    """How many users can sign in no more; the organization is suspended, its data stays.

    Sessions are not renewed any more; an access token that is out already lives on until it expires, an hour at most by default.
    """
    if ctx.organization.status is not S.SUSPENDED:
        check_move(ctx.organization.status, S.SUSPENDED)
        await organizations.move(ctx.db, ctx.organization.id, S.SUSPENDED, actor=actor, reason=reason)
    # the status first: should a call fail, what is left to do is seen, and the same command does it
    return await _set_ban(ctx, banned=True)


async def resume(ctx: StepContext, *, actor: str, reason: str = "") -> int:
    """How many users can sign in again; the organization is active."""
    if ctx.organization.status is not S.ACTIVE:
        if ctx.organization.status is not S.SUSPENDED:
            raise LifecycleError(
                f"{ctx.organization.name} is {ctx.organization.status}: only what is suspended can be resumed"
            )
        await organizations.move(ctx.db, ctx.organization.id, S.ACTIVE, actor=actor, reason=reason or "resumed")
    return await _set_ban(ctx, banned=False)


async def _set_ban(ctx: StepContext, *, banned: bool) -> int:
    everyone = await users.list_users(ctx.db, ctx.organization.id)
    return sum(await together(*(_set_ban_of(ctx, user.id, banned) for user in everyone)))


async def _set_ban_of(ctx: StepContext, user_id: UUID, banned: bool) -> bool:
    """True unless the account is gone, or has become another organization's."""
    supabase = ctx.vendors.supabase
    user = await supabase.find_user_by_id(user_id)
    if user is None or user.app_metadata.get("organization_id") != str(ctx.organization.id):
        return False
    try:
        await (supabase.ban_user(user_id) if banned else supabase.unban_user(user_id))
    except VendorRejected as refusal:
        if refusal.status != 404:
            raise
        return False
    return True
