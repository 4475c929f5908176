/**
 * The server's time, independent of the clock of the device.
 *
 * It adds the monotonic clock of the page to the last `server_time` of an ack. The monotonic clock may stop while a
 * device sleeps, so a page with a countdown must ask the server again when it becomes visible.
 */
const LONG_MS = 1000;

export class ServerClock {
  /** @param {number} [offset] how far the server's clock is ahead of the device's as far as is known, ms */
  constructor(offset = 0) {
    this._ahead = Date.now() - performance.now() + offset;
  }

  /** @param {number} serverTime ms since the epoch, from an ack @param {number} askedAt `performance.now()` when the request was sent */
  set(serverTime, askedAt) {
    // The server read its clock between request and answer; the middle is wrong by half a round trip at most. A request
    // that took longer has waited for a connection first: only its last second counts.
    const now = performance.now();
    this._ahead = serverTime - (Math.max(askedAt, now - LONG_MS) + now) / 2;
  }

  /** How far the server's clock is ahead of the device's, ms. */
  get offset() {
    return this.now() - Date.now();
  }

  /** ms since the epoch, by the server's clock. */
  now() {
    return performance.now() + this._ahead;
  }
}
