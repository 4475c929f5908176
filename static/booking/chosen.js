/**
 * Keeps the chosen seats that are not held yet, so that they survive a reload of the page in this tab.
 *
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Flow } from "./flow.js"
 */

const PREFIX = "tickingtickets.chosen.";

/** @param {SeatMap} map @param {Flow} flow @param {string} show @param {(n: number) => void} lost called with how many are not free any more */
export function keepChosen(map, flow, show, lost) {
  let restored = false;
  map.addEventListener("selectionchange", () => {
    if (restored) write(show, map.selection);
  });
  map.addEventListener("ready", () => {
    if (restored) return;
    restored = true;
    const before = read(show);
    if (flow.step !== "choosing" || map.selection.length) return;
    // Those that somebody else has taken meanwhile can't be chosen any more.
    const gone = before.filter((seat) => !map.select(seat));
    if (gone.length) lost(gone.length);
    write(show, map.selection);
  });
}

/** @param {string} show @returns {string[]} */
function read(show) {
  try {
    const seats = JSON.parse(sessionStorage.getItem(PREFIX + show) ?? "[]");
    return Array.isArray(seats) ? seats.filter((seat) => typeof seat === "string") : [];
  } catch {
    return [];
  }
}

/** @param {string} show @param {string[]} seats */
function write(show, seats) {
  try {
    if (seats.length) sessionStorage.setItem(PREFIX + show, JSON.stringify(seats));
    else sessionStorage.removeItem(PREFIX + show);
  } catch {
    // Storage is blocked or full: the seats are chosen again by hand.
  }
}
