/**
 * Admits without a network: leases tickets while there is one, admits with those, reports later (docs/gate.md).
 *
 * Only this device may admit with the tickets of its lease, and only while the lease lasts by `lease-time.js`. Each
 * lease has an id of its own, a secret; what was admitted under it is reported under it. All changes of what is kept are
 * transactions, and one tab at a time talks to the server. Draws nothing.
 */
import { ApiError, ask, isKeyRefused } from "../ops/api.js";
import { isSetBack, leftMs } from "./lease-time.js";
import { answered, entries, openStorage, transact } from "./storage.js";

const RENEW_MS = 120000;
const TIMEOUT_MS = 20000;
const REPORTED_AT_ONCE = 100;
/** Reported admissions are kept for this long: their tickets may be shown again. */
const KEPT_MS = 24 * 3600 * 1000;
const LOCK = "tickingtickets-gate";

/**
 * `asked`: the server may have the lease; it is returned unless the answer comes. `returning`: it is not used any more,
 * and the server does not know that yet.
 * @typedef {"asked" | "held" | "returning"} State
 */
/** @typedef {{theatre: string, gate: string, show: {id: string, title: string, starts_at: string}, sections: string[] | null}} Wanted */
/** @typedef {import("./lease-time.js").LeaseTime & Wanted & {id: string, state: State, digest: string, elsewhere: number, left_over: number, keys: import("./ticket-token.js").PublicKey[]}} Lease `keys` verify QR codes */
/** @typedef {{at: number, lease: string, theatre: string, gate: string, outcome: string}} Admitted `outcome` as the server answered; "" is not reported yet */
/** @typedef {{tickets: number, unreported: number, conflicts: number}} Counts */
/** As tickets state it. @typedef {{id: string, section?: string, row?: string, number?: string}} Seat */
/** @typedef {{before: Admitted | null, seats: Seat[] | null}} Look */

export class OfflineGate {
  /** @param {() => void} changed called when there is something else to show */
  constructor(changed) {
    this._changed = changed;
    /** @type {IDBDatabase | null} */
    this._db = null;
    /** @type {Lease | null} */
    this.lease = null;
    /** @type {Counts} */
    this.counts = { tickets: 0, unreported: 0, conflicts: 0 };
    /** When this page sent the last request for a lease, by the wall clock and by its monotonic clock. */
    this._sent = { at: 0, monotonic: 0 };
  }

  /** Read what is kept. Without storage, or on an insecure origin, nothing can be leased. */
  async open() {
    if (!navigator.locks) return;
    try {
      this._db = await openStorage();
      await this._read();
    } catch {
      this._db = null;
    }
  }

  /** Whether this browser can keep a lease. */
  get canLease() {
    return this._db !== null;
  }

  /** How long this device may admit without a network (ms). */
  get leftMs() {
    return this._left(this.lease);
  }

  /** Whether somebody has set the clock of this device back. */
  get isSetBack() {
    return this.lease !== null && isSetBack(this.lease, Date.now());
  }

  /** @param {Lease | null | undefined} lease */
  _left(lease) {
    if (lease?.state !== "held") return 0;
    // Another tab may have renewed the lease since.
    const passed = lease.sentAt === this._sent.at ? performance.now() - this._sent.monotonic : 0;
    return leftMs(lease, Date.now(), passed);
  }

  // --- admissions -----------------------------------------------------------------------------------------------------
  /** What this device knows of a ticket: whether it was admitted here, and its seats if it is leased. @param {string} code @returns {Promise<Look>} */
  async look(code) {
    if (!this._db) return { before: null, seats: null };
    return transact(this._db, (stores) => this._look(stores, code));
  }

