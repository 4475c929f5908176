/**
 * The page of one show: its map now and at any time of its sale, live holds, log, and what can be done to it.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Action } from "./sale-actions.js"
 * @import { ShowEvent } from "./replay.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { unpack } from "../seat-map/seat-states.js";
import { ApiError, ask } from "./api.js";
import { DotMap } from "./dot-map.js";
import { Replay } from "./replay.js";
import { ReplayPlayer } from "./replay-player.js";
import { SaleActions } from "./sale-actions.js";
import { countStatuses, countsList, holdsList, logTable, showHead } from "./show-parts.js";

const EVERY_MS = 1500;
const SHOWN_EVENTS = 100;
/** A replay reads the log in pages, up to this many events. */
const LOG_PAGE = 500;
const MAX_EVENTS = 20000;

/** @typedef {{id: string, state: string, seats: number[], expires_at: number}} LiveHold */
/** @typedef {{id: string, title: string, theatre_name: string, city: string, starts_at: string, status: string, layout: string}} Show */

export class ShowPage {
  /** @param {HTMLElement} screen @param {string} id @param {(why?: string) => void} leave */
  constructor(screen, id, leave) {
    this._screen = screen;
    this._path = encodeURIComponent(id);
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
    /** When holds and log were read, ms since the epoch by the server's clock. */
    this._now = 0;
    this._timer = 0;
    this._problem = "";
    this._done = "";
    /** @type {DotMap | null} */
    this._map = null;
    this._canvas = h("canvas", { class: "dots", role: "img" });
    this._replay = new ReplayPlayer({ load: () => this._loadReplay(), changed: () => this._drawMap() });
    this._actions = new SaleActions({
      act: (action, seats) => this._act(action, seats),
      selectionChanged: () => {
        // What was said before is about other seats.
        if (this._actions.chosen.size) this._done = this._problem = "";
        this._draw();
      },
      noSeats: () => this._explain(/** @type {Translator} */ (this._i18n).t("opsNoSeats")),
    });
    this._parts = {
      head: h("div", { class: "head" }),
      notice: h("div", { "aria-live": "polite" }),
      counts: h("ul", { class: "counts" }),
      holds: h("section", { class: "holds" }),
      log: h("section", { class: "log" }),
    };
  }

  /** @param {Translator} i18n */
  async start(i18n) {
    this.localize(i18n);
    await this._load();
    this._actions.draw(/** @type {Translator} */ (this._i18n), this._show);
    this._ask();
  }

  stop() {
    clearTimeout(this._timer);
    this._replay.stop();
    this._map?.destroy();
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    const { head, notice, counts, holds, log } = this._parts;
    this._screen.replaceChildren(
      h("a", { class: "back", href: "/ops" }, icon("back"), i18n.t("opsTitle")),
      head,
      notice,
      h(
        "div",
        { class: "desk" },
        h("div", { class: "view" }, counts, this._canvas, this._replay.element),
        h("div", { class: "side" }, this._actions.element, holds),
      ),
      log,
    );
    this._draw();
    this._actions.draw(i18n, this._show);
  }

  /** What does not change while the page is open. */
  async _load() {
    try {
      this._show = /** @type {Show} */ (await ask(`/shows/${this._path}`));
      const layout = await ask(`/layouts/${this._show.layout}`);
      this._seats = layout.seats;
      this._statuses = new Uint8Array(this._seats.length);
      this._actions.setSeats(this._seats);
      this._map = new DotMap(this._canvas, this._seats);
      this._map.addEventListener("choose", (event) => this._actions.toggle(/** @type {CustomEvent} */ (event).detail));
      this._map.addEventListener("chooseall", (event) =>
        this._actions.toggleAll(/** @type {CustomEvent} */ (event).detail),
      );
      this._problem = "";
    } catch (error) {
      this._fail(error);
      if (error instanceof ApiError && error.code === "offline") {
        setTimeout(() => this.start(/** @type {Translator} */ (this._i18n)), EVERY_MS);
      }
    }
    this._draw();
  }

  async _ask() {
    if (!this._show) return;
    try {
      const [show, map, live, log] = await Promise.all([
        ask(`/shows/${this._path}`),
        ask(`/shows/${this._path}/seats`),
        ask(`/ops/shows/${this._path}`),
        ask(`/ops/shows/${this._path}/log?count=${SHOWN_EVENTS}`),
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
    if (!(error instanceof ApiError)) throw error;
    if (error.status === 403) this._leave("opsWrongKey");
    const i18n = /** @type {Translator} */ (this._i18n);
    this._problem = i18n.has(`err_${error.code}`) ? i18n.t(`err_${error.code}`) : error.message;
  }

  /** @param {string} problem */
  _explain(problem) {
    this._problem = problem;
    this._draw();
  }

  // --- drawing -----------------------------------------------------------------------------------------------------
  _draw() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const { head, holds, log, notice } = this._parts;
    notice.replaceChildren(
      ...(this._problem ? [errorLine(this._problem)] : []),
      ...(this._done ? [h("p", { class: "done" }, icon("check"), h("span", {}, this._done))] : []),
    );
    if (!this._show) {
      head.replaceChildren(h("h1", {}, this._problem ? this._id : i18n.t("loading")));
      return;
    }
    head.replaceChildren(...showHead(i18n, this._show));
    this._drawMap();
    this._replay.draw(i18n);
    holds.replaceChildren(...holdsList(i18n, this._holds, this._seats, this._now));
    log.replaceChildren(...logTable(i18n, this._log, this._seats));
  }

  _drawMap() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const statuses = this._replay.statuses(this._statuses);
    const counts = countStatuses(statuses);
    const [free, held, sold, blocked] = counts;
    this._parts.counts.replaceChildren(...countsList(i18n, counts));
    this._canvas.setAttribute("aria-label", i18n.t("opsMapLabel", { free, held, sold, blocked }));
    this._map?.set(statuses, this._actions.chosen);
  }

  // --- acting ------------------------------------------------------------------------------------------------------
  /** @param {Action} action @param {string[] | undefined} seats @returns {Promise<boolean>} whether it was done */
  async _act(action, seats) {
    const i18n = /** @type {Translator} */ (this._i18n);
    this._done = this._problem = "";
    try {
      await ask(`/shows/${this._path}/${action}`, seats ? { seats } : {});
      this._done = i18n.t(`opsDone_${action}`, { n: seats?.length ?? 0 });
      this._show = /** @type {Show} */ (await ask(`/shows/${this._path}`));
    } catch (error) {
      this._fail(error);
    }
    this._draw();
    this._actions.draw(i18n, this._show);
    return this._done !== "";
  }

  /** Read the whole log. @returns {Promise<Replay | null>} */
  async _loadReplay() {
    /** @type {ShowEvent[]} */
    const log = [];
    try {
      while (log.length < MAX_EVENTS) {
        const before = log.length ? `&before=${log[log.length - 1].id}` : "";
        const { events } = await ask(`/ops/shows/${this._path}/log?count=${LOG_PAGE}${before}`);
        log.push(...events);
        if (events.length < LOG_PAGE) break;
      }
    } catch (error) {
      this._fail(error);
      this._draw();
      return null;
    }
    return new Replay(log.reverse(), this._statuses);
  }
}
