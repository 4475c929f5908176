import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Attempts } from "../../static/booking/attempts.js";
import { storeCheckoutReturn } from "../../static/booking/checkout-return.js";
import { ServerClock } from "../../static/booking/clock.js";
import { keepLeftover, leftovers, settleLeftovers } from "../../static/booking/leftovers.js";
import { takePayment } from "../../static/booking/payment.js";
import { readRecord, writeRecord } from "../../static/booking/record.js";
import { isFinal, keepBegun, noteRefund, refundsOf, withRefund } from "../../static/booking/refunds.js";
import { bookingOf, isOver, newRequest, nextAction, stepOf } from "../../static/booking/steps.js";
import { clockText, shareLeft, spokenMark } from "../../static/booking/time-left.js";
import { RequestError } from "../../static/seat-map/request-error.js";

const SHOW = "west-show-1";

describe("the steps of a booking", () => {
  test("an interrupted booking goes on where its record ends", () => {
    const record = { request: "r", seats: ["A-1"] };
    assert.equal(nextAction(record), "hold");
    assert.equal(nextAction({ ...record, paying: true }), "hold");
    assert.equal(nextAction({ ...record, hold: "h" }), "resume");
    assert.equal(nextAction({ ...record, hold: "h", paying: true }), "find_payment");
    assert.equal(nextAction({ ...record, hold: "h", paying: true, payment: "p" }), "confirm");
    assert.equal(nextAction({ ...record, hold: "h", payment: "p", booking: "b" }), "booked");
    assert.equal(nextAction({ ...record, hold: "h", order: "o", over: "expired" }), "over");
  });

  test("what the server says of a hold decides the step", () => {
    const step = (state, expires_at = 2000) => stepOf({ state, expires_at }, 1000);
    assert.deepEqual(step("held"), { step: "held", reason: "" });
    assert.deepEqual(step("held", 1000), { step: "expired", reason: "" });
    assert.deepEqual(step("confirming", 0), { step: "pending", reason: "" });
    assert.deepEqual(step("booked", 0), { step: "booked", reason: "" });
    assert.deepEqual(step("rejected", 0), { step: "rejected", reason: "" });
    assert.deepEqual(step("lost"), { step: "expired", reason: "hold_lost" });
    assert.deepEqual(step("expired"), { step: "expired", reason: "" });
  });

  test("errors that end a hold are told apart from those that don't", () => {
    assert.ok(["hold_expired", "hold_lost", "not_your_hold"].every(isOver));
    assert.ok(!["offline", "payment_refused", "extend_limit", ""].some(isOver));
  });

  test("the booking's id follows from the hold's, and requests have ids of their own", () => {
    assert.equal(bookingOf("west.h4F2"), "west.b4F2");
    assert.match(newRequest(), /^[0-9a-f]{32}$/);
    assert.notEqual(newRequest(), newRequest());
  });
});

describe("the record of a booking", () => {
  test("is read as it was written, and forgotten", () => {
    const record = { request: "r", seats: ["A-1"], hold: "west.h1" };
    writeRecord(SHOW, record);
    assert.deepEqual(readRecord(SHOW), record);
    assert.equal(readRecord("another"), null);
    writeRecord(SHOW, null);
    assert.equal(readRecord(SHOW), null);
  });

  test("is ignored when it is not one", () => {
    for (const broken of [{ seats: 5 }, { request: "r", seats: [1] }, { seats: [] }, []]) {
      writeRecord(SHOW, broken);
      assert.equal(readRecord(SHOW), null);
    }
  });
});

describe("what a gateway sends the buyer back with", () => {
  const record = { request: "r", seats: ["A-1"], hold: "west.h1", paying: true, order: "order_1" };
  const comesBack = (query) => {
    globalThis.location = { search: query, pathname: "/shows/1", hash: "" };
    let address = "";
    globalThis.history = { replaceState: (_state, _title, url) => (address = url) };
    writeRecord(SHOW, record);
    storeCheckoutReturn(SHOW);
    return address;
  };

  test("a proof of the order is stored, and removed from the address", () => {
    assert.equal(comesBack("?order=order_1&proof=p&city=x"), "/shows/1?city=x");
    const { payment, paying } = readRecord(SHOW);
    assert.deepEqual([payment, paying], ["p", undefined]);
  });

  test("a declined payment can be repeated", () => {
    comesBack("?order=order_1&status=declined");
    const { payment, paying, declined } = readRecord(SHOW);
    assert.deepEqual([payment, paying, declined], [undefined, undefined, true]);
  });

  test("another order's answer, and none, change nothing", () => {
    for (const query of ["?order=forged&proof=p", "?order=order_1", ""]) {
      comesBack(query);
      assert.deepEqual(readRecord(SHOW), record);
    }
  });
});

