/**
 * The panel next to the map: chosen seats, countdown, payment, ticket. It draws the steps of a `Flow`, and calls it
 * when a button is pressed.
 *
 * @import { Flow } from "./flow.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { keepBooking } from "../tickets/kept.js";
import { Countdown } from "./countdown.js";
import { IssuedTicket } from "./issued.js";
import { OtherTimes } from "./other-times.js";
import { choosing, countLeft } from "./panel-choosing.js";
import { HeldSeats } from "./panel-held.js";
import { booked, confirming, expired, freeOf, pending, rejected } from "./panel-outcome.js";
import { PanelView, ticketOf } from "./panel-view.js";
import { keepBegun } from "./refunds.js";

const COUNT_EVERY_MS = 1000;
/** Browsers' timers can't be longer. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;

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
    this._note = "";
    this._left = -1;
    /** The seats of the expired booking that were free when this was drawn. */
    this._free = "";
    this._again = 0;
    this._atStart = 0;
    this._others = new OtherTimes(() => this.draw());
    this._countdown = new Countdown(
      () => flow.remaining,
      (seconds) => {
        const n = Math.round(seconds / 60);
        if (this._i18n)
          map.announce(seconds > 60 ? this._i18n.t("minutesLeft", { n }) : this._i18n.t("secondsLeft", { n: seconds }));
      },
    );
    this._held = new HeldSeats(flow, this._countdown.element, Boolean(finish), (key) => this._drawAndFocus(key));
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
        keepBegun(/** @type {CustomEvent} */ (event).detail.hold, ticketOf(flow, map, this.show)),
      );
    for (const event of ["ready", "statuschange"]) map.addEventListener(event, () => this.draw());
    map.addEventListener("selectionchange", () => {
      this._note = "";
      this.draw();
    });
    map.addEventListener("seatschange", () => {
      // What is about to be pressed, or read, stays as it is while nothing of it has changed.
      if (this._freeAgain() !== this._free || map.soldOut !== !this._left) this.draw();
      else this._again ||= setTimeout(() => this._drawIfFewer(), COUNT_EVERY_MS);
    });
  }

  _freeAgain() {
    return this._flow.step === "expired" ? freeOf(this._flow, this._map).join() : "";
  }

  _drawIfFewer() {
    this._again = 0;
    // Below chosen seats it is not said how many are left.
    const says = this._flow.step === "choosing" && !this._map.selection.length;
    if (says && countLeft(this._map, this.show) !== this._left) this.draw();
  }

  /** Say something above the chosen seats, until they change. @param {string} text */
  note(text) {
    this._note = text;
    this.draw();
  }

  /** Stop drawing. */
  close() {
    this._i18n = null;
    clearTimeout(this._atStart);
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
    if (step !== "held" && step !== "away") this._held.asking = false;
    if (step !== "booked") this._issued.close();
    this._left = countLeft(this._map, this.show);
    this._free = this._freeAgain();
    const focus = /** @type {HTMLElement | null} */ (document.activeElement);
    const key = focus && this._box.contains(focus) ? focus.dataset.key : undefined;
    this._drawAtStart();
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

  /** When the show starts, the panel says so. To be called before it is drawn: the show may start in between. */
  _drawAtStart() {
    clearTimeout(this._atStart);
    const left = Date.parse(this.show?.starts_at ?? "") - this._flow.clock.now();
    if (left > 0 && left < LONGEST_TIMER_MS) this._atStart = setTimeout(() => this.draw(), left);
  }

  /** @param {string} key of what gets the focus */
  _drawAndFocus(key) {
    this.draw();
    /** @type {HTMLElement | null} */ (this._box.querySelector(`[data-key="${key}"]`))?.focus();
  }

  /** @param {Translator} i18n @returns {(Node | null)[]} */
  _content(i18n) {
    const view = new PanelView(i18n, this._flow, this._map, this.show, this._finish);
    switch (this._flow.step) {
      case "held":
      case "paying":
      case "away":
        return this._held.content(view);
      case "confirming":
        return confirming(view);
      case "pending":
        return pending(view);
      case "booked":
        return booked(view, this._issued);
      case "expired":
        return expired(view);
      case "rejected":
        return rejected(view);
      default:
        return choosing(view, this._note, this._others);
    }
  }
}
