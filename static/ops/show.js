/**
 * The page of one show: its map now and at any time of its sale, live holds, log, and what can be done to it.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { Action } from "./sale-actions.js"
 * @import { ShowEvent } from "./replay.js"
 */
import { errorLine, h, icon } from "../app/dom.js";
import { ApiError, ask, isKeyRefused } from "./api.js";
import { BlockList } from "./blocks.js";
import { Replay } from "./replay.js";
import { ReplayPlayer } from "./replay-player.js";
import { SaleActions } from "./sale-actions.js";
import { ShowMap } from "./show-map.js";
import { countStatuses, countsList, holdsList, logTable, showHead } from "./show-parts.js";

const EVERY_MS = 1500;
const BLOCKED = 3;
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
    /** @type {import("./seat-ids.js").Seat[]} */
    this._seats = [];
    /** @type {import("./blocks.js").Block[]} */
    this._blocks = [];
    /** How many seats were blocked when `_blocks` were read. */
    this._blocksRead = -1;
    /** The newest first. @type {ShowEvent[]} */
    this._log = [];
    /** @type {LiveHold[]} */
    this._holds = [];
    /** When holds and log were read, ms since the epoch by the server's clock. */
    this._now = 0;
    this._timer = 0;
    this._stopped = false;
    /** Why nothing can be read now. */
    this._cut = "";
    /** What an action led to. */
    this._problem = this._done = "";
    this._logDrawn = "";
    this._map = new ShowMap(id);
    this._replay = new ReplayPlayer({ load: () => this._loadReplay(), changed: () => this._replayed() });
    this._actions = new SaleActions({
      act: (action, seats, reason) => this._act(action, seats, reason),
      selectionChanged: () => {
        // What was said before is about other seats.
        if (this._actions.chosen.size) this._done = this._problem = "";
        this._map.choose(this._actions.chosen);
        this._draw();
      },
      noSeats: () => this._explain(/** @type {Translator} */ (this._i18n).t("opsNoSeats")),
      reasonOf: (id) => this._blocks.find(({ seat }) => seat === id)?.reason ?? "",
    });
    this._blockList = new BlockList(
      (seats) => this._actions.choose(seats),
      () => this._seats,
    );
    this._parts = {
      back: h("a", { class: "back", href: "/ops" }),
      head: h("div", { class: "head" }),
      notice: h("div", { "aria-live": "polite" }),
      counts: h("ul", { class: "counts" }),
      holds: h("section", { class: "holds" }),
      log: h("section", { class: "log" }),
    };
  }

  /** @param {Translator} i18n */
  async start(i18n) {
    const { back, head, notice, counts, holds, log } = this._parts;
    const tools = h("div", { class: "map-tools" }, this._map.drawing, this._replay.element);
    this._screen.replaceChildren(
      back,
      head,
      notice,
      h(
        "div",
        { class: "desk" },
        h("div", { class: "view" }, counts, this._map.element, tools),
        h("div", { class: "side" }, this._actions.element, this._blockList.element, holds),
      ),
      log,
    );
    this._map.addEventListener("ready", () => {
      this._seats = this._map.seats;
      this._actions.setSeats(this._seats);
      this._draw();
    });
    this._map.addEventListener("change", () => this._drawCounts());
    this._map.addEventListener("choose", (event) => this._actions.choose(/** @type {CustomEvent} */ (event).detail));
    this._map.addEventListener("chooseall", (event) =>
      this._actions.toggleAll(/** @type {CustomEvent} */ (event).detail),
    );
    this.localize(i18n);
    await this._ask();
    this._actions.draw(/** @type {Translator} */ (this._i18n), this._show);
  }

  stop() {
    this._stopped = true;
    clearTimeout(this._timer);
    this._replay.stop();
  }

  /** @param {Translator} i18n */
  localize(i18n) {
    this._i18n = i18n;
    this._parts.back.replaceChildren(icon("back"), i18n.t("opsTitle"));
    this._map.localize(i18n);
    this._draw();
    this._actions.draw(i18n, this._show);
  }

  async _ask() {
    try {
      const [show, live, log] = await Promise.all([
        ask(`/shows/${this._path}`),
        ask(`/ops/shows/${this._path}`),
        ask(`/ops/shows/${this._path}/log?count=${SHOWN_EVENTS}`),
      ]);
      this._show = show;
      this._holds = live.holds;
      this._now = live.time;
      this._log = log.events;
      await this._askBlocks();
      this._cut = "";
      if (!this._stopped) this._draw();
    } catch (error) {
      this._cut = this._words(error);
      if (!this._stopped) this._drawNotice();
      // There is no such show; anything else may pass.
      if (!this._show && error instanceof ApiError && error.status === 404) return;
    }
    if (!this._stopped) this._timer = setTimeout(() => this._ask(), EVERY_MS);
  }

  /** Read why seats are blocked, when others are blocked than before. */
  async _askBlocks() {
    const blocked = countStatuses(this._map.statuses)[BLOCKED];
    if (blocked === this._blocksRead) return;
    this._blocks = (await ask(`/ops/shows/${this._path}/blocks`)).blocks;
    this._blocksRead = blocked;
  }

  /** What to say about an error. @param {unknown} error */
  _words(error) {
    const i18n = /** @type {Translator} */ (this._i18n);
    if (!(error instanceof ApiError)) {
      reportError(error);
      return i18n.t("err_internal");
    }
    if (!this._stopped && isKeyRefused(error)) this._leave("opsWrongKey");
    return i18n.has(`err_${error.code}`) ? i18n.t(`err_${error.code}`) : error.message;
  }

  /** @param {string} problem */
  _explain(problem) {
    this._problem = problem;
    this._draw();
  }

  // --- drawing -----------------------------------------------------------------------------------------------------
  /** Say what can't be read, and what an action led to. */
  _drawNotice() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const { head, notice } = this._parts;
    notice.replaceChildren(
      ...[this._cut, this._problem].filter(Boolean).map((words) => errorLine(words)),
      ...(this._done ? [h("p", { class: "done" }, icon("check"), h("span", {}, this._done))] : []),
    );
    if (!this._show) head.replaceChildren(h("h1", {}, this._cut ? this._id : i18n.t("loading")));
  }

  _draw() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const { head, holds, log } = this._parts;
    this._drawNotice();
    if (!this._show) return;
    head.replaceChildren(...showHead(i18n, this._show));
    this._drawCounts();
    this._replay.draw(i18n);
    this._blockList.draw(i18n, this._blocks);
    holds.replaceChildren(...holdsList(i18n, this._holds, this._seats, this._now));
    // A table that is read or scrolled stays as it is while nothing has changed.
    const drawn = `${i18n.code} ${this._log[0]?.id} ${this._seats.length}`;
    if (drawn !== this._logDrawn) log.replaceChildren(...logTable(i18n, this._log, this._seats));
    this._logDrawn = drawn;
  }

  _drawCounts() {
    const i18n = /** @type {Translator} */ (this._i18n);
    const counts = countStatuses(this._replay.statuses(this._map.statuses));
    this._parts.counts.replaceChildren(...countsList(i18n, counts));
  }

  /** The replay shows another moment, or has ended. */
  _replayed() {
    this._map.showStatuses(this._replay.running ? this._replay.statuses(this._map.statuses) : null);
    this._drawCounts();
  }

  // --- acting ------------------------------------------------------------------------------------------------------
  /** @param {Action} action @param {string[] | undefined} seats @param {string} reason @returns {Promise<boolean>} whether it was done */
  async _act(action, seats, reason) {
    const i18n = /** @type {Translator} */ (this._i18n);
    this._done = this._problem = "";
    try {
      // The reason first: the audit log keeps the beginning of what was sent.
      await ask(`/shows/${this._path}/${action}`, { ...(reason ? { reason } : {}), ...(seats ? { seats } : {}) });
      if (action === "archive") {
        location.assign("/ops");
        return true;
      }
      this._blocksRead = -1;
      this._done = i18n.t(`opsDone_${action}`, { n: seats?.length ?? 0 });
      this._show = /** @type {Show} */ (await ask(`/shows/${this._path}`));
    } catch (error) {
      this._problem = this._words(error);
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
      this._problem = this._words(error);
      this._draw();
      return null;
    }
    return new Replay(log.reverse(), this._map.statuses);
  }
}
