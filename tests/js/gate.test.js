import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { leftMs, SLACK_MS } from "../../static/gate/lease-time.js";
import { readTicket } from "../../static/gate/ticket-text.js";

/** A token as realtime/tickets/token.py writes it; the signature is no matter here. */
function token(code, show) {
  const bytes = [1, 1, 0x4f, 0x10, 2, ...Buffer.from(code + show), ...new Array(64).fill(0xa5)];
  const bits = bytes.map((byte) => byte.toString(2).padStart(8, "0")).join("");
  const groups = bits.match(/.{1,5}/g).map((group) => Number.parseInt(group.padEnd(5, "0"), 2));
  return groups.map((value) => "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"[value]).join("");
}

describe("a ticket", () => {
  test("is read from a QR code, in upper or lower case, and from what is typed", () => {
    const text = token("WDJBMJHT", "west-hall-20270115-1830");
    const read = { code: "WDJBMJHT", show: "west-hall-20270115-1830" };
    assert.deepEqual(readTicket(text), read);
    assert.deepEqual(readTicket(` ${text.toLowerCase()} `), read);
    for (const typed of ["WDJB-MJHT", "wdjb mjht", "W0JB.MJHT", "ＷＤＪＢ－ＭＪＨＴ"])
      assert.deepEqual(readTicket(typed), { code: "WDJBMJHT", show: "" }, typed);
  });

  test("is nothing else", () => {
    const text = token("WDJBMJHT", "west-s");
    for (const other of [
      "",
      "WDJBMJH",
      "AEIOUYAE",
      "https://example.org/",
      text.slice(0, 60),
      "x".repeat(9999),
      `B${text}`,
    ])
      assert.equal(readTicket(other), null, other);
  });
});

describe("the time of a lease", () => {
  const lease = { leaseMs: 1000, sentAt: 50_000, seenAt: 50_500 };

  test("is the longer of what both clocks say", () => {
    assert.equal(leftMs(lease, 50_600, 0), 400);
    assert.equal(
      leftMs(lease, 50_600, 700),
      300,
      "the monotonic clock went on while the wall clock was set back a little",
    );
    assert.equal(leftMs(lease, 50_900, 100), 100, "the monotonic clock stood still while the device slept");
    assert.equal(leftMs(lease, 60_000, 0), 0);
  });

  test("is over while the wall clock is behind a time that was seen", () => {
    assert.equal(leftMs(lease, 50_500 - SLACK_MS - 1, 0), 0);
    assert.equal(leftMs(lease, 50_500 - SLACK_MS, 0) > 0, true);
    assert.equal(leftMs(lease, 0, 0), 0);
  });
});
