/**
 * The seats that this browser holds, with the time that is left, on pages other than the one where they were chosen.
 *
 * @import { Hold, Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 * @import { BookingRecord } from "./record.js"
 */
import { h, icon } from "../app/dom.js";
import { Drawn, keepFocus } from "../app/redraw.js";
import { ServerClock } from "./clock.js";
import { fetchAsOwner } from "./owner.js";
import { allRecords } from "./record.js";
import { clockText } from "./time-left.js";

/** @typedef {{show: string, title: string, seats: string[], expires: number}} LiveHold `seats` as they are printed */

export class LiveHolds {
  /** @param {HTMLElement} place @param {string} [except] the show whose hold the page shows anyway */
  constructor(place, except = "") {
    this._place = place;
    this._except = except;
    this._clock = new ServerClock();
    /** @type {LiveHold[]} */
    this._holds = [];
    /** @type {Translator | null} */
    this._i18n = null;
    this._drawn = new Drawn();
    this._timer = 0;
    addEventListener("storage", () => this.refresh());
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.refresh();
    });
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this._drawn.forget();
    this._draw();
  }

  /** Ask the server which of the holds that were written down are live. */
  async refresh() {
    const records = allRecords().filter(([show, record]) => show !== this._except && record.hold && !record.booking);
    const found = await Promise.all(records.map(([show, record]) => this._ask(show, record).catch(() => null)));
    this._holds = /** @type {LiveHold[]} */ (found.filter(Boolean));
    this._draw();
    clearInterval(this._timer);
    if (this._holds.length) this._timer = setInterval(() => this._tick(), 1000);
  }

  /** @param {string} show @param {BookingRecord} record @returns {Promise<LiveHold | null>} */
  async _ask(show, { hold: held = "", names = {} }) {
    const asked = performance.now();
    const answer = await get(`/holds/${encodeURIComponent(held)}`);
    const hold = /** @type {Hold} */ (answer.hold);
    this._clock.set(answer.server_time, asked);
    if (hold.state !== "held" || hold.expires_at <= this._clock.now()) return null;
    const { title } = /** @type {Show} */ (await get(`/shows/${encodeURIComponent(show)}`));
    return { show, title, seats: hold.seats.map((id) => names[id] ?? id), expires: hold.expires_at };
  }

  _tick() {
    const now = this._clock.now();
    const live = this._holds.filter(({ expires }) => expires > now);
    if (live.length !== this._holds.length) {
      this._holds = live;
      this._draw();
    }
    if (!live.length) clearInterval(this._timer);
    for (const [n, digits] of [...this._place.querySelectorAll(".live-hold-left")].entries())
      digits.textContent = clockText(Math.ceil((live[n].expires - now) / 1000));
  }

  _draw() {
    const i18n = this._i18n;
    if (!i18n || this._drawn.has(this._holds)) return;
    const now = this._clock.now();
    const links = this._holds.map(({ show, title, seats, expires }) =>
      h(
        "a",
        {
          class: "live-hold",
          href: `/shows/${encodeURIComponent(show)}`,
          "data-key": `hold-${show}`,
          "data-hold-of": show,
        },
        icon("clock"),
        h(
          "span",
          { class: "live-hold-what" },
          h("b", {}, i18n.name(title)),
          h("span", {}, i18n.t("liveHold", { seats: i18n.list(seats) })),
        ),
        h("span", { class: "live-hold-left", role: "timer" }, clockText(Math.ceil(Math.max(0, expires - now) / 1000))),
        icon("next"),
      ),
    );
    keepFocus(() => this._place.replaceChildren(...links));
  }
}

/** @param {string} path @returns {Promise<any>} */
async function get(path) {
  const answer = await fetchAsOwner(path);
  if (!answer.ok) throw new Error(`HTTP ${answer.status}`);
  return answer.json();
}
