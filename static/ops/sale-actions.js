/**
 * What an operator can do to a show: open, pause and close its sales, archive it, block and unblock seats. Each action is
 * confirmed first.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Seat } from "./seat-ids.js"
 * @import { Show } from "./show.js"
 */
import { h } from "../app/dom.js";
import { question } from "./pieces.js";
import { parseSeats, seatsAsText } from "./seat-ids.js";

/** @typedef {"open" | "pause" | "close" | "archive" | "block" | "unblock"} Action */

export class SaleActions {
  /**
   * @param {object} hooks
   * @param {(action: Action, seats: string[] | undefined, reason: string) => Promise<boolean>} hooks.act whether it was done
   * @param {() => void} hooks.selectionChanged
   * @param {() => void} hooks.noSeats an action needs seats, and none are chosen
   * @param {(seat: string) => string} hooks.reasonOf why a seat is blocked
   */
  constructor(hooks) {
    this._hooks = hooks;
    /** @type {Translator | null} */
    this._i18n = null;
    /** @type {Show | null} */
    this._show = null;
    /** @type {Seat[]} */
    this._seats = [];
    /** What was typed, as seats; null where that is not known yet. @type {{text: string, chosen: Set<number>, unknown: string[]} | null} */
    this._parsed = null;
    /** The last blocking or unblocking, to undo it: its seats by the reason why they are or were blocked. @type {{action: Action, seats: Map<string, string[]>} | null} */
    this._last = null;
    /** The lists of sections, rows and prices: long in a large hall, so they are made once. @type {HTMLElement | null} */
    this._pickers = null;
    /** The action that waits to be confirmed. @type {Action | ""} */
    this._asking = "";
    this._typed = "";
    /** Why seats are blocked. */
    this._reason = "";
    this.element = h("section", { class: "actions" });
  }

  /** @param {Seat[]} seats of the layout, by index */
  setSeats(seats) {
    this._seats = seats;
    this._parsed = this._pickers = null;
    this._draw();
  }

  _parse() {
    if (this._parsed?.text !== this._typed)
      this._parsed = { text: this._typed, ...parseSeats(this._typed, this._seats) };
    return this._parsed;
  }

  /** Indices of the seats that are typed and exist. @returns {Set<number>} */
  get chosen() {
    return this._parse().chosen;
  }

  /** Add seats to the chosen ones; if all of them are chosen, remove them. @param {number[]} seats */
  toggleAll(seats) {
    const chosen = new Set(this.chosen);
    const all = seats.every((seat) => chosen.has(seat));
    for (const seat of seats) {
      if (all) chosen.delete(seat);
      else chosen.add(seat);
    }
    this.choose(chosen);
  }

  /** Choose exactly these seats. @param {Iterable<number>} chosen indices */
  choose(chosen) {
    this._typed = seatsAsText(chosen, this._seats);
    this._draw();
    this._hooks.selectionChanged();
  }

  /** @param {Translator} i18n */
  _makePickers(i18n) {
    this._pickers = h(
      "div",
      { class: "pickers" },
      this._picker(i18n, "opsPickSection", (seat) => seat.section ?? ""),
      this._picker(i18n, "opsPickRow", (seat) => [seat.section, seat.row].filter(Boolean).join(" · ")),
      this._picker(i18n, "opsPickPrice", (seat) => seat.category ?? ""),
    );
    return this._pickers;
  }

  /** A list whose entries add their seats: by section, row or price. @param {Translator} i18n @param {string} label @param {(seat: Seat) => string} of */
  _picker(i18n, label, of) {
    const groups = Map.groupBy(this._seats.keys(), (n) => of(this._seats[n]));
    const options = [...groups].map(([name, seats]) =>
      h("option", { value: name }, `${name || "–"} (${i18n.count(seats.length)})`),
    );
    const select = h("select", {}, h("option", { value: "" }, i18n.t("opsPick")), ...options);
    select.addEventListener("change", () => {
      const seats = groups.get(select.value);
      if (seats && select.selectedIndex > 0) this.toggleAll(seats);
      select.selectedIndex = 0;
    });
    return h("label", {}, i18n.t(label), select);
  }

  /** Do the opposite of the last blocking or unblocking. */
  async _undo() {
    const last = this._last;
    if (!last) return;
    this._last = null;
    const opposite = last.action === "block" ? "unblock" : "block";
    for (const [reason, seats] of last.seats) if (!(await this._hooks.act(opposite, seats, reason))) break;
    this._draw();
  }

  /** @param {Translator} i18n @param {Show | null} show */
  draw(i18n, show) {
    if (this._i18n !== i18n) this._pickers = null;
    this._i18n = i18n;
    this._show = show;
    this._draw();
  }