describe("refunds", () => {
  const refund = { payment: "p1", amount: 100, state: "promised", reason: "late" };

  test("a newer state of one takes the place of the older", () => {
    const both = withRefund([refund], { ...refund, payment: "p2" });
    assert.deepEqual(
      withRefund(both, { ...refund, state: "done" }).map(({ payment, state }) => [payment, state]),
      [
        ["p2", "promised"],
        ["p1", "done"],
      ],
    );
    assert.deepEqual(
      ["promised", "sent", "done", "failed"].map((state) => isFinal({ state })),
      [false, false, true, true],
    );
  });

  test("money that was returned stays returned, whatever an earlier question is answered", () => {
    const done = [{ ...refund, state: "done" }];
    for (const state of ["promised", "sent", "failed"]) assert.deepEqual(withRefund(done, { ...refund, state }), done);
  });

  test("are kept with the payment that was begun", () => {
    keepBegun("west.h1", { title: "T", seats: [] });
    noteRefund("west.h1", refund);
    noteRefund("west.unknown", refund);
    assert.deepEqual([refundsOf("west.h1"), refundsOf("west.unknown")], [[refund], []]);
  });
});

describe("taking a payment", () => {
  const order = (kind) => ({ id: "o", amount: 1, currency: "INR", checkout: { kind, url: "https://bank", key: "k" } });

  test("nothing is paid for seats that cost nothing, and a shop's own checkout gives the proof", async () => {
    assert.equal(await takePayment(order("free"), null), "free");
    assert.equal(await takePayment(order("external"), async ({ id }) => `proof of ${id}`), "proof of o");
    await assert.rejects(takePayment(order("external"), null), { code: "payment_external" });
  });

  test("Razorpay's answer is the proof, and a closed checkout is no payment", async () => {
    let given;
    globalThis.Razorpay = class {
      constructor(options) {
        given = options;
      }
      open() {
        given.handler({ razorpay_payment_id: "pay_1" });
      }
    };
    assert.equal(await takePayment(order("razorpay"), null), '{"razorpay_payment_id":"pay_1"}');
    assert.deepEqual([given.key, given.order_id, "timeout" in given], ["k", "o", false]);
    await takePayment(order("razorpay"), null, 300);
    assert.equal(given.timeout, 300, "a hold of default length outlives the checkout");
    globalThis.Razorpay.prototype.open = () => given.modal.ondismiss();
    await assert.rejects(takePayment(order("razorpay"), null), { code: "payment_dismissed" });
    delete globalThis.Razorpay;
  });
});

