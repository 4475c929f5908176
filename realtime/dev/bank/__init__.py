"""A small bank for trying out and testing: a payment gateway with a page, as a process of its own. No money moves.

``python -m realtime.dev.bank --port P --data FILE`` serves it on 127.0.0.1. It can also fail as real gateways do:
payments after the hold's end, payments twice, silence, and webhooks that come twice, late or never. All it knows is in
one SQLite file, committed before an answer is sent, so that ``kill -9`` loses nothing.

| module | holds |
| --- | --- |
| ``ledger`` | orders, payments, refunds and events: the rules, in SQLite; synchronous |
| ``deliveries`` | what happens later: due payments, and webhooks with retries |
| ``app`` | the HTTP API for nodes, load tests and the auditor |
| ``pages``, ``texts`` | the buyer's page, in English and Hindi |
"""
