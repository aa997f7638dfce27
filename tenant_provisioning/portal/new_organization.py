"""A new organization, in five pages over one draft: each keeps what was entered before it looks whether that is right.

So going back, forward, away and reloading lose nothing. Whether the form is valid is the model's to say, once for the command line
and here; what the fields of a data store are is `data_stores`.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from starlette.datastructures import FormData
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from tenant_provisioning.model.catalog import CATEGORIES, REQUIRED_CATEGORIES, matches, near_misses
from tenant_provisioning.model.errors import ProvisioningError, RequestInvalid
from tenant_provisioning.model.tenant import MAX_SUPER_USERS
from tenant_provisioning.portal import data_stores, forms, pages
from tenant_provisioning.portal.forms import Form
from tenant_provisioning.store import catalog, drafts, requests
from tenant_provisioning.store.drafts import Draft
from tenant_provisioning.store.vault import Vault

PERSON = ("email", "first_name", "last_name")
CATEGORY_TITLES = {"lms": "LMS", "english_maths": "English & maths", "crm": "CRM", "hr": "HR"}

LABELS = CATEGORY_TITLES | {
    "name": "Name", "subdomain": "Subdomain", "email": "email", "first_name": "first name", "last_name": "last name",
    "workspace_url": "Address of the workspace", "connection_string": "Connection string",
}  # fmt: skip


@dataclass(frozen=True)
class Step:
    """One page of the wizard; `fields` are the first parts of the paths of its mistakes."""

    key: str
    title: str
    fields: tuple[str, ...]


STEPS = (
    Step("basics", "Basics", ("name", "subdomain", "domain")),
    Step("providers", "Providers", CATEGORIES),
    Step("data-store", "Data store", ("data_store",)),
    Step("super-users", "Super users", ("super_users",)),
    Step("review", "Review", ("",)),
)
KEYS = tuple(step.key for step in STEPS)


async def invitation(request: Request) -> Response:
    """Where one can begin."""
    return pages.render(request, "new_organization.html")


async def begin(request: Request) -> Response:
    """An empty draft is there, and its first page is next."""
    draft_id = await drafts.begin_draft(pages.db(request), pages.admin(request).user_id)
    return pages.see_other(request, "new_organization", draft_id=draft_id, step=KEYS[0])


async def page(request: Request) -> Response:
    """One page of the wizard, with what the draft holds; mistakes are shown where something was entered before."""
    draft, step = await _draft(request), _step(request)
    if draft.submitted_as is not None:
        return pages.see_other(request, "organization", organization_id=draft.submitted_as)
    return await _show(request, draft, step, complain=step.key in draft.fields.get("visited", ()))


async def save(request: Request) -> Response:
    """What was entered is kept, right or wrong; then on, back, a row more or less, or the same page with its mistakes."""
    draft, step, form = await _draft(request), _step(request), await forms.posted(request)
    if draft.submitted_as is not None:
        return pages.see_other(request, "organization", organization_id=draft.submitted_as)
    go = forms.text(form, "go") or "next"
    if step.key == "review" and go == "submit":
        return await _submit(request, draft)
    entered, sealed = _entered(request, draft, step, form, go)
    visited = (
        {"visited": sorted({*draft.fields.get("visited", ()), step.key})} if go in ("next", "back", "save") else {}
    )
    await drafts.save_draft(pages.db(request), draft.id, pages.admin(request).user_id, entered | visited, sealed)
    if go == "keep":  # a script, while somebody types
        return Response(status_code=204)
    draft = await _draft(request)
    if go == "next" and _of_step(step, await _mistakes(request, draft)):
        return await _show(request, draft, step, complain=True, status=422)
    return _on(request, draft, step, go)


def _on(request: Request, draft: Draft, step: Step, go: str) -> Response:
    """Where a button leads once everything is kept."""
    if go == "save":
        pages.flash(request, "The draft is kept. Go on whenever you like.")
        return pages.see_other(request, "organizations")
    at = KEYS.index(step.key) + {"next": 1, "back": -1}.get(go, 0)
    return pages.see_other(request, "new_organization", draft_id=draft.id, step=KEYS[max(0, min(at, len(KEYS) - 1))])


async def discard(request: Request) -> Response:
    """The draft is gone."""
    draft = await _draft(request)
    await drafts.discard_draft(pages.db(request), draft.id, pages.admin(request).user_id)
    pages.flash(request, f"The draft “{draft.name}” is gone.")
    return pages.see_other(request, "organizations")


async def subdomain(request: Request) -> Response:
    """Whether a subdomain can be had, while it is typed: its mistakes, none when it is free."""
    wished = request.query_params.get("subdomain", "").strip().lower()
    found = await _mistakes_of(request, {"subdomain": wished})
    return JSONResponse({"subdomain": wished, "mistakes": list(found.get("subdomain", ()))})


async def matching(request: Request) -> Response:
    """The reports that match these choices, as a part of the providers' page."""
    choices = {category: request.query_params.get(category, "") for category in CATEGORIES}
    values = await _matching(request, choices)
    return HTMLResponse(pages.partial(request, "_matching.html", **values))


