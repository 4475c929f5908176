import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { translator } from "../../static/i18n/i18n.js";
import { conflictRate, figures, STATUS_REPORT_OLD_MS, total, troubles } from "../../static/ops/figures.js";
import { duration, milliseconds, percent, perSecond } from "../../static/ops/format.js";
import { everyHour } from "../../static/ops/hours.js";
import { cityAt, outline } from "../../static/ops/india.js";
import { nameRegions, regionName } from "../../static/ops/region-names.js";
import { Replay } from "../../static/ops/replay.js";
import { parseSeats, seatsAsText } from "../../static/ops/seat-ids.js";
import { countStatuses } from "../../static/ops/show-parts.js";

function node(name, more = {}) {
  const sales = { west: { holds: 0, conflicts: 0, bookings: 0 } };
  return { name, age_ms: 0, connections: 2, viewers: 1, sales, feeds: { west: { live: true, lag_ms: 20 } }, ...more };
}

function keeper(name, more = {}) {
  return {
    name,
    age_ms: 0,
    outbox: 0,
    oldest_ms: 0,
    dead_letters: 0,
    live_holds: 3,
    jobs: { mail: 2, ticket: 1 },
    ...more,
  };
}

function installation(time, west, north = []) {
  const region = (name, nodes, keepers) => ({
    name,
    label: name,
    live: true,
    since: null,
    lag_ms: 0,
    shows: 1,
    nodes,
    keepers,
  });
  return { time, region: "west", regions: [region("west", west, [keeper("k1")]), region("north", north, [])] };
}

describe("figures of a region", () => {
  test("rates are what all nodes sold of it since the answer before", () => {
    const sold = (holds, bookings) => ({ sales: { west: { holds, conflicts: 4, bookings } } });
    const before = installation(10_000, [node("n1", sold(10, 5))], [node("n2", sold(0, 0))]);
    const now = installation(12_000, [node("n1", sold(14, 5))], [node("n2", sold(6, 2))]);
    const west = figures(now.regions[0], now, before);
    assert.equal(west.holds, 5);
    assert.equal(west.bookings, 1);
    assert.equal(west.conflicts, 0);
    assert.equal(west.viewers, 1);
    assert.equal(figures(now.regions[0], now, null).holds, 0);
  });

  test("a node that restarted, and counts from zero again, makes no negative rate", () => {
    const before = installation(0, [node("n1", { sales: { west: { holds: 50, conflicts: 0, bookings: 0 } } })]);
    const now = installation(1000, [node("n1")]);
    assert.equal(figures(now.regions[0], now, before).holds, 0);
  });

  test("processes that are silent do not count", () => {
    const now = installation(0, [node("n1", { age_ms: STATUS_REPORT_OLD_MS, viewers: 100 }), node("n2")]);
    now.regions[0].keepers = [keeper("k1", { age_ms: STATUS_REPORT_OLD_MS, outbox: 9 })];
    const west = figures(now.regions[0], now, null);
    assert.deepEqual([west.viewers, west.nodes, west.keepers, west.outbox], [1, 1, 0, 0]);
  });

  test("of a region that can't be reached are those of the time since when", () => {
    const report = { age_ms: 40_000 };
    const now = installation(100_000, [node("n1", { ...report, viewers: 5 }), node("gone", { age_ms: 50_000 })]);
    now.regions[0].keepers = [keeper("k1", { ...report, outbox: 2 })];
    Object.assign(now.regions[0], { live: false, since: 61_000 });
    const west = figures(now.regions[0], now, null);
    assert.deepEqual([west.viewers, west.nodes, west.keepers, west.outbox, west.liveHolds], [5, 1, 1, 2, 3]);
  });

  test("keepers of one region report the same queue: it counts once, at its worst", () => {
    const now = installation(0, [node("n1")]);
    now.regions[0].keepers = [keeper("k1", { outbox: 4, oldest_ms: 900 }), keeper("k2", { outbox: 5, oldest_ms: 800 })];
    now.regions[0].keepers[1].open_orders = 2;
    now.regions[0].keepers[1].oldest_order_ms = 60_000;
    const west = figures(now.regions[0], now, null);
    assert.deepEqual([west.outbox, west.oldest, west.liveHolds, west.jobs], [5, 900, 3, 3]);
    assert.deepEqual([west.openOrders, west.oldestOrder], [2, 60_000]);
  });

  test("the total adds up, and takes the worst of delays", () => {
    const now = installation(
      0,
      [node("n1")],
      [node("n2", { feeds: { west: { lag_ms: 80 }, north: { lag_ms: 300 } } })],
    );
    const all = total(now.regions.map((region) => figures(region, now, null)));
    assert.equal(all.viewers, 2);
    assert.equal(all.lag, 300);
    assert.equal(total([]).lag, null);
  });

  test("troubles are named, the worst first", () => {
    const good = { keepers: 1, nodes: 1, oldest: 0, deadLetters: 0, lag: 10 };
    assert.deepEqual(troubles({ live: true }, good), []);
    assert.deepEqual(troubles({ live: false }, good), ["opsOutOfReach"]);
    assert.deepEqual(troubles({ live: true }, { ...good, keepers: 0, deadLetters: 2, lag: 1500, oldest: 6000 }), [
      "opsNoKeeper",
      "opsPendingOld",
      "opsDeadLetters",
      "opsLagging",
    ]);
  });

  test("conflicts are a share of all attempts to hold", () => {
    assert.equal(conflictRate({ holds: 3, conflicts: 1 }), 0.25);
    assert.equal(conflictRate({ holds: 0, conflicts: 0 }), 0);
  });

  test("are rounded for reading", () => {
    const i18n = translator("en");
    assert.deepEqual([perSecond(1.26, i18n), perSecond(1234.4, i18n)], ["1.3", "1,234"]);
    assert.equal(percent(0.256, i18n), "26 %");
    assert.deepEqual(
      [null, 12.4, 2345].map((ms) => milliseconds(ms, i18n)),
      ["–", "12 ms", "2.3 s"],
    );
    assert.deepEqual(
      [2345, 600_000, 9 * 3600_000].map((ms) => duration(ms, i18n)),
      ["2.3 s", "10 min", "9 h"],
    );
  });
});