  _draw() {
    const { _i18n: i18n, _show: show } = this;
    if (!i18n || !show) {
      this.element.replaceChildren();
      return;
    }
    const field = h("textarea", { id: "seats", rows: 2, spellcheck: "false", placeholder: i18n.t("opsSeatsHint") });
    field.value = this._typed;
    field.addEventListener("input", () => {
      this._typed = field.value;
      this._hooks.selectionChanged();
      unknown.replaceChildren(this._unknown(i18n));
    });
    const reason = h("input", { id: "reason", type: "text", maxlength: 200, value: this._reason, autocomplete: "off" });
    reason.addEventListener("input", () => {
      this._reason = reason.value;
    });
    const unknown = h("div", { role: "status" }, this._unknown(i18n));
    this.element.replaceChildren(
      h("h2", {}, i18n.t("opsSales")),
      h("div", { class: "row" }, ...salesActions(show).map((action) => this._button(i18n, action))),
      h("h2", {}, i18n.t("opsBlocking")),
      h("label", { for: "seats" }, i18n.t("opsSeatsLabel")),
      field,
      unknown,
      this._pickers ?? this._makePickers(i18n),
      h("label", { for: "reason" }, i18n.t("opsReasonLabel")),
      reason,
      h(
        "div",
        { class: "row" },
        this._button(i18n, "block"),
        this._button(i18n, "unblock"),
        this._last
          ? h(
              "button",
              { class: "button", type: "button", "data-act": "undo", onclick: () => this._undo() },
              i18n.t("opsUndo"),
            )
          : null,
      ),
      ...(this._asking ? [this._question(i18n, this._asking)] : []),
    );
  }

  /** How many seats are chosen, and what is typed that is no seat. @param {Translator} i18n */
  _unknown(i18n) {
    const { chosen, unknown } = this._parse();
    const words = [
      chosen.size ? i18n.t("opsChosen", { n: chosen.size }) : "",
      unknown.length ? i18n.t("opsUnknown", { seats: i18n.list(unknown.slice(0, 12)) }) : "",
    ];
    return h("p", { class: unknown.length ? "error" : "hint" }, words.filter(Boolean).join(" "));
  }

  /** @param {Translator} i18n @param {Action} action */
  _button(i18n, action) {
    const ask = () => this._ask(action);
    return h(
      "button",
      { class: "button", type: "button", "data-act": action, onclick: ask },
      i18n.t(`opsDo_${action}`),
    );
  }

  /** @param {Translator} i18n @param {Action} action */
  _question(i18n, action) {
    return question(
      i18n.t(`opsDo_${action}`),
      i18n.t(`opsAsk_${action}`, { n: this.chosen.size }),
      { words: i18n.t("opsYes"), act: () => this._act(action) },
      { words: i18n.t("opsNo"), act: () => this._cancel(action) },
    );
  }

  /** @param {Action} action */
  _ask(action) {
    if (needsSeats(action) && !this.chosen.size) {
      this._hooks.noSeats();
      this._focus("#seats");
      return;
    }
    this._asking = action;
    this._draw();
    this._focus(".question .primary");
  }

  /** @param {Action} action */
  _cancel(action) {
    this._asking = "";
    this._draw();
    this._focus(`[data-act="${action}"]`);
  }

  /** @param {Action} action */
  async _act(action) {
    this._asking = "";
    const seats = needsSeats(action) ? [...this.chosen].map((index) => this._seats[index].id) : undefined;
    const reason = action === "block" ? this._reason.trim() : "";
    const byReason = Map.groupBy(seats ?? [], (seat) => (action === "block" ? reason : this._hooks.reasonOf(seat)));
    const done = await this._hooks.act(action, seats, reason);
    if (done && seats) {
      this._last = { action, seats: byReason };
      this._typed = this._reason = "";
      this._hooks.selectionChanged();
    }
    this._draw();
    this._focus(`[data-act="${action}"]`);
  }

  /** @param {string} selector */
  _focus(selector) {
    /** @type {HTMLElement | null} */ (this.element.querySelector(selector))?.focus();
  }
}

/** Only a show that is closed or has begun can be archived. @param {Show} show @returns {Action[]} */
function salesActions({ status, starts_at }) {
  const archivable = status === "closed" || Date.parse(starts_at) < Date.now();
  return archivable ? ["open", "pause", "close", "archive"] : ["open", "pause", "close"];
}

/** @param {Action} action */
function needsSeats(action) {
  return action === "block" || action === "unblock";
}