  /** @param {import("./storage.js").Stores} stores @param {string} code @returns {Promise<Look>} */
  async _look({ state, tickets, admitted }, code) {
    const [lease, before, seats] = await Promise.all(
      [state.get("lease"), admitted.get(code), tickets.get(code)].map((request) => answered(request)),
    );
    // What the previous release has kept are ids.
    const kept = seats?.map((/** @type {Seat | string} */ seat) => (typeof seat === "string" ? { id: seat } : seat));
    return { before: before ?? null, seats: this._left(lease) > 0 ? (kept ?? null) : null };
  }

  /** Admit with a leased ticket, without a network. @param {string} code @returns {Promise<Look>} `seats` are null if it was refused */
  async admit(code) {
    if (!this._db) return { before: null, seats: null };
    const found = await transact(this._db, async (stores) => {
      const { before, seats } = await this._look(stores, code);
      if (before || !seats) return { before, seats: null };
      await this._keep(stores, code, "");
      return { before, seats };
    });
    await this._read();
    return found;
  }

  /** Keep that the server has admitted with a ticket. @param {string} code */
  async remember(code) {
    if (!this._db || !this.lease) return;
    await transact(this._db, async (stores) => {
      // Another tab may have returned the lease.
      if (await answered(stores.state.get("lease"))) await this._keep(stores, code, "admitted");
    });
    await this._read();
  }

  /** @param {import("./storage.js").Stores} stores @param {string} code @param {string} outcome */
  async _keep({ state, admitted }, code, outcome) {
    const { id: lease, theatre, gate } = await answered(state.get("lease"));
    admitted.put({ at: Date.now(), lease, theatre, gate, outcome }, code);
  }

  // --- the lease ------------------------------------------------------------------------------------------------------
  /** Lease tickets of a show, unless there is a lease. @param {Wanted} wanted @throws {ApiError} */
  async prepare(wanted) {
    await navigator.locks.request(LOCK, async () => {
      await this._read();
      if (this.lease) return;
      await this._report();
      const id = Array.from(crypto.getRandomValues(new Uint8Array(16)), hex).join("");
      const none = { digest: "", elsewhere: 0, left_over: 0, keys: [], leaseMs: 0, sentAt: 0, seenAt: 0 };
      const asked = { ...wanted, ...none, id, state: /** @type {State} */ ("asked") };
      await this._change(() => asked, {});
      await this._renew(asked);
    });
  }

  /** Stop using the lease; the server learns of it with the next `sync`. */
  async giveBack() {
    await this._change((lease) => lease && { ...lease, state: "returning" });
    await this.sync();
  }

  /**
   * Report admissions, then renew or return the lease. Does nothing without a network, or while another tab does it.
   * @throws {ApiError} if the server refuses the key
   * @throws {Error} if the storage of this device fails
   */
  async sync() {
    if (!this._db) return;
    await this._change((lease) => lease && { ...lease, seenAt: Math.max(lease.seenAt, Date.now()) });
    try {
      await navigator.locks.request(LOCK, { ifAvailable: true }, async (lock) => {
        if (!lock) return;
        await this._report();
        const { lease } = this;
        if (lease && lease.state !== "held") await this._return(lease);
        else if (lease && (this.isSetBack || Date.now() - lease.sentAt > RENEW_MS)) await this._renewOrReturn(lease);
      });
    } catch (error) {
      if (!(error instanceof ApiError) || isKeyRefused(error)) throw error;
    }
  }

  async _report() {
    const db = /** @type {IDBDatabase} */ (this._db);
    const all = await transact(db, ({ admitted }) => entries(admitted));
    const open = all.filter(([, { outcome }]) => !outcome);
    for (const some of Map.groupBy(open, ([, { lease }]) => lease).values()) {
      while (some.length) await this._reportSome(some.splice(0, REPORTED_AT_ONCE));
    }
  }

  /** @param {[string, Admitted][]} some of one lease */
  async _reportSome(some) {
    const { theatre, gate, lease } = some[0][1];
    const admitted = Object.fromEntries(some.map(([code, { at }]) => [code, Math.max(0, Date.now() - at)]));
    const { outcomes } = await send("/gate/reports", { theatre, gate, lease, admitted });
    await transact(/** @type {IDBDatabase} */ (this._db), async (stores) => {
      for (const [code, each] of some) stores.admitted.put({ ...each, outcome: outcomes[code] ?? "unknown" }, code);
    });
    await this._read();
  }

