"""What a step is given, and when there is nothing to give."""

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest

from tenant_provisioning.model.errors import NoSuchTenant
from tenant_provisioning.steps.context import StepContext

OpenCtx = Callable[..., AbstractAsyncContextManager[StepContext]]


async def test_a_context_knows_the_tenant_its_form_its_host_and_its_mark(acme: str, open_ctx: OpenCtx) -> None:
    async with open_ctx(acme, "run-9") as ctx:
        assert ctx.organization.subdomain == acme
        assert [person.email for person in ctx.form.super_users] == [f"ada@{acme}.example"]
        assert ctx.host == f"{acme}.yourplatform.com"
        assert ctx.mark == f"tenant-provisioning:{ctx.organization.id}"
        assert ctx.run_id == "run-9"


async def test_a_tenant_that_no_request_made_is_refused_with_what_to_do(open_ctx: OpenCtx) -> None:
    with pytest.raises(NoSuchTenant, match=r"“nobody”.*a tenant begins with a request"):
        async with open_ctx("nobody"):
            pass


async def test_opening_a_context_asks_no_vendor_anything(acme: str, open_ctx: OpenCtx, world: object) -> None:
    async with open_ctx(acme):
        pass

    assert world.requests() == []  # type: ignore[attr-defined]
