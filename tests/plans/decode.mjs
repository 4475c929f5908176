// Decodes coded layouts: a line of base64 in, a line of JSON out.
import { createInterface } from "node:readline";
import { LayoutReader } from "../../static/seat-map/coded-layout.js";

for await (const line of createInterface({ input: process.stdin })) {
  const out = { head: null, seats: [], rows: [] };
  const add = ({ first, count, section, name, number, id, accessible, listed }, { categories, x, y }) => {
    if (listed) out.rows.push({ first: out.seats.length, count, ...listed });
    for (let n = 0; n < count; n++) {
      const category = out.head.categories[categories[first + n]].name;
      const seat = { id: id(n), section, row: name, number: number(n), category, x: x[first + n], y: y[first + n] };
      out.seats.push(accessible.includes(n) ? { ...seat, accessible: true } : seat);
    }
  };
  const reader = new LayoutReader(
    (head) => {
      out.head = head;
    },
    (chunk) => chunk.rows.forEach((row) => add(row, chunk)),
  );
  reader.push(Buffer.from(line, "base64"));
  reader.end();
  process.stdout.write(`${JSON.stringify(out)}\n`);
}
