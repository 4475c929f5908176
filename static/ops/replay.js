/**
 * Replays a show's sale from its log: the map before the first known event, and after each event. Pure.
 *
 * The log is bounded, and a rebuild of the show makes the events before it useless; a replay starts after both. The
 * status of a seat before its first event is inferred from that event; a seat without events has its current status.
 */
export const STATUS = /** @type {const} */ (["free", "held", "sold", "blocked"]);
const [FREE, HELD, SOLD, BLOCKED] = [0, 1, 2, 3];

/** @typedef {{id: string, time: number, kind: string, hold: string, version?: number, epoch?: string, free?: number[], held?: number[], sold?: number[], blocked?: number[]}} ShowEvent */

/** @param {number} status the new status of the seat @param {string} kind of the event */
function statusBefore(status, kind) {
  if (status === SOLD) return HELD;
  if (status === FREE) return kind === "unblocked" ? BLOCKED : HELD;
  return FREE;
}

export class Replay {
  /** @param {ShowEvent[]} log the oldest first @param {Uint8Array} now statuses */
  constructor(log, now) {
    const rebuilt = log.findLastIndex((event) => event.kind === "rebuilt");
    /** The events that can be replayed, the oldest first. */
    this.events = log.slice(rebuilt + 1);
    this._base = new Uint8Array(now);
    const known = new Uint8Array(now.length);
    for (const event of this.events) {
      for (const [seat, status] of changes(event)) {
        if (!known[seat]) this._base[seat] = statusBefore(status, event.kind);
        known[seat] = 1;
      }
    }
    this._at = 0;
    this._map = new Uint8Array(this._base);
  }

  /** The map after the first `count` events. @param {number} count */
  after(count) {
    if (count < this._at) {
      this._map = new Uint8Array(this._base);
      this._at = 0;
    }
    for (; this._at < count; this._at++)
      for (const [seat, status] of changes(this.events[this._at])) this._map[seat] = status;
    return this._map;
  }
}

/** @param {ShowEvent} event @returns {[number, number][]} seat and new status */
function changes(event) {
  return STATUS.flatMap((name, status) =>
    (event[name] ?? []).map((seat) => /** @type {[number, number]} */ ([seat, status])),
  );
}
