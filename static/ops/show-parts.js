/**
 * The parts of a show's page that only show data: title, counts, live holds, log.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { ShowEvent } from "./replay.js"
 * @import { LiveHold, Show } from "./show.js"
 */
import { h } from "../app/dom.js";
import { scrollTable } from "./pieces.js";
import { STATUS } from "./replay.js";

const SHOWN_HOLDS = 30;
const SHOWN_SEATS = 8;

/** @typedef {import("./seat-ids.js").Seat[]} Seats by index */

/** @param {Translator} i18n @param {Show} show @returns {Node[]} */
export function showHead(i18n, show) {
  const where = `${i18n.name(show.theatre_name)}, ${i18n.name(show.city)}`;
  const when = `${i18n.day(show.starts_at)}, ${i18n.time(show.starts_at)}`;
  const status = i18n.t(show.status === "live" ? "opsOnSale" : `status_${show.status}`);
  return [
    h("div", {}, h("h1", {}, i18n.name(show.title)), h("p", { class: "hint" }, `${where} · ${when}`)),
    h("span", { class: `pill ${show.status}` }, status),
  ];
}

/** How many seats have each status. @param {Uint8Array} statuses */
export function countStatuses(statuses) {
  const counts = [0, 0, 0, 0];
  for (const status of statuses) counts[status]++;
  return counts;
}

/** @param {Translator} i18n @param {number[]} counts by status @returns {Node[]} */
export function countsList(i18n, counts) {
  return STATUS.map((name, n) =>
    h(
      "li",
      { class: name },
      h("i", { "aria-hidden": "true" }),
      h("b", {}, i18n.count(counts[n])),
      h("span", {}, i18n.t(`ops_${name}`)),
    ),
  );
}

/** @param {Translator} i18n @param {LiveHold[]} holds @param {Seats} seats @param {number} now ms since the epoch @returns {Node[]} */
export function holdsList(i18n, holds, seats, now) {
  const rows = holds.slice(0, SHOWN_HOLDS).map((hold) => {
    const left = Math.max(0, Math.round((hold.expires_at - now) / 1000));
    const state = hold.state === "confirming" ? i18n.t("opsConfirming") : i18n.t("opsLeft", { n: left });
    return h("li", {}, h("b", {}, ...names(seats, hold.seats)), h("span", {}, state));
  });
  return [
    h("h2", {}, i18n.t("opsHolds", { n: holds.length })),
    rows.length ? h("ul", {}, ...rows) : h("p", { class: "hint" }, i18n.t("opsNoHolds")),
  ];
}

/** @param {Translator} i18n @param {ShowEvent[]} log the newest first @param {Seats} seats @returns {Node[]} */
export function logTable(i18n, log, seats) {
  const heads = ["opsWhen", "opsWhat", "opsSeats", "opsHold"].map((name) => i18n.t(name));
  const rows = log.map((event) => logRow(i18n, event, seats));
  return [
    h("h2", {}, i18n.t("opsLog")),
    rows.length ? scrollTable(i18n.t("opsLog"), heads, rows) : h("p", { class: "hint" }, i18n.t("opsNoLog")),
  ];
}

/** @param {Translator} i18n @param {ShowEvent} event @param {Seats} seats */
function logRow(i18n, event, seats) {
  const changed = STATUS.flatMap((name) => event[name] ?? []);
  const [first = "", ...more] = event.hold.split(" ");
  const holds = (first.split(".").at(-1) ?? "") + (more.length ? ` +${more.length}` : "");
  const rest = changed.length > SHOWN_SEATS && ` +${changed.length - SHOWN_SEATS}`;
  return h(
    "tr",
    {},
    h("td", {}, i18n.clock(event.time)),
    h("td", {}, i18n.t(`ops_${event.kind}`)),
    h("td", {}, ...names(seats, changed.slice(0, SHOWN_SEATS)), rest),
    h("td", { class: "hold" }, holds),
  );
}

// A line may break after a comma, not within a name.
/** @param {Seats} seats @param {number[]} indices */
function names(seats, indices) {
  return indices.flatMap((seat, n) => [n > 0 && ", ", h("i", { class: "name" }, seats[seat]?.name ?? "…")]);
}
