"""The calls about reports: clone, rebind, export, delete, and tokens to embed them with."""

import gzip

from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.workspaces import WRITERS
from tenant_provisioning.simulator.http import answer
from tenant_provisioning.simulator.powerbi import bodies, views
from tenant_provisioning.simulator.powerbi.access import Call, in_group_or_not, route
from tenant_provisioning.simulator.powerbi.packages import thin_package

NO_GROUP = "00000000-0000-0000-0000-000000000000"
TOKEN_MINUTES = 60


def report_routes() -> list[Route]:
    """Reports in their group and by their id alone, and embed tokens."""
    one = "/reports/{report}"
    return [
        route("GET", "/groups/{group}/reports", "list_reports", list_reports),
        *in_group_or_not("GET", one, "get_report", get_report),
        *in_group_or_not("DELETE", one, "delete_report", delete_report),
        *in_group_or_not("POST", f"{one}/Clone", "clone_report", clone_report),
        *in_group_or_not("POST", f"{one}/Rebind", "rebind_report", rebind_report),
        *in_group_or_not("GET", f"{one}/Export", "export_report", export_report),
        route("POST", "/GenerateToken", "generate_token", generate_token),
        route("POST", f"/groups/{{group}}{one}/GenerateToken", "generate_report_token", generate_report_token),
    ]


async def list_reports(call: Call) -> Response:
    """GET reports of a group."""
    found = call.powerbi.items(call.workspace(), "Report")
    return call.listed("reports", (views.report(call.fabric, item, call.fabric.reports.get(item.id)) for item in found))


async def get_report(call: Call) -> Response:
    """GET reports/{id}."""
    return call.one("reports", views.report(call.fabric, *call.report()))


async def delete_report(call: Call) -> Response:
    """DELETE reports/{id}: its dataset stays."""
    item, _ = call.report(*WRITERS)
    call.fabric.creation.delete(item)
    return answer()


async def clone_report(call: Call) -> Response:
    """POST Clone: a copy, bound to the target dataset; another one every time."""
    given = await call.body(bodies.Clone)
    source, report = call.report(*WRITERS)
    target = source.workspace_id
    if given.targetWorkspaceId and given.targetWorkspaceId != NO_GROUP:
        target = given.targetWorkspaceId.lower()
    workspace = call.fabric.workspaces.get_to(target, call.caller.id, *WRITERS)
    dataset_id = report.dataset_id
    if given.targetModelId:
        dataset_id = call.powerbi.dataset(given.targetModelId, call.caller.id)[0].id
    item = call.fabric.items.reserve(workspace, "Report", given.name, unique=False, visible_at=call.world.now())
    made = call.fabric.reports.create(item.id, dataset_id, original_id=source.id, package=report.package)
    return call.one("reports", views.report(call.fabric, item, made))


async def rebind_report(call: Call) -> Response:
    """POST Rebind: the report shows that dataset from now on."""
    given = await call.body(bodies.Rebind)
    _, report = call.report(*WRITERS)
    call.fabric.reports.rebind(report, call.powerbi.dataset(given.datasetId, call.caller.id)[0].id)
    return answer()


async def export_report(call: Call) -> Response:
    """GET Export: the file it was imported from, or one made for it; not of a report that was rebound."""
    item, report = call.report(*WRITERS)
    kind = call.query("downloadType") or "IncludeModel"
    if kind not in {"LiveConnect", "IncludeModel"}:
        raise Refusal("BadRequest", f"The value '{kind}' is not valid for downloadType.")
    if report.rebound:
        raise Refusal("ExportPBIX_ReportNotSupported", "A report that was bound to another dataset cannot be exported.")
    content = call.powerbi.imports.package(report.package or "") if kind == "IncludeModel" else None
    if content is None:
        content = thin_package(item.name, report.dataset_id or "")
    headers = {"Content-Disposition": f'attachment; filename="{item.id}.pbix"'}
    if "gzip" in call.request.headers.get("accept-encoding", ""):
        headers["Content-Encoding"] = "gzip"  # an independent client takes nothing else
        content = gzip.compress(content, 1, mtime=0)
    return Response(content, 200, headers, "application/zip")


async def generate_token(call: Call) -> Response:
    """POST /GenerateToken for reports and datasets that the caller sees."""
    given = await call.body(bodies.GenerateToken)
    if not (given.reports or given.datasets):
        raise Refusal("BadRequest", "A token is for at least one report or dataset.")
    for report in given.reports:
        bond = call.powerbi.report(report.id, call.caller.id)[1]
        if given.datasets and bond.dataset_id not in {dataset.id.lower() for dataset in given.datasets}:
            raise Refusal("InvalidRequest", "The token's datasets must include those that its reports show.")
    for dataset in given.datasets:
        call.powerbi.dataset(dataset.id, call.caller.id)
    for workspace in given.targetWorkspaces:
        call.fabric.workspaces.get(workspace.id.lower(), call.caller.id)
    return _token(call, given.lifetimeInMinutes)


async def generate_report_token(call: Call) -> Response:
    """POST GenerateToken of one report."""
    given = await call.body(bodies.GenerateTokenInGroup)
    call.report()
    return _token(call, given.lifetimeInMinutes)


def _token(call: Call, minutes: int | None) -> Response:
    lasts = min(minutes or TOKEN_MINUTES, TOKEN_MINUTES) * 60
    secret = call.world.random.randbytes(48).hex()
    expires = views.moment(call.world.now() + lasts)
    shown = {"token": f"H4sI{secret}", "tokenId": call.world.new_id(), "expiration": expires}
    return call.one("generateTokenResponse", shown)