  /** @param {Lease} lease */
  async _renewOrReturn(lease) {
    try {
      await this._renew(lease);
    } catch (error) {
      // The show is over, or of another theatre now.
      if (!(error instanceof ApiError && ["wrong_show", "show_not_found"].includes(error.code))) throw error;
      await this._return(lease);
    }
  }

  /** @param {Lease} lease */
  async _renew({ id, state, theatre, gate, show, sections, digest: known }) {
    const sent = { at: Date.now(), monotonic: performance.now() };
    const body = { lease: id, theatre, gate, show: show.id, sections, known };
    const { tickets, seats, lease_ms, digest, elsewhere, left_over, keys } = await send("/gate/lease", body);
    this._sent = sent;
    const news = { leaseMs: lease_ms, sentAt: sent.at, seenAt: sent.at, digest, elsewhere, left_over, keys };
    // It may be in the course of being returned by now.
    const renewed = (/** @type {Lease | null} */ lease) =>
      lease?.id === id && lease.state === state ? { ...lease, ...news, state: /** @type {State} */ ("held") } : lease;
    await this._change(renewed, tickets && named(tickets, seats ?? {}));
  }

  /** @param {Lease} lease */
  async _return({ id, theatre }) {
    await this._change((lease) => lease && { ...lease, state: "returning" });
    await send("/gate/return", { theatre, lease: id });
    await this._change(() => null, {});
  }

  /**
   * Change what is kept of the lease, and its tickets if they are others.
   * @param {(lease: Lease | null) => Lease | null} change
   * @param {Record<string, Seat[]> | null} [tickets]
   */
  async _change(change, tickets = null) {
    await transact(/** @type {IDBDatabase} */ (this._db), async (stores) => {
      const lease = change((await answered(stores.state.get("lease"))) ?? null);
      if (lease) stores.state.put(lease, "lease");
      else stores.state.delete("lease");
      if (!tickets) return;
      stores.tickets.clear();
      for (const [code, seats] of Object.entries(tickets)) stores.tickets.put(seats, code);
      for (const [code, { at, outcome }] of await entries(stores.admitted))
        if (outcome && Date.now() - at > KEPT_MS) stores.admitted.delete(code);
    });
    await this._read();
  }

  async _read() {
    const db = /** @type {IDBDatabase} */ (this._db);
    [this.lease, this.counts] = await transact(db, async ({ state, tickets, admitted }) => {
      const lease = (await answered(state.get("lease"))) ?? null;
      const listed = new Set(await answered(tickets.getAllKeys()));
      const all = await entries(admitted);
      const unreported = all.filter(([, { outcome }]) => !outcome).length;
      const conflicts = all.filter(([, { outcome }]) => outcome && outcome !== "admitted").length;
      const open = listed.size - all.filter(([code]) => listed.has(code)).length;
      return [lease, { tickets: open, unreported, conflicts }];
    });
    this._changed();
  }
}

/**
 * The seats of each ticket with their names.
 * @param {Record<string, string[]>} tickets ids by code
 * @param {Record<string, [section: string, row: string, number: string]>} seats by id; a node of the previous release sends none
 * @returns {Record<string, Seat[]>}
 */
function named(tickets, seats) {
  const seat = (/** @type {string} */ id) => {
    const [section, row, number] = seats[id] ?? [];
    return { id, section, row, number };
  };
  return Object.fromEntries(Object.entries(tickets).map(([code, ids]) => [code, ids.map(seat)]));
}

/** @param {string} path @param {object} body */
function send(path, body) {
  return ask(path, body, { timeoutMs: TIMEOUT_MS });
}

/** @param {number} byte */
function hex(byte) {
  return byte.toString(16).padStart(2, "0");
}
