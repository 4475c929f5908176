/**
 * The panel while seats are chosen and held: the chosen seats and their price, or what else there is to the show.
 *
 * @import { Show, SeatInfo } from "../seat-map/types.js"
 * @import { OtherTimes } from "./other-times.js"
 * @import { PanelView } from "./panel-view.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 */
import { h, icon } from "../app/dom.js";
import { isShut, shutText } from "../seat-map/sales.js";
import { fewOf } from "../shows/availability.js";
import { button, foot, note, seatList, title, totalLine } from "./pieces.js";
import { refundList } from "./refund-notes.js";
import { ticketList } from "./tickets.js";

/**
 * @param {PanelView} view
 * @param {string} said above the chosen seats; "" for nothing
 * @param {OtherTimes} others
 * @returns {(Node | null)[]}
 */
export function choosing(view, said, others) {
  const { i18n, flow, map, show } = view;
  const asking = flow.step === "holding";
  const seats = view.infos(asking ? flow.seats : map.selection);
  const n = seats.length;
  const shut = isShut(map.status) ? shutText(i18n, map.status, show, Date.now()) : "";
  const left = shut ? -1 : countLeft(map, show);
  const soldOut = !left;
  const none = Boolean(shut) || soldOut;
  const hint = soldOut
    ? i18n.t("soldOut")
    : shut || `${i18n.t("pickHint")} ${i18n.t("pickLimit", { n: map.maxSeats })}`;
  const words = asking ? i18n.t("holding") : n ? i18n.t("hold", { n }) : i18n.t("holdEmpty");
  return [
    title(i18n.t("yourSeats")),
    said ? note("warn", "lost-chosen", said) : null,
    ...(n || shut ? [] : warnings(view, left)),
    n
      ? seatList(i18n, seats, { remove: asking ? null : (id) => map.deselect(id) })
      : h("div", { class: "nothing" }, icon("seat"), h("p", { class: "hint" }, hint)),
    ...(asking ? [] : companions(view, seats)),
    view.error(),
    foot(
      n ? totalLine(i18n, seats) : null,
      flow.unanswered
        ? h(
            "div",
            { class: "pair" },
            button("retry", i18n.t("tryAgain"), "quiet", () => flow.resume()),
            button("cancel", i18n.t("neverMind"), "quiet", () => flow.cancel()),
          )
        : view.finish && none && !n
          ? otherShows(view)
          : button("hold", words, "primary", () => flow.hold(), asking || !n || Boolean(shut) || view.offline),
    ),
    ...(n || view.finish || !show ? [] : around(view, show, others, none || left > 0)),
  ];
}

// That the show has started, or that few seats are left.
/** @param {PanelView} view @param {number} left */
function warnings({ i18n, flow, show }, left) {
  const begun = show && Date.parse(show.starts_at) <= flow.clock.now();
  return [
    begun ? note("warn", "begun", i18n.t("begunAt", { time: i18n.time(show.starts_at) })) : null,
    left > 0 ? note("warn", "few", i18n.t("fewLeft", { n: left })) : null,
  ];
}

/** How many seats are left if they are few or none; -1 if there are many, or it is not known. @param {SeatMap} map @param {Show | null} show */
export function countLeft(map, show) {
  const few = fewOf(show?.seat_count ?? 0);
  const free = map.countFree(few + 1);
  return free > few ? -1 : free;
}

// At a kiosk, back to the shows of today.
/** @param {PanelView} view */
function otherShows({ i18n, finish }) {
  return button("others", i18n.t("otherTimes"), "quiet", () => finish?.());
}

// What a wheelchair space is, and the seats for those who come along.
/** @param {PanelView} view @param {SeatInfo[]} seats */
function companions(view, seats) {
  const { i18n, map } = view;
  const spaces = seats.filter(({ accessible }) => accessible);
  if (!spaces.length) return [];
  const names = i18n.list(spaces.map(({ label }) => label));
  const beside = [...new Set(spaces.flatMap(({ id }) => map.companions(id)))].slice(0, 4);
  const offers = view.infos(beside).map((seat) =>
    button(`companion-${seat.id}`, i18n.t("addCompanion", { seat: seat.label }), "quiet", () => {
      map.select(seat.id);
    }),
  );
  return [
    h(
      "div",
      { class: "notice good", "data-note": "wheelchair" },
      icon("wheelchair"),
      h("p", {}, i18n.t("wheelchairHint", { seats: names }), ...offers),
    ),
  ];
}

// What is shown about the show in addition to the chosen seats. Not at a kiosk, where the next person would see it.
/** @param {PanelView} view @param {Show} show @param {OtherTimes} others @param {boolean} scarce whether no seats can be had, or few */
function around({ i18n }, show, others, scarce) {
  return [scarce ? others.element(i18n, show) : null, ticketList(i18n, { show: show.id }), refundList(i18n, show.id)];
}
