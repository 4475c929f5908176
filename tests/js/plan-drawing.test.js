import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { seatName } from "../../static/app/seat-name.js";
import { colorAt, contains, GROUND_CONTRAST, textColor, toneAreas } from "../../static/seat-map/drawing/areas.js";
import { contrast } from "../../static/seat-map/drawing/palette.js";
import { Layout } from "../../static/seat-map/layout.js";
import { seatAt } from "../../static/seat-map/nearby.js";

/** @param {[number, number][]} places @param {object} [more] of each seat @param {object} [head] of the layout */
function planOf(places, more = {}, head = {}) {
  const layout = new Layout({ id: "x", name: "x", size: {}, categories: [{ name: "Gold" }], shapes: [], ...head });
  layout.complete = true;
  layout.add(
    places.map(([x, y], n) => ({
      ...{ id: `s${n}`, section: "Hall", row: "A", number: `${n + 1}`, category: "Gold", x, y },
      ...more,
    })),
  );
  layout.index();
  return layout;
}

/** @param {number} columns @param {number} lines @param {number} dx @param {number} dy @param {number} [turn] degrees @returns {[number, number][]} */
function grid(columns, lines, dx, dy, turn = 0) {
  const [sin, cos] = [Math.sin((turn * Math.PI) / 180), Math.cos((turn * Math.PI) / 180)];
  return Array.from({ length: columns * lines }, (_, n) => {
    const [x, y] = [(n % columns) * dx, Math.floor(n / columns) * dy];
    return [x * cos - y * sin, x * sin + y * cos];
  });
}

describe("seats on the map", () => {
  const plans = {
    "a table with seats on two sides": grid(2, 8, 60, 25),
    "rows that are closer than their seats": grid(12, 6, 30, 18),
    "a square of seats": grid(6, 6, 20, 20),
    "a block turned by 45 degrees": grid(8, 8, 22, 24, 45),
    "a block turned by 30 degrees": grid(8, 8, 22, 24, 30),
    "seats far apart and two close ones": [...grid(4, 1, 50, 1), [20, 30], [38, 44]],
  };
  for (const [name, places] of Object.entries(plans)) {
    test(`do not reach into each other: ${name}`, () => {
      const layout = planOf(/** @type {[number, number][]} */ (places));
      for (let a = 0; a < layout.count; a++) {
        assert.ok(layout.side(a) > 0);
        for (let b = 0; b < a; b++) {
          const far = Math.max(Math.abs(layout.x[a] - layout.x[b]), Math.abs(layout.y[a] - layout.y[b]));
          const sides = (layout.side(a) + layout.side(b)) / 2;
          assert.ok(far >= sides - 1e-3, `${a} and ${b} are ${far} apart and ${sides} wide`);
        }
      }
    });
  }

  test("fill most of the distance to the nearest seat of a table", () => {
    const layout = planOf(grid(2, 8, 60, 25));
    assert.ok(layout.side(0) > 18 && layout.side(0) <= 25, `${layout.side(0)}`);
  });

  test("have the plan's radius, as far as there is room", () => {
    const rows = [{ first: 0, count: 6, radius: [7] }];
    const small = planOf(grid(6, 1, 25, 1), {}, { rows });
    assert.ok(Math.abs(small.side(0) - 14) < 1.5, `${small.side(0)}`);
    const large = planOf(grid(6, 1, 25, 1), {}, { rows: [{ first: 0, count: 6, radius: [90] }] });
    assert.ok(large.side(0) <= 25, `${large.side(0)}`);
  });

  test("that lie on others keep their size, and a click chooses the one on top", () => {
    const west = grid(20, 1, 25, 1);
    const east = west.map(([x, y]) => /** @type {[number, number]} */ ([x + 250 + 3, y]));
    const layout = planOf([...west, ...east], {}, { rows: [{ first: 20, count: 20 }] });
    assert.ok(layout.side(12) > 18);
    assert.deepEqual(layout.lying.get(10), [20]);
    assert.equal(seatAt(layout, 250, 0, 20), 20);
    assert.equal(seatAt(layout, 241, 0, 20), 10);
    assert.equal(seatAt(layout, 0, 0, 20), 0);
    const same = planOf([...grid(3, 1, 25, 1), [25, 0]]);
    assert.equal(seatAt(same, 25, 0, 20), 3);
  });
});

