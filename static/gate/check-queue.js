/**
 * The tickets that somebody scans or types while another one is checked: they wait, and are checked one after the other.
 * Draws nothing.
 */

/** Tickets that wait, at most: more would be checked long after their people have gone on. */
export const MOST_WAITING = 9;
/** Each result is seen for this long before the next check begins. */
const SEEN_MS = 1500;

export class CheckQueue {
  /**
   * @param {(ticket: string, name: string) => Promise<void>} check resolves when its result is shown
   * @param {() => void} changed called when other tickets wait than before
   * @param {number} [seenMs]
   */
  constructor(check, changed, seenMs = SEEN_MS) {
    this._check = check;
    this._changed = changed;
    this._seenMs = seenMs;
    /** @type {{ticket: string, name: string}[]} */
    this._waiting = [];
    /** The ticket that is being checked, "" for none. */
    this._checking = "";
    this._running = false;
    this._shownAt = Number.NEGATIVE_INFINITY;
  }

  /** The names of the tickets that wait, the next one first. */
  get waiting() {
    return this._waiting.map(({ name }) => name);
  }

  /**
   * Check a ticket as soon as those before it are checked. One that waits or is being checked is not added again.
   * @param {string} ticket what was scanned or typed
   * @param {string} name what people call it
   * @returns {boolean} false if too many wait already
   */
  add(ticket, name) {
    if ([this._checking, ...this._waiting.map((each) => each.ticket)].includes(ticket)) return true;
    if (this._waiting.length >= MOST_WAITING) return false;
    this._waiting.push({ ticket, name });
    if (!this._running) this._run();
    else this._changed();
    return true;
  }

  /** Forget the tickets that wait. */
  clear() {
    this._waiting = [];
    this._changed();
  }

  async _run() {
    this._running = true;
    while (this._waiting.length) {
      const wait = this._shownAt + this._seenMs - performance.now();
      if (wait > 0) {
        this._changed();
        await new Promise((seen) => setTimeout(seen, wait));
      }
      const next = this._waiting.shift();
      if (!next) break;
      this._checking = next.ticket;
      this._changed();
      await this._check(next.ticket, next.name).catch((error) => reportError(error));
      this._checking = "";
      this._shownAt = performance.now();
    }
    this._running = false;
  }
}
