// A small hall for the tests: two sections, rows of seats 10 units apart.
import { Layout } from "../../static/seat-map/layout.js";

const HEAD = {
  id: "hall",
  name: "Hall",
  size: { width: 200, height: 100 },
  categories: [
    { name: "Gold", color: "#d4a017" },
    { name: "Silver", color: "#7a8fa6" },
  ],
  shapes: [],
};

/** Seats `A-1` to `<row>-<seats>` of one section, the first one at (left, top). */
export function seatsOf(section, rows, seats, category, left = 0, top = 0) {
  return [...rows].flatMap((row, y) =>
    Array.from({ length: seats }, (_, x) => ({
      id: `${row}-${x + 1}`,
      section,
      row,
      number: String(x + 1),
      category,
      x: left + x * 10,
      y: top + y * 10,
    })),
  );
}

/** Stalls: rows A to C of 5, Gold. Balcony: rows D and E of 4, Silver, further down. */
export function hall() {
  const layout = new Layout(HEAD, 8);
  layout.add(seatsOf("Stalls", "ABC", 5, "Gold"));
  layout.add(seatsOf("Balcony", "DE", 4, "Silver", 0, 60));
  layout.complete = true;
  layout.index();
  return layout;
}

/** Indices of seats by id. */
export function seats(layout, ...ids) {
  return ids.map((id) => layout.byId.get(id));
}
