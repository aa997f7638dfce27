"""The catalog: how many templates each combination of providers gets, and which tenants have which content of a template."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from urllib.parse import urlencode

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from tenant_provisioning.model.catalog import CATEGORIES
from tenant_provisioning.model.coverage import Combination, coverage
from tenant_provisioning.portal import pages
from tenant_provisioning.store import coverage as rows
from tenant_provisioning.store.catalog import list_providers

PAGE = 40  # templates
TENANTS = 100  # of one template, at once
CATEGORY_TITLES = {"lms": "LMS", "english_maths": "English & maths", "crm": "CRM", "hr": "HR"}


@dataclass(frozen=True)
class Grid:
    """The combinations with one choice of HR: a line for LMS and English & maths, a column for each CRM."""

    columns: Sequence[str]
    lines: Sequence[tuple[str, str, Sequence[Combination]]]


async def page(request: Request) -> Response:
    """Coverage, and the templates."""
    db, query = pages.db(request), request.query_params
    providers = await list_providers(db)
    names = {(provider.category, provider.key): provider.name for provider in providers}
    hr = query.get("hr", "")
    found = coverage(await rows.template_needs(db), providers)
    search, offset = query.get("q", "").strip()[:100].replace("\x00", ""), _offset(query.get("from", ""))
    templates, total = await rows.list_templates(db, search=search, offset=offset, limit=PAGE)
    return pages.render(
        request, "catalog.html", grid=grid(found, hr or None), hr=hr, names=names, used=await rows.combinations_in_use(db),
        hr_choices=[provider for provider in providers if provider.category == "hr"], categories=CATEGORY_TITLES,
        heat=heat(found), combinations=len(found),
        nothing=[each for each in found if not each.matching],
        common_only=[each for each in found if each.matching and not each.own],
        templates=templates, total=total, search=search, offset=offset, page_size=PAGE,
        at=lambda start: urlencode({"q": search, "from": start, "hr": hr}), described=lambda needs: described(needs, names),
    )  # fmt: skip


async def template_page(request: Request) -> Response:
    """One template with the tenants that have it."""
    db, key = pages.db(request), request.path_params["key"]
    found = await rows.find_template(db, key)
    if found is None:
        raise HTTPException(404, "The catalog has no template with this key.")
    providers = await list_providers(db)
    names = {(provider.category, provider.key): provider.name for provider in providers}
    offset = _offset(request.query_params.get("from", ""))
    tenants = await rows.tenants_with(db, key, offset=offset, limit=TENANTS)
    return pages.render(
        request, "template.html", found=found, tenants=tenants, offset=offset, page_size=TENANTS,
        needs=described(found.needs, names),
    )  # fmt: skip


def grid(found: Sequence[Combination], hr: str | None) -> Grid:
    """The part of the combinations that one choice of HR leaves, as lines and columns."""
    chosen = [each for each in found if each.choices[CATEGORIES.index("hr")] == hr]
    lines = [
        (str(lms), str(maths), tuple(of_line))
        for (lms, maths), of_line in groupby(chosen, key=lambda each: each.choices[:2])
    ]
    return Grid([str(each.choices[2]) for each in lines[0][2]] if lines else [], lines)


def heat(found: Sequence[Combination]) -> Callable[[Combination], int]:
    """Tells how well a combination is served: 0 not at all, 1 as everybody is, 2 to 4 from the fewest to the most."""
    own = [each.own for each in found if each.own]
    least, most = min(own, default=0), max(own, default=0)

    def of(each: Combination) -> int:
        if not each.own:
            return 1 if each.matching else 0
        return 4 if most == least else 2 + min(int(3 * (each.own - least) / (most - least)), 2)

    return of


def described(needs: Mapping[str, str], names: Mapping[tuple[str, str], str]) -> str:
    """What a template needs, in words."""
    told = [names.get((category, needs[category]), needs[category]) for category in CATEGORIES if category in needs]
    return ", ".join(told) or "nothing: everybody gets it"


def _offset(text: str) -> int:
    return int(text) if text.isdecimal() and len(text) < 7 else 0
