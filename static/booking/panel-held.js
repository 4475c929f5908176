/**
 * The panel while seats are held: the clock, the seats and their prices, how the buyer can be reached, and the payment.
 *
 * @import { Flow } from "./flow.js"
 * @import { PanelView } from "./panel-view.js"
 */
import { h } from "../app/dom.js";
import { ContactField } from "./contact.js";
import { button, foot, note, seatList, title, totalLine } from "./pieces.js";
import { priceLines } from "./price-lines.js";
import { prepareQr } from "./qr.js";
import { refundNotes } from "./refund-notes.js";

export class HeldSeats {
  /**
   * @param {Flow} flow
   * @param {Element} clock
   * @param {boolean} atKiosk where the ticket is printed: nobody is asked for a contact
   * @param {(key: string) => void} redraw draws the panel, and moves the focus to what has this key
   */
  constructor(flow, clock, atKiosk, redraw) {
    this._flow = flow;
    this._clock = clock;
    this._contact = atKiosk ? null : new ContactField();
    this._redraw = redraw;
    /** Whether the buyer is asked if the seats are to be released. */
    this.asking = false;
  }

  // `away`: the buyer was at the gateway's page, and the payment is not known yet.
  /** @param {PanelView} view @returns {(Node | null)[]} */
  content(view) {
    const { i18n, flow, offline, connecting } = view;
    const { prices, step } = flow;
    const seats = view.infos(flow.seats);
    const paying = step === "paying";
    const away = step === "away";
    // Needed for the ticket, even if the network fails in between.
    prepareQr();
    return [
      h(
        "div",
        { class: "clock" },
        this._clock,
        h(
          "div",
          {},
          title(i18n.t(away ? "awayTitle" : "heldTitle")),
          h("p", { class: "hint" }, i18n.t(offline ? "clockKeeps" : away ? "awayHint" : "heldHint")),
        ),
      ),
      flow.declined ? note("warn", "declined", i18n.t("declined")) : null,
      seatList(i18n, seats, { priced: false, remove: removal(view) }),
      ...more(view),
      view.error(),
      ...refundNotes(i18n, flow.refunds),
      prices ? priceLines(i18n, prices) : seats.length ? totalLine(i18n, seats) : null,
      this._contact?.element(i18n, paying) ?? null,
      h(
        "div",
        { class: "pair" },
        flow.extended || away
          ? null
          : button("extend", i18n.t("extend"), "quiet", () => flow.extend(), paying || offline || connecting),
        button("release", i18n.t("release"), "quiet", () => this._ask(true), paying || connecting),
      ),
      this.asking
        ? foot(this._askRelease(view))
        : foot(
            when(view),
            addButton(view),
            button("pay", payLabel(view), "primary", () => this._pay(view), paying || offline || connecting),
          ),
    ];
  }

  /** @param {boolean} asking */
  _ask(asking) {
    this.asking = asking;
    this._redraw(asking ? "keep" : "release");
  }

  /** @param {PanelView} view */
  _askRelease({ i18n }) {
    const release = () => {
      this.asking = false;
      this._flow.release();
    };
    return h(
      "div",
      { class: "ask", role: "group", "aria-label": i18n.t("releaseAsk") },
      h("p", {}, i18n.t("releaseAsk")),
      h(
        "div",
        { class: "pair" },
        button("release-yes", i18n.t("release"), "quiet", release),
        button("keep", i18n.t("keepSeats"), "quiet", () => this._ask(false)),
      ),
    );
  }

  /** @param {PanelView} view */
  _pay({ i18n }) {
    if (this._contact && !this._contact.checkAddress(i18n)) return;
    this._flow.contact = this._contact?.contact(i18n) ?? null;
    this._flow.pay();
  }
}

/** What removes one of the held seats, if that is possible. @param {PanelView} view @returns {((id: string) => void) | null} */
function removal({ flow, offline }) {
  return flow.changeable && flow.seats.length > 1 && !offline ? (id) => flow.drop(id) : null;
}

// Seats chosen in addition to the held ones.
/** @param {PanelView} view */
function more(view) {
  const { i18n, flow, map } = view;
  const chosen = view.infos(map.selection);
  if (!chosen.length || !flow.changeable) return [];
  return [
    h("h3", {}, i18n.t("addTitle")),
    seatList(i18n, chosen, { remove: (id) => map.deselect(id) }),
    h("p", { class: "hint" }, i18n.t("addHint")),
  ];
}

/** @param {PanelView} view */
function addButton({ i18n, flow, map, offline }) {
  const n = map.selection.length;
  if (!n || !flow.changeable) return null;
  return button("add", i18n.t("addSeats", { n }), "quiet", () => flow.add(map.selection), offline);
}

// When and where, in sight while one pays.
/** @param {PanelView} view */
function when({ i18n, show }) {
  if (!show) return null;
  return h(
    "p",
    { class: "panel-when" },
    h("b", {}, i18n.moment(show.starts_at)),
    h("span", {}, i18n.name(show.theatre_name)),
  );
}

/** @param {PanelView} view */
function payLabel({ i18n, flow }) {
  const { prices, step } = flow;
  if (step === "paying") return i18n.t("paying");
  if (step === "away") return i18n.t("payGoOn");
  if (prices?.total === 0) return i18n.t("bookFree");
  return i18n.t("pay", { total: prices ? i18n.money(prices.total) : "" });
}
