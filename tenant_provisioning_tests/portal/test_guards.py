from tenant_provisioning_tests.people import SAM
from tenant_provisioning_tests.portal.conftest import Browse


async def test_who_is_not_signed_in_is_sent_to_sign_in_and_back(browse: Browse) -> None:
    answer = await (await browse()).get("/organizations?status=failed")

    assert answer.status_code == 303
    assert answer.headers["location"] == "/sign-in?next=%2Forganizations%3Fstatus%3Dfailed"


async def test_a_super_admin_sees_the_board(browse: Browse) -> None:
    page = await (await browse(SAM)).get("/organizations")

    assert page.status_code == 200
    assert SAM.email in page.text
    assert "<h1>Organizations</h1>" in page.text
