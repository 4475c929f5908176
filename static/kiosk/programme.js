/**
 * Today's shows of one theatre, kept up to date, and whether the server can be reached at all.
 *
 * "Today" is the day in India by the server's clock: the clock of a kiosk may be wrong. It asks the node that served
 * the page, and other nodes when that one does not answer. Draws nothing.
 *
 * Events: `change`.
 *
 * @import { Show } from "../seat-map/types.js"
 */
import { recallList, remember } from "../app/page.js";
import { ServerClock } from "../booking/clock.js";
import { isOver } from "../seat-map/sales.js";

const NODES = "tickingtickets.nodes";
const ASK_EVERY_MS = 15000;
const ASK_AGAIN_MS = 2500;
const TIMEOUT_MS = 4000;
const ASK_OTHERS = 4;
const INDIA = new Intl.DateTimeFormat("en-CA", { timeZone: "Asia/Kolkata" });

/** @typedef {{id: string, name: string, city: string}} Theatre */
/** @typedef {"loading" | "open" | "cut" | "unknown" | "trouble"} State */

export class Programme extends EventTarget {
  /** @param {string} theatre id; "" when none was given */
  constructor(theatre) {
    super();
    this.id = theatre;
    this.clock = new ServerClock();
    /** @type {State} */
    this.state = "loading";
    /** @type {Theatre | null} */
    this.theatre = null;
    /** All theatres, when this one does not exist. @type {Theatre[]} */
    this.others = [];
    /** Origin of the node that answered last. */
    this.server = location.origin;
    /** @type {Show[]} */
    this._shows = [];
    /** @type {string[]} */
    this._nodes = [...new Set([location.origin, ...storedNodes()])];
    this._learned = false;
    this._timer = 0;
    this._drawn = "";
  }

  start() {
    addEventListener("online", () => this.ask());
    addEventListener("offline", () => this.ask());
    this.ask();
  }

  /** The shows of today, except those that are over. */
  get today() {
    const now = this.clock.now();
    return this._shows.filter((show) => {
      const at = Date.parse(show.starts_at);
      return INDIA.format(at) === INDIA.format(now) && !isOver(show, now);
    });
  }

  /** A show of any day, also one that is over; null if there is none. @param {string} id @returns {Promise<Show | null>} @throws {Error} without an answer */
  async find(id) {
    const listed = this._shows.find((show) => show.id === id);
    if (listed) return listed;
    const path = `/api/v1/shows/${encodeURIComponent(id)}`;
    const answer = await fetch(this.server + path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    const body = await answer.json();
    if (answer.ok) return body;
    if (body.error?.code === "show_not_found") return null;
    throw new Error(`HTTP ${answer.status}`);
  }

  /** Ask now, and regularly from now on. */
  async ask() {
    clearTimeout(this._timer);
    this._timer = setTimeout(() => this.ask(), 4 * TIMEOUT_MS);
    const state = await this._fetch();
    clearTimeout(this._timer);
    const wait = state === "open" || state === "unknown" ? ASK_EVERY_MS : ASK_AGAIN_MS;
    this._timer = setTimeout(() => this.ask(), wait * (0.8 + 0.4 * Math.random()));
    this._update(state);
  }

  /** @returns {Promise<State>} */
  async _fetch() {
    try {
      return await this._fetchFrom(this.server);
    } catch {
      // No valid answer: ask several other nodes at once, so that a failure is shown soon.
      const others = this._nodes.filter((node) => node !== this.server).sort(() => Math.random() - 0.5);
      return await Promise.any(others.slice(0, ASK_OTHERS).map((node) => this._fetchFrom(node))).catch(() => "cut");
    }
  }

  /** @param {string} node @returns {Promise<State>} */
  async _fetchFrom(node) {
    const asked = performance.now();
    const path = this.id ? `/api/v1/theatres/${encodeURIComponent(this.id)}/shows` : "/api/v1/theatres";
    const answer = await fetch(node + path, { signal: AbortSignal.timeout(TIMEOUT_MS), cache: "no-store" });
    const body = await answer.json();
    this.server = node;
    if (answer.ok && this.id) {
      this.clock.set(body.server_time, asked);
      this.theatre = body.theatre;
      this._shows = body.shows;
      if (!this._learned) this._learnNodes(node);
      return "open";
    }
    if (answer.ok || body.error?.code === "theatre_not_found" || body.error?.code === "not_found") {
      this.others = answer.ok ? body.theatres : await theatres(node);
      return "unknown";
    }
    if (body.error) return "trouble";
    throw new Error(`HTTP ${answer.status}`);
  }

  /** @param {string} node */
  async _learnNodes(node) {
    try {
      const answer = await fetch(`${node}/api/v1/config`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { nodes } = /** @type {{nodes: string[]}} */ (await answer.json());
      this._nodes = [...new Set([location.origin, ...nodes.map((url) => new URL(url).origin)])];
      this._learned = true;
      remember(NODES, JSON.stringify(this._nodes));
    } catch {
      // The next answer tries again.
    }
  }

  /** @param {State} state */
  _update(state) {
    const begun = this.today.filter(({ starts_at }) => Date.parse(starts_at) <= this.clock.now()).length;
    const drawn = JSON.stringify([state, this.theatre, this.today, begun, this.others]);
    this.state = state;
    if (drawn === this._drawn) return;
    this._drawn = drawn;
    this.dispatchEvent(new Event("change"));
  }
}

// A page that is loaded while its own node fails knows the others from the load before.
/** @returns {string[]} origins */
function storedNodes() {
  return recallList(NODES, (url) => typeof url === "string" && URL.canParse(url));
}

/** @param {string} node @returns {Promise<Theatre[]>} */
async function theatres(node) {
  const answer = await fetch(`${node}/api/v1/theatres`, { signal: AbortSignal.timeout(TIMEOUT_MS) });
  return (await answer.json()).theatres;
}
