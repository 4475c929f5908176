/**
 * The two dialogs of the kiosk: the idle warning, and the PIN pad of the staff with its menu.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h, icon } from "../app/dom.js";

const MAX_DIGITS = 12;

/** Warns that the kiosk is about to start over. */
export class IdleWarning {
  /** @param {() => void} stay */
  constructor(stay) {
    this._count = h("b", { class: "idle-count", role: "timer" });
    this._why = h("p", { id: "idle-why" });
    this._title = h("h2", { id: "idle-title" });
    this._stay = h("button", { class: "button primary", type: "button", onclick: stay });
    this.element = h(
      "dialog",
      {
        class: "kiosk-dialog idle",
        role: "alertdialog",
        "aria-labelledby": "idle-title",
        "aria-describedby": "idle-why",
        oncancel: stay,
      },
      this._title,
      this._why,
      this._count,
      this._stay,
    );
  }

  /** @param {Translator} i18n @param {string} why key of a text @param {number} seconds */
  show(i18n, why, seconds) {
    this._title.textContent = i18n.t("idleTitle");
    this._why.textContent = i18n.t(why);
    this._count.textContent = i18n.t("idleSeconds", { n: seconds });
    this._stay.textContent = i18n.t("idleStay");
    if (!this.element.open) this.element.showModal();
  }

  hide() {
    this.element.close();
  }
}

/**
 * Asks for the PIN and, if it is right, shows the staff menu. The server checks the PIN; the page does not know it.
 */
export class Attendant {
  /**
   * @param {object} hooks
   * @param {(pin: string) => Promise<{code: string, waitMs: number}>} hooks.check "" for a right PIN
   * @param {() => void} hooks.leave
   * @param {() => number} hooks.waiting how many bookings and releases could not be sent to the server yet
   */
  constructor(hooks) {
    this._hooks = hooks;
    this._pin = "";
    /** Counts what was entered: only the answer to the last of it is shown. */
    this._entered = 0;
    /** @type {Translator | null} */
    this._i18n = null;
    this._dots = h("p", { class: "pin-dots", "aria-live": "polite" });
    this._note = h("p", { class: "pin-note", role: "alert" });
    this.element = h("dialog", { class: "kiosk-dialog attendant", "aria-labelledby": "pin-title" });
    this.element.addEventListener("keydown", (event) => this._key(event));
  }

  /** @param {Translator} i18n */
  open(i18n) {
    this._i18n = i18n;
    this._pin = "";
    this._note.textContent = "";
    const digit = (/** @type {string} */ n) =>
      h("button", { class: "button", type: "button", "data-digit": n, onclick: () => this._type(n) }, n);
    this.element.replaceChildren(
      h("h2", { id: "pin-title" }, i18n.t("pinTitle")),
      this._dots,
      this._note,
      h(
        "div",
        { class: "pin-pad" },
        ...[..."123456789"].map(digit),
        h(
          "button",
          { class: "button quiet", type: "button", "data-digit": "delete", onclick: () => this._erase() },
          i18n.t("pinDelete"),
        ),
        digit("0"),
        h(
          "button",
          { class: "button primary", type: "button", "data-digit": "enter", onclick: () => this._enter() },
          i18n.t("pinEnter"),
        ),
      ),
      h(
        "button",
        { class: "button quiet", type: "button", "data-key": "staff-back", onclick: () => this.close() },
        i18n.t("staffBack"),
      ),
    );
    this._draw();
    if (!this.element.open) this.element.showModal();
  }

  close() {
    this._pin = "";
    this._entered++;
    this.element.close();
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  /** @param {KeyboardEvent} event */
  _key(event) {
    if (/^\d$/.test(event.key)) this._type(event.key);
    else if (event.key === "Backspace") this._erase();
  }

  /** @param {string} digit */
  _type(digit) {
    if (this._pin.length < MAX_DIGITS) this._pin += digit;
    this._note.textContent = "";
    this._draw();
  }

  _erase() {
    this._pin = this._pin.slice(0, -1);
    this._draw();
  }

  _draw() {
    const n = this._pin.length;
    this._dots.replaceChildren(
      h("span", { "aria-hidden": "true" }, "•".repeat(n) || "–"),
      h("span", { class: "hidden" }, this._i18n?.t("pinDigits", { n }) ?? ""),
    );
  }

  async _enter() {
    const i18n = this._i18n;
    if (!i18n || !this._pin) return;
    const [pin, entered] = [this._pin, ++this._entered];
    // The answer to a wrong one may take long, and the right one can be entered meanwhile.
    this._pin = "";
    this._draw();
    this._note.textContent = i18n.t("pinChecking");
    const { code, waitMs } = await this._hooks.check(pin);
    if (entered !== this._entered) return;
    if (!code) this._menu(i18n);
    else if (code === "rate_limited") this._note.textContent = i18n.t("pinWait", { n: Math.ceil(waitMs / 1000) });
    else this._note.textContent = i18n.t({ wrong_pin: "pinWrong", no_pin: "pinNone" }[code] ?? "pinOffline");
  }

  /** @param {Translator} i18n */
  _menu(i18n) {
    const n = this._hooks.waiting();
    this.element.replaceChildren(
      h("h2", { id: "pin-title", tabindex: -1 }, i18n.t("staffTitle")),
      ...(n ? [h("p", {}, icon("alert"), i18n.t("staffWaiting", { n }))] : []),
      h(
        "button",
        {
          class: "button primary",
          type: "button",
          "data-key": "staff-back",
          autofocus: true,
          onclick: () => this.close(),
        },
        i18n.t("staffBack"),
      ),
      h(
        "button",
        { class: "button", type: "button", "data-key": "staff-reload", onclick: () => location.reload() },
        i18n.t("staffReload"),
      ),
      h(
        "button",
        { class: "button", type: "button", "data-key": "staff-leave", onclick: () => this._hooks.leave() },
        i18n.t("staffLeave"),
      ),
    );
    this.element.querySelector("button")?.focus();
  }
}
