"""Mail that reaches the sink can be read on its page, and does nothing there."""

import smtplib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path

import httpx
import pytest

from tenant_provisioning.embedded.mailbox import MailSink


@pytest.fixture
def sink(tmp_path: Path) -> Iterator[MailSink]:
    with MailSink(tmp_path / "mail") as sink:
        yield sink


def welcome(subject: str = "Your platform is being prepared, Zoë") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "Training Platform <welcome@yourplatform.com>"
    message["To"] = "Zoë Müller <zoe@acme.example>"
    message["Subject"] = subject
    message.set_content("Hello Zoë <you>,\nset it here: https://acme.yourplatform.com/password?token=1&a=2.\n")
    message.add_alternative("<h1>Hello Zoë</h1><script>alert(1)</script>", subtype="html")
    return message


def send(sink: MailSink, message: EmailMessage, to: str = "zoe@acme.example") -> None:
    with smtplib.SMTP("127.0.0.1", sink.smtp_port, timeout=10) as smtp:
        smtp.send_message(message, to_addrs=[to])


def get(sink: MailSink, path: str, **options: object) -> httpx.Response:
    return httpx.get(f"{sink.url}{path}", trust_env=False, **options)  # type: ignore[arg-type]


def test_a_mail_sent_over_smtp_is_in_the_list_and_on_its_page(sink: MailSink) -> None:
    assert "No mail yet" in get(sink, "/").text
    send(sink, welcome())
    assert "Your platform is being prepared, Zoë" in get(sink, "/").text
    (mail,) = get(sink, "/api/mails").json()
    assert (mail["subject"], mail["recipients"]) == ("Your platform is being prepared, Zoë", "zoe@acme.example")
    page = get(sink, f"/mails/{mail['id']}").text
    assert "Hello Zoë &lt;you&gt;" in page
    link = "https://acme.yourplatform.com/password?token=1&amp;a=2"
    assert f'<a href="{link}" target="_blank" rel="noopener noreferrer">{link}</a>.' in page
    assert "Training Platform &lt;welcome@yourplatform.com&gt;" in page
    assert "<script>" not in page


def test_the_html_of_a_mail_is_shown_apart_where_no_script_runs(sink: MailSink) -> None:
    send(sink, welcome())
    (mail,) = get(sink, "/api/mails").json()
    page = get(sink, f"/mails/{mail['id']}")
    assert f'src="/mails/{mail["id"]}/html"' in page.text
    assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in page.text
    html = get(sink, f"/mails/{mail['id']}/html")
    assert "<h1>Hello Zoë</h1>" in html.text
    policy = html.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups")
    assert "default-src 'none'" in policy
    assert "allow-scripts" not in policy


def test_the_list_is_newest_first_and_names_the_recipient_of_the_envelope(sink: MailSink) -> None:
    for number in range(12):
        send(sink, welcome(f"number {number}"), to=f"reader{number}@acme.example")
    mails = get(sink, "/api/mails").json()
    assert [mail["subject"] for mail in mails] == [f"number {number}" for number in reversed(range(12))]
    assert mails[0]["recipients"] == "reader11@acme.example"


def test_one_mail_as_json_has_its_text_html_and_headers(sink: MailSink) -> None:
    send(sink, welcome())
    (mail,) = get(sink, "/api/mails").json()
    whole = get(sink, f"/api/mails/{mail['id']}").json()
    assert "https://acme.yourplatform.com/password?token=1&a=2" in whole["text"]
    assert "<h1>Hello Zoë</h1>" in whole["html"]
    assert ["To", "Zoë Müller <zoe@acme.example>"] in whole["headers"]


def test_mails_are_still_there_after_a_restart(tmp_path: Path) -> None:
    with MailSink(tmp_path / "mail") as first:
        send(first, welcome("kept"))
    with MailSink(tmp_path / "mail", smtp_port=first.smtp_port) as second:
        assert [mail["subject"] for mail in get(second, "/api/mails").json()] == ["kept"]


def test_a_page_of_another_name_cannot_read_the_mails(sink: MailSink) -> None:
    assert get(sink, "/api/mails", headers={"Host": "evil.example"}).status_code == 400


def test_a_mail_that_is_not_there_is_not_found(sink: MailSink) -> None:
    assert get(sink, "/mails/nothing").status_code == 404
    assert get(sink, "/mails/..%2f..%2fsecrets").status_code == 404
