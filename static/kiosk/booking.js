/**
 * The booking of one person at the kiosk: map and panel of one show, from choosing seats to the ticket.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { SeatMap } from "../seat-map/seat-map.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import "../seat-map/seat-map.js";
import { h, icon } from "../app/dom.js";
import { Flow } from "../booking/flow.js";
import { Panel } from "../booking/panel.js";

export class Booking {
  /**
   * @param {Show} show
   * @param {object} kiosk
   * @param {string} kiosk.server origin of a node that answers
   * @param {() => void} kiosk.finish called at the end: the next person's turn
   * @param {() => void} kiosk.changed called when the step or the connection has changed
   */
  constructor(show, { server, finish, changed }) {
    this.show = show;
    this._changed = changed;
    this._cut = h("p", { class: "kiosk-cut", role: "alert", hidden: true });
    this.map = /** @type {SeatMap} */ (document.createElement("seat-map"));
    this.map.setAttribute("server", server);
    this._box = h("section", { class: "panel", tabindex: -1 });
    this.flow = new Flow(this.map, show.id);
    this._panel = new Panel(this._box, this.flow, this.map, finish);
    this._panel.show = show;
    this.element = h("div", { class: "kiosk-booking", "data-step": "choosing" }, this._cut, this.map, this._box);
    /** @type {Translator | null} */
    this._i18n = null;
    this.flow.addEventListener("change", () => this._draw());
    this.map.addEventListener("statuschange", () => this._draw());
    this.map.addEventListener("selectionchange", (event) => {
      if (this.flow.step === "expired" && /** @type {CustomEvent} */ (event).detail.seats.length) this.flow.restart();
    });
    this.map.addEventListener("ready", () => this._loaded(true));
    this.map.addEventListener("failed", () => this._loaded(false));
  }

  /** Start, or continue a booking that was interrupted by a restart of the kiosk. */
  start() {
    this.map.setAttribute("show", this.show.id);
    this.flow.resume();
  }

  /** Other requests of this kiosk fail: check the connection now. */
  checkConnection() {
    this.map.live?.connection.dispatchEvent(new Event("doubt"));
  }

  /** Whether a payment may be in progress: the kiosk does not start over then. */
  get paying() {
    const { step, delivered } = this.flow;
    return step === "paying" || step === "confirming" || (step === "pending" && !delivered);
  }

  /** @param {Translator} i18n @param {string} theme */
  localize(i18n, theme) {
    this._i18n = i18n;
    this.map.setAttribute("locale", i18n.code);
    this.map.setAttribute("theme", theme);
    this._panel.localize(i18n);
    this._draw();
  }

  /** End the booking: seats are released, and paid ones booked, as soon as the server can be reached. */
  end() {
    this.flow.abandon();
    this._panel.close();
    this.element.remove();
  }

  /** @param {boolean} well */
  _loaded(well) {
    this.element.toggleAttribute("data-ready", well);
    this.element.toggleAttribute("data-failed", !well);
  }

  _draw() {
    const { step } = this.flow;
    this.element.dataset.step = step;
    // Held seats can be changed until a payment is begun.
    this.map.toggleAttribute("readonly", !["choosing", "expired"].includes(step) && !this.flow.changeable);
    const cut = this.map.connection === "offline" && step !== "booked";
    this._cut.hidden = !cut;
    const word = ["paying", "confirming", "pending"].includes(step)
      ? "kioskCutPaid"
      : step === "held" || step === "away"
        ? "kioskCutHeld"
        : "kioskCutHint";
    if (cut && this._i18n) this._cut.replaceChildren(icon("alert"), h("span", {}, this._i18n.t(word)));
    this._changed();
  }
}
