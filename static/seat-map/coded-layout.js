/**
 * Reads a layout that is coded by rows (docs/protocol.md, "Coded layouts") while it arrives. Pure but for `readLayout`.
 *
 * @import { CodedRow, LayoutHead, ListedRow } from "./types.js"
 */

const MAGIC = "TTL1";
/** The path of the coded form, after that of the layout. */
export const CODED = "/rows/1";
const NUMBERS_LISTED = 1;
const IDS_LISTED = 2;
const CATEGORIES_MIXED = 4;
const SOME_ACCESSIBLE = 8;
const IS_LISTED = 16;
const utf8 = new TextDecoder();

/** A stream of numbers and texts. */
class Stream {
  /** @param {Uint8Array} bytes */
  constructor(bytes) {
    this.bytes = bytes;
    this.at = 0;
  }

  /** The next number from 0. */
  number() {
    let byte = this.bytes[this.at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    // Not by shifting: numbers may have more than 32 bits.
    for (let factor = 128; ; factor *= 128) {
      byte = this.bytes[this.at++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      if (byte === undefined) throw new Error("layout: a number is cut off");
    }
  }

  /** The next number of either sign. */
  signed() {
    const { bytes, at } = this;
    // Nearly all numbers of a layout are small.
    if (bytes[at] < 128) {
      this.at++;
      return (bytes[at] >> 1) ^ -(bytes[at] & 1);
    }
    const value = this.number();
    return value % 2 ? -(value + 1) / 2 : value / 2;
  }

  /** The next part of so many bytes. @param {number} size */
  part(size) {
    this.at += size;
    if (this.at > this.bytes.length) throw new Error("layout: it is cut off");
    return this.bytes.subarray(this.at - size, this.at);
  }
}

/** Give `push` the bytes as they arrive; it passes on the head, then rows as soon as they are complete. */
export class LayoutReader {
  /**
   * @param {(head: LayoutHead) => void} head
   * @param {(rows: CodedRow[]) => void} rows called with the next rows, in order
   */
  constructor(head, rows) {
    this._onHead = head;
    this._onRows = rows;
    this._bytes = new Uint8Array(0);
    /** @type {any} */
    this._head = null;
    this._seats = 0;
    /** @type {Uint8Array} the text before, in UTF-8 */
    this._text = this._bytes;
    this._before = { section: 0, name: -1, category: 0, x: 0, y: 0, dx: 0, dy: 0 };
  }

  /** @param {Uint8Array} bytes */
  push(bytes) {
    const all = new Uint8Array(this._bytes.length + bytes.length);
    all.set(this._bytes);
    all.set(bytes, this._bytes.length);
    this._bytes = all;
    if (!this._head) {
      if (all.length < MAGIC.length) return;
      if (utf8.decode(all.subarray(0, MAGIC.length)) !== MAGIC) throw new Error("layout: unknown form");
    }
    for (;;) {
      const part = this._take(this._head ? 0 : MAGIC.length);
      if (!part) return;
      if (this._head) this._chunk(part);
      else {
        this._head = JSON.parse(utf8.decode(part));
        this._onHead(this._head);
      }
    }
  }

  end() {
    if (!this._head || this._seats !== this._head.seat_count) throw new Error("layout: it is incomplete");
  }

  /** The next part with its length before it, without the first bytes; null until it is there. @param {number} first */
  _take(first) {
    const bytes = this._bytes;
    let [at, size] = [first, 0];
    for (let factor = 1; ; factor *= 128) {
      if (at >= bytes.length) return null;
      size += (bytes[at] & 127) * factor;
      if (bytes[at++] < 128) break;
    }
    if (bytes.length < at + size) return null;
    this._bytes = bytes.subarray(at + size);
    return bytes.subarray(at, at + size);
  }

  /** @param {Uint8Array} part */
  _chunk(part) {
    const whole = new Stream(part);
    const [rows, texts, starts, bendsX, bendsY] = Array.from(
      { length: 5 },
      () => new Stream(whole.part(whole.number())),
    );
    /** @type {CodedRow[]} */
    const found = [];
    while (rows.at < rows.bytes.length) {
      const row = this._names(rows, texts);
      row.x = this._places(row.count, starts, bendsX, "x", "dx");
      row.y = this._places(row.count, starts, bendsY, "y", "dy");
      this._seats += row.count;
      found.push(row);
    }
    this._onRows(found);
  }

  /** @param {Stream} rows @param {Stream} texts @returns {CodedRow} */
  _names(rows, texts) {
    const { _head: head, _before: before } = this;
    const count = rows.number();
    before.section += rows.signed();
    before.name += rows.signed() + 1;
    const [section, name] = [head.sections[before.section], head.names[before.name]];
    const flags = rows.number();
    const number = flags & NUMBERS_LISTED ? listed(this._texts(texts, count)) : steps(rows.signed(), rows.signed());
    const id =
      flags & IDS_LISTED
        ? listed(this._texts(texts, count))
        : ruled(head.id_rules[rows.number()], section, name, number);
    const categories = new Uint8Array(count);
    if (flags & CATEGORIES_MIXED) {
      for (let n = 0; n < count; ) {
        before.category = rows.number();
        const end = n + rows.number();
        categories.fill(before.category, n, end);
        n = end;
      }
    } else {
      before.category += rows.signed();
      categories.fill(before.category);
    }
    /** @type {number[]} */
    const accessible = [];
    if (flags & SOME_ACCESSIBLE) {
      for (let left = rows.number(), at = -1; left > 0; left--) {
        at += rows.number() + 1;
        accessible.push(at);
      }
    }
    const more = flags & IS_LISTED ? /** @type {ListedRow} */ (head.listed[rows.number()]) : null;
    const none = new Float64Array(0);
    return { count, section, name, number, id, categories, accessible, listed: more, x: none, y: none };
  }

  /** @param {Stream} texts @param {number} count */
  _texts(texts, count) {
    return Array.from({ length: count }, () => {
      const common = texts.number();
      const rest = texts.part(texts.number());
      const whole = new Uint8Array(common + rest.length);
      whole.set(this._text.subarray(0, common));
      whole.set(rest, common);
      this._text = whole;
      return utf8.decode(whole);
    });
  }

  /**
   * @param {number} count
   * @param {Stream} starts
   * @param {Stream} bends
   * @param {"x" | "y"} axis
   * @param {"dx" | "dy"} along
   */
  _places(count, starts, bends, axis, along) {
    const { quantum } = this._head;
    const places = new Float64Array(count);
    this._before[axis] += starts.signed();
    let at = this._before[axis];
    places[0] = at * quantum;
    if (count === 1) return places;
    this._before[along] += starts.signed();
    let step = this._before[along];
    for (let n = 1; n < count; n++) {
      if (n > 1) step += bends.signed();
      at += step;
      places[n] = at * quantum;
    }
    return places;
  }
}

/** @param {string[]} texts @returns {(n: number) => string} */
const listed = (texts) => (n) => texts[n];

/** @param {number} first @param {number} step @returns {(n: number) => string} */
const steps = (first, step) => (n) => String(first + n * step);

/** @param {string} rule @param {string} section @param {string} row @param {(n: number) => string} number @returns {(n: number) => string} */
function ruled(rule, section, row, number) {
  const plain = rule.indexOf("\x02");
  const at = plain < 0 ? rule.indexOf("\x03") : plain;
  const digits = plain < 0 ? rule.charCodeAt(at + 1) - 48 : 0;
  const before = rule
    .slice(0, at)
    .replaceAll("\x00", () => section)
    .replaceAll("\x01", () => row);
  const after = rule.slice(at + (digits ? 2 : 1));
  return (n) => before + number(n).padStart(digits, "0") + after;
}

/**
 * @param {string} url
 * @param {object} hooks
 * @param {AbortSignal} [hooks.signal]
 * @param {(head: LayoutHead) => void} hooks.head called once, before any rows
 * @param {(rows: CodedRow[]) => void} hooks.rows called with the next rows, in order
 * @returns {Promise<boolean>} true when all rows were passed on; false if there is no such layout in this form; rejects on
 *   a failed or incomplete answer
 */
export async function readLayout(url, { signal, head, rows }) {
  const response = await fetch(url, { signal });
  if (response.status === 404) return false;
  if (!response.ok || !response.body) throw new Error(`layout: HTTP ${response.status}`);
  const reader = new LayoutReader(head, rows);
  const body = response.body.getReader();
  for (let part = await body.read(); !part.done; part = await body.read()) reader.push(part.value);
  reader.end();
  return true;
}
