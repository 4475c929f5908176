/**
 * Computes the figures that operators read (sums, rates, maxima) from the status reports of nodes and keepers. Pure.
 */

/** @typedef {{holds: number, conflicts: number, bookings: number}} Sales */
/** @typedef {{name: string, age_ms: number, connections: number, viewers: number, sales: Record<string, Sales>, feeds: Record<string, {live: boolean, lag_ms: number | null}>}} NodeRecord */
/** @typedef {{name: string, age_ms: number, outbox: number, oldest_ms: number, dead_letters: number, live_holds: number, jobs: Record<string, number>, open_orders?: number, oldest_order_ms?: number}} KeeperRecord */
/** @typedef {{name: string, label: string, live: boolean, since: number | null, lag_ms: number | null, shows: number, unreadable?: {kind: "show" | "theatre", id: string, reason: string}[], nodes: NodeRecord[], keepers: KeeperRecord[]}} RegionRecord */
/** @typedef {{time: number, region: string, regions: RegionRecord[]}} Installation */
/** @typedef {{viewers: number, connections: number, holds: number, bookings: number, conflicts: number, lag: number | null, outbox: number, oldest: number, deadLetters: number, liveHolds: number, jobs: number, openOrders: number, oldestOrder: number, nodes: number, keepers: number}} Figures */

// The limits from which the servers record an incident, under the names that they have there.
/** A process whose status report is this old is silent: its figures don't count. */
export const STATUS_REPORT_OLD_MS = 10000;
/** Bookings that wait for longer, and maps that are later, are wrong. */
const PENDING_MS = 5000;
const DELAYED_MS = 1000;

/** @param {number[]} numbers */
const sum = (numbers) => numbers.reduce((a, b) => a + b, 0);

/**
 * The figures of a region; of one that can't be reached, those of the moment since when. Nodes count sales since they
 * started; the difference to the report before gives a rate.
 * @param {RegionRecord} region
 * @param {Installation} now
 * @param {Installation | null} before
 * @returns {Figures}
 */
export function figures(region, now, before) {
  /** @type {<T extends {age_ms: number}>(of: RegionRecord, records: T[]) => T[]} */
  const fresh = ({ live, since }, records) => {
    const unheard = live || !since ? 0 : now.time - since;
    return records.filter(({ age_ms }) => age_ms - unheard < STATUS_REPORT_OLD_MS);
  };
  const nodes = fresh(region, region.nodes);
  const keepers = fresh(region, region.keepers);
  // Every node sells the seats of every region.
  const everywhere = now.regions.flatMap((each) => fresh(each, each.nodes));
  const earlier = new Map(
    before?.regions.flatMap((each) => each.nodes.map((node) => [node.name, node.sales[region.name]])) ?? [],
  );
  const seconds = before ? (now.time - before.time) / 1000 : 0;
  const gained = (/** @type {NodeRecord} */ { name, sales }, /** @type {keyof Sales} */ what) => {
    const sold = sales[region.name]?.[what] ?? 0;
    return Math.max(0, sold - (earlier.get(name)?.[what] ?? sold));
  };
  const rate = (/** @type {keyof Sales} */ what) =>
    seconds > 0 ? sum(everywhere.map((node) => gained(node, what))) / seconds : 0;
  const lags = everywhere
    .map((node) => node.feeds[region.name]?.lag_ms)
    .filter((lag) => lag !== null && lag !== undefined);
  const worst = (/** @type {(keeper: KeeperRecord) => number} */ of) => Math.max(0, ...keepers.map(of));
  return {
    viewers: sum(nodes.map((node) => node.viewers)),
    connections: sum(nodes.map((node) => node.connections)),
    holds: rate("holds"),
    bookings: rate("bookings"),
    conflicts: rate("conflicts"),
    lag: lags.length ? Math.max(0, ...lags) : null,
    outbox: worst((keeper) => keeper.outbox),
    oldest: worst((keeper) => (keeper.outbox ? keeper.oldest_ms : 0)),
    deadLetters: worst((keeper) => keeper.dead_letters),
    liveHolds: worst((keeper) => keeper.live_holds),
    jobs: worst((keeper) => sum(Object.values(keeper.jobs))),
    openOrders: worst((keeper) => keeper.open_orders ?? 0),
    oldestOrder: worst((keeper) => keeper.oldest_order_ms ?? 0),
    nodes: nodes.length,
    keepers: keepers.length,
  };
}

/** The figures of all regions together. @param {Figures[]} all @returns {Figures} */
export function total(all) {
  const add = (/** @type {keyof Figures} */ name) => sum(all.map((each) => each[name] ?? 0));
  const most = (/** @type {keyof Figures} */ name) => Math.max(0, ...all.map((each) => each[name] ?? 0));
  return {
    viewers: add("viewers"),
    connections: add("connections"),
    holds: add("holds"),
    bookings: add("bookings"),
    conflicts: add("conflicts"),
    lag: all.some((each) => each.lag !== null) ? most("lag") : null,
    outbox: add("outbox"),
    oldest: most("oldest"),
    deadLetters: add("deadLetters"),
    liveHolds: add("liveHolds"),
    jobs: add("jobs"),
    openOrders: add("openOrders"),
    oldestOrder: most("oldestOrder"),
    nodes: add("nodes"),
    keepers: add("keepers"),
  };
}

/** What is wrong with a region, the worst first: names of phrases. @param {RegionRecord} region @param {Figures} figures */
export function troubles(region, { keepers, nodes, oldest, deadLetters, lag }) {
  return [
    !region.live && "opsOutOfReach",
    region.live && !keepers && "opsNoKeeper",
    region.live && !nodes && "opsNoNode",
    oldest > PENDING_MS && "opsPendingOld",
    deadLetters > 0 && "opsDeadLetters",
    lag !== null && lag > DELAYED_MS && "opsLagging",
  ].filter((each) => typeof each === "string");
}

/** The share of requests for seats that met a taken seat, 0 to 1. @param {Figures} figures */
export function conflictRate({ holds, conflicts }) {
  return holds + conflicts > 0 ? conflicts / (holds + conflicts) : 0;
}
