import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { shapeBounds, touches } from "../../static/seat-map/geometry.js";
import { Layout } from "../../static/seat-map/layout.js";
import { nearestFree, neighbour, seatAt } from "../../static/seat-map/nearby.js";
import { plain } from "../../static/seat-map/typed-index.js";
import { hall, seats, seatsOf } from "./layouts.js";

describe("a layout", () => {
  test("knows rows and sections of its seats", () => {
    const layout = hall();
    assert.equal(layout.count, 23);
    assert.deepEqual(
      layout.sections.map(({ name, count }) => [name, count]),
      [
        ["Stalls", 15],
        ["Balcony", 8],
      ],
    );
    const [seat] = seats(layout, "E-3");
    const row = layout.rows[layout.row[seat]];
    assert.equal(row.name, "E");
    assert.equal(row.placeOf(seat), 2);
    assert.equal(layout.label(seat), "E-3");
    assert.deepEqual(layout.sections[1].categories, [1]);
    assert.deepEqual(layout.sections[0].bounds, { left: 0, top: 0, right: 40, bottom: 20 });
  });

  test("grows beyond the number of seats that was expected", () => {
    const layout = new Layout({ id: "x", name: "x", size: {}, categories: [{ name: "Gold" }], shapes: [] }, 1);
    layout.add(seatsOf("Stand", "AB", 100, "Gold"));
    layout.index();
    assert.equal(layout.count, 200);
    assert.equal(layout.x[layout.byId.get("B-100")], 990);
  });

  test("sorts a row by where its seats are, not by the order in which they came", () => {
    const layout = new Layout({ id: "x", name: "x", size: {}, categories: [{ name: "Gold" }], shapes: [] });
    layout.add(seatsOf("Stand", "A", 4, "Gold").reverse());
    layout.index();
    assert.deepEqual(
      layout.rows[0].seats.map((seat) => layout.ids[seat]),
      ["A-1", "A-2", "A-3", "A-4"],
    );
  });

  test("takes the distance of neighbours as pitch, in spite of an aisle", () => {
    const layout = new Layout({ id: "x", name: "x", size: {}, categories: [{ name: "Gold" }], shapes: [] });
    layout.add([
      ...seatsOf("Stand", "A", 6, "Gold"),
      ...seatsOf("Stand", "A", 6, "Gold", 100).map((s, n) => ({ ...s, id: `b${n}` })),
    ]);
    layout.index();
    assert.equal(layout.pitch, 10);
    assert.equal(layout.seatSize, 8.6);
  });

  test("finds seats as a person types them", () => {
    const layout = hall();
    for (const typed of ["b4", "B-4", "b 4"]) assert.deepEqual(layout.find(typed), seats(layout, "B-4"));
    assert.deepEqual(layout.find("d"), seats(layout, "D-1"));
    assert.deepEqual(layout.find("Z9"), []);
    assert.equal(plain(" f-12 "), "F12");
  });

  test("finds the seats of an area", () => {
    const layout = hall();
    const found = new Set();
    layout.spatial.each({ left: 15, top: 5, right: 25, bottom: 15 }, (seat) => found.add(seat));
    assert.ok(found.has(seats(layout, "B-3")[0]));
    const all = new Set();
    layout.spatial.each({ left: -1e6, top: -1e6, right: 1e6, bottom: 1e6 }, (seat) => all.add(seat));
    assert.equal(all.size, layout.count);
  });
});

describe("seats near a place", () => {
  test("the seat at a point, within reach", () => {
    const layout = hall();
    assert.equal(seatAt(layout, 21, 11, 5), seats(layout, "B-3")[0]);
    assert.equal(seatAt(layout, 25, 40, 5), -1);
  });

  test("free seats of the same row come first, other categories last", () => {
    const layout = hall();
    const [from, taken] = seats(layout, "C-3", "C-2");
    const found = nearestFree(layout, from, (seat) => seat !== taken, 3);
    assert.deepEqual(
      found.map((seat) => layout.ids[seat]),
      ["C-4", "B-3", "B-2"],
    );
    assert.ok(!found.includes(taken));
    assert.ok(found.every((seat) => layout.category[seat] === layout.category[from]));
    assert.deepEqual(
      nearestFree(layout, from, () => false, 3),
      [],
    );
  });

  test("a free seat of the same category comes before a nearer one of another", () => {
    const layout = hall();
    const [from, same, other] = seats(layout, "C-1", "A-5", "D-1");
    assert.deepEqual(
      nearestFree(layout, from, (seat) => seat === same || seat === other, 2),
      [same, other],
    );
  });

  test("arrows lead along the row and to the next row", () => {
    const layout = hall();
    const [from] = seats(layout, "B-3");
    const to = (dx, dy) => layout.ids[neighbour(layout, from, dx, dy)];
    assert.deepEqual([to(-1, 0), to(1, 0), to(0, -1), to(0, 1)], ["B-2", "B-4", "A-3", "C-3"]);
    assert.equal(layout.ids[neighbour(layout, seats(layout, "C-3")[0], 0, 1)], "D-3");
    const [top] = seats(layout, "A-1");
    assert.equal(neighbour(layout, top, 0, -1), top);
  });
});

describe("rectangles", () => {
  test("touch where they share a point", () => {
    const a = { left: 0, top: 0, right: 10, bottom: 10 };
    assert.ok(touches(a, { left: 10, top: 10, right: 20, bottom: 20 }));
    assert.ok(!touches(a, { left: 11, top: 0, right: 20, bottom: 10 }));
    assert.ok(!touches(a, { left: 0, top: -5, right: 10, bottom: -1 }));
  });

  test("of shapes contain the shape", () => {
    const circle = {
      kind: "circle",
      points: [
        [50, 50],
        [10, 10],
      ],
      rotation: 0,
      text: "",
    };
    assert.deepEqual(shapeBounds(circle, 10), { left: 40, top: 40, right: 60, bottom: 60 });
    const polygon = {
      kind: "polygon",
      points: [
        [0, 5],
        [20, 0],
        [10, 30],
      ],
      rotation: 0,
      text: "",
    };
    assert.deepEqual(shapeBounds(polygon, 10), { left: 0, top: 0, right: 20, bottom: 30 });
    const turned = shapeBounds(
      {
        kind: "rectangle",
        points: [
          [0, 0],
          [30, 40],
        ],
        rotation: 45,
        text: "",
      },
      10,
    );
    assert.ok(turned.left <= -28 && turned.right >= 21 && turned.bottom >= 49);
  });
});