describe("the replay of a sale", () => {
  const log = [
    { id: "1", time: 1, kind: "held", hold: "a", held: [0, 1] },
    { id: "2", time: 2, kind: "booked", hold: "a", sold: [0, 1] },
    { id: "3", time: 3, kind: "blocked", hold: "", blocked: [2] },
    { id: "4", time: 4, kind: "unblocked", hold: "", free: [2] },
  ];
  const now = new Uint8Array([2, 2, 0, 3]);

  test("shows the map after each event, forwards and backwards", () => {
    const replay = new Replay(log, now);
    assert.deepEqual([...replay.after(0)], [0, 0, 0, 3]);
    assert.deepEqual([...replay.after(1)], [1, 1, 0, 3]);
    assert.deepEqual([...replay.after(3)], [2, 2, 3, 3]);
    assert.deepEqual([...replay.after(2)], [2, 2, 0, 3]);
    assert.deepEqual([...replay.after(4)], [...now]);
  });

  test("infers what a seat was before the first event that is known", () => {
    assert.deepEqual([...new Replay(log.slice(1), now).after(0)], [1, 1, 0, 3]);
    assert.deepEqual([...new Replay(log.slice(3), now).after(0)], [2, 2, 3, 3]);
  });

  test("begins after the last rebuild of the show", () => {
    const rebuilt = [log[0], { id: "x", time: 2, kind: "rebuilt", hold: "" }, log[1]];
    assert.deepEqual(new Replay(rebuilt, now).events, [log[1]]);
  });
});

describe("the page of a show", () => {
  test("seat ids are read as people type them", () => {
    const seats = ["A-1", "A-2", "A-3", "B-3", "Box 1"].map((id) => ({ id, section: "Hall", row: id[0] }));
    const parse = (text) => {
      const { chosen, unknown } = parseSeats(text, seats);
      return [seatsAsText(chosen, seats), unknown];
    };
    assert.deepEqual(parse(" A-1, A-2;B-3\nA-1 ,"), ["A-1, A-2, B-3", []]);
    assert.deepEqual(parse("A-1 A-3"), ["A-1, A-3", []]);
    assert.deepEqual(parse("A-3..A-1, Box 1"), ["A-1, A-2, A-3, Box 1", []]);
    assert.deepEqual(parse("A-1, Z-9, A-1..B-3"), ["A-1", ["Z-9", "A-1..B-3"]]);
  });

  test("statuses are counted", () => {
    assert.deepEqual(countStatuses(new Uint8Array([0, 1, 1, 2, 3, 0, 0])), [3, 2, 1, 1]);
  });

  test("cities lie within the outline's picture", () => {
    for (const city of ["Delhi", "Mumbai", "Bengaluru"]) {
      const [x, y] = cityAt(city);
      assert.ok(x > 0 && x < 96 && y > 0 && y < 100, city);
    }
    assert.equal(cityAt("Atlantis"), null);
    assert.match(outline, /^M[\d. L-]+Z$/);
  });
});

describe("figures by the hour", () => {
  const hour = Date.parse("2026-11-26T18:00:00+05:30");

  test("every hour of Indian clocks is there once, and shows are added up", () => {
    const rows = [
      { hour, viewers: 30, holds: 2, revenue: 45000 },
      { hour, viewers: 12, holds: 1, conflicts: 4 },
      { hour: hour + 7_200_000, bookings: 1 },
    ];
    const hours = everyHour(rows, hour - 10, hour + 3 * 3_600_000);
    assert.deepEqual(
      hours.map((each) => (each.hour - hour) / 3_600_000),
      [0, 1, 2],
    );
    assert.deepEqual(
      [hours[0].viewers, hours[0].holds, hours[0].conflicts, hours[0].revenue, hours[0].bookings],
      [42, 3, 4, 45000, 0],
    );
    assert.deepEqual([hours[1].viewers, hours[2].bookings], [0, 1]);
  });

  test("times to pay are averaged over bookings, and an hour without a paid booking has none", () => {
    const rows = [
      { hour, bookings: 3, pay_ms: 20_000 },
      { hour, bookings: 1, pay_ms: 60_000 },
      { hour, bookings: 7, pay_ms: null },
      { hour: hour + 3_600_000, bookings: 2, pay_ms: null },
    ];
    const hours = everyHour(rows, hour, hour + 7_200_000);
    assert.deepEqual(
      hours.map((each) => [each.bookings, each.pay_ms]),
      [
        [11, 30_000],
        [2, null],
      ],
    );
  });

  test("rows outside the time, and figures that are not known, change nothing", () => {
    assert.deepEqual(everyHour([{ hour: hour - 3_600_000, holds: 9 }], hour, hour), []);
    const [only] = everyHour([{ hour, other: 5 }], hour, hour + 1);
    assert.equal(only.holds, 0);
  });
});

test("a region is called by its label as soon as that is known", () => {
  const i18n = translator("en");
  assert.equal(regionName(i18n, "south"), "south");
  const regions = [{ name: "south", label: "Bengaluru" }];
  assert.deepEqual([nameRegions(regions), nameRegions(regions)], [true, false]);
  assert.equal(regionName(i18n, "south"), "Bengaluru");
});
