import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Camera } from "../../static/seat-map/drawing/camera.js";
import { labelBox, placeLabels } from "../../static/seat-map/drawing/label-places.js";
import { planTexts, textBox, textSize } from "../../static/seat-map/drawing/plan-texts.js";
import { touches } from "../../static/seat-map/geometry.js";
import { Layout } from "../../static/seat-map/layout.js";

const PITCH = 20;
const same = (/** @type {string} */ name) => name;

/** Two sections of twenty rows, one below the other. @param {object[]} shapes */
function hall(shapes) {
  const layout = new Layout({ id: "x", name: "x", size: {}, categories: [{ name: "Gold" }], shapes });
  layout.complete = true;
  const section = (/** @type {string} */ name, /** @type {number} */ top) =>
    Array.from({ length: 400 }, (_, n) => ({
      ...{ id: `${name}-${n}`, section: name, row: `${Math.floor(n / 20)}`, number: `${n % 20}`, category: "Gold" },
      ...{ x: (n % 20) * PITCH, y: top + Math.floor(n / 20) * PITCH },
    }));
  layout.add([...section("Stalls", 100), ...section("Balcony", 620)]);
  layout.index();
  return layout;
}

/** What a map shows of a plan at a scale. @param {Layout} layout @param {number} scale @param {number} [width] of the map */
function room({ bounds }, scale, width = 800) {
  return Object.assign(new Camera(() => null), { bounds, width, height: 300 }).room(scale);
}

/** @param {string} text @param {[number, number]} at @param {number} tall @param {number} [rotation] */
function text(text, at, tall, rotation = 0) {
  return { kind: "text", points: [at, [0, tall]], text, color: "", border: "", rotation };
}

/** @param {string} text @param {number} left @param {number} top @param {number} wide @param {number} high */
function area(text, left, top, wide, high) {
  return {
    kind: "rectangle",
    points: [
      [left, top],
      [wide, high],
    ],
    text,
    color: "#cccccc",
    border: "",
    rotation: 0,
  };
}

const plans = {
  "a stage above the first row": [area("STAGE", 60, 20, 260, 60)],
  "a text above the first row": [text("STAGE", [190, 60], 30)],
  "a text between the sections": [text("ENTRANCE", [190, 560], 24)],
  "a text in the middle of a section": [text("SOUND DESK", [190, 290], 30)],
  "texts on all sides": [
    text("STAGE", [190, 60], 30),
    text("ENTRANCE", [190, 560], 24),
    text("EXIT", [-60, 290], 30, 90),
    area("BAR", 400, 240, 120, 120),
  ],
  "no text": [],
};

describe("labels of sections", () => {
  for (const [name, shapes] of Object.entries(plans)) {
    test(`lie on no text, at any scale: ${name}`, () => {
      const layout = hall(shapes);
      const texts = planTexts(layout, same);
      const [named, namedBeside] = [new Set(), new Set()];
      for (let size = 1; size < 9; size += 0.25) {
        const scale = size / layout.largestSide;
        const written = texts.map((each) => textBox(each, scale)).filter((box) => box !== null);
        placeLabels(layout, scale, size, texts, room(layout, scale)).forEach(({ form, x, y }, n) => {
          if (form === "none") return;
          if (form === "full" || form === "name") (size < 4 ? named : namedBeside).add(n);
          const box = labelBox(layout.sections[n], form, x, y);
          for (const other of written) assert.ok(!touches(box, other), `${layout.sections[n].name} at size ${size}`);
        });
      }
      assert.deepEqual([named.size, namedBeside.size], [2, 2], "each section is named on its seats, and beside them");
    });
  }

  test("are within the map that shows the whole plan, whatever its size", () => {
    for (const shapes of Object.values(plans)) {
      const layout = hall(shapes);
      const texts = planTexts(layout, same);
      for (const width of [0, 400, 800]) {
        for (let size = 1; size < 9; size += 0.25) {
          const scale = size / layout.largestSide;
          const within = room(layout, scale, width);
          for (const [n, { form, x, y }] of placeLabels(layout, scale, size, texts, within).entries()) {
            if (form === "none") continue;
            const box = labelBox(layout.sections[n], form, x, y);
            const inside = box.left > within.left - 0.01 && box.right < within.right + 0.01;
            if (box.right - box.left < within.right - within.left) assert.ok(inside, `${form} at ${size} of ${width}`);
            assert.ok(box.top > within.top - 0.01 && box.bottom < within.bottom + 0.01, `${form} at ${size}`);
          }
        }
      }
    }
  });

  test("are beside their section where seats can be told apart", () => {
    const layout = hall([]);
    const { bounds } = layout.sections[0];
    for (const size of [3, 6]) {
      const scale = size / layout.largestSide;
      const [first] = placeLabels(layout, scale, size, [], room(layout, scale));
      assert.deepEqual([first.form, first.y < bounds.top * scale], ["full", true], `at size ${size}`);
    }
  });
});

describe("texts of a plan", () => {
  test("take the more room the larger they are, and keep their place where they are too small", () => {
    const [small] = planTexts(hall([text("STAGE", [0, 0], 10)]), same);
    assert.deepEqual([textSize(small, 0.4), textBox(small, 0.4)?.right], [0, textBox(small, 0.5)?.right]);
    const near = textBox(small, 1);
    const nearer = textBox(small, 2);
    assert.ok(near && nearer && nearer.right > near.right);
  });

  test("that are turned take their room upwards", () => {
    const [turned] = planTexts(hall([text("EXIT", [0, 0], 20, 90)]), same);
    const box = textBox(turned, 1);
    assert.ok(box && box.bottom - box.top > box.right - box.left);
  });

  test("on an area that is too narrow for them take none", () => {
    const [narrow] = planTexts(hall([area("A very long name of a bar", 0, 0, 60, 60)]), same);
    assert.equal(textBox(narrow, 1), null);
  });
});