async def _submit(request: Request, draft: Draft) -> Response:
    settings = pages.settings(request)
    try:
        organization = await requests.submit(
            pages.db(request),
            _raw(request, draft),
            requested_by=pages.admin(request).email,
            default_domain=settings.platform_domain,
            offered=settings.offered_data_stores,
            vault=_vault(request),
            draft_id=draft.id,
        )
    except RequestInvalid:
        return await _show(request, draft, STEPS[-1], complain=True, status=422)
    pages.flash(request, f"{organization.name} is requested. Its deployment begins within seconds.", kind="good")
    return pages.see_other(request, "organization", organization_id=organization.id)


async def _show(request: Request, draft: Draft, step: Step, *, complain: bool, status: int = 200) -> Response:
    found = await _mistakes(request, draft)
    wrong = {each.key: _of_step(each, found) for each in STEPS}
    fields = draft.fields
    values: dict[str, Any] = {"categories": CATEGORY_TITLES}
    if step.key in ("providers", "review"):
        values |= await _matching(request, fields)
    if step.key == "data-store":
        values |= {
            "stores": data_stores.offered(pages.settings(request).offered_data_stores),
            "sealed": set(draft.secrets),
        }
    if step.key == "review":
        stores = data_stores.offered(pages.settings(request).offered_data_stores)
        values |= {"stores": stores, "ready": not found, "host": _host(request, fields), "told": _told(found)}
    return pages.render(
        request,
        f"new_{step.key.replace('-', '_')}.html",
        status,
        draft=draft,
        form=Form(fields, found if complain else {}),
        step=step,
        steps=STEPS,
        wrong=wrong,
        visited=set(fields.get("visited", ())),
        domain=_domain(request),
        required=REQUIRED_CATEGORIES,
        most_people=MAX_SUPER_USERS,
        people=_people(fields),
        **values,
    )


async def _matching(request: Request, choices: Mapping[str, Any]) -> dict[str, Any]:
    """What the part about matching reports shows."""
    db = pages.db(request)
    providers = await catalog.list_providers(db)
    offered = await catalog.offered_templates(db)
    chosen = {category: str(choices.get(category) or "") or None for category in CATEGORIES}
    complete = all(chosen[category] for category in REQUIRED_CATEGORIES)
    names = {(provider.category, provider.key): provider.name for provider in providers}
    misses = near_misses([template.needs for template in offered], chosen) if complete else []
    return {
        "providers": {category: [each for each in providers if each.category == category] for category in CATEGORIES},
        "names": names,
        "complete": complete,
        "reports": [template for template in offered if matches(template.needs, chosen)] if complete else [],
        "total": len(offered),
        # a category that is left open first: there nothing has to be given up
        "misses": sorted(misses, key=lambda miss: (chosen[miss.category] is not None, -miss.more))[:6],
        "open_categories": {category for category in CATEGORIES if chosen[category] is None},
        "categories": CATEGORY_TITLES,
    }


