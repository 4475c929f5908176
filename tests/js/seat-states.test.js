import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { BLOCKED, FREE, HELD, SeatStates, SOLD, UNKNOWN, unpack } from "../../static/seat-map/seat-states.js";

/** Statuses as the wire packs them: 2 bits a seat, the first in the lowest bits. */
function pack(...statuses) {
  const bytes = new Uint8Array(Math.ceil(statuses.length / 4));
  statuses.forEach((status, n) => {
    bytes[n >> 2] |= status << (2 * (n & 3));
  });
  return Buffer.from(bytes).toString("base64");
}

function watched(version = 5) {
  const states = new SeatStates();
  states.watch({ epoch: "e1", version, seats: pack(FREE, HELD, SOLD, BLOCKED, FREE) });
  return states;
}

test("two bits a seat are unpacked in order", () => {
  const statuses = [FREE, HELD, SOLD, BLOCKED, BLOCKED, SOLD, HELD, FREE, HELD];
  assert.deepEqual([...unpack(pack(...statuses))].slice(0, 9), statuses);
});

describe("the statuses of a show", () => {
  test("nothing is known before the first snapshot", () => {
    const states = new SeatStates();
    assert.equal(states.of(0), UNKNOWN);
    assert.equal(states.since, null);
    assert.equal(states.apply({ epoch: "e1", from: 0, version: 1, free: [0] }), null);
  });

  test("a snapshot gives each seat its status and says which changed", () => {
    const states = watched();
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((seat) => states.of(seat)),
      [FREE, HELD, SOLD, BLOCKED, FREE],
    );
    assert.deepEqual(states.since, { epoch: "e1", version: 5 });
    const changed = states.watch({ epoch: "e1", version: 6, seats: pack(FREE, FREE, SOLD, BLOCKED, HELD) });
    assert.deepEqual(changed, [1, 4]);
  });

  test("a frame that follows our version is applied", () => {
    const states = watched();
    assert.deepEqual(states.apply({ epoch: "e1", from: 5, version: 6, held: [0], free: [1], sold: [2] }), [1, 0]);
    assert.equal(states.of(0), HELD);
    assert.equal(states.version, 6);
  });

  test("a frame that overlaps our version is applied, an old one changes nothing", () => {
    const states = watched();
    assert.deepEqual(states.apply({ epoch: "e1", from: 3, version: 7, sold: [0] }), [0]);
    assert.deepEqual(states.apply({ epoch: "e1", from: 4, version: 6, free: [0] }), []);
    assert.equal(states.of(0), SOLD);
  });

  test("a frame after a gap is refused and changes nothing", () => {
    const states = watched();
    assert.equal(states.apply({ epoch: "e1", from: 6, version: 7, sold: [0] }), null);
    assert.equal(states.of(0), FREE);
    assert.equal(states.version, 5);
  });

  test("a frame of another epoch is refused, unless it names ours as the one before", () => {
    const states = watched();
    assert.equal(states.apply({ epoch: "e2", from: 5, version: 6, sold: [0] }), null);
    assert.deepEqual(states.apply({ epoch: "e2", previous_epoch: "e1", from: 5, version: 6, sold: [0] }), [0]);
    assert.equal(states.epoch, "e2");
  });

  test("a snapshot of another epoch replaces everything, an old one of ours nothing", () => {
    const states = watched();
    assert.deepEqual(states.apply({ epoch: "e1", from: 0, version: 5, seats: pack(SOLD) }), []);
    assert.deepEqual(
      states.apply({ epoch: "e2", from: 0, version: 1, seats: pack(SOLD, HELD, SOLD, BLOCKED, FREE) }),
      [0],
    );
    assert.deepEqual(states.since, { epoch: "e2", version: 1 });
  });

  test("an answer with the changes since our version is applied; one without anything is a gap", () => {
    const states = watched();
    assert.deepEqual(states.watch({ epoch: "e1", version: 8, changes: { from: 5, blocked: [0] } }), [0]);
    assert.equal(states.version, 8);
    assert.equal(states.watch({ epoch: "e1", version: 9 }), null);
  });
});