describe("what closer views need", () => {
  test("is measured in short steps, with the same result as at once", () => {
    const places = grid(40, 40, 20, 18);
    const [slowly, atOnce] = [planOf(places), planOf(places)];
    let steps = 1;
    while (!slowly.prepare(0)) steps++;
    assert.ok(steps > 3, `${steps}`);
    assert.deepEqual([slowly.sizes, slowly.rowNames], [atOnce.sizes, atOnce.rowNames]);
  });

  test("can be asked for before all of it is measured", () => {
    const layout = planOf(grid(40, 40, 20, 18));
    layout.prepare(0);
    assert.ok(layout.side(1599) > 0);
    assert.equal(layout.rowNames.length, 2);
    assert.ok(layout.prepare(0));
  });
});

describe("names of rows", () => {
  /** @param {string | undefined} names @param {object} [more] */
  const named = (names, more) =>
    planOf(grid(6, 1, 25, 1), {}, { rows: [{ first: 0, count: 6, ...(names ? { names } : {}), ...more }] }).rowNames;

  test("stand at the ends that the plan asks for", () => {
    assert.deepEqual(
      named(undefined).map(({ x }) => x < 0),
      [true, false],
    );
    assert.deepEqual(
      named("start").map(({ x }) => x < 0),
      [true],
    );
    assert.deepEqual(
      named("end").map(({ x }) => x < 0),
      [false],
    );
    assert.deepEqual(named("none"), []);
  });

  test("are the row's label, if it has one", () => {
    assert.equal(named("start", { label: "Box 7" })[0].text, "Box 7");
  });

  test("are within the map that shows the whole plan, however long they are", () => {
    for (const row of ["A", "Sofa row AAA", "a name of eighteen"]) {
      const layout = planOf(grid(6, 1, 25, 1), { row });
      assert.equal(layout.rowNames.length, 2);
      for (const { text, x } of layout.rowNames) {
        const half = (text.length * 0.26 * layout.pitch) / 2;
        assert.ok(x - half >= layout.bounds.left && x + half <= layout.bounds.right, text);
      }
    }
  });

  test("of parts of a row in one section are written at each part", () => {
    const places = [...grid(4, 1, 25, 1), ...grid(4, 1, 25, 1).map(([x, y]) => [x + 200, y])];
    const rows = [
      { first: 0, count: 4, block: 1 },
      { first: 4, count: 4, block: 2 },
    ];
    const layout = planOf(/** @type {[number, number][]} */ (places), {}, { rows });
    assert.equal(layout.rows.length, 2);
    assert.equal(layout.rowNames.length, 4);
  });

  for (const [name, places] of Object.entries({
    "a long table": grid(2, 8, 60, 25),
    "a round table": Array.from({ length: 10 }, (_, n) => [50 * Math.cos(n), 50 * Math.sin(n)]),
    "a block read as one row": grid(6, 6, 25, 25),
  })) {
    test(`lie on no seat: ${name}`, () => {
      const layout = planOf(/** @type {[number, number][]} */ (places));
      for (const { x, y } of layout.rowNames) {
        for (let seat = 0; seat < layout.count; seat++) {
          const half = layout.side(seat) / 2;
          assert.ok(Math.abs(layout.x[seat] - x) > half || Math.abs(layout.y[seat] - y) > half);
        }
      }
    });
  }
});

describe("names of seats", () => {
  test("are the plan's labels", () => {
    const layout = planOf(
      grid(2, 1, 25, 1),
      { row: "7" },
      { rows: [{ first: 0, count: 2, label: "Box 7", seat_label: "Chair %s" }] },
    );
    assert.equal(layout.label(0), "Box 7, Chair 1");
  });

  test("are joined as on tickets", () => {
    const [seat, listed] = [planOf(grid(1, 1, 25, 1), { row: "Box 7", number: "Chair 1" }), grid(1, 1, 25, 1)];
    assert.equal(seat.label(0), "Box 7, Chair 1");
    const numbered = planOf(listed, { row: "7", number: "1" }, { rows: [{ first: 0, count: 1, seat_label: "#%s" }] });
    assert.equal(numbered.label(0), seatName({ row: "7", number: "#1" }));
  });

  test("are never empty and never equal", () => {
    const layout = planOf(grid(3, 1, 25, 1), { number: "" });
    assert.deepEqual(
      [0, 1, 2].map((n) => layout.label(n)),
      ["A-s0", "A-s1", "A-s2"],
    );
    const twice = planOf(grid(2, 1, 25, 1), { number: "4" });
    assert.deepEqual(
      [0, 1].map((n) => twice.label(n)),
      ["A-4 (s0)", "A-4 (s1)"],
    );
    const loose = planOf(grid(2, 1, 25, 1), { number: "", row: "" });
    assert.deepEqual(
      [0, 1].map((n) => loose.label(n)),
      ["s0", "s1"],
    );
  });

  test("say the block where rows of one name have the same numbers", () => {
    const rows = [1, 2].map((block) => ({ first: block - 1, count: 1, block }));
    const layout = planOf(grid(2, 1, 100, 1), { number: "1" }, { rows });
    assert.deepEqual(
      [0, 1].map((n) => [layout.label(n), layout.sectionName(n)]),
      [
        ["A-1 (1)", "Hall (1)"],
        ["A-1 (2)", "Hall (2)"],
      ],
    );
  });
});

