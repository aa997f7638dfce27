"""The calls about imports: a file in the body, or the address of one that was put into a temporary place before."""

from urllib.parse import parse_qs, urlsplit

from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.fabric.access import home_cluster
from tenant_provisioning.simulator.fabric.refusals import Refusal
from tenant_provisioning.simulator.fabric.workspaces import WRITERS
from tenant_provisioning.simulator.http import BadBody, VendorAnswer, answer, operation
from tenant_provisioning.simulator.powerbi import bodies, views
from tenant_provisioning.simulator.powerbi.access import ROOT, Call, route
from tenant_provisioning.simulator.powerbi.imports import CONFLICTS

UPLOADS = f"{ROOT}/temporaryUploads"


def import_routes() -> list[Route]:
    """Imports, and the temporary places for large files, which want no token but their address's signature."""
    one = "/groups/{group}/imports"
    return [
        route("POST", one, "import", begin_import),
        route("GET", one, "list_imports", list_imports),
        route("GET", f"{one}/{{import}}", "get_import", get_import),
        route("POST", f"{one}/createTemporaryUploadLocation", "create_upload_location", create_upload_location),
        Route(f"{UPLOADS}/{{upload}}", operation("powerbi", "upload_blob", upload_blob), methods=["PUT"]),
        # pbipy posts a form to the place; whether blob storage takes that is not known
        Route(f"{UPLOADS}/{{upload}}", operation("powerbi", "upload_blob", upload_form), methods=["POST"]),
    ]


async def begin_import(call: Call) -> Response:
    """POST imports: 202, and what comes of it is told by GET."""
    workspace = call.workspace(*WRITERS)
    name = call.query("datasetDisplayName")
    if not name:
        raise Refusal("BadRequest", "The query parameter datasetDisplayName is missing.")
    conflict = call.query("nameConflict") or "Ignore"
    known = next((word for word in CONFLICTS if word.lower() == conflict.lower()), None)
    if known is None:
        raise Refusal("BadRequest", f"The value '{conflict}' is not valid for nameConflict.")
    content = await _content(call)
    begun = call.powerbi.imports.begin(
        workspace,
        call.caller.id,
        name,
        content,
        conflict=known,
        skip_report=call.flag("skipReport"),
        override_report=call.flag("overrideReportLabel", usual=True),
        override_model=call.flag("overrideModelLabel", usual=True),
        folder_id=call.query("subfolderObjectId"),
    )
    return answer({"id": begun.id}, 202)


async def list_imports(call: Call) -> Response:
    """GET imports."""
    found = call.powerbi.imports.of(call.workspace().id)
    return call.listed("imports", (views.imported(call.fabric, known) for known in found))


async def get_import(call: Call) -> Response:
    """GET imports/{id}: 200 while it is published and after."""
    found = call.powerbi.imports.get(call.workspace().id, call.path("import"))
    return call.one("imports", views.imported(call.fabric, found))


async def create_upload_location(call: Call) -> Response:
    """POST createTemporaryUploadLocation: an address with a signature, on another host, good for an hour.

    The swagger says Url and ExpirationTime, capitals as in many names of its; an independent client reads camel case.
    """
    workspace = call.workspace(*WRITERS)
    if not call.fabric.workspaces.on_capacity(workspace):
        raise Refusal("BadRequest", "Files of more than 1 GB can be imported into groups on a capacity only.")
    made = call.powerbi.open_upload()
    expires = views.moment(made.expires_at)
    url = f"{home_cluster(call.request)}{UPLOADS}/{made.id}?sv=2023-11-03&se={expires}&sr=b&sp=rw&sig={made.signature}"
    return call.one("temporaryUploadLocation", {"url": url, "expirationTime": expires})


async def upload_blob(request: Request) -> Response:
    """PUT of the file to the temporary place, as blob storage takes it: 201 and no body."""
    if request.headers.get("x-ms-blob-type") != "BlockBlob":
        raise VendorAnswer(400, None, {"x-ms-error-code": "MissingRequiredHeader"})
    return _stored(request, await request.body())


async def upload_form(request: Request) -> Response:
    """POST of the file to the temporary place as a form's only file."""
    return _stored(request, await _only_file(request))


def _stored(request: Request, content: bytes) -> Response:
    powerbi = request.scope["world"].powerbi
    try:
        upload = powerbi.uploaded(request.path_params["upload"], request.query_params.get("sig", ""))
    except Refusal:
        raise VendorAnswer(403, None, {"x-ms-error-code": "AuthenticationFailed"}) from None
    powerbi.fill_upload(upload, content)
    return Response(b"", 201)


async def _content(call: Call) -> bytes:
    media_type = call.request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == "application/json":
        return _uploaded_before(call, await call.body(bodies.ImportInfo))
    try:
        return await _only_file(call.request)
    except VendorAnswer:
        raise Refusal("BadRequest", "The request must be a form with exactly one file.") from None


async def _only_file(request: Request) -> bytes:
    media_type, _, rest = request.headers.get("content-type", "").partition(";")
    if media_type.strip().lower() != "multipart/form-data":
        raise BadBody("media_type", f"media type {media_type or '(none)'} is neither multipart/form-data nor JSON")
    if "boundary=" not in rest:
        raise VendorAnswer(400)
    try:
        async with request.form(max_files=2, max_fields=4) as form:
            files = [part for part in form.values() if isinstance(part, UploadFile)]
            if len(files) == 1:
                return await files[0].read()
    except HTTPException:
        pass  # no form after all, or too many parts
    raise VendorAnswer(400)


def _uploaded_before(call: Call, given: bodies.ImportInfo) -> bytes:
    if not given.fileUrl:
        raise Refusal("BadRequest", "The request has neither a file nor a fileUrl.")
    address = urlsplit(given.fileUrl)
    signature = parse_qs(address.query).get("sig", [""])[0]
    upload = call.powerbi.uploaded(address.path.rpartition("/")[2], signature)
    content = call.powerbi.imports.package(upload.package or "")
    if content is None:
        raise Refusal("BadRequest", "There is no file at the fileUrl.")
    return content
