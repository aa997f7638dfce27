"""The customer's first users: accounts in Supabase Auth with ids we choose, their rows, and a mail that says the platform is being
prepared. No credential and no link goes out here; that is go live's."""

from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

from tenant_provisioning.model.artifact import Artifact, ArtifactKind
from tenant_provisioning.model.errors import VendorRejected
from tenant_provisioning.model.naming import user_id
from tenant_provisioning.model.qa import Verdict, judged
from tenant_provisioning.model.tenant import SuperUser
from tenant_provisioning.steps import letters
from tenant_provisioning.steps._together import together
from tenant_provisioning.steps.context import StepContext, StepResult
from tenant_provisioning.steps.delivery import deliver_due, mailed_link_may_be_open
from tenant_provisioning.steps.ownership import Found, ensure_artifact
from tenant_provisioning.store import isolation, outbox, users
from tenant_provisioning.vendors.supabase import User

KIND = ArtifactKind.SUPER_USER
ROLE = "super_user"


async def ensure(ctx: StepContext) -> StepResult:
    """Every super user of the form has an account of this organization, a row, and a welcome mail queued."""
    await together(*(_ensure_person(ctx, person) for person in ctx.form.super_users))
    # a mail server that is away holds nothing up: what could not be sent stays queued, and the sensor tries again
    await deliver_due(ctx.db, ctx.vendors, ctx.settings, organization_id=ctx.organization.id)
    return StepResult(facts={"super_users": len(ctx.form.super_users)})


async def _ensure_person(ctx: StepContext, person: SuperUser) -> None:
    supabase, chosen = ctx.vendors.supabase, user_id(ctx.organization.id, person.email)
    claims = {"organization_id": str(ctx.organization.id), "role": ROLE}
    seen: list[User] = []

    async def find(_row: Artifact | None) -> Found | None:
        user = await supabase.find_user_by_id(chosen) or await supabase.find_user_by_email(person.email)
        if user is None:
            return None
        seen.append(user)
        # an id that follows from organization and email is as good as a mark
        ours = user.id == chosen or user.app_metadata.get("organization_id") == claims["organization_id"]
        return Found(str(user.id), ours=ours)

    async def create(row: Artifact) -> Found:
        try:
            user = await supabase.create_user(
                user_id=chosen,
                email=person.email,
                app_metadata=claims,
                user_metadata={"first_name": person.first_name, "last_name": person.last_name},
            )
        except VendorRejected as refusal:
            found = await find(row) if refusal.code == "email_exists" else None
            if found is None:
                raise
            return replace(found, existed=True)
        return Found(str(user.id), ours=True)

    artifact = await ensure_artifact(
        ctx, KIND, str(chosen), thing="an account with a super user's email", find=find, create=create
    )
    if seen and not claims.items() <= seen[-1].app_metadata.items():
        await supabase.update_user(seen[-1].id, app_metadata=claims)
    await users.save_user(ctx.db, ctx.organization.id, UUID(artifact.vendor_id), person, role=ROLE)
    letter = letters.being_prepared(ctx.settings.platform_name, ctx.organization.name, person.first_name)
    await outbox.queue_mail(
        ctx.db,
        ctx.organization.id,
        kind=letter.kind,
        recipient=person.email,
        subject=letter.subject,
        text=letter.text,
        html=letter.html,
    )


async def verify(ctx: StepContext) -> list[Verdict]:
    """Whether each super user can sign in with this organization's claims, and sees no other organization's rows."""
    proofs = await together(*(_prove(ctx, person) for person in ctx.form.super_users))
    expected, signed_in, foreign = len(proofs), sum(ours for ours, _ in proofs), sum(rows for _, rows in proofs)
    return [
        judged(
            "super_users_can_sign_in",
            expected=f"{expected} of {expected}",
            found=f"{signed_in} of {expected}",
            reason="A super user cannot sign in as a member of this organization. Run the super users step again.",
        ),
        judged(
            "super_users_see_only_their_own",
            expected="0 rows of other organizations",
            found=f"{foreign} rows of other organizations",
            reason="A signed-in super user sees another organization's rows. Do not go live: call the platform engineer.",
        ),
    ]


async def _prove(ctx: StepContext, person: SuperUser) -> tuple[bool, int]:
    """Whether this person's own sign-in bears this organization's claims, and how many rows of others it can read.

    A recovery link never makes a user, as a magic link would; nobody is sent it, and its session ends here. It would void a link
    that the person has been mailed and not used yet: while there may be one, the account itself is looked at instead.
    """
    supabase = ctx.vendors.supabase
    user = await supabase.find_user_by_email(person.email)
    if user is not None and await mailed_link_may_be_open(ctx.db, ctx.organization.id, user):
        return await _inspect(ctx, user)
    link = await supabase.generate_link("recovery", person.email)
    session = await supabase.verify_link(link.hashed_token, "recovery")
    try:
        rows = await isolation.foreign_rows(ctx.db, ctx.organization.id, session.claims)
    finally:
        await supabase.end_session(session)
    claimed = session.claims.get("app_metadata", {}).get("organization_id")
    return claimed == str(ctx.organization.id), sum(rows.values())


async def _inspect(ctx: StepContext, user: User) -> tuple[bool, int]:
    """The same without signing in: whether the account could, with the claims that its tokens will bear."""
    claims = {"sub": str(user.id), "role": "authenticated", "app_metadata": dict(user.app_metadata)}
    rows = await isolation.foreign_rows(ctx.db, ctx.organization.id, claims)
    banned = user.banned_until is not None and user.banned_until > datetime.now(UTC)
    ours = user.app_metadata.get("organization_id") == str(ctx.organization.id)
    return ours and user.is_confirmed and not banned, sum(rows.values())


async def shut_out(ctx: StepContext, artifact: Artifact) -> bool:
    """True when the person can sign in no more, False when there is no account of this organization's."""
    user = await _own_user(ctx, artifact)
    if user is not None:
        await ctx.vendors.supabase.ban_user(user.id)
    return user is not None


async def remove(ctx: StepContext, artifact: Artifact) -> None:
    """The account is gone, also one whose making we never heard the end of; quiet when it already was.

    An account that belongs to another organization by now stays.
    """
    user = await _own_user(ctx, artifact)
    if user is not None:
        await ctx.vendors.supabase.delete_user(user.id)


async def _own_user(ctx: StepContext, artifact: Artifact) -> User | None:
    """The artifact's account, unless its claims say that it is another organization's."""
    own = str(ctx.organization.id)
    user = await ctx.vendors.supabase.find_user_by_id(UUID(artifact.vendor_id or artifact.key))
    return user if user is not None and user.app_metadata.get("organization_id", own) == own else None
