"""The calls about imports: a file in the body, or the address of one that was put into a temporary place before."""

import base64
import binascii
import re
from typing import TYPE_CHECKING
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
from tenant_provisioning.simulator.powerbi.records import Upload

if TYPE_CHECKING:
    from tenant_provisioning.simulator.powerbi.state import PowerBIState

UPLOADS = f"{ROOT}/temporaryUploads"
BLOCK = re.compile(r"<(?:Latest|Uncommitted)>([^<]+)</")


def import_routes() -> list[Route]:
    """Imports, and the temporary places for large files, which want no token but their address's signature."""
    one = "/groups/{group}/imports"
    return [
        route("POST", one, "import", begin_import),
        route("GET", one, "list_imports", list_imports),
        route("GET", f"{one}/{{import}}", "get_import", get_import),
        route("POST", f"{one}/createTemporaryUploadLocation", "create_upload_location", create_upload_location),
        Route(f"{UPLOADS}/{{upload}}", operation("storage", "upload_blob", upload_blob), methods=["PUT"]),
        # pbipy posts a form to the place; whether blob storage takes that is not known
        Route(f"{UPLOADS}/{{upload}}", operation("storage", "upload_blob", upload_form), methods=["POST"]),
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
    """PUT of the file to the temporary place, as blob storage takes it: whole, or in blocks and then the list of them."""
    if request.query_params.get("comp") == "block":
        return _keep_block(request, await request.body())
    if request.query_params.get("comp") == "blocklist":
        return _join_blocks(request, (await request.body()).decode(errors="replace"))
    if request.headers.get("x-ms-blob-type") != "BlockBlob":
        raise _storage_refusal(400, "MissingRequiredHeader")
    return _stored(request, await request.body())


async def upload_form(request: Request) -> Response:
    """POST of the file to the temporary place as a form's only file."""
    return _stored(request, await _only_file(request))


def _keep_block(request: Request, content: bytes) -> Response:
    name = request.query_params.get("blockid", "")
    try:
        base64.b64decode(name, validate=True)
    except binascii.Error:
        raise _storage_refusal(400, "InvalidQueryParameterValue") from None
    upload = _upload(request)
    if not name or not content or any(len(known) != len(name) for known in upload.blocks):
        raise _storage_refusal(400, "InvalidBlobOrBlock")
    request.scope["world"].powerbi.add_block(upload, name, content)
    return Response(b"", 201)


def _join_blocks(request: Request, listed: str) -> Response:
    upload, names = _upload(request), BLOCK.findall(listed)
    if not names or any(name not in upload.blocks for name in names):
        raise _storage_refusal(400, "InvalidBlockList")
    request.scope["world"].powerbi.fill_upload(upload, b"".join(upload.blocks[name] for name in names))
    return Response(b"", 201)


def _stored(request: Request, content: bytes) -> Response:
    request.scope["world"].powerbi.fill_upload(_upload(request), content)
    return Response(b"", 201)


def _upload(request: Request) -> Upload:
    """The place that the address names; 403 where its signature is wrong or old."""
    powerbi: PowerBIState = request.scope["world"].powerbi
    try:
        return powerbi.uploaded(request.path_params["upload"], request.query_params.get("sig", ""))
    except Refusal:
        raise _storage_refusal(403, "AuthenticationFailed") from None


def _storage_refusal(status: int, code: str) -> VendorAnswer:
    return VendorAnswer(status, None, {"x-ms-error-code": code})


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
