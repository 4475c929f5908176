import assert from "node:assert/strict";
import { generateKeyPairSync, sign } from "node:crypto";
import { describe, test } from "node:test";
import { seatName, staffSeatName } from "../../static/app/seat-name.js";
import { CheckQueue, MOST_WAITING } from "../../static/gate/check-queue.js";
import { leftMs, SLACK_MS } from "../../static/gate/lease-time.js";
import { nameOf, readTicket } from "../../static/gate/ticket-text.js";

/** Made by realtime/tickets/token.py. */
const PYTHON = {
  token:
    "AEVVCPYEK5CEUQSNJJEFI53FON2C2ZLSN5ZS22DBNVWGK5BNGIYDENRRGIYTERTUFPSLNTYEZWCE3BMFDUMPC662LB3GQKQG5YBMAX2MI5VHDKKLOBE5VSOPEAM6FYAX5VCCPOHMGANGA63AHVPPRUVR2E6BOPLWWMDQ",
  key: { kid: "west.43", x: "7r3c2rD5qmbxhrNWfnpReYVEr0z8sby6gjttXTUbOJE" },
};
const CLAIMS = { code: "WDJBMJHT", show: "west-eros-hamlet-20261212", day: "2026-12-12" };
const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/** A key pair of a region, with its public half as the nodes publish it. */
function newKey(kid) {
  const { publicKey, privateKey } = generateKeyPairSync("ed25519");
  return { kid, x: publicKey.export({ format: "jwk" }).x, privateKey };
}

function token(key, { version = 1, day = 20_799, code = "WDJBMJHT", show = "west-eros-hamlet-20261212" } = {}) {
  const number = Number(key.kid.split(".")[1]);
  const content = Buffer.from([version, number, day >> 8, day & 255, 4, ...Buffer.from(code + show)]);
  const signature = sign(null, Buffer.concat([Buffer.from("tickingtickets ticket v1\0"), content]), key.privateKey);
  return base32(Buffer.concat([content, signature]));
}

function base32(bytes) {
  const bits = Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0")).join("");
  return bits.replace(/.{1,5}/g, (group) => ALPHABET[Number.parseInt(group.padEnd(5, "0"), 2)]);
}

describe("the token of a QR code", () => {
  const west = newKey("west.43");
  const south = newKey("south.43");

  test("that the server signed is accepted, in upper or lower case, with a line end", async () => {
    for (const text of [PYTHON.token, PYTHON.token.toLowerCase(), ` ${PYTHON.token}\r\n`])
      assert.deepEqual(await readTicket(text, [PYTHON.key]), CLAIMS);
    assert.deepEqual(await readTicket(token(west), [south, west]), CLAIMS);
  });

  test("is refused with one bit changed, in whichever byte", async () => {
    const bits = token(west).replace(/./g, (letter) => ALPHABET.indexOf(letter).toString(2).padStart(5, "0"));
    const bytes = bits.match(/.{8}/g).map((byte) => Number.parseInt(byte, 2));
    const reasons = new Set();
    for (const at of bytes.keys()) {
      const read = await readTicket(base32(bytes.with(at, bytes[at] ^ (1 << (at % 8)))), [west]);
      assert.equal(typeof read, "string", `byte ${at}`);
      reasons.add(read);
    }
    assert.deepEqual([...reasons].sort(), ["signature", "unknown_key", "version"]);
  });

  test("is refused with the reason", async () => {
    const cases = [
      [token({ ...newKey("west.43") }), [west, south], "signature", "a key of the forger"],
      [token({ ...west, kid: "west.44" }), [west], "unknown_key", "a key that was replaced"],
      [token(west), [south], "unknown_key", "a key of another region"],
      [token(west), [], "unknown_key", "no lease"],
      [token(west, { version: 2 }), [west], "version"],
      [token(west, { show: "" }), [west], "malformed"],
      [token(west, { show: `west-${"x".repeat(60)}` }), [west], "malformed"],
      ["B".repeat(9999), [west], "malformed"],
      ["", [west], "malformed"],
      ["https://example.org/", [west], "malformed"],
      ["WIFI:S:hall;T:WPA;P:secret;;", [west], "malformed"],
    ];
    for (const [text, keys, reason, why] of cases) assert.equal(await readTicket(text, keys), reason, why ?? text);
  });

  test("is refused when it is cut off anywhere", async () => {
    const text = token(west);
    for (let length = 0; length < text.length; length++)
      assert.equal(typeof (await readTicket(text.slice(0, length), [west])), "string", String(length));
  });

  test("is accepted under either of two keys that have one number, as after a change of the secret", async () => {
    const other = newKey("west.43");
    for (const key of [west, other]) assert.deepEqual(await readTicket(token(key), [west, other]), CLAIMS);
  });

  test("is read like a typed code where the browser has no Ed25519", async (context) => {
    context.mock.method(crypto.subtle, "importKey", async () => {
      throw new DOMException("Unrecognized name.", "NotSupportedError");
    });
    assert.deepEqual(await readTicket(token(newKey("west.43")), [west]), CLAIMS);
  });

  test("is read like a typed code on a page that came over plain HTTP", async (context) => {
    context.mock.getter(Object.getPrototypeOf(crypto), "subtle", () => undefined);
    assert.deepEqual(await readTicket(token(newKey("west.43")), [west]), CLAIMS);
  });
});

