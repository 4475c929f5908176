"""The buyer's pages of the demo bank: plain HTML forms, no script, light and dark, English and Hindi."""

from __future__ import annotations

from html import escape
from importlib import resources
from urllib.parse import urlencode, urlsplit

from aiohttp import web

from realtime.clock import now_ms
from realtime.dev.bank.deliveries import Books, Deliveries
from realtime.dev.bank.ledger import BankRefusal, Behaviour, OrderRow, Webhooks
from realtime.dev.bank.texts import LANGUAGES, choice, language_of, rupees, text
from realtime.payments.demo import BankPayment, proof_of
from realtime.payments.status import PaymentState

LATE_MS = 5_000
"""How long after the order's end a payment made with "Pay too late" arrives."""
_CSS = resources.files("realtime.dev.bank").joinpath("bank.css").read_text("utf-8")
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src data:; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
}


class Pages:
    """What a buyer sees."""

    def __init__(self, books: Books, deliveries: Deliveries, secret: str) -> None:
        self._books = books
        self._deliveries = deliveries
        self._secret = secret

    def routes(self) -> list[web.RouteDef]:
        """Return the routes."""
        return [
            web.get("/bank.css", _style),
            web.get("/pay/{order}", self._show_order),
            web.post("/pay/{order}", self._pay_order),
        ]

    async def _show_order(self, request: web.Request) -> web.Response:
        language, order_id = _language(request), request.match_info["order"]
        order = await self._books.run(lambda ledger: ledger.order(order_id))
        payments = await self._books.run(lambda ledger: ledger.payments_of(order_id))
        paid = any(p.state in (PaymentState.CAPTURED, PaymentState.REFUNDED) for p in payments)
        notes = [text("paid_before", language)] if paid else []
        if not paid and order.expires_at <= now_ms():
            notes.append(text("time_over", language))
        offered = [Behaviour.TWICE] if paid else list(Behaviour)
        form = "".join(_button(behaviour, language) for behaviour in offered)
        body = (
            f'<dl><dt>{text("to_pay", language)}</dt><dd class="amount">{rupees(order.amount)}</dd>'
            f"<dt>{text('order', language)}</dt><dd><code>{escape(order.hold)}</code></dd></dl>"
            + "".join(f'<p class="note" role="status">{note}</p>' for note in notes)
            + f'<form method="post"><fieldset><legend>{text("how", language)}</legend>{form}</fieldset></form>'
        )
        return _page(request, language, text("payment", language), body)

    async def _pay_order(self, request: web.Request) -> web.Response:
        language, order_id = _language(request), request.match_info["order"]
        given = (await request.post()).get("behaviour", "")
        if given not in tuple(Behaviour):
            raise BankRefusal("bad_request", "There is no such button.")
        behaviour = Behaviour(str(given))
        order = await self._books.run(lambda ledger: ledger.order(order_id))
        made = await self._books.run(lambda ledger: ledger.pay(order_id, behaviour, Webhooks.ONCE, LATE_MS, now_ms()))
        self._deliveries.notify()
        if behaviour in (Behaviour.PAY, Behaviour.TWICE):
            return self._paid(request, language, order, made[0])
        title, why = {
            Behaviour.DECLINE: ("declined", "declined_why"),
            Behaviour.LATE: ("later", "later_why"),
            Behaviour.SILENT: ("later", "silent_why"),
        }[behaviour]
        links = ""
        if behaviour is Behaviour.DECLINE:
            links += f'<a class="button" href="?lang={language}">{text("again", language)}</a>'
        if order.return_url and behaviour is not Behaviour.SILENT:
            known = {"status": "declined"} if behaviour is Behaviour.DECLINE else {}
            back = escape(_return_address(order, known))
            links += f'<a class="button" href="{back}">{text("back", language)}</a>'
        body = f'<p role="status">{text(why, language)}</p><p class="links">{links}</p>'
        return _page(request, language, text(title, language), body)

    def _paid(self, request: web.Request, language: str, order: OrderRow, payment: BankPayment) -> web.Response:
        """Go back to the shop with the proof; without an address to go to, show that the payment was received."""
        if order.return_url:
            back = _return_address(order, {"proof": proof_of(self._secret, order.id, payment.id)})
            return web.Response(status=303, headers={**_HEADERS, "Location": back})
        return _page(request, language, text("done", language), f'<p class="amount">{rupees(order.amount)}</p>')


def refusal_page(request: web.Request, refusal: BankRefusal) -> web.Response:
    """Return the page for a refusal."""
    language = _language(request)
    title = text(refusal.code if refusal.code in ("not_found", "order_paid") else "refused", language)
    return _page(request, language, title, "", status=404 if refusal.code == "not_found" else 400)


def _return_address(order: OrderRow, known: dict[str, str]) -> str:
    """Return the shop's address with the order, and what is ``known`` of its payment, in the query."""
    sign = "&" if urlsplit(order.return_url).query else "?"
    address, _, fragment = order.return_url.partition("#")
    return f"{address}{sign}{urlencode({'order': order.id, **known})}" + (f"#{fragment}" if fragment else "")


async def _style(_request: web.Request) -> web.Response:
    return web.Response(text=_CSS, content_type="text/css", headers={"Cache-Control": "max-age=60"})


def _language(request: web.Request) -> str:
    return language_of(request.query.get("lang", ""), request.headers.get("Accept-Language", ""))


def _button(behaviour: Behaviour, language: str) -> str:
    label, why = choice(behaviour, language)
    first = ' class="first"' if behaviour is Behaviour.PAY else ""
    return (
        f'<p><button name="behaviour" value="{behaviour.value}" aria-describedby="why-{behaviour.value}"{first}>'
        f'{label}</button><span id="why-{behaviour.value}">{why}</span></p>'
    )


def _page(request: web.Request, language: str, title: str, body: str, *, status: int = 200) -> web.Response:
    links = " ".join(
        f'<a href="?lang={code}" lang="{code}" hreflang="{code}"{" aria-current=true" if code == language else ""}>'
        f"{name}</a>"
        for code, name in LANGUAGES.items()
    )
    html = f"""<!doctype html>
<html lang="{language}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{title} - {text("bank", language)}</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/bank.css">
</head>
<body>
<header><strong>{text("bank", language)}</strong><nav aria-label="{text("language", language)}">{links}</nav></header>
<p class="warning" role="note">{text("no_money", language)}</p>
<main><h1>{title}</h1>{body}</main>
</body>
</html>
"""
    return web.Response(status=status, text=html, content_type="text/html", headers=_HEADERS)
