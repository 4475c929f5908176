/**
 * The statuses of a show's seats at one version, and the rules for applying frames of changes. Pure.
 *
 * A frame that does not follow this version is refused as a gap, and changes nothing; the owner then asks the server
 * for the statuses again.
 *
 * @import { Frame, WatchAck } from "./types.js"
 */

export const FREE = 0;
export const HELD = 1;
export const SOLD = 2;
export const BLOCKED = 3;
/** The status before the first snapshot. */
export const UNKNOWN = 4;
/** What the map shows of the viewer's own seats in place of their status: chosen, and held or booked. */
export const SELECTED = 5;
export const MINE = 6;

/** @type {readonly ("free" | "held" | "sold" | "blocked")[]} */
const LISTS = ["free", "held", "sold", "blocked"];

export class SeatStates {
  constructor() {
    this.epoch = "";
    this.version = -1;
    this.values = new Uint8Array(0).fill(UNKNOWN);
  }

  /** Epoch and version for `since`; null before the first snapshot. */
  get since() {
    return this.epoch ? { epoch: this.epoch, version: this.version } : null;
  }

  /** @param {number} seat */
  of(seat) {
    return seat < this.values.length ? this.values[seat] : UNKNOWN;
  }

  /**
   * Apply the ack of `show:watch`, or a snapshot.
   * @param {Pick<WatchAck, "epoch" | "version" | "seats" | "changes">} ack
   * @returns {number[] | null} the seats that changed; null for a gap (ask again without `since`)
   */
  watch(ack) {
    if (ack.seats !== undefined) return this._replace(ack.epoch, ack.version, ack.seats);
    if (!ack.changes) return null;
    return this.apply({ ...ack.changes, epoch: ack.epoch, version: ack.version });
  }

  /**
   * Apply a frame of `seats:changed`.
   * @param {Frame} frame
   * @returns {number[] | null} the seats that changed (none for an old frame); null for a gap
   */
  apply(frame) {
    if (!this.epoch) return null;
    if (frame.seats !== undefined) {
      if (frame.epoch === this.epoch && frame.version <= this.version) return [];
      return this._replace(frame.epoch, frame.version, frame.seats);
    }
    if (frame.epoch === this.epoch && frame.version < this.version) return [];
    const before = frame.previous_epoch ?? frame.epoch;
    if (before !== this.epoch || frame.from > this.version) return null;
    this.epoch = frame.epoch;
    this.version = frame.version;
    /** @type {number[]} */
    const changed = [];
    LISTS.forEach((name, status) => {
      for (const seat of frame[name] ?? []) {
        if (this.values[seat] !== status) {
          this.values[seat] = status;
          changed.push(seat);
        }
      }
    });
    return changed;
  }

  /** @param {string} epoch @param {number} version @param {string} packed */
  _replace(epoch, version, packed) {
    const next = unpack(packed);
    /** @type {number[]} */
    const changed = [];
    for (let n = 0; n < next.length; n++) if (next[n] !== this.of(n)) changed.push(n);
    this.epoch = epoch;
    this.version = version;
    this.values = next;
    return changed;
  }
}

/**
 * @param {string} packed base64 of 2 bits for each seat, the first seat in the lowest bits of the first byte
 * @returns {Uint8Array<ArrayBuffer>} one status for each seat, padded to a multiple of four
 */
export function unpack(packed) {
  const bytes = atob(packed);
  const out = new Uint8Array(bytes.length * 4);
  for (let n = 0; n < bytes.length; n++) {
    const byte = bytes.charCodeAt(n);
    out[4 * n] = byte & 3;
    out[4 * n + 1] = (byte >> 2) & 3;
    out[4 * n + 2] = (byte >> 4) & 3;
    out[4 * n + 3] = byte >> 6;
  }
  return out;
}

/**
 * Whole statuses are sent compressed where they are large.
 * @param {string} deflated base64 of raw DEFLATE of the same bytes as `packed`
 * @returns {Promise<string>} as `unpack` takes it
 */
export async function inflate(deflated) {
  const bytes = Uint8Array.from(atob(deflated), (char) => char.charCodeAt(0));
  const plain = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const out = new Uint8Array(await new Response(plain).arrayBuffer());
  let text = "";
  for (let n = 0; n < out.length; n += 8192) text += String.fromCharCode(...out.subarray(n, n + 8192));
  return btoa(text);
}
