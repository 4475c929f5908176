import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { Choosing } from "../../static/seat-map/choosing.js";
import { FREE, HELD, MINE, SELECTED, SOLD } from "../../static/seat-map/seat-states.js";

describe("choosing seats", () => {
  let statuses;
  let choosing;

  beforeEach(() => {
    statuses = [FREE, FREE, FREE, HELD, SOLD];
    choosing = new Choosing((seat) => statuses[seat]);
  });

  test("a free seat is chosen once, in the order of choosing", () => {
    assert.equal(choosing.choose(2, 10), "chosen");
    assert.equal(choosing.choose(0, 10), "chosen");
    assert.equal(choosing.choose(2, 10), "unchanged");
    assert.deepEqual([...choosing.selected], [2, 0]);
    assert.equal(choosing.state(2), SELECTED);
    assert.equal(choosing.state(1), FREE);
  });

  test("a held or sold seat is not chosen", () => {
    assert.equal(choosing.choose(3, 10), "taken");
    assert.equal(choosing.choose(4, 10), "taken");
    assert.equal(choosing.selected.size, 0);
  });

  test("no more seats are chosen than the limit", () => {
    assert.equal(choosing.choose(0, 2), "chosen");
    assert.equal(choosing.choose(1, 2), "chosen");
    assert.equal(choosing.choose(2, 2), "limit");
    choosing.remove(0);
    assert.equal(choosing.choose(2, 2), "chosen");
  });

  test("the viewer's own seats can't be chosen again", () => {
    choosing.setMine([3]);
    assert.equal(choosing.choose(3, 10), "unchanged");
    assert.equal(choosing.state(3), MINE);
  });

  test("seats that become the viewer's own leave the selection", () => {
    choosing.choose(0, 10);
    choosing.choose(1, 10);
    const { changed, deselected } = choosing.setMine([0]);
    assert.equal(deselected, true);
    assert.deepEqual([...changed], [0]);
    assert.deepEqual(choosing.own, [0, 1]);
    assert.deepEqual([...choosing.setMine([2]).changed].sort(), [0, 2]);
    assert.equal(choosing.setMine([2]).deselected, false);
  });

  test("a chosen seat that somebody else takes is lost", () => {
    choosing.choose(0, 10);
    choosing.choose(1, 10);
    statuses[0] = HELD;
    statuses[2] = HELD;
    assert.deepEqual(choosing.lost([0, 1, 2]), [0]);
    choosing.lose([0]);
    assert.deepEqual([...choosing.selected], [1]);
  });

  test("a chosen seat is not lost while the viewer's own request for it is under way", () => {
    choosing.choose(0, 10);
    choosing.request([0]);
    statuses[0] = HELD;
    assert.deepEqual(choosing.lost([0]), []);
    assert.equal(choosing.concerns(0), true);
    choosing.answered();
    assert.deepEqual(choosing.lost([0]), [0]);
    assert.equal(choosing.concerns(0), false);
  });

  test("clear removes the selection and says what was in it", () => {
    choosing.choose(1, 10);
    choosing.setMine([0]);
    assert.deepEqual(choosing.clear(), [1]);
    assert.deepEqual(choosing.own, [0]);
  });
});
