/**
 * Reads a layout that is coded by rows (docs/protocol.md, "Coded layouts") while it arrives. Pure but for `readLayout`.
 *
 * @import { CodedChunk, CodedRow, LayoutHead, ListedRow } from "./types.js"
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
      if (byte === undefined) throw new Error("layout: it is cut off");
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
   * @param {(chunk: CodedChunk) => void} chunk called with the next rows, in order
   */
  constructor(head, chunk) {
    this._onHead = head;
    this._onChunk = chunk;
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
    /** @type {number[]} runs of seats of one category: its index, and where the run ends */
    const runs = [];
    let count = 0;
    while (rows.at < rows.bytes.length) {
      found.push(this._names(rows, texts, count, runs));
      count += found[found.length - 1].count;
    }
    const categories = new Uint8Array(count);
    for (let n = 0, from = 0; n < runs.length; n += 2) {
      categories.fill(runs[n], from, runs[n + 1]);
      from = runs[n + 1];
    }
    const [x, y] = [new Float64Array(count), new Float64Array(count)];
    for (const row of found) {
      this._places(row, starts, bendsX, x, "x", "dx");
      this._places(row, starts, bendsY, y, "y", "dy");
    }
    this._seats += count;
    this._onChunk({ count, rows: found, categories, x, y });
  }

  /** @param {Stream} rows @param {Stream} texts @param {number} first seat of the row in its chunk @param {number[]} runs @returns {CodedRow} */
  _names(rows, texts, first, runs) {
    const { _head: head, _before: before } = this;
    const count = rows.number();
    before.section += rows.signed();
    before.name += rows.signed() + 1;
    const section = head.sections[before.section];
    const name = head.names[before.name];
    const flags = rows.number();
    const number = flags & NUMBERS_LISTED ? listed(this._texts(texts, count)) : steps(rows.signed(), rows.signed());
    const id =
      flags & IDS_LISTED
        ? listed(this._texts(texts, count))
        : ruled(head.id_rules[rows.number()], section, name, number);
    if (flags & CATEGORIES_MIXED) {
      for (let end = first; end < first + count; ) {
        before.category = rows.number();
        end += rows.number();
        runs.push(before.category, end);
      }
    } else {
      before.category += rows.signed();
      runs.push(before.category, first + count);
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
    return { first, count, section, name, number, id, accessible, listed: more };
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
   * Read the places of a row on one axis.
   * @param {CodedRow} row
   * @param {Stream} starts
   * @param {Stream} bends
   * @param {Float64Array} places of the chunk's seats, to be filled in
   * @param {"x" | "y"} axis
   * @param {"dx" | "dy"} along
   */
  _places({ first, count }, starts, bends, places, axis, along) {
    const { quantum } = this._head;
    this._before[axis] += starts.signed();
    let place = this._before[axis];
    places[first] = place * quantum;
    if (count === 1) return;
    this._before[along] += starts.signed();
    let step = this._before[along];
    place += step;
    places[first + 1] = place * quantum;
    const { bytes } = bends;
    for (let n = first + 2; n < first + count; n++) {
      // Nearly all bends have one byte; a call for each of them takes most of the time of a large layout.
      const byte = bytes[bends.at];
      if (byte < 128) {
        bends.at++;
        step += (byte >> 1) ^ -(byte & 1);
      } else step += bends.signed();
      place += step;
      places[n] = place * quantum;
    }
  }
}

/** @param {string[]} texts @returns {(n: number) => string} */
const listed = (texts) => (n) => texts[n];

/** @param {number} first @param {number} step @returns {(n: number) => string} */
const steps = (first, step) => (n) => String(first + n * step);

/** @param {string} rule @param {string} section @param {string} row @param {(n: number) => string} number @returns {(n: number) => string} */
function ruled(rule, section, row, number) {
  let [before, digits, after] = ["", -1, ""];
  return (n) => {
    // The rule is read when the first id is asked for: a map is painted without ids.
    if (digits < 0) [before, digits, after] = readRule(rule, section, row);
    return before + number(n).padStart(digits, "0") + after;
  };
}

/** @param {string} rule @param {string} section @param {string} row @returns {[string, number, string]} what is before the number, its digits, what is after it */
function readRule(rule, section, row) {
  const plain = rule.indexOf("\x02");
  const at = plain < 0 ? rule.indexOf("\x03") : plain;
  const digits = plain < 0 ? rule.charCodeAt(at + 1) - 48 : 0;
  const before = rule
    .slice(0, at)
    .replaceAll("\x00", () => section)
    .replaceAll("\x01", () => row);
  return [before, digits, rule.slice(at + (digits ? 2 : 1))];
}

/**
 * @param {string} url
 * @param {object} hooks
 * @param {AbortSignal} [hooks.signal]
 * @param {(head: LayoutHead) => void} hooks.head called once, before any rows
 * @param {(chunk: CodedChunk) => void} hooks.chunk called with the next rows, in order
 * @returns {Promise<boolean>} true when all rows were passed on; false if there is no such layout in this form; rejects on
 *   a failed or incomplete answer
 */
export async function readLayout(url, { signal, head, chunk }) {
  const response = await fetch(url, { signal });
  if (response.status === 404) return false;
  if (!response.ok || !response.body) throw new Error(`layout: HTTP ${response.status}`);
  const reader = new LayoutReader(head, chunk);
  const body = response.body.getReader();
  for (let part = await body.read(); !part.done; part = await body.read()) reader.push(part.value);
  reader.end();
  return true;
}
