"""Vercel's calls on the domains of a project, and what DNS a domain wants. What is attached is in `state.py`."""

import hmac
import re
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.http import Body, Handler, answer, bearer, identify, operation, read_body, world_of
from tenant_provisioning.simulator.vercel import errors
from tenant_provisioning.simulator.vercel.state import ADDRESSES, FALLBACK_TARGET, Project, ProjectDomain, apex_of
from tenant_provisioning.simulator.world import VERCEL_TOKEN, World

HOST = re.compile(r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]{2,}$", re.IGNORECASE)
DOMAINS = "/v9/projects/{project}/domains"


class NewDomain(Body):
    """The body of POST /v10/projects/{project}/domains."""

    name: str
    gitBranch: str | None = None  # noqa: N815 - Vercel's names
    customEnvironmentId: str | None = None  # noqa: N815
    redirect: str | None = None
    redirectStatusCode: int | None = None  # noqa: N815


def routes(_: World) -> list[Route]:
    """The project's domains and the configuration of a domain."""

    def route(path: str, method: str, name: str, handler: Callable[[Request], Awaitable[Response]]) -> Route:
        return Route(path, operation("vercel", name, _guarded(handler)), methods=[method])

    return [
        route("/v9/projects/{project}", "GET", "get_project", _get_project),
        route("/v10/projects/{project}/domains", "POST", "add_domain", _add_domain),
        route(DOMAINS, "GET", "list_domains", _list_domains),
        route(f"{DOMAINS}/{{domain}}", "GET", "get_domain", _get_domain),
        route(f"{DOMAINS}/{{domain}}", "DELETE", "remove_domain", _remove_domain),
        route(f"{DOMAINS}/{{domain}}/verify", "POST", "verify_domain", _verify_domain),
        route("/v6/domains/{domain}/config", "GET", "get_config", _get_config),
    ]


async def _get_project(request: Request) -> Response:
    project = _project_of(world_of(request), request)
    stamp = int(project.created_at * 1000)
    shown = {"accountId": "simulated-account", "createdAt": stamp, "updatedAt": stamp, "framework": "nextjs"}
    return answer({"id": project.id, "name": project.name, **shown})


async def _add_domain(request: Request) -> Response:
    project = _project_of(world_of(request), request)
    given = await read_body(request, NewDomain)
    _check_new(world_of(request), project, given.name)
    domain = world_of(request).vercel.attach(
        project,
        given.name,
        git_branch=given.gitBranch,
        custom_environment_id=given.customEnvironmentId,
        redirect=given.redirect,
        redirect_status_code=given.redirectStatusCode,
    )
    return answer(_as_json(domain))


async def _list_domains(request: Request) -> Response:
    found = world_of(request).vercel.domains_of(_project_of(world_of(request), request))
    shown = [_as_json(domain) for domain in found[: _limit_of(request)]]
    return answer({"domains": shown, "pagination": {"count": len(shown), "next": None, "prev": None}})


async def _get_domain(request: Request) -> Response:
    return answer(_as_json(_domain_of(world_of(request), request)))


async def _verify_domain(request: Request) -> Response:
    domain = world_of(request).vercel.verify(_domain_of(world_of(request), request))
    if not domain.verified:
        told = f'Domain _vercel.{apex_of(domain.name)} is missing required TXT Record "{domain.proof}"'
        raise errors.refused(400, "missing_txt_record", told)
    return answer(_as_json(domain))


async def _remove_domain(request: Request) -> Response:
    world_of(request).vercel.detach(_domain_of(world_of(request), request))
    return answer({})


async def _get_config(request: Request) -> Response:
    host = request.path_params["domain"].lower()
    if not HOST.match(host):
        raise errors.refused(400, "invalid_domain", f'The domain "{host}" is not valid.')
    return answer(_configuration(world_of(request), host, request.query_params.get("projectIdOrName")))


def _guarded(handler: Handler) -> Handler:
    async def carry_out(request: Request) -> Response:
        token = bearer(request)
        if token is None or not hmac.compare_digest(token.encode(), VERCEL_TOKEN.encode()):
            raise errors.not_authorized(invalidToken=True)
        identify(request, "vercel-token")
        if request.query_params.get("teamId") or request.query_params.get("slug"):
            raise errors.not_authorized()  # the account has no team
        return await handler(request)

    return carry_out


def _project_of(world: World, request: Request) -> Project:
    project = world.vercel.project(request.path_params["project"])
    if project is None:
        raise errors.not_found("Project not found.")
    return project


def _domain_of(world: World, request: Request) -> ProjectDomain:
    project, name = _project_of(world, request), request.path_params["domain"]
    domain = world.vercel.domain(name)
    if domain is None or domain.project_id != project.id:
        raise errors.not_found(f'The domain "{name}" is not assigned to "{project.name}".')
    return domain


def _check_new(world: World, project: Project, name: str) -> None:
    if not HOST.match(name):
        raise errors.refused(400, "invalid_domain", f'The domain "{name}" is not valid.')
    if apex_of(name) in world.vercel.knobs.forbidden:
        raise errors.refused(403, "forbidden", f'You don\'t have access to "{apex_of(name)}".')
    known = world.vercel.domain(name)
    if known is not None and known.project_id == project.id:
        told = f"Cannot add {name} since it's already in use by your project."
        raise errors.refused(400, "domain_already_in_use", told, projectId=project.id)
    if known is not None:
        told = f"Cannot add {name} since it's already assigned to another project."
        raise errors.refused(409, "domain_already_in_use", told, domain=_as_json(known))


def _configuration(world: World, host: str, named: str | None) -> dict[str, Any]:
    attached = world.vercel.domain(host)
    wanted = named or (attached.project_id if attached else "")
    project = world.vercel.project(wanted) or world.vercel.projects()[0]
    configured_by = world.vercel.configured_by(host, project.target)
    targets = (f"{project.target}.", f"{FALLBACK_TARGET}.")
    return {
        "configuredBy": configured_by,
        "acceptedChallenges": ["http-01"] if configured_by else [],
        "recommendedIPv4": [{"rank": 1, "value": list(ADDRESSES)}],
        "recommendedCNAME": [{"rank": rank, "value": target} for rank, target in enumerate(targets, 1)],
        "misconfigured": configured_by is None,
    }


def _limit_of(request: Request) -> int:
    limit = request.query_params.get("limit", "20")
    if not limit.isdigit() or not 1 <= int(limit) <= 100:
        raise errors.refused(400, "bad_request", "Invalid request: `limit` should be between 1 and 100.")
    return int(limit)


def _as_json(domain: ProjectDomain) -> dict[str, Any]:
    shown: dict[str, Any] = {
        "name": domain.name,
        "apexName": apex_of(domain.name),
        "projectId": domain.project_id,
        "redirect": domain.redirect,
        "redirectStatusCode": domain.redirect_status_code,
        "gitBranch": domain.git_branch,
        "customEnvironmentId": domain.custom_environment_id,
        "updatedAt": int(domain.updated_at * 1000),
        "createdAt": int(domain.created_at * 1000),
        "verified": domain.verified,
    }
    if not domain.verified:
        where = f"_vercel.{apex_of(domain.name)}"
        challenge = {"type": "TXT", "domain": where, "value": domain.proof, "reason": "pending_domain_verification"}
        shown["verification"] = [challenge]
    return shown
