/**
 * The panel next to the map: chosen seats, countdown, payment, ticket. It draws the steps of a `Flow`, and calls it
 * when a button is pressed.
 *
 * @import { Flow } from "./flow.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";
import { keepOffline } from "../app/offline.js";
import { isShut, shutText } from "../seat-map/sales.js";
import { keepBooking } from "../tickets/kept.js";
import { ContactField } from "./contact.js";
import { Countdown } from "./countdown.js";
import { IssuedTicket } from "./issued.js";
import { OtherTimes } from "./other-times.js";
import { button, errorNote, foot, note, seatList, title, totalLine, waiting } from "./pieces.js";
import { priceLines } from "./price-lines.js";
import { prepareQr } from "./qr.js";
import { refundList, refundNotes } from "./refund-notes.js";
import { keepBegun } from "./refunds.js";
import { printedCode, ticket } from "./ticket.js";
import { keepTicket, ticketList } from "./tickets.js";

export class Panel {
  /**
   * @param {HTMLElement} box
   * @param {Flow} flow
   * @param {SeatMap} map
   * @param {(() => void) | null} [finish] called at the end of a booking at a kiosk, for the next person
   */
  constructor(box, flow, map, finish = null) {
    this._finish = finish;
    this._box = box;
    this._flow = flow;
    this._map = map;
    /** @type {Translator | null} */
    this._i18n = null;
    /** @type {Show | null} */
    this.show = null;
    this._step = "";
    // Not at a kiosk, where the ticket is printed.
    this._contact = finish ? null : new ContactField();
    /** Whether the buyer is asked if the seats are to be released. */
    this._asking = false;
    this._note = "";
    this._soldOut = false;
    this._others = new OtherTimes(() => this.draw());
    this._countdown = new Countdown(
      () => flow.remaining,
      (seconds) => {
        const n = Math.round(seconds / 60);
        if (this._i18n)
          map.announce(seconds > 60 ? this._i18n.t("minutesLeft", { n }) : this._i18n.t("secondsLeft", { n: seconds }));
      },
    );
    this._issued = new IssuedTicket((booking) => {
      // Cancelled while this page was closed, or elsewhere.
      if (booking.state === "cancelled") return flow.settled({ id: booking.id, state: booking.state });
      if (!finish) keepBooking(booking);
      this.draw();
    });
    flow.addEventListener("change", () => this.draw());
    // Not at a kiosk, where the next person would see it.
    if (!finish)
      flow.addEventListener("paying", (event) =>
        keepBegun(/** @type {CustomEvent} */ (event).detail.hold, this._ticket()),
      );
    for (const event of ["ready", "statuschange"]) map.addEventListener(event, () => this.draw());
    map.addEventListener("selectionchange", () => {
      this._note = "";
      this.draw();
    });
    map.addEventListener("seatschange", () => {
      const before = this._soldOut;
      this._soldOut = map.soldOut;
      if (flow.step === "expired" || this._soldOut !== before) this.draw();
    });
  }

  /** Say something above the chosen seats, until they change. @param {string} text */
  note(text) {
    this._note = text;
    this.draw();
  }

  /** Stop drawing. */
  close() {
    this._i18n = null;
    this._countdown.stop();
    this._issued.close();
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this.draw();
  }

  draw() {
    const i18n = this._i18n;
    if (!i18n) return;
    const { step } = this._flow;
    if (step !== "held" && step !== "away") this._asking = false;
    if (step !== "booked") this._issued.close();
    const focus = /** @type {HTMLElement | null} */ (document.activeElement);
    const key = focus && this._box.contains(focus) ? focus.dataset.key : undefined;
    this._box.dataset.step = step;
    this._box.dataset.count = String(step === "choosing" ? this._map.selection.length : this._flow.seats.length);
    this._box.replaceChildren(...this._content(i18n).filter((node) => node !== null));
    if (step === "held" || step === "paying" || step === "away")
      this._countdown.start((this.show?.hold_s ?? 480) * 1000);
    else this._countdown.stop();
    const again = key ? this._box.querySelector(`[data-key="${CSS.escape(key)}"]`) : null;
    if (again instanceof HTMLElement && !again.hasAttribute("disabled")) again.focus();
    else if (
      key ||
      (this._step && this._step !== step && ["held", "away", "booked", "expired", "rejected"].includes(step))
    ) {
      // A new step moves the focus to its title, so that a screen reader announces the change.
      this._box.querySelector("h2")?.focus({ preventScroll: true });
    }
    this._step = step;
  }

  /** @param {Translator} i18n @returns {(Node | null)[]} */
  _content(i18n) {
    switch (this._flow.step) {
      case "held":
      case "paying":
      case "away":
        return this._held(i18n);
      case "confirming":
        return [title(i18n.t("confirming")), waiting(), this._error(i18n)];
      case "pending":
        return this._pending(i18n);
      case "booked":
        return this._booked(i18n);
      case "expired":
        return this._expired(i18n);
      case "rejected":
        return this._rejected(i18n);
      default:
        return this._choosing(i18n);
    }
  }

  /** @param {Translator} i18n */
  _choosing(i18n) {
    const chosen = this._infos(this._map.selection);
    const asking = this._flow.step === "holding";
    const seats = asking ? this._infos(this._flow.seats) : chosen;
    const n = seats.length;
    const { status } = this._map;
    const shut = isShut(status) ? shutText(i18n, status, this.show, Date.now()) : "";
    const soldOut = !shut && this._map.soldOut;
    const hint = soldOut
      ? i18n.t("soldOut")
      : shut || `${i18n.t("pickHint")} ${i18n.t("pickLimit", { n: this._map.maxSeats })}`;
    const words = asking ? i18n.t("holding") : n ? i18n.t("hold", { n }) : i18n.t("holdEmpty");
    return [
      title(i18n.t("yourSeats")),
      this._note ? note("warn", "lost-chosen", this._note) : null,
      n
        ? seatList(i18n, seats, { remove: asking ? null : (id) => this._map.deselect(id) })
        : h("div", { class: "nothing" }, icon("seat"), h("p", { class: "hint" }, hint)),
      ...(asking ? [] : this._companions(i18n, seats)),
      this._error(i18n),
      foot(
        n ? totalLine(i18n, seats) : null,
        this._flow.unanswered
          ? h(
              "div",
              { class: "pair" },
              button("retry", i18n.t("tryAgain"), "quiet", () => this._flow.resume()),
              button("cancel", i18n.t("neverMind"), "quiet", () => this._flow.cancel()),
            )
          : button("hold", words, "primary", () => this._flow.hold(), asking || !n || Boolean(shut) || this._offline),
      ),
      ...(n || this._finish || !this.show ? [] : this._around(i18n, this.show, Boolean(shut) || soldOut)),
    ];
  }

  // What is shown about the show in addition to the chosen seats. Not at a kiosk, where the next person would see it.
  /** @param {Translator} i18n @param {Show} show @param {boolean} none whether no seats can be had */
  _around(i18n, show, none) {
    return [
      none ? this._others.element(i18n, show) : null,
      ticketList(i18n, { show: show.id }),
      refundList(i18n, show.id),
    ];
  }

  // Held seats; `away`: the buyer was at the gateway's page, and the payment is not known yet.
  /** @param {Translator} i18n */
  _held(i18n) {
    const seats = this._infos(this._flow.seats);
    const { prices, step } = this._flow;
    const paying = step === "paying";
    const away = step === "away";
    const offline = this._offline;
    // Needed for the ticket, even if the network fails in between.
    prepareQr();
    return [
      h(
        "div",
        { class: "clock" },
        this._countdown.element,
        h(
          "div",
          {},
          title(i18n.t(away ? "awayTitle" : "heldTitle")),
          h("p", { class: "hint" }, i18n.t(offline ? "clockKeeps" : away ? "awayHint" : "heldHint")),
        ),
      ),
      this._flow.declined ? note("warn", "declined", i18n.t("declined")) : null,
      seatList(i18n, seats, { priced: false, remove: this._remove() }),
      ...this._more(i18n),
      this._error(i18n),
      ...refundNotes(i18n, this._flow.refunds),
      prices ? priceLines(i18n, prices) : totalLine(i18n, seats),
      this._contact?.element(i18n, paying) ?? null,
      h(
        "div",
        { class: "pair" },
        this._flow.extended || away
          ? null
          : button("extend", i18n.t("extend"), "quiet", () => this._flow.extend(), paying || offline),
        button("release", i18n.t("release"), "quiet", () => this._ask(true), paying),
      ),
      this._asking
        ? foot(this._askRelease(i18n))
        : foot(
            this._when(i18n),
            this._addButton(i18n),
            button("pay", this._payLabel(i18n), "primary", () => this._pay(i18n), paying || offline),
          ),
    ];
  }

  // When and where, in sight while one pays.
  /** @param {Translator} i18n */
  _when(i18n) {
    const { show } = this;
    if (!show) return null;
    const when = i18n.moment(show.starts_at);
    return h("p", { class: "panel-when" }, h("b", {}, when), h("span", {}, i18n.name(show.theatre_name)));
  }

  /** What removes one of the held seats, if that is possible. @returns {((id: string) => void) | null} */
  _remove() {
    const { changeable, seats } = this._flow;
    return changeable && seats.length > 1 && !this._offline ? (id) => this._flow.drop(id) : null;
  }

  // Seats chosen in addition to the held ones.
  /** @param {Translator} i18n */
  _more(i18n) {
    const more = this._infos(this._map.selection);
    if (!more.length || !this._flow.changeable) return [];
    return [
      h("h3", {}, i18n.t("addTitle")),
      seatList(i18n, more, { remove: (id) => this._map.deselect(id) }),
      h("p", { class: "hint" }, i18n.t("addHint")),
    ];
  }

  /** @param {Translator} i18n */
  _addButton(i18n) {
    const n = this._map.selection.length;
    if (!n || !this._flow.changeable) return null;
    return button("add", i18n.t("addSeats", { n }), "quiet", () => this._flow.add(this._map.selection), this._offline);
  }

  /** @param {boolean} asking */
  _ask(asking) {
    this._asking = asking;
    this.draw();
    /** @type {HTMLElement | null} */ (this._box.querySelector(`[data-key="${asking ? "keep" : "release"}"]`))?.focus();
  }

  /** @param {Translator} i18n */
  _askRelease(i18n) {
    const release = () => {
      this._asking = false;
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

  // What a wheelchair space is, and the seats for those who come along.
  /** @param {Translator} i18n @param {import("../seat-map/types.js").SeatInfo[]} seats */
  _companions(i18n, seats) {
    const spaces = seats.filter(({ accessible }) => accessible);
    if (!spaces.length) return [];
    const names = i18n.list(spaces.map(({ label }) => label));
    const beside = [...new Set(spaces.flatMap(({ id }) => this._map.companions(id)))].slice(0, 4);
    const offers = this._infos(beside).map((seat) =>
      button(`companion-${seat.id}`, i18n.t("addCompanion", { seat: seat.label }), "quiet", () => {
        this._map.select(seat.id);
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

  /** @param {Translator} i18n */
  _pay(i18n) {
    if (this._contact && !this._contact.check()) return;
    this._flow.contact = this._contact?.contact(i18n) ?? null;
    this._flow.pay();
  }

  /** @param {Translator} i18n */
  _payLabel(i18n) {
    const { prices, step } = this._flow;
    if (step === "paying") return i18n.t("paying");
    if (step === "away") return i18n.t("payGoOn");
    if (prices?.total === 0) return i18n.t("bookFree");
    return i18n.t("pay", { total: prices ? i18n.money(prices.total) : "" });
  }

  // If only this browser has the payment, the page must stay open.
  /** @param {Translator} i18n */
  _pending(i18n) {
    const { delivered, gatewaySilent } = this._flow;
    const words = gatewaySilent ? "gatewaySilent" : delivered ? "pending" : "undelivered";
    return [title(i18n.t(`${words}Title`)), waiting(), h("p", { class: "hint" }, i18n.t(`${words}Hint`))];
  }

  /** @param {Translator} i18n */
  _rejected(i18n) {
    const { reason, refunds } = this._flow;
    const hint = refunds.length ? "" : i18n.t(reason ? "notBookedHint" : "rejectedHint");
    return [
      title(i18n.t(reason ? "notBookedTitle" : "rejectedTitle")),
      h("p", { class: "hint" }, [reason ? this._words(i18n, reason) : "", hint].filter(Boolean).join(" ")),
      ...refundNotes(i18n, refunds),
      seatList(i18n, this._infos(this._flow.seats), { priced: false }),
      button("again", i18n.t("chooseOthers"), "primary", () => this._flow.restart()),
    ];
  }

  /** @param {Translator} i18n */
  _booked(i18n) {
    const finish = this._finish;
    const bought = this._ticket();
    const issued = this._issued.of(bought.id, this._map.live?.connection.base);
    const { code, qr } = issued ? printedCode(issued) : { code: "", qr: "" };
    // Not at a kiosk, where the next person would see it.
    if (this.show && bought.seats.length && !finish) {
      keepTicket(bought);
      keepOffline("/tickets");
    }
    const copy = async (/** @type {Event} */ event) => {
      await navigator.clipboard.writeText(code);
      /** @type {HTMLElement} */ (event.target).textContent = i18n.t("copied");
    };
    const print = button("print", i18n.t("print"), "quiet", () => window.print(), !issued);
    return [
      title(i18n.t("bookedTitle")),
      this._swapped(i18n),
      this._flow.late && !this._flow.wanted.length ? note("good", "late", i18n.t("bookedLate")) : null,
      ...refundNotes(i18n, this._flow.refunds),
      ticket(i18n, { ...bought, code, qr }),
      issued ? h("p", { class: "hint" }, i18n.t(finish ? "bookedKioskHint" : "bookedHint")) : null,
      // The clipboard exists on https and localhost only, and is of no use at a kiosk.
      h(
        "div",
        { class: "pair" },
        !finish && navigator.clipboard ? button("copy", i18n.t("copy"), "quiet", copy, !issued) : null,
        print,
      ),
      finish
        ? button("finish", i18n.t("finish"), "primary", finish)
        : button("again", i18n.t("again"), "plain", () => this._flow.restart()),
    ];
  }

  // The seats that were asked for were taken, and equal ones were booked in their place.
  /** @param {Translator} i18n */
  _swapped(i18n) {
    const { seats, wanted } = this._flow;
    if (!wanted.length) return null;
    return note("warn", "swapped", i18n.t("bookedInstead", { seats: this._names(i18n, seats) }));
  }

  /** @param {Translator} i18n @param {string[]} ids */
  _names(i18n, ids) {
    return i18n.list(this._infos(ids).map(({ label }) => label));
  }

  /** @returns {import("./ticket.js").Ticket} */
  _ticket() {
    const { show } = this;
    return {
      id: this._flow.booking,
      show: show?.id ?? "",
      title: show?.title ?? "",
      theatre: show?.theatre_name ?? "",
      city: show?.city ?? "",
      starts_at: show?.starts_at ?? "",
      seats: this._infos(this._flow.seats).map((seat) => ({
        id: seat.id,
        name: seat.label,
        section: seat.section,
      })),
      prices: this._flow.prices,
    };
  }

  /** @param {Translator} i18n */
  _expired(i18n) {
    const { reason, refunds, seats } = this._flow;
    const free = seats.filter((id) => this._map.isFree(id));
    const all = free.length === seats.length;
    const lost = reason === "hold_lost";
    const names = this._names(i18n, free);
    const state = all ? i18n.t("stillFree") : free.length ? i18n.t("someFree", { seats: names }) : i18n.t("noneFree");
    // Nobody was charged, unless the buyer was sent to pay.
    const money = refunds.length
      ? "expiredReleased"
      : this._flow.begun
        ? "expiredBegun"
        : lost
          ? "lostHint"
          : "expiredHint";
    return [
      title(i18n.t(lost ? "lostTitle" : "expiredTitle")),
      h("p", { class: "hint" }, `${i18n.t(money)} ${state}`),
      ...refundNotes(i18n, refunds),
      seatList(i18n, this._infos(seats)),
      this._error(i18n),
      free.length ? button("hold-again", i18n.t("holdAgain"), "primary", () => this._flow.hold(free)) : null,
      button("again", i18n.t("chooseOthers"), free.length ? "quiet" : "primary", () => this._flow.restart()),
    ];
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  /** @param {Translator} i18n */
  _error(i18n) {
    const { error } = this._flow;
    return error ? errorNote(error, this._words(i18n, error)) : null;
  }

  /** @param {Translator} i18n @param {string} code of an error */
  _words(i18n, code) {
    return i18n.has(`err_${code}`) ? i18n.t(`err_${code}`) : this._flow.errorText || i18n.t("err_internal");
  }

  get _offline() {
    return this._map.connection === "offline";
  }

  /** @param {string[]} ids */
  _infos(ids) {
    return ids.map((id) => this._map.seat(id)).filter((seat) => seat !== null);
  }
}
