import assert from "node:assert/strict";
import { beforeEach, describe, mock, test } from "node:test";
import { ask, download, isKeyRefused } from "../../static/ops/api.js";

globalThis.sessionStorage = { getItem: () => "a key", setItem() {}, removeItem() {} };

const encoder = new TextEncoder();

/** A body that begins, and breaks off before its end. */
function cutOff(text) {
  return new ReadableStream({
    start(controller) {
      controller.enqueue(encoder.encode(text));
    },
    pull(controller) {
      controller.error(new TypeError("network error"));
    },
  });
}

function answers(body, init) {
  mock.method(globalThis, "fetch", async () => new Response(body, init));
}

describe("a request of staff", () => {
  beforeEach(() => mock.restoreAll());

  test("gives the answer, {} if it has no body", async () => {
    answers('{"lease_ms": 7200000}');
    assert.deepEqual(await ask("/gate/lease", {}), { lease_ms: 7_200_000 });
    answers(null, { status: 204 });
    assert.deepEqual(await ask("/gate/return", {}), {});
    answers("");
    assert.deepEqual(await ask("/gate/return", {}), {});
  });

  test("has no answer while its end is missing, whatever its status", async () => {
    for (const status of [200, 403, 409, 503]) {
      answers(cutOff('{"lease_ms": 7200'), { status });
      await assert.rejects(ask("/gate/lease", {}), { code: "offline", status: 0 }, String(status));
    }
    answers(cutOff("hour,holds\n"));
    await assert.rejects(download("/ops/analytics?format=csv"), { code: "offline", status: 0 });
  });

  test("has no answer if something else than a node says yes", async () => {
    for (const body of ["<!doctype html>", '{"lease_ms": 7200']) {
      answers(body);
      await assert.rejects(ask("/gate/lease", {}), { code: "offline", status: 0 });
    }
  });

  test("is refused with what the node says, or with the status alone", async () => {
    answers('{"error": {"code": "wrong_show", "message": "", "day": "2026-12-12"}}', { status: 409 });
    await assert.rejects(ask("/gate/admit", {}), { code: "wrong_show", status: 409 });
    answers("<h1>Bad Gateway</h1>", { status: 502 });
    await assert.rejects(ask("/gate/admit", {}), { code: "internal", status: 502 });
    for (const [status, refused] of [
      [401, true],
      [403, true],
      [404, false],
      [500, false],
    ]) {
      answers("", { status });
      await assert.rejects(ask("/ops/me"), (error) => isKeyRefused(error) === refused);
    }
    assert.equal(isKeyRefused(new TypeError("undefined has no outcomes")), false);
  });
});