describe("attempts", () => {
  let attempts;
  let map;
  let steps;

  beforeEach(() => {
    writeRecord(SHOW, null);
    map = { mine: [], revealed: [], reveal: (seat) => map.revealed.push(seat) };
    attempts = new Attempts(map, SHOW);
    steps = [];
    attempts.addEventListener("change", () => steps.push(attempts.step));
  });

  test("one at a time: a second one is not begun", async () => {
    let finish;
    const first = attempts._attempt(
      "holding",
      () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    );
    let begun = false;
    await attempts._attempt("paying", async () => {
      begun = true;
    });
    assert.equal(begun, false);
    assert.equal(attempts.step, "holding");
    finish();
    await first;
    await attempts._attempt("paying", async () => {
      begun = true;
    });
    assert.equal(begun, true);
    assert.deepEqual(steps, ["holding", "holding", "paying", "paying"]);
  });

  test("an error is kept, and leads to the step for it", async () => {
    const refuse = async () => {
      throw new RequestError({ code: "seats_taken", message: "taken", retryable: false });
    };
    await attempts._attempt("holding", refuse, "choosing");
    assert.deepEqual([attempts.step, attempts.error, attempts.errorText], ["choosing", "seats_taken", "taken"]);
    await attempts._attempt("holding", async () => {
      throw new TypeError("bug");
    });
    assert.deepEqual([attempts.step, attempts.error], ["holding", "internal"]);
    await attempts._attempt("holding", async () => {});
    assert.equal(attempts.error, "");
  });

  test("a resume that came in between is made up for, once the error of the attempt was read", async () => {
    let resumed = 0;
    attempts.resume = async () => {
      resumed++;
    };
    await attempts._attempt("holding", async () => {
      attempts._resumeMissed = true;
    });
    assert.equal(resumed, 0);
    await new Promise((next) => setTimeout(next));
    assert.equal(resumed, 1);
  });

  test("entering a step shows its seats once", () => {
    attempts.seats = ["A-1", "A-2"];
    attempts._enter("held");
    attempts._enter("held");
    assert.deepEqual(map.mine, ["A-1", "A-2"]);
    assert.deepEqual(map.revealed, ["A-1"]);
  });

  test("ending forgets the record and says why", () => {
    writeRecord(SHOW, { request: "r", seats: ["A-1"] });
    attempts.seats = ["A-1"];
    attempts._end("expired", "hold_lost");
    assert.equal(readRecord(SHOW), null);
    assert.deepEqual([attempts.step, attempts.reason, attempts.seats], ["expired", "hold_lost", ["A-1"]]);
    assert.deepEqual(map.mine, []);
    attempts._reset();
    assert.deepEqual([attempts.step, attempts.reason, attempts.seats], ["choosing", "", []]);
  });

  test("one that was closed writes nothing into the record of the next", async () => {
    attempts.close();
    attempts._writeRecord({ request: "r", seats: [] });
    assert.equal(readRecord(SHOW), null);
    let begun = false;
    await attempts._attempt("holding", async () => {
      begun = true;
    });
    assert.equal(begun, false);
    assert.deepEqual(steps, []);
  });

  test("the time that remains is the server's", async () => {
    assert.ok(Number.isNaN(attempts.remaining));
    await attempts._timed(async () => ({ server_time: 1_000_000 }));
    attempts.expiresAt = 1_060_000;
    assert.ok(Math.abs(attempts.remaining - 60_000) < 1000);
    attempts.expiresAt = 900_000;
    assert.equal(attempts.remaining, 0);
  });
});

describe("the server's clock", () => {
  test("counts from the middle between asking and answering", (context) => {
    context.mock.method(performance, "now", () => 5000);
    const clock = new ServerClock();
    clock.set(1_000_000, 4800);
    assert.equal(clock.now(), 1_000_100);
  });

  test("does not count what was spent waiting for a connection", (context) => {
    context.mock.method(performance, "now", () => 60_000);
    const clock = new ServerClock();
    clock.set(1_000_000, 1000);
    assert.equal(clock.now(), 1_000_500);
  });

  test("begins with the last known difference to the device's, and states it", (context) => {
    context.mock.method(Date, "now", () => 50_000_000);
    const clock = new ServerClock(-40_000);
    assert.equal(Math.round(clock.offset / 1000), -40);
    clock.set(20_000_000, performance.now());
    assert.equal(Math.round(clock.offset / 1000), -30_000);
  });
});

describe("the time that is left", () => {
  test("is shown as minutes and seconds", () => {
    assert.deepEqual([480, 65, 9, 0].map(clockText), ["8:00", "1:05", "0:09", "0:00"]);
  });

  test("is a share of the whole between 0 and 1", () => {
    assert.deepEqual([shareLeft(240, 480), shareLeft(900, 480), shareLeft(-1, 480)], [0.5, 1, 0]);
  });

  test("is announced at each mark once, and not late", () => {
    assert.equal(spokenMark(301, Infinity), undefined);
    assert.equal(spokenMark(300, Infinity), 300);
    assert.equal(spokenMark(299, 300), undefined);
    assert.equal(spokenMark(119, 300), 120);
    assert.equal(spokenMark(100, 300), undefined);
    assert.equal(spokenMark(8, 30), 10);
  });
});

test("a paid booking whose hold is not known is kept until the whole answer with the hold is there", async (context) => {
  const sent = [];
  let held = '{"hold": {"id": "west-sh';
  context.mock.method(globalThis, "fetch", async (url, { method }) => {
    sent.push(`${method} ${url}`);
    return new Response(url.endsWith("/confirm") ? "{}" : held);
  });
  keepLeftover("west-show", { request: "1", seats: ["A-1"], payment: "pay_1" });
  await settleLeftovers("");
  assert.equal(leftovers(), 1, "the answer was cut off");
  held = '{"hold": {"id": "west-show.h1"}}';
  await settleLeftovers("");
  assert.equal(leftovers(), 0);
  const hold = "POST /api/v1/shows/west-show/holds";
  assert.deepEqual(sent, [hold, hold, "POST /api/v1/holds/west-show.h1/confirm"]);
});
