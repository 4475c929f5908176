import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { LayoutReader } from "../../static/seat-map/coded-layout.js";
import { Layout } from "../../static/seat-map/layout.js";

const HEAD = {
  id: "hall",
  name: "Hall",
  seat_count: 5,
  quantum: 0.5,
  sections: ["Stalls"],
  names: ["A"],
  id_rules: ["\x01-\x032"],
  listed: [{ label: "Sofas" }],
};
/** A row of three seats with numbers 9, 10 and 11, and one of two with texts. */
const CHUNK = [
  [3, 0, 0, 8, 18, 2, 0, 0, 1, 2, 2, 0, 1, 19, 0, 0],
  [0, 1, 120, 1, 1, 121, 0, 1, 112, 0, 1, 113],
  [20, 40, 4, 0, 0, 0, 0, 0],
  [1],
  [0],
];

function coded(head = HEAD, chunk = CHUNK) {
  const text = [...new TextEncoder().encode(JSON.stringify(head))];
  const body = chunk.flatMap((stream) => [stream.length, ...stream]);
  const size = (n) => (n < 128 ? [n] : [(n & 127) | 128, n >> 7]);
  const magic = [...new TextEncoder().encode("TTL1")];
  return Uint8Array.from([...magic, ...size(text.length), ...text, ...size(body.length), ...body]);
}

function read(bytes, step = bytes.length) {
  const got = { heads: [], chunks: [] };
  const reader = new LayoutReader(
    (head) => got.heads.push(head),
    (chunk) => got.chunks.push(chunk),
  );
  for (let n = 0; n < bytes.length; n += step) reader.push(bytes.subarray(n, n + step));
  reader.end();
  return got;
}

describe("a coded layout", () => {
  test("is the same however it is cut", () => {
    for (const step of [1, 3, 7, 1000]) {
      const { heads, chunks } = read(coded(), step);
      assert.equal(heads.length, 1);
      assert.equal(chunks.length, 1);
      const [{ count, rows, x, categories }] = chunks;
      assert.equal(count, 5);
      assert.deepEqual(
        rows.map(({ count, section, name }) => [count, section, name]),
        [
          [3, "Stalls", "A"],
          [2, "Stalls", "A"],
        ],
      );
      const [first, second] = rows;
      assert.deepEqual([0, 1, 2].map(first.number), ["9", "10", "11"]);
      assert.deepEqual([0, 1, 2].map(first.id), ["A-09", "A-10", "A-11"]);
      assert.deepEqual(first.accessible, [2]);
      assert.deepEqual([first.first, second.first], [0, 3]);
      assert.deepEqual([...x.subarray(0, 3)], [5, 15, 24.5]);
      assert.deepEqual([...categories], [0, 0, 0, 0, 0]);
      assert.deepEqual([0, 1].map(second.number), ["x", "xy"]);
      assert.deepEqual([0, 1].map(second.id), ["p", "q"]);
      assert.deepEqual(second.listed, { label: "Sofas" });
    }
  });

  test("spells out one seat as it spells out all", () => {
    const { heads, chunks } = read(coded({ ...HEAD, categories: [{ name: "Gold" }], size: {}, shapes: [] }));
    const layout = new Layout(heads[0], 5);
    layout.addChunk(chunks[0]);
    assert.deepEqual([layout.idOf(4), layout.numberOf(0), layout.idOf(1)], ["q", "9", "A-10"]);
    assert.deepEqual(layout.ids, ["A-09", "A-10", "A-11", "p", "q"]);
    assert.deepEqual(layout.numbers, ["9", "10", "11", "x", "xy"]);
    assert.equal(layout.byId.get("p"), 3);
  });

  test("gives the head before the rows have arrived", () => {
    const bytes = coded();
    const got = [];
    const reader = new LayoutReader((head) => got.push(head.id), assert.fail);
    reader.push(bytes.subarray(0, bytes.length - 1));
    assert.deepEqual(got, ["hall"]);
    assert.throws(() => reader.end(), /incomplete/);
  });

  test("of another version, or with a part that is too short, is an error", () => {
    assert.throws(() => read(Uint8Array.from([84, 84, 76, 50, 0])), /unknown form/);
    const [rows, texts, starts, x, y] = CHUNK;
    assert.throws(() => read(coded(HEAD, [rows, texts.slice(0, 5), starts, x, y])), /cut off/);
  });
});
