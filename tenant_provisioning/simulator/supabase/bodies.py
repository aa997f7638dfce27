"""The bodies Supabase Auth reads.

Unknown properties are ignored, as its Go decoder ignores them; a wrong type is `bad_json`, and null means absent. So a
misspelt `app_metadata` makes a user without a claim here as there.
"""

from collections.abc import Mapping
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from tenant_provisioning.simulator.supabase.errors import AuthError

B = TypeVar("B", bound="Body")


class Body(BaseModel):
    """A JSON object whose known properties have exactly these types."""

    model_config = ConfigDict(extra="ignore", strict=True, frozen=True)


class AdminUser(Body):
    """POST and PUT admin/users. None means: not given."""

    id: str | None = None
    email: str | None = None
    phone: str | None = None
    password: str | None = None
    password_hash: str | None = None
    email_confirm: bool | None = None
    phone_confirm: bool | None = None
    user_metadata: Mapping[str, object] | None = None
    app_metadata: Mapping[str, object] | None = None
    ban_duration: str | None = None
    role: str | None = None


class DeleteUser(Body):
    """DELETE admin/users/{id}."""

    should_soft_delete: bool | None = None


class GenerateLink(Body):
    """POST admin/generate_link."""

    type: str | None = None
    email: str | None = None
    new_email: str | None = None
    password: str | None = None
    data: Mapping[str, object] | None = None
    redirect_to: str | None = None


class Invite(Body):
    """POST invite."""

    email: str | None = None
    data: Mapping[str, object] | None = None


class Verify(Body):
    """POST verify: either token_hash, or token with email."""

    type: str | None = None
    token: str | None = None
    token_hash: str | None = None
    email: str | None = None
    phone: str | None = None
    redirect_to: str | None = None


class Password(Body):
    """POST token?grant_type=password."""

    email: str | None = None
    phone: str | None = None
    password: str | None = None


class Otp(Body):
    """POST otp: a magic link by mail. With a code challenge the link leads to a code instead of a session."""

    email: str | None = None
    phone: str | None = None
    create_user: bool | None = None
    data: Mapping[str, object] | None = None
    channel: str | None = None
    code_challenge: str | None = None
    code_challenge_method: str | None = None


class CodeExchange(Body):
    """POST token?grant_type=pkce."""

    auth_code: str | None = None
    code_verifier: str | None = None


class Refresh(Body):
    """POST token?grant_type=refresh_token."""

    refresh_token: str | None = None


class OwnUser(Body):
    """PUT user: what a signed-in user may change of itself."""

    email: str | None = None
    password: str | None = None
    data: Mapping[str, object] | None = None
    app_metadata: Mapping[str, object] | None = None


def parse(model: type[B], body: bytes) -> B:
    """The body as `model`; AuthError `bad_json` when it is no such JSON."""
    try:
        return model.model_validate_json(body)
    except ValidationError as mistakes:
        first = mistakes.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"]))
        said = f"{first['msg']}{f' ({where})' if where else ''}"
        raise AuthError(400, "bad_json", f"Could not parse request body as JSON: {said}") from None
