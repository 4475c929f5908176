"""The mailbox over HTTP: a list of mails, each mail with its HTML, its text and its attachments; JSON for tests.

| request | answers |
| --- | --- |
| ``GET /?key=...`` | sets a cookie with the key, and goes on to the list |
| ``GET /`` | the list |
| ``GET /mails/{number}`` | one mail |
| ``GET /mails/{number}/html``, ``/text``, ``/parts/{n}`` | its HTML (images included), its text, an attachment |
| ``GET /api/mails`` | the list as JSON |
| ``GET /api/mails/{number}`` | a mail as it came |

Each wants the mailbox's key, in that cookie or as ``Authorization: Bearer``.
"""

from __future__ import annotations

import base64
import hmac
import re
from datetime import datetime
from email.message import EmailMessage, MIMEPart
from html import escape
from urllib.parse import urlsplit

import msgspec
from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from realtime.dev.mailbox.store import MailStore, parse
from realtime.tickets.text import INDIA

COOKIE = "tickingtickets_mailbox"
# What a mail contains runs nothing and loads nothing.
POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-src 'self'; frame-ancestors 'self'"
_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title><style>
body {{ font: 16px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 60rem; padding: 0 1rem; color: #1c1c1c }}
table {{ border-collapse: collapse; width: 100% }}
td, th {{ text-align: left; padding: .4rem; border-bottom: 1px solid #ccc }}
iframe {{ width: 100%; height: 44rem; border: 1px solid #ccc }} pre {{ white-space: pre-wrap }}
</style><h1>{title}</h1>{content}</html>
"""


class MailboxPages:
    """The handlers of one mailbox."""

    def __init__(self, store: MailStore) -> None:
        self._store = store

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/", self._list),
            web.get(r"/mails/{number:\d{1,9}}", self._mail),
            web.get(r"/mails/{number:\d{1,9}}/html", self._html),
            web.get(r"/mails/{number:\d{1,9}}/text", self._text),
            web.get(r"/mails/{number:\d{1,9}}/parts/{part:\d{1,3}}", self._part),
            web.get("/api/mails", self._json),
            web.get(r"/api/mails/{number:\d{1,9}}", self._raw),
        ]

    async def _list(self, _request: web.Request) -> web.Response:
        rows = "".join(
            f'<tr><td>{_time(mail.arrived_at)}<td>{escape(mail.recipient)}<td><a href="/mails/{mail.number}">'
            f"{escape(mail.subject)}</a><td>{'' if mail.deliveries == 1 else f'{mail.deliveries} times'}"
            for mail in self._store.all()
        )
        table = f"<table><tr><th>Arrived<th>To<th>Subject<th>Delivered{rows}</table>"
        return _page("Mailbox", table if rows else "<p>No mail has arrived yet.</p>")

    async def _mail(self, request: web.Request) -> web.Response:
        number, mail = request.match_info["number"], self._read(request)
        headers = "".join(
            f"<tr><th>{name}<td>{escape(str(mail[name] or ''))}" for name in ("From", "To", "Date", "Message-ID")
        )
        attachments = "".join(
            f'<li><a href="/mails/{number}/parts/{index}">{escape(part.get_filename() or part.get_content_type())}</a>'
            for index, part in enumerate(mail.iter_attachments())
        )
        frame = f'<iframe sandbox title="The mail" src="/mails/{number}/html"></iframe>'
        more = f'<ul><li><a href="/mails/{number}/text">Plain text</a>{attachments}</ul>'
        back = '<p><a href="/">All mails</a></p>'
        return _page(str(mail["Subject"] or ""), f"{back}<table>{headers}</table>{more}{frame}")

    async def _html(self, request: web.Request) -> web.Response:
        mail = self._read(request)
        html = mail.get_body(("html",))
        if html is None:
            raise web.HTTPNotFound
        text = str(html.get_content())
        for part in mail.walk():
            name = str(part["Content-ID"] or "").strip("<>")
            if name:
                data = base64.b64encode(_content(part)).decode()
                text = text.replace(f"cid:{name}", f"data:{part.get_content_type()};base64,{data}")
        return web.Response(text=text, content_type="text/html")

    async def _text(self, request: web.Request) -> web.Response:
        mail = self._read(request)
        text = mail.get_body(("plain",))
        return web.Response(text=str(text.get_content()) if text is not None else "")

    async def _part(self, request: web.Request) -> web.Response:
        mail = self._read(request)
        parts: list[MIMEPart] = list(mail.iter_attachments())
        index = int(request.match_info["part"])
        if index >= len(parts):
            raise web.HTTPNotFound
        body = _content(parts[index])
        name = re.sub(r'["\x00-\x1f\x7f]', "", parts[index].get_filename() or "part")
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return web.Response(body=body, content_type=parts[index].get_content_type(), headers=headers)

    async def _json(self, _request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._store.all()), content_type="application/json")

    async def _raw(self, request: web.Request) -> web.Response:
        return web.Response(body=self._body(request), content_type="message/rfc822")

    def _read(self, request: web.Request) -> EmailMessage:
        return parse(self._body(request))

    def _body(self, request: web.Request) -> bytes:
        body = self._store.body(int(request.match_info["number"]))
        if body is None:
            raise web.HTTPNotFound
        return body


@web.middleware
async def _for_this_machine(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests for other host names: a web page whose name resolves to this machine could read the mails."""
    if urlsplit(f"//{request.host}").hostname not in ("127.0.0.1", "localhost"):
        raise web.HTTPForbidden(text="The mailbox answers to 127.0.0.1 and localhost.")
    return await handler(request)


def _guard(key: str) -> Middleware:
    """Return a middleware that lets only the holder of the key read mails: the port is open to all of this machine."""

    def is_key(given: str) -> bool:
        return hmac.compare_digest(given.encode("utf-8", "replace"), key.encode())

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        if is_key(request.query.get("key", "")):
            entered = web.HTTPSeeOther(request.path)
            entered.set_cookie(COOKIE, key, httponly=True, samesite="Strict")
            raise entered
        bearer = request.headers.get("Authorization", "").removeprefix("Bearer ")
        if not is_key(bearer) and not is_key(request.cookies.get(COOKIE, "")):
            raise web.HTTPForbidden(text="Open the link to the mails that `tickingtickets up` has printed.\n")
        return await handler(request)

    return guard


async def _restrain(_request: web.Request, response: web.StreamResponse) -> None:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "no-store"


def make_app(store: MailStore, key: str) -> web.Application:
    """Return the pages of a mailbox, for those who have its ``key``."""
    app = web.Application(middlewares=[_for_this_machine, _guard(key)])
    app.on_response_prepare.append(_restrain)
    app.add_routes(MailboxPages(store).routes())
    return app


def _content(part: MIMEPart) -> bytes:
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _page(title: str, content: str) -> web.Response:
    text = _PAGE.format(title=escape(title), content=content)
    return web.Response(text=text, content_type="text/html")


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, INDIA).strftime("%d %b %Y, %H:%M:%S")