test("the printed code is read as people type it", async () => {
  for (const typed of ["WDJB-MJHT", "wdjb mjht", "W0JB.MJHT", "ＷＤＪＢ－ＭＪＨＴ"])
    assert.deepEqual(await readTicket(typed, []), { code: "WDJBMJHT", show: "", day: "" }, typed);
  for (const other of ["WDJBMJH", "AEIOUYAE"]) assert.equal(await readTicket(other, []), "malformed", other);
});

test("a ticket is called by its code, whether it is genuine or not, or by the beginning of what is none", () => {
  const forged = `${PYTHON.token.slice(0, -8)}AAAAAAAA`;
  for (const text of [PYTHON.token, forged, "wdjb mjht", "W0JBMJHT"]) assert.equal(nameOf(text), "WDJB-MJHT", text);
  assert.equal(nameOf("https://example.org/"), "https://example.org/");
  for (const text of ["X".repeat(999), `AE${"A".repeat(150)}`]) assert.equal(nameOf(text), `${text.slice(0, 24)}…`);
});

describe("tickets that come while another one is checked", () => {
  const SEEN_MS = 30;
  /** Timers may be early by this. */
  const TIMER_MS = 3;
  const turn = () => new Promise((next) => setTimeout(next, 1));

  /** A queue whose checks end when the test says so. */
  function queueOf() {
    const seen = { log: [], waiting: [], end: null };
    const check = (ticket) => {
      seen.log.push([ticket, performance.now()]);
      return new Promise((end) => {
        seen.end = end;
      });
    };
    const queue = new CheckQueue(check, () => seen.waiting.push(queue.waiting.join()), SEEN_MS);
    // How long after the end of a check the next one began; null if none did.
    const ends = async () => {
      const [before, at] = [seen.log.length, performance.now()];
      seen.end();
      while (seen.log.length === before && performance.now() - at < 20 * SEEN_MS) await turn();
      return seen.log.length > before ? seen.log.at(-1)[1] - at : null;
    };
    return { queue, seen, ends, checked: () => seen.log.map(([ticket]) => ticket).join() };
  }

  test("are checked one after the other, each once, and each result is seen for a while", async () => {
    const { queue, seen, ends, checked } = queueOf();
    for (const ticket of ["A", "B", "A", "B", "C"]) assert.equal(queue.add(ticket, ticket), true);
    assert.equal(checked(), "A", "the first one at once");
    assert.deepEqual(queue.waiting, ["B", "C"]);
    assert.ok((await ends()) >= SEEN_MS - TIMER_MS);
    assert.deepEqual([checked(), queue.waiting.join()], ["A,B", "C"]);
    assert.ok((await ends()) >= SEEN_MS - TIMER_MS);
    assert.equal(await ends(), null);
    assert.equal(checked(), "A,B,C");
    assert.equal(seen.waiting.at(-1), "", "the page learns that none waits any more");
    queue.add("A", "A");
    assert.equal(checked(), "A,B,C,A", "later it is another check");
  });

  test("are refused where too many wait, and forgotten when the gate is left", async () => {
    const { queue, ends, checked } = queueOf();
    const all = Array.from({ length: MOST_WAITING + 1 }, (_, n) => String(n));
    for (const ticket of all) assert.equal(queue.add(ticket, ticket), true);
    assert.equal(queue.add("one more", "one more"), false);
    queue.clear();
    assert.equal(await ends(), null);
    assert.equal(checked(), "0");
    queue.add("one more", "one more");
    assert.equal(checked(), "0,one more");
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

test("a seat is named as on its ticket; without a network, by its id", () => {
  const names = [
    [{ id: "A-1", row: "A", number: "1" }, "A-1"],
    [{ id: "b", row: "Box 7 (Tapti)", number: "Chair 1" }, "Box 7 (Tapti), Chair 1"],
    [{ id: "s", row: "A", number: "3 (s)" }, "A-3 (s)"],
    [{ id: "solo", row: "", number: "solo" }, "solo"],
    [{ id: "A-1" }, "A-1"],
  ];
  for (const [seat, name] of names) assert.equal(seatName(seat), name);
});

test("staff see the id of a seat, and its printed name where the id does not say it", () => {
  assert.equal(staffSeatName("Stalls-A-1", "A-1"), "Stalls-A-1");
  assert.equal(staffSeatName("b-1", "Box 7, Chair 1"), "Box 7, Chair 1 (b-1)");
  assert.equal(staffSeatName("s", "A-3 (s)"), "A-3 (s)");
});
