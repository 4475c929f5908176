/**
 * One show: its map now and at any time of its sale, holds by age, its log; sales and blocked seats.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { ShowEvent } from "./replay.js"
 */
import { h, icon } from "../app/dom.js";
import { unpack } from "../seat-map/seat-states.js";
import { ask, Refused } from "./api.js";
import { DotMap } from "./dot-map.js";
import { Replay, STATUS } from "./replay.js";

const EVERY_MS = 1500;
const MOST_EVENTS = 20000;
const SHOWN_EVENTS = 100;
const SHOWN_HOLDS = 30;
const PLAY_S = 15;

/** @typedef {{id: string, state: string, seats: number[], expires_at: number}} LiveHold */
/** @typedef {{id: string, title: string, theatre_name: string, city: string, starts_at: string, status: string, sales: string, layout: string}} Show */

export class ShowRoom {
  /** @param {HTMLElement} screen @param {string} id @param {(why?: string) => void} leave */
  constructor(screen, id, leave) {
    this._screen = screen;
    this._id = id;
    this._leave = leave;
    /** @type {Show | null} */
    this._show = null;
    /** @type {{id: string, x: number, y: number}[]} */
    this._seats = [];
    /** @type {Uint8Array} */
    this._statuses = new Uint8Array();
    /** The newest first. @type {ShowEvent[]} */
    this._log = [];
    /** @type {LiveHold[]} */
    this._holds = [];
    this._now = 0;
    /** @type {Replay | null} */
    this._replay = null;
    this._step = 0;
    this._playing = 0;
    this._timer = 0;
    this._problem = "";
    this._done = "";
    /** What waits to be confirmed. @type {"" | "pause" | "open" | "close" | "block" | "unblock"} */
    this._asking = "";
    this._typed = "";
    /** @type {DotMap | null} */
    this._map = null;
    this._canvas = h("canvas", { class: "dots", role: "img" });
    this._parts = {
      head: h("div", { class: "head" }),
      notice: h("div", { "aria-live": "polite" }),
      counts: h("ul", { class: "counts" }),
      replay: h("div", { class: "replay" }),
      actions: h("section", { class: "actions" }),
      holds: h("section", { class: "holds" }),
      log: h("section", { class: "log" }),
    };
  }

  /** @param {Translator} i18n */
  async start(i18n) {
    this.localize(i18n);
    await this._load();
    this._drawActions();
    this._ask();
  }

  stop() {
    clearTimeout(this._timer);
    clearInterval(this._playing);
    this._map?.destroy();
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    const { head, notice, counts, replay, actions, holds, log } = this._parts;
    this._screen.replaceChildren(
      h("a", { class: "back", href: "/ops" }, icon("back"), i18n.t("opsTitle")),
      head,
      notice,
      h(
        "div",
        { class: "desk" },
        h("div", { class: "view" }, counts, this._canvas, replay),
        h("div", { class: "side" }, actions, holds),
      ),
      log,
    );
    this._draw();
    this._drawActions();
  }

  /** What does not change while we look. */
  async _load() {
    try {
      this._show = /** @type {Show} */ (await ask(`/shows/${encodeURIComponent(this._id)}`));
      const layout = await ask(`/layouts/${this._show.layout}`);
      this._seats = layout.seats;
      this._statuses = new Uint8Array(this._seats.length);
      this._map = new DotMap(this._canvas, this._seats);
      this._map.addEventListener("choose", (event) => this._choose(/** @type {CustomEvent} */ (event).detail));
      this._problem = "";
    } catch (error) {
      this._fail(error);
      if (error instanceof Refused && error.code === "offline")
        setTimeout(() => this.start(/** @type {Translator} */ (this._i18n)), EVERY_MS);
    }
    this._draw();
  }

  async _ask() {
    if (!this._show) return;
    const id = encodeURIComponent(this._id);
    try {
      const [show, map, live, log] = await Promise.all([
        ask(`/shows/${id}`),
        ask(`/shows/${id}/seats`),
        ask(`/ops/shows/${id}`),
        ask(`/ops/shows/${id}/log?count=${SHOWN_EVENTS}`),
      ]);
      this._show = show;
      this._statuses = unpack(map.seats).subarray(0, this._seats.length);
      this._holds = live.holds;
      this._now = live.time;
      this._log = log.events;
      this._problem = "";
    } catch (error) {
      this._fail(error);
    }
    this._draw();
    this._timer = setTimeout(() => this._ask(), EVERY_MS);
  }

