"""Contacts on a running system: a mail with the ticket in the mailbox, refusals at the edge, erasure, jobs."""

from __future__ import annotations

import asyncio
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Any

import aiohttp
import pytest
from click.testing import CliRunner

from realtime.cli import cli
from realtime.dev.cluster import Cluster
from realtime.model import booking_of
from tests.cluster import Client, new_show, node_urls, pay, pay_order, until


def mailbox(cluster: Cluster) -> aiohttp.ClientSession:
    return aiohttp.ClientSession(headers={"Authorization": f"Bearer {cluster.secrets['MAILBOX_KEY']}"})


async def mails_to(cluster: Cluster, address: str) -> list[dict[str, Any]]:
    async with mailbox(cluster) as session, session.get(f"{cluster.plan.mailbox_url}/api/mails") as answer:
        return [mail for mail in await answer.json() if mail["recipient"] == address]


async def the_mail_to(cluster: Cluster, address: str) -> EmailMessage:
    found = await until(lambda: mails_to(cluster, address))
    url = f"{cluster.plan.mailbox_url}/api/mails/{found[0]['number']}"
    async with mailbox(cluster) as session, session.get(url) as answer:
        mail = message_from_bytes(await answer.read(), policy=default)
    assert isinstance(mail, EmailMessage)
    return mail


async def ops(cluster: Cluster, method: str, path: str, **more: Any) -> tuple[int, Any]:
    headers = {"Authorization": f"Bearer {cluster.secrets['OPERATOR_KEY']}"}
    url = f"{node_urls(cluster)[0]}/api/v1/ops{path}"
    async with aiohttp.ClientSession(headers=headers) as session, session.request(method, url, **more) as answer:
        return answer.status, await answer.json()


async def held(client: Client, cluster: Cluster, region: str, seat: str = "A-1") -> str:
    show = await new_show(cluster, region)
    answer = await client.call("seats:hold", {"show": show, "seats": [seat], "request_id": "1"})
    return str(answer["hold"]["id"])


async def test_the_ticket_comes_by_mail_with_pdf_and_calendar_in_the_buyers_language(cluster: Cluster) -> None:
    buyer = await Client.connect(node_urls(cluster)[0])
    hold = await held(buyer, cluster, "west")
    contact = {"email": "asha@example.in", "name": "आशा", "locale": "hi"}
    payment = await pay(node_urls(cluster)[0], hold)
    answer = await buyer.call("seats:confirm", {"hold": hold, "payment": payment, "contact": contact})
    assert answer["booking"]["state"] == "booked" and "asha@" not in str(answer)
    mail = await the_mail_to(cluster, "asha@example.in")
    plain, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert plain is not None and html is not None
    assert "नमस्ते आशा" in plain.get_content() and "नमस्ते आशा" in html.get_content()
    attached = {part.get_content_type(): part.get_content() for part in mail.iter_attachments()}
    assert attached["application/pdf"].startswith(b"%PDF")
    assert "Asia/Kolkata" in attached["text/calendar"]
    assert "asha@" not in str(buyer.received)
    await buyer.close()


async def test_a_buyer_who_left_the_address_with_the_order_and_closed_the_page_gets_the_mail(cluster: Cluster) -> None:
    buyer = await Client.connect(node_urls(cluster)[0])
    hold = await held(buyer, cluster, "south")
    headers, body = {"Authorization": f"Bearer {buyer.token}"}, {"contact": {"email": "ravi@example.in"}}
    url = f"{node_urls(cluster)[0]}/api/v1/holds/{hold}/order"
    async with aiohttp.ClientSession(headers=headers) as session, session.post(url, json=body) as answer:
        order = (await answer.json())["order"]["id"]
    await buyer.close()
    await pay_order(cluster, order)
    assert (await the_mail_to(cluster, "ravi@example.in"))["To"] == "ravi@example.in"


@pytest.mark.parametrize("contact", [{"email": "no address"}, {"name": "\u202eAsha"}, {"phone": "1"}, "asha"])
async def test_a_malformed_contact_is_refused_before_anything_happens(cluster: Cluster, contact: Any) -> None:
    buyer = await Client.connect(node_urls(cluster)[0])
    ask = {"hold": "west-x.h" + "a" * 22, "payment": "p", "contact": contact}
    for event in ("seats:confirm", "seats:order"):
        answer = await buyer.call(event, ask)
        assert answer["error"]["code"] == "bad_request" and "contact" in answer["error"]["message"]
    await buyer.close()


async def test_operators_erase_a_person_and_see_jobs(cluster: Cluster) -> None:
    buyer = await Client.connect(node_urls(cluster)[0])
    hold = await held(buyer, cluster, "north")
    payment = await pay(node_urls(cluster)[0], hold)
    contact = {"email": "meera@example.in", "phone": "+91 98765 43210"}
    await buyer.call("seats:confirm", {"hold": hold, "payment": payment, "contact": contact})
    await the_mail_to(cluster, "meera@example.in")
    for person in ({"email": "MEERA@example.in "}, {"phone": "98765-43210"}):
        status, found = await ops(cluster, "POST", "/bookings/search", json=person)
        assert (status, [each["id"] for each in found["bookings"]]) == (200, [booking_of(hold)])
        assert "meera" not in str(found).lower() and "98765" not in str(found)
    for wrong in ({}, {"email": "meera"}, {"phone": "9"}, {"email": "m@example.in", "phone": "+91 98765 43210"}):
        assert (await ops(cluster, "POST", "/bookings/search", json=wrong))[0] == 400
    assert (await ops(cluster, "GET", "/bookings?email=meera@example.in"))[0] == 400

    async def searches() -> list[dict[str, Any]]:
        _status, log = await ops(cluster, "GET", "/audit")
        return [
            each for each in log["entries"] if each["action"].endswith("/bookings/search") and each["status"] == 200
        ]

    for entry in await until(searches):
        assert entry["detail"] == "" and "meera" not in str(entry)
    assert (await ops(cluster, "POST", "/contacts/erase", json={}))[0] == 400
    topology = str(cluster.topology_file("north"))
    env = {"TICKINGTICKETS_SECRET": cluster.secrets["SECRET"]}
    run = ["--topology", topology, "contacts", "erase", "--email", "meera@example.in"]
    done = await asyncio.to_thread(CliRunner().invoke, cli, run, env=env)
    assert "1 contacts erased" in done.output
    status, answer = await ops(cluster, "POST", "/contacts/erase", json={"phone": "+91 98765 43210"})
    assert (status, answer) == (200, {"erased": 0})
    status, jobs = await ops(cluster, "GET", "/jobs")
    assert status == 200 and jobs["failed"] == [] and jobs["missing"] == []
    assert set(jobs["queues"]["north"]) == {"tickets", "mail", "refunds", "webhooks", "analytics"}
    assert (await ops(cluster, "POST", "/jobs/tickets.nothing/retry"))[0] == 404
    await buyer.close()
