import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { nextSpeed, pinch, wheelFactor } from "../../static/seat-map/controls/gesture-math.js";
import { Camera } from "../../static/seat-map/drawing/camera.js";
import { Framing } from "../../static/seat-map/drawing/framing.js";
import { contrast, contrasting, rgba } from "../../static/seat-map/drawing/palette.js";
import { hall, seats } from "./layouts.js";

function camera() {
  const made = new Camera(() => null);
  Object.assign(made, { width: 400, height: 300, still: true });
  made.bounds = { left: 0, top: 0, right: 200, bottom: 100 };
  return made;
}

/** Where a point of the plan is on the screen. */
const onScreen = ({ scale, x, y }, [px, py]) => [px * scale + x, py * scale + y];

function near(actual, expected) {
  actual.forEach((value, n) => {
    assert.ok(Math.abs(value - expected[n]) < 1e-6, `${actual} is not ${expected}`);
  });
}

describe("the camera", () => {
  test("frames an area whole and in the middle", () => {
    const it = camera();
    const framing = it.framing(it.bounds);
    assert.equal(framing.scale, (400 - 32) / 200);
    near(onScreen(framing, [100, 50]), [200, 150]);
  });

  test("keeps the point under the pointer where it is while it zooms", () => {
    const it = camera();
    const before = [(120 - it.x) / it.scale, (80 - it.y) / it.scale];
    it.zoom(120, 80, 2);
    assert.equal(it.scale, 2);
    near(onScreen(it, before), [120, 80]);
  });

  test("stays within its scales", () => {
    const it = camera();
    Object.assign(it, { minScale: 0.5, maxScale: 4 });
    it.zoom(0, 0, 100);
    assert.equal(it.scale, 4);
    it.zoom(0, 0, 0.001);
    assert.equal(it.scale, 0.5);
  });

  test("never loses the plan out of sight", () => {
    const it = camera();
    it.pan(1e6, 1e6);
    assert.ok(it.view.right > it.bounds.left && it.view.bottom > it.bounds.top);
    it.pan(-1e7, -1e7);
    assert.ok(it.view.left < it.bounds.right && it.view.top < it.bounds.bottom);
  });
});

describe("framing", () => {
  function framed() {
    const it = camera();
    const framing = new Framing(it);
    framing.setLayout(hall());
    return { it, framing, layout: hall() };
  }

  test("shows the whole plan until the viewer moves the map", () => {
    const { it, framing } = framed();
    framing.resize(800, 600);
    const { bounds } = it;
    assert.ok(it.view.left <= bounds.left && it.view.right >= bounds.right && it.view.bottom >= bounds.bottom);
    framing.zoomBy(3);
    const middle = [(400 - it.x) / it.scale, (300 - it.y) / it.scale];
    framing.resize(1000, 500);
    near(onScreen(it, middle), [500, 250]);
  });

  test("reveals a seat so that it can be read, and leaves the map alone when it can be already", () => {
    const { it, framing, layout } = framed();
    framing.zoomBy(0.01);
    const [seat] = seats(layout, "E-4");
    framing.reveal(seat);
    assert.ok(layout.seatSize * it.scale >= 17);
    near(Object.values(framing.place(seat)), [200, 150]);
    it.pan(-100, 30);
    const { x, y, scale } = it;
    framing.reveal(seat);
    assert.deepEqual([it.x, it.y, it.scale], [x, y, scale]);
  });
});

describe("gestures", () => {
  test("two fingers zoom by their distance and move by their middle", () => {
    const { pan, middle, factor } = pinch({ x: 100, y: 0 }, { x: 200, y: 0 }, { x: 0, y: 0 });
    assert.equal(factor, 2);
    assert.deepEqual(pan, { x: 50, y: 0 });
    assert.deepEqual(middle, { x: 100, y: 0 });
    assert.equal(pinch({ x: 5, y: 5 }, { x: 5, y: 6 }, { x: 5, y: 5 }).factor, 1);
  });

  test("the wheel zooms in upwards, out downwards, and a wild turn only so far", () => {
    const turn = (deltaY, more = {}) => wheelFactor({ deltaY, deltaMode: 0, ctrlKey: false, ...more });
    assert.ok(turn(-100) > 1 && turn(100) < 1);
    near([turn(100) * turn(-100)], [1]);
    assert.equal(turn(-1e6), turn(-160));
    near([turn(3, { deltaMode: 1 })], [turn(48)]);
    assert.ok(turn(-10, { ctrlKey: true }) > turn(-10));
  });

  test("the speed of a drag follows its newest movement", () => {
    const speed = nextSpeed({ x: 0, y: 0, at: 0 }, { x: 0, y: 0 }, { x: 20, y: -10 }, 10);
    near([speed.x, speed.y], [1.4, -0.7]);
    assert.equal(speed.at, 10);
    const rest = nextSpeed(speed, { x: 20, y: -10 }, { x: 20, y: -10 }, 20);
    near([rest.x, rest.y], [0.42, -0.21]);
  });
});

describe("colours", () => {
  test("contrast is WCAG's", () => {
    near([contrast("#ffffff", "#000000"), contrast("#fff", "#fff")], [21, 1]);
    assert.ok(Math.abs(contrast("#777777", "#ffffff") - 4.48) < 0.01);
  });

  test("a pale category is darkened on paper and a dark one lightened at night", () => {
    for (const [color, ground] of [
      ["#ffff99", "#fbfaf7"],
      ["#101020", "#12161b"],
    ]) {
      assert.ok(contrast(color, ground) < 3);
      assert.ok(contrast(contrasting(color, ground, 3), ground) >= 3);
    }
    assert.equal(contrasting("#7a1f1f", "#ffffff", 3), "#7a1f1f");
  });

  test("a colour as a pixel has red first in memory and is opaque", () => {
    assert.deepEqual([...new Uint8Array(new Uint32Array([rgba("#0a6c6e")]).buffer)], [0x0a, 0x6c, 0x6e, 0xff]);
  });
});
