/**
 * Reads a layout while it arrives, so that the first seats are painted before the last byte is there.
 *
 * It relies on two properties of `GET /layouts/{id}`: `seats` is the last key, and a seat starts with its `id`. A body
 * of another form is parsed as a whole at its end.
 *
 * @import { LayoutHead, WireSeat } from "./types.js"
 */

const SEATS = '"seats":[';
const BETWEEN = '},{"id":';

/**
 * @param {string} url
 * @param {object} hooks
 * @param {AbortSignal} [hooks.signal]
 * @param {(head: LayoutHead) => void} hooks.head called once, before any seats
 * @param {(seats: WireSeat[]) => void} hooks.seats called with the next seats, in order
 * @returns {Promise<void>} resolves when all seats were passed on; rejects on a failed or incomplete answer
 */
export async function readLayout(url, { signal, head, seats }) {
  const response = await fetch(url, { signal });
  if (!response.ok || !response.body) throw new Error(`layout: HTTP ${response.status}`);
  const parts = new LayoutParser(head, seats);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value);
  }
  parts.end();
}

/** The parser without the network: `push` text as it arrives, then `end`. */
export class LayoutParser {
  /**
   * @param {(head: LayoutHead) => void} head
   * @param {(seats: WireSeat[]) => void} seats
   */
  constructor(head, seats) {
    this._head = head;
    this._seats = seats;
    this._text = "";
    this._started = false;
  }

  /** @param {string} text */
  push(text) {
    this._text += text;
    if (!this._started && !this._start()) return;
    const cut = this._text.lastIndexOf(BETWEEN);
    if (cut < 0) return;
    // A JSON string can't contain an unescaped quote, so this mark is always the border between two seats.
    this._seats(JSON.parse(`[${this._text.slice(0, cut + 1)}]`));
    this._text = this._text.slice(cut + 2);
  }

  end() {
    if (this._started) {
      const rest = JSON.parse(`{${SEATS}${this._text}`);
      if (rest.seats.length) this._seats(rest.seats);
      return;
    }
    const { seats, ...head } = JSON.parse(this._text);
    this._head(head);
    this._seats(seats);
  }

  _start() {
    const at = this._text.indexOf(`,${SEATS}`);
    if (at < 0) return false;
    this._head(JSON.parse(`${this._text.slice(0, at)}}`));
    this._text = this._text.slice(at + 1 + SEATS.length);
    this._started = true;
    return true;
  }
}
