"""One mail to one server: sent, refused permanently, refused for now, not reachable; no error repeats the address."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from email.message import EmailMessage

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

from realtime.dev import valkey
from realtime.workers import smtp
from realtime.workers.smtp import MailNotSent, MailRefused, Smtp

ADDRESS = "asha@example.in"


class Strict:
    """A mail server that knows no user, and answers a sender, a recipient and a mail as the test says."""

    def __init__(self) -> None:
        self.to_sender = self.to_recipient = self.to_mail = "250 OK"
        self.mails = 0
        self.port = valkey.free_port()

    async def handle_MAIL(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: object) -> str:
        envelope.mail_from = address
        return self.to_sender

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _o: object) -> str:
        envelope.rcpt_tos.append(address)
        return self.to_recipient

    async def handle_DATA(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        self.mails += 1
        return self.to_mail


class Silent(Strict):
    """A mail server that takes mails and never says goodbye."""

    async def handle_QUIT(self, _server: SMTP, _session: Session, _envelope: Envelope) -> str:
        await asyncio.Event().wait()
        return ""


async def listen(here: Strict) -> asyncio.Server:
    def connected() -> SMTP:
        return SMTP(here, authenticator=lambda *_: AuthResult(success=False, handled=False), auth_require_tls=False)

    return await asyncio.get_running_loop().create_server(connected, "127.0.0.1", here.port)


@pytest.fixture
async def strict() -> AsyncIterator[Strict]:
    here = Strict()
    listening = await listen(here)
    yield here
    listening.close()


def mail() -> EmailMessage:
    made = EmailMessage()
    made["From"], made["To"], made["Subject"] = "tickets@hall.example", ADDRESS, "Your ticket"
    made.set_content("नमस्ते")
    return made


@pytest.mark.parametrize(
    ("recipient", "whole", "error"),
    [
        ("550 5.1.1 <asha@example.in> unknown", "250 OK", MailRefused),
        ("450 4.2.1 <asha@example.in> busy", "250 OK", MailNotSent),
        ("250 OK", "554 5.7.1 <asha@example.in> looks like spam", MailRefused),
        ("250 OK", "451 4.3.0 <asha@example.in> try later", MailNotSent),
    ],
)
async def test_a_refusal_says_whether_to_try_again_and_repeats_no_address(
    strict: Strict, recipient: str, whole: str, error: type[Exception]
) -> None:
    strict.to_recipient, strict.to_mail = recipient, whole
    with pytest.raises(error) as caught:
        await Smtp(f"smtp://127.0.0.1:{strict.port}").send(mail())
    assert type(caught.value) is error
    assert ADDRESS not in str(caught.value) and caught.value.__cause__ is None and caught.value.__suppress_context__


async def test_a_server_that_is_away_or_has_no_tls_is_tried_again(strict: Strict) -> None:
    await Smtp(f"smtp://127.0.0.1:{strict.port}").send(mail())
    for url in (
        f"smtp://127.0.0.1:{valkey.free_port()}",
        f"smtps://127.0.0.1:{strict.port}",
        f"smtp+starttls://127.0.0.1:{strict.port}",
    ):
        with pytest.raises(MailNotSent):
            await Smtp(url).send(mail())


async def test_a_login_or_sender_that_is_refused_is_tried_again_until_an_operator_has_repaired_it(
    strict: Strict,
) -> None:
    with pytest.raises(MailNotSent, match="535"):
        await Smtp(f"smtp://tickets@127.0.0.1:{strict.port}", "an old password").send(mail())
    strict.to_sender = "553 5.7.1 sender refused"
    with pytest.raises(MailNotSent, match="553"):
        await Smtp(f"smtp://127.0.0.1:{strict.port}").send(mail())


async def test_a_mail_that_was_taken_is_sent_whatever_the_server_does_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "QUIT_S", 0.05)
    monkeypatch.setattr(smtp, "SMTP_S", 5)
    silent = Silent()
    listening = await listen(silent)
    await Smtp(f"smtp://127.0.0.1:{silent.port}").send(mail())
    assert silent.mails == 1
    listening.close()