const LIGHT = { bg: "#fbfaf7", shape: "#ece8df", shapeInk: "#57535e", line: "#d9d5cc" };
const DARK = { bg: "#12161b", shape: "#202730", shapeInk: "#b5b9c2", line: "#343c47" };
const area = (kind, points, color, more = {}) => ({ kind, points, color, border: "", text: "", rotation: 0, ...more });

describe("colours of areas", () => {
  const shapes = [
    area(
      "rectangle",
      [
        [0, 0],
        [640, 400],
      ],
      "#555555",
    ),
    area(
      "ellipse",
      [
        [320, 200],
        [260, 150],
      ],
      "#ffffff",
    ),
    area(
      "polygon",
      [
        [200, 240],
        [440, 240],
        [440, 300],
        [200, 300],
      ],
      "#00000000",
      { border: "#cc0000" },
    ),
    area(
      "rectangle",
      [
        [220, 10],
        [200, 30],
      ],
      "#111111",
    ),
  ];
  const layout = planOf(
    grid(8, 1, 25, 1).map(([x, y]) => [x + 230, y + 200]),
    {},
    { shapes },
  );

  for (const [theme, palette] of Object.entries({ light: LIGHT, dark: DARK })) {
    const tones = toneAreas(layout, /** @type {any} */ (palette));
    /** @param {number} x @param {number} y */
    const at = (x, y) => colorAt(layout, /** @type {any} */ (palette), tones, [x, y]);

    test(`wall, floor and stage can be told apart: ${theme}`, () => {
      const [wall, floor, stage] = [at(5, 5), at(320, 200), at(320, 25)];
      for (const [one, other] of [
        [wall, floor],
        [wall, stage],
        [floor, stage],
      ]) {
        assert.ok(contrast(one, other) > 1.3, `${one} and ${other}`);
      }
    });

    test(`an area with seats stays near the background, so that seats can be seen: ${theme}`, () => {
      assert.ok(contrast(at(320, 200), palette.bg) <= GROUND_CONTRAST + 0.01);
    });

    test(`an outline has no filling: ${theme}`, () => {
      assert.equal(tones[2]?.fill, "");
      assert.equal(at(320, 260), at(320, 200));
    });

    test(`texts can be read on what is below them, and keep their hue: ${theme}`, () => {
      for (const point of /** @type {[number, number][]} */ ([
        [5, 5],
        [320, 270],
        [320, 25],
      ])) {
        const ink = textColor(layout, /** @type {any} */ (palette), tones, "#cc0000", point, false);
        assert.ok(contrast(ink, at(...point)) >= 4.4, `${ink} on ${at(...point)}`);
      }
      const red = textColor(layout, /** @type {any} */ (palette), tones, "#cc0000", [320, 270], false);
      const [r, g, b] = [1, 3, 5].map((n) => Number.parseInt(red.slice(n, n + 2), 16));
      assert.ok(r > g + 40 && r > b + 40, red);
    });
  }

  test("a point is in a turned rectangle or ellipse, or is not", () => {
    assert.ok(
      contains(
        area(
          "rectangle",
          [
            [0, 0],
            [100, 10],
          ],
          "",
          { rotation: 90 },
        ),
        -5,
        50,
      ),
    );
    assert.ok(
      !contains(
        area(
          "rectangle",
          [
            [0, 0],
            [100, 10],
          ],
          "",
          { rotation: 90 },
        ),
        50,
        5,
      ),
    );
    assert.ok(
      contains(
        area(
          "ellipse",
          [
            [0, 0],
            [100, 10],
          ],
          "",
          { rotation: 90 },
        ),
        0,
        90,
      ),
    );
    assert.ok(
      !contains(
        area(
          "circle",
          [
            [0, 0],
            [10, 10],
          ],
          "",
        ),
        8,
        8,
      ),
    );
  });
});
