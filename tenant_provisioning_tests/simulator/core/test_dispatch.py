"""Every path is some vendor's, and an unknown one is answered as that vendor would."""

from typing import Any

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tenant_provisioning.simulator.routing import Routes


@pytest.mark.parametrize(
    ("path", "status", "vendor"),
    [
        ("/v1/domains/yourplatform.com/nothing", 404, "godaddy"),
        ("/v3/domains/nothing", 404, "godaddy"),
        ("/v10/nothing", 404, "vercel"),
        ("/11111111-1111-4111-8111-111111111111/nothing", 404, "entra"),
    ],
)
def test_an_unknown_path_is_told_by_the_vendor_whose_prefix_it_has(
    simulator: Any, http: httpx.Client, path: str, status: int, vendor: str
) -> None:
    answer = http.get(path)

    assert answer.status_code == status
    assert simulator.control("GET", "requests")["requests"][-1]["vendor"] == vendor


async def handler(request: Request) -> Response:
    return Response()


def routes(*paths: str, any_case: bool = False) -> Routes:
    made = Routes()
    made.add("some", [Route(path, handler, methods=["GET"]) for path in paths], any_case=any_case)
    return made


def test_a_literal_segment_wins_over_a_parameter() -> None:
    found = routes("/v1/items/{item}", "/v1/items/new").find("/v1/items/new")

    assert found is not None
    assert found.parameters == {}


def test_a_literal_that_leads_nowhere_does_not_hide_a_parameter() -> None:
    found = routes("/a/b/c", "/a/{x}/d").find("/a/b/d")

    assert found is not None
    assert found.parameters == {"x": "b"}


def test_parameters_keep_their_case_and_an_encoded_slash() -> None:
    found = routes("/v1.0/MyOrg/groups/{group}", any_case=True).find("/V1.0/myorg/GROUPS/Ab%2Fc%20d")

    assert found is not None
    assert found.parameters == {"group": "Ab/c d"}


def test_case_matters_to_vendors_that_care() -> None:
    assert routes("/v1/workspaces").find("/v1/Workspaces") is None


def test_the_rest_of_a_path_is_one_parameter() -> None:
    found = routes("/files/{path:path}").find("/files/a/b%20c")

    assert found is not None
    assert found.parameters == {"path": "a/b c"}


def test_serving_one_method_and_path_twice_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="served twice"):
        routes("/a/{x}", "/a/{y}")