  /** @param {unknown} error */
  _fail(error) {
    if (!(error instanceof Refused)) throw error;
    if (error.status === 403) this._leave("opsWrongKey");
    this._problem = /** @type {Translator} */ (this._i18n).has(`err_${error.code}`)
      ? /** @type {Translator} */ (this._i18n).t(`err_${error.code}`)
      : error.message;
  }

  // --- drawing -----------------------------------------------------------------------------------------------------
  _draw() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const show = this._show;
    this._parts.notice.replaceChildren(
      ...(this._problem ? [h("p", { class: "error" }, icon("alert"), h("span", {}, this._problem))] : []),
      ...(this._done ? [h("p", { class: "done" }, icon("check"), h("span", {}, this._done))] : []),
    );
    if (!show) {
      this._parts.head.replaceChildren(h("h1", {}, this._problem ? this._id : i18n.t("loading")));
      return;
    }
    this._parts.head.replaceChildren(
      h(
        "div",
        {},
        h("h1", {}, show.title),
        h(
          "p",
          { class: "hint" },
          `${show.theatre_name}, ${show.city} · ${i18n.day(show.starts_at)}, ${i18n.time(show.starts_at)}`,
        ),
      ),
      h(
        "span",
        { class: `pill ${show.status}` },
        i18n.t(show.status === "live" ? "opsOnSale" : `status_${show.status}`),
      ),
    );
    this._drawMap();
    this._drawReplay();
    this._drawHolds();
    this._drawLog();
  }

  _drawMap() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const statuses = this._replay ? this._replay.after(this._step) : this._statuses;
    const counts = [0, 0, 0, 0];
    for (const status of statuses) counts[status]++;
    this._parts.counts.replaceChildren(
      ...STATUS.map((name, n) =>
        h(
          "li",
          { class: name },
          h("i", { "aria-hidden": "true" }),
          h("b", {}, i18n.count(counts[n])),
          h("span", {}, i18n.t(`ops_${name}`)),
        ),
      ),
    );
    this._canvas.setAttribute(
      "aria-label",
      i18n.t("opsMapLabel", { free: counts[0], held: counts[1], sold: counts[2], blocked: counts[3] }),
    );
    this._map?.set(statuses, new Set(this._chosen().map(([index]) => index)));
  }

  _drawReplay() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const part = this._parts.replay;
    if (!this._replay) {
      if (!part.querySelector("button.begin"))
        part.replaceChildren(
          h(
            "button",
            { class: "button begin", type: "button", onclick: () => this._beginReplay() },
            icon("clock"),
            i18n.t("opsReplay"),
          ),
        );
      return;
    }
    const event = this._replay.events[this._step - 1];
    const when = event ? `${i18n.clock(event.time)} · ${i18n.t(`ops_${event.kind}`)}` : i18n.t("opsReplayStart");
    const slider = /** @type {HTMLInputElement | null} */ (part.querySelector("input"));
    if (!slider) {
      const made = h("input", {
        type: "range",
        min: 0,
        max: this._replay.events.length,
        value: this._step,
        "aria-label": i18n.t("opsReplayTime"),
      });
      made.addEventListener("input", () => this._goTo(Number(made.value)));
      part.replaceChildren(
        h("button", { class: "button play", type: "button", onclick: () => this._play() }, i18n.t("opsPlay")),
        made,
        h("output", {}),
        h("button", { class: "button", type: "button", onclick: () => this._endReplay() }, i18n.t("opsBackToNow")),
      );
    } else slider.value = String(this._step);
    const input = /** @type {HTMLInputElement} */ (part.querySelector("input"));
    input.setAttribute("aria-valuetext", when);
    /** @type {HTMLElement} */ (part.querySelector("output")).textContent = when;
    /** @type {HTMLElement} */ (part.querySelector(".play")).textContent = i18n.t(
      this._playing ? "opsStop" : "opsPlay",
    );
  }

  /**
   * Names of seats with commas between them; a line may end after a comma, not within a name.
   * @param {number[]} seats
   */
  _names(seats) {
    return seats.flatMap((seat, n) => [
      n > 0 && ", ",
      h("i", { class: "name" }, this._seats[seat]?.id ?? String(seat)),
    ]);
  }

  _drawHolds() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const rows = this._holds.slice(0, SHOWN_HOLDS).map((hold) => {
      const left = Math.max(0, Math.round((hold.expires_at - this._now) / 1000));
      return h(
        "li",
        {},
        h("b", {}, ...this._names(hold.seats)),
        h("span", {}, hold.state === "confirming" ? i18n.t("opsConfirming") : i18n.t("opsLeft", { n: left })),
      );
    });
    this._parts.holds.replaceChildren(
      h("h2", {}, i18n.t("opsHolds", { n: this._holds.length })),
      rows.length ? h("ul", {}, ...rows) : h("p", { class: "hint" }, i18n.t("opsNoHolds")),
    );
  }

  _drawLog() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const rows = this._log.map((event) => {
      const seats = STATUS.flatMap((name) => event[name] ?? []);
      const [first = "", ...more] = event.hold.split(" ");
      const holds = (first.split(".").at(-1) ?? "") + (more.length ? ` +${more.length}` : "");
      return h(
        "tr",
        {},
        h("td", {}, i18n.clock(event.time)),
        h("td", {}, i18n.t(`ops_${event.kind}`)),
        h("td", {}, ...this._names(seats.slice(0, 8)), seats.length > 8 && ` +${seats.length - 8}`),
        h("td", { class: "hold" }, holds),
      );
    });
    const head = ["opsWhen", "opsWhat", "opsSeats", "opsHold"].map((name) => h("th", { scope: "col" }, i18n.t(name)));
    this._parts.log.replaceChildren(
      h("h2", {}, i18n.t("opsLog")),
      rows.length
        ? h(
            "div",
            { class: "scroll", tabindex: 0, role: "region", "aria-label": i18n.t("opsLog") },
            h("table", {}, h("thead", {}, h("tr", {}, ...head)), h("tbody", {}, ...rows)),
          )
        : h("p", { class: "hint" }, i18n.t("opsNoLog")),
    );
  }

  _drawActions() {
    const i18n = /** @type {Translator} */ (this._i18n);
    if (!this._show) {
      this._parts.actions.replaceChildren();
      return;
    }
    const button = (
      /** @type {"pause" | "open" | "close" | "block" | "unblock"} */ what,
      /** @type {boolean} */ off = false,
    ) =>
      h(
        "button",
        { class: "button", type: "button", "data-act": what, disabled: off, onclick: () => this._wonder(what) },
        i18n.t(`opsDo_${what}`),
      );
    const field = h("textarea", { id: "seats", rows: 2, spellcheck: "false", placeholder: i18n.t("opsSeatsHint") });
    field.value = this._typed;
    field.addEventListener("input", () => {
      this._typed = field.value;
      this._drawMap();
    });
    this._parts.actions.replaceChildren(
      h("h2", {}, i18n.t("opsSales")),
      h(
        "div",
        { class: "row" },
        button("open", this._show.sales === "open"),
        button("pause", this._show.sales === "paused"),
        button("close", this._show.sales === "closed"),
      ),
      h("h2", {}, i18n.t("opsBlocking")),
      h("label", { for: "seats" }, i18n.t("opsSeatsLabel")),
      field,
      h("div", { class: "row" }, button("block"), button("unblock")),
      ...(this._asking ? [this._question()] : []),
    );
  }

  _question() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const n = this._chosen().length;
    return h(
      "div",
      { class: "question", role: "alertdialog", "aria-label": i18n.t(`opsDo_${this._asking}`) },
      h("p", {}, i18n.t(`opsAsk_${this._asking}`, { n })),
      h(
        "div",
        { class: "row" },
        h("button", { class: "button primary", type: "button", onclick: () => this._act() }, i18n.t("opsYes")),
        h("button", { class: "button", type: "button", onclick: () => this._wonder("") }, i18n.t("opsNo")),
      ),
    );
  }

  // --- acting ------------------------------------------------------------------------------------------------------
  /** Seats that are typed and exist: index and id. @returns {[number, string][]} */
  _chosen() {
    const index = new Map(this._seats.map((seat, n) => [seat.id, n]));
    const typed = new Set(this._typed.split(/[\s,;]+/).filter(Boolean));
    return [...typed].flatMap((id) => (index.has(id) ? [/** @type {[number, string]} */ ([index.get(id), id])] : []));
  }

  /** @param {number} index */
  _choose(index) {
    const typed = new Set(this._typed.split(/[\s,;]+/).filter(Boolean));
    const { id } = this._seats[index];
    if (!typed.delete(id)) typed.add(id);
    this._typed = [...typed].join(", ");
    this._drawActions();
    this._drawMap();
  }

  /** @param {"" | "pause" | "open" | "close" | "block" | "unblock"} what */
  _wonder(what) {
    const i18n = /** @type {Translator} */ (this._i18n);
    if ((what === "block" || what === "unblock") && !this._chosen().length) {
      this._problem = i18n.t("opsNoSeats");
      this._draw();
      /** @type {HTMLElement | null} */ (this._screen.querySelector("#seats"))?.focus();
      return;
    }
    const before = this._asking;
    this._asking = what;
    this._problem = "";
    this._drawActions();
    const next = what ? ".question .primary" : `[data-act="${before}"]`;
    /** @type {HTMLElement | null} */ (this._screen.querySelector(next))?.focus();
  }

  async _act() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const what = this._asking;
    this._asking = "";
    const seats = what === "block" || what === "unblock" ? this._chosen().map(([, id]) => id) : undefined;
    try {
      await ask(`/shows/${encodeURIComponent(this._id)}/${what}`, seats ? { seats } : {});
      this._done = i18n.t(`opsDone_${what}`, { n: seats?.length ?? 0 });
      this._problem = "";
      if (seats) this._typed = "";
      this._show = /** @type {Show} */ (await ask(`/shows/${encodeURIComponent(this._id)}`));
    } catch (error) {
      this._done = "";
      this._fail(error);
    }
    this._draw();
    this._drawActions();
    /** @type {HTMLElement | null} */ (this._screen.querySelector(`[data-act="${what}"]`))?.focus();
  }

  // --- replay ------------------------------------------------------------------------------------------------------
  async _beginReplay() {
    /** @type {ShowEvent[]} */
    const log = [];
    try {
      while (log.length < MOST_EVENTS) {
        const before = log.length ? `&before=${log[log.length - 1].id}` : "";
        const { events } = await ask(`/ops/shows/${encodeURIComponent(this._id)}/log?count=500${before}`);
        log.push(...events);
        if (events.length < 500) break;
      }
    } catch (error) {
      this._fail(error);
      this._draw();
      return;
    }
    this._replay = new Replay(log.reverse(), this._statuses);
    this._parts.replay.replaceChildren();
    this._goTo(this._replay.events.length);
    /** @type {HTMLElement | null} */ (this._parts.replay.querySelector("input"))?.focus();
  }

  /** @param {number} step */
  _goTo(step) {
    this._step = step;
    this._drawMap();
    this._drawReplay();
  }

  _play() {
    if (!this._replay) return;
    if (this._playing) {
      clearInterval(this._playing);
      this._playing = 0;
      this._drawReplay();
      return;
    }
    const most = this._replay.events.length;
    if (this._step >= most) this._step = 0;
    const stride = Math.max(1, Math.ceil(most / (PLAY_S * 10)));
    this._playing = setInterval(() => {
      if (this._step >= most) {
        clearInterval(this._playing);
        this._playing = 0;
      }
      this._goTo(Math.min(most, this._step + stride));
    }, 100);
    this._drawReplay();
  }

  _endReplay() {
    clearInterval(this._playing);
    this._playing = 0;
    this._replay = null;
    this._parts.replay.replaceChildren();
    this._drawMap();
    this._drawReplay();
    /** @type {HTMLElement | null} */ (this._parts.replay.querySelector("button"))?.focus();
  }
}
