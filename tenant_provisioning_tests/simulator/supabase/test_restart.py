"""The project after its server was killed: users, sessions and open links are as they were."""

from tenant_provisioning.simulator.app import build_world
from tenant_provisioning.simulator.supabase import bodies

ADDRESS = "https://localhost/auth/v1"


def test_users_sessions_and_links_outlive_the_process(tmp_path):
    before = build_world(state_file=tmp_path / "world.sqlite")
    ada = before.supabase.create_user(
        bodies.AdminUser(email="ada@acme.example", password="correct horse", email_confirm=True)
    )
    session = before.supabase.sign_in(bodies.Password(email="ada@acme.example", password="correct horse"), ADDRESS)
    link = before.supabase.links.generate(bodies.GenerateLink(type="recovery", email=ada.email), "", ADDRESS)
    before.commit()

    after = build_world(state_file=tmp_path / "world.sqlite")  # the first was never closed, as after a kill

    assert after.supabase.find_by_email("ADA@acme.example").id == ada.id
    assert after.supabase.sessions.renew(session["refresh_token"], ADDRESS)["user"]["id"] == ada.id
    proof = bodies.Verify(type="recovery", token_hash=link["hashed_token"])
    assert after.supabase.links.redeem(proof).id == ada.id
    after.supabase.sessions.end(ada.id)
    assert after.supabase.snapshot()["users"][0]["email"] == "ada@acme.example"
    for world in (before, after):
        world.close()