def _entered(
    request: Request, draft: Draft, step: Step, form: FormData, go: str
) -> tuple[dict[str, Any], dict[str, str]]:
    """What the page's form says, in the request's shape, and its secrets, encrypted."""
    match step.key:
        case "basics":
            texts = forms.texts(form, ("name", "subdomain"))
            return {"name": texts["name"], "subdomain": texts["subdomain"].lower()}, {}
        case "providers":
            return dict(forms.texts(form, CATEGORIES)), {}
        case "data-store":
            vault = _vault(request)
            plain, secret = data_stores.entered(form)
            return {"data_store": plain}, {name: vault.encrypt(value, draft.id, name) for name, value in secret.items()}
        case "super-users":
            people = forms.rows(form, "super_users", PERSON)[:MAX_SUPER_USERS]
            if go.startswith("remove.") and go[7:].isdecimal():
                people = [person for at, person in enumerate(people) if at != int(go[7:])]
            if go == "add" and len(people) < MAX_SUPER_USERS:
                people.append(dict.fromkeys(PERSON, ""))
            return {"super_users": people}, {}
        case _:
            return {}, {}


def _raw(request: Request, draft: Draft) -> dict[str, Any]:
    """The draft as a request, its secrets in the clear: for validation and submission alone."""
    fields = draft.fields
    raw = {name: fields.get(name, "") for name in ("name", "subdomain", *CATEGORIES)}
    secret = _opened(_vault(request), draft)
    people = [person for person in fields.get("super_users", ()) if any(person.values())]
    return raw | {"data_store": data_stores.as_request(fields.get("data_store", {}), secret), "super_users": people}


async def _mistakes(request: Request, draft: Draft) -> dict[str, Sequence[str]]:
    """Every mistake of the draft by field, the people's under the rows in which they stand."""
    found = await _mistakes_of(request, _raw(request, draft))
    rows = [at for at, person in enumerate(draft.fields.get("super_users", ())) if any(person.values())]
    told = dict[str, Sequence[str]]()
    for path, sentences in found.items():
        parts = path.split(".")
        if parts[0] == "super_users" and len(parts) > 1:
            parts[1] = str(rows[int(parts[1])])
        told[".".join(parts)] = sentences
    return told


async def _mistakes_of(request: Request, raw: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    settings = pages.settings(request)
    return await requests.mistakes(
        pages.db(request), raw, default_domain=settings.platform_domain, offered=settings.offered_data_stores
    )


def _vault(request: Request) -> Vault:
    return Vault(pages.settings(request).secrets_key.get_secret_value())


def _opened(vault: Vault, draft: Draft) -> dict[str, str]:
    """The draft's secrets in the clear. One whose key has been rotated away meanwhile is as good as not entered."""
    opened = {}
    for name, sealed in draft.secrets.items():
        with suppress(ProvisioningError):
            opened[name] = vault.decrypt(sealed, draft.id, name)
    return opened


def _of_step(step: Step, found: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
    return {path: sentences for path, sentences in found.items() if path.split(".")[0] in step.fields}


def _told(found: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    """For the review: the mistakes of each page as sentences that say which field they mean."""
    told: dict[str, list[str]] = {step.key: [] for step in STEPS}
    for path, sentences in found.items():
        first, *rest = path.split(".")
        step = next((each for each in STEPS if first in each.fields), STEPS[-1])
        label = LABELS.get(rest[-1] if rest else first, "")
        person = f"Person {int(rest[0]) + 1}, " if first == "super_users" and rest else ""
        said = ["Choose one."] if first in CATEGORIES else sentences
        told[step.key] += [f"{person}{label}: {sentence}" if label else sentence for sentence in said]
    return told


def _people(fields: Mapping[str, Any]) -> list[Mapping[str, str]]:
    """The rows to show: those that are there, or an empty one."""
    return list(fields.get("super_users") or [dict.fromkeys(PERSON, "")])


def _host(request: Request, fields: Mapping[str, Any]) -> str:
    return f"{fields.get('subdomain') or '…'}.{_domain(request)}"


def _domain(request: Request) -> str:
    return pages.settings(request).platform_domain


async def _draft(request: Request) -> Draft:
    draft_id: UUID = request.path_params["draft_id"]
    found = await drafts.find_draft(pages.db(request), draft_id, pages.admin(request).user_id)
    if found is None:
        raise HTTPException(404, "This draft is no longer there, or it is another person's.")
    return found


def _step(request: Request) -> Step:
    found = next((step for step in STEPS if step.key == request.path_params["step"]), None)
    if found is None:
        raise HTTPException(404)
    return found
