/**
 * `<seat-map>`: a live seat map of one show. Two lines put it on any page:
 *
 *     <script type="module" src="https://tickets.example/static/seat-map/seat-map.js"></script>
 *     <seat-map server="https://tickets.example" show="west-screen-1-0930"></seat-map>
 *
 * Attributes
 *   server     origins of nodes, the one to begin with first, separated by spaces; default: where this module is from
 *   show       id of the show
 *   max-seats  most seats that may be chosen; default: the show's own limit
 *   locale     en or hi; default: en
 *   theme      light or dark; default: what the device prefers
 *   view       map or list; default: map
 *   readonly   nothing can be chosen
 *
 * Properties: `selection` (seat ids), `mine` (seat ids that are held or booked for this viewer; set it), `info` (the
 * show), `connection` (state), `status` (of the show), `painted`, `live` (the LiveShow behind it).
 * Methods: `select`, `deselect`, `clear`, `seat`, `seatState`, `isFree`, `nearest`, `reveal`, `pointOf`, `zoomBy`,
 * `showAll`, `hold`, `resume`, `extend`, `release`, `confirm`, `request`, `post`, `announce`.
 * Events (all bubble): `ready`, `showchange`, `selectionchange`, `seatlost`, `seatschange`, `statuschange`,
 * `holdexpired`, `bookingsettled`. Details, and the CSS variables: docs/seat-map.md.
 *
 * @import { HoldAck, SeatInfo, SeatStatus } from "./types.js"
 */
import { h, icon } from "../app/dom.js";
import { speaker } from "../i18n/i18n.js";
import { RequestError } from "./connection.js";
import { drawKey, drawLegend } from "./legend.js";
import { LiveShow } from "./live.js";
import { nearestFree } from "./nearby.js";
import { MINE, SELECTED } from "./painter.js";
import { FREE } from "./seat-states.js";
import { View } from "./view.js";
import { Words } from "./words.js";

/** @type {readonly SeatStatus[]} */
const NAMES = ["free", "held", "sold", "blocked", "unknown", "selected", "mine"];
const OFFERS = 3;
const SUMMARY_MS = 20000;

export class SeatMap extends HTMLElement {
  static observedAttributes = ["server", "show", "locale", "theme", "view"];

  constructor() {
    super();
    /** @type {LiveShow | null} */
    this.live = null;
    this._say = speaker("en");
    /** @type {Set<number>} */
    this._selected = new Set();
    /** @type {Set<number>} */
    this._mine = new Set();
    /** @type {string[]} ids set before the plan was here */
    this._mineIds = [];
    /** @type {Set<number>} asked for and not answered yet */
    this._pending = new Set();
    /** @type {Set<number>} categories filtered out */
    this._hidden = new Set();
    this._saidAt = 0;
    this._wasOffline = false;
    this._bannerTimer = 0;
    this._ready = false;
    this._dark = matchMedia("(prefers-color-scheme: dark)");
    this._restyle = () => this._applyTheme();
    this._words = new Words({
      layout: () => /** @type {import("./layout.js").Layout} */ (this._layout),
      prices: () => this.info?.prices ?? {},
      say: () => this._say,
      status: (seat) => NAMES[this._state(seat)],
      free: (section) => this._view.free(section),
    });
    /** @type {View} */
    this._view = new View(this, {
      say: () => this._say,
      state: (seat) => this._state(seat),
      status: (seat) => this.live?.states.of(seat) ?? 4,
      dimmed: (seat) => this._hidden.size > 0 && this._hidden.has(this._layout?.category[seat] ?? -1),
      own: () => [...this._mine, ...this._selected],
      describe: (seat) => this._words.describe(seat),
      choose: (seat) => this._toggle(seat),
      tip: (seat) => this._words.tip(seat),
      section: (section) => this._words.section(section),
      turn: () => this.setAttribute("view", this.view === "list" ? "map" : "list"),
    });
  }

  connectedCallback() {
    this._dark.addEventListener("change", this._restyle);
    this._view.connect();
    this._applyLocale();
    this._applyTheme();
    this._view.showList(this.view === "list");
    this._start();
  }

  disconnectedCallback() {
    this._dark.removeEventListener("change", this._restyle);
    this._view.disconnect();
    this.live?.stop();
    this.live = null;
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (!this.isConnected || before === now) return;
    if (name === "theme") this._applyTheme();
    else if (name === "locale") this._applyLocale();
    else if (name === "view") this._turn();
    else this._start();
  }

  // --- what a page reads and sets -----------------------------------------------------------------------------------
  /** Ids of the chosen seats, in the order of choosing. @returns {string[]} */
  get selection() {
    return [...this._selected].map((seat) => this._ids[seat]);
  }

  /** Ids of the seats that are held or booked for this viewer. @returns {string[]} */
  get mine() {
    return this._layout ? [...this._mine].map((seat) => this._ids[seat]) : this._mineIds;
  }

  set mine(ids) {
    this._mineIds = [...ids];
    const before = this._mine;
    this._mine = new Set(this._indices(ids));
    const chosen = [...this._mine].filter((seat) => this._selected.delete(seat));
    this._view.change(new Set([...before, ...this._mine]));
    if (chosen.length) this._selectionChanged();
  }

  /** The show, or null before it is known. */
  get info() {
    return this.live?.show ?? null;
  }

  /** @returns {import("./types.js").ConnectionState} */
  get connection() {
    return this.live?.connection.state ?? "connecting";
  }

  /** @returns {import("./types.js").ShowStatus} */
  get status() {
    return this.live?.status ?? "live";
  }

  /** What is seen: the map, or the same as a list. @returns {"map" | "list"} */
  get view() {
    return this.getAttribute("view") === "list" ? "list" : "map";
  }

  set view(view) {
    this.setAttribute("view", view);
  }

  /** Whether all that is in sight is painted, at the scale it is seen at. */
  get painted() {
    return this._ready && this._view.tiles.settled;
  }

  /** Most seats that may be chosen. */
  get maxSeats() {
    return Number(this.getAttribute("max-seats")) || this.info?.max_seats || 10;
  }

  /** @param {string} id @returns {SeatInfo | null} everything about a seat */
  seat(id) {
    const index = this._layout?.byId.get(id);
    return index === undefined ? null : this._words.info(index);
  }

  /** What is shown of a seat: a status, "selected" or "mine". @param {string} id @returns {SeatStatus} */
  seatState(id) {
    const index = this._layout?.byId.get(id);
    return index === undefined ? "unknown" : NAMES[this._state(index)];
  }

  /** Whether nobody has this seat, as far as we know. @param {string} id */
  isFree(id) {
    const index = this._layout?.byId.get(id);
    return index !== undefined && this.live?.states.of(index) === FREE;
  }

  /** The point of the viewport at which a click chooses this seat (once it is in sight, see `reveal`). @param {string} id */
  pointOf(id) {
    const box = this._view.field.getBoundingClientRect();
    const { x, y } = this._view.place(this._layout?.byId.get(id) ?? 0);
    return { x: box.left + x, y: box.top + y };
  }

  /** Glide to a seat until it can be read and chosen; resolves when it can. @param {string} id */
  async reveal(id) {
    const index = this._layout?.byId.get(id);
    if (index === undefined) return;
    this._view.reveal(index);
    while (this._view.camera.gliding) await new Promise((next) => requestAnimationFrame(next));
  }

  /** Come nearer (more than 1) or go back (less), around the middle. @param {number} factor */
  zoomBy(factor) {
    this._view.zoomBy(factor);
  }

  /** Show the whole plan. */
  showAll() {
    this._view.fit();
  }

  /** Choose a seat; false when it can't be. @param {string} id */
  select(id) {
    const index = this._layout?.byId.get(id);
    return index !== undefined && this._choose(index);
  }

  /** @param {string} id */
  deselect(id) {
    const index = this._layout?.byId.get(id);
    if (index !== undefined && this._selected.has(index)) this._drop(index);
  }

  clear() {
    const seats = [...this._selected];
    this._selected.clear();
    this._view.change(seats);
    if (seats.length) this._selectionChanged();
  }

  /** Free seats near one, best first. @param {string} id @param {number} [limit] @returns {string[]} */
  nearest(id, limit = OFFERS) {
    const index = this._layout?.byId.get(id);
    return index === undefined ? [] : this._nearest(index, limit).map((seat) => this._ids[seat]);
  }

  /** Tell screen readers. @param {string} text */
  announce(text) {
    this._view.announce(text);
  }

  // --- holds --------------------------------------------------------------------------------------------------------
  /**
   * Hold seats; safe to call again with the same `requestId`, after a reload too.
   * Seats that others were faster at are dropped from the selection and told at their place.
   * @param {string} requestId
   * @param {string[]} [seats] default: the selection
   * @returns {Promise<HoldAck>}
   * @throws {RequestError}
   */
  async hold(requestId, seats = this.selection) {
    this._pending = new Set(this._indices(seats));
    try {
      const ack = await this.request("seats:hold", { show: this.getAttribute("show"), seats, request_id: requestId });
      this.mine = [...new Set([...this.mine, ...ack.hold.seats])];
      return ack;
    } catch (error) {
      if (error instanceof RequestError && error.code === "seats_taken") {
        this._pending.clear();
        this._lose(this._indices(/** @type {string[]} */ (error.details.seats ?? [])));
      }
      throw error;
    } finally {
      this._pending.clear();
    }
  }

  /** Take a hold up again, and hear its news on this connection. @param {string} hold @returns {Promise<HoldAck>} */
  async resume(hold) {
    return this.request("hold:resume", { hold });
  }

  /** @param {string} hold @returns {Promise<HoldAck>} */
  async extend(hold) {
    return this.request("seats:extend", { hold });
  }

  /** @param {string} hold @param {string[]} [seats] */
  async release(hold, seats) {
    return this.request("seats:release", { hold, ...(seats ? { seats } : {}) });
  }

  /**
   * Book what is paid. With `seats` exactly these, whatever else the hold may have.
   * @param {string} hold
   * @param {string} payment
   * @param {string[]} [seats]
   * @returns {Promise<{ok: true, booking: import("./types.js").Booking}>}
   */
  async confirm(hold, payment, seats) {
    return this.request("seats:confirm", { hold, payment, ...(seats ? { seats } : {}) });
  }

  /** Any event of the protocol. @param {string} event @param {object} payload @returns {Promise<any>} @throws {RequestError} */
  async request(event, payload) {
    if (!this.live) throw new RequestError({ code: "offline", message: "", retryable: true });
    return this.live.connection.request(event, payload);
  }

  /** POST JSON to the node that we are connected to. @param {string} path @param {object} body @returns {Promise<any>} */
  async post(path, body) {
    if (!this.live) throw new RequestError({ code: "offline", message: "", retryable: true });
    return this.live.connection.http(path, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
    });
  }

  // --- inside: the show ---------------------------------------------------------------------------------------------
  get _layout() {
    // Taken out of the page, it still answers for what it showed: an answer may be on its way to it.
    return this.live ? this.live.layout : this._view.layout;
  }

  get _ids() {
    return this._layout?.ids ?? [];
  }

  /** @param {Iterable<string>} ids */
  _indices(ids) {
    /** @type {number[]} */
    const found = [];
    for (const id of ids) {
      const index = this._layout?.byId.get(id);
      if (index !== undefined) found.push(index);
    }
    return found;
  }

  get _nodes() {
    const named = (this.getAttribute("server") ?? "").split(/\s+/).filter((url) => URL.canParse(url));
    return named.length ? named.map((url) => new URL(url).origin) : [new URL(import.meta.url).origin];
  }

  _start() {
    const show = this.getAttribute("show");
    if (!this.isConnected || !show) return;
    this.live?.stop();
    this._selected.clear();
    this._mine.clear();
    this._ready = false;
    const live = new LiveShow(this._nodes, show);
    this.live = live;
    live.addEventListener("layout", () => this._layoutCame(live));
    live.addEventListener("seats", (event) => this._seatsChanged(/** @type {CustomEvent<number[]>} */ (event).detail));
    live.addEventListener("watched", () => this._watched());
    live.addEventListener("status", () => this._statusChanged());
    live.addEventListener("connection", () => this._statusChanged());
    live.addEventListener("failed", (event) => this._failed(/** @type {CustomEvent<string>} */ (event).detail));
    live.addEventListener("show", () => {
      this._emit("showchange", live.show);
      this._legend();
    });
    live.addEventListener("holdexpired", (event) =>
      this._emit("holdexpired", /** @type {CustomEvent} */ (event).detail),
    );
    live.addEventListener("bookingsettled", (event) =>
      this._emit("bookingsettled", /** @type {CustomEvent} */ (event).detail),
    );
    this._cover("mapLoading", true);
    live.start();
  }

  /** @param {LiveShow} live */
  _layoutCame(live) {
    const layout = live.layout;
    if (!layout) return;
    this._view.cover.hidden = true;
    this._view.grid.setAttribute("aria-label", this._say.t("mapLabel", { name: live.show?.title ?? layout.name }));
    if (this._mineIds.length) this._mine = new Set(this._indices(this._mineIds));
    this._view.setLayout(layout);
    this._view.overlay.own = [...this._mine, ...this._selected];
    this._legend();
    this._readyYet();
  }

  _watched() {
    if (this._wasOffline) this._banner(this._say.t("backOnline"), true);
    this._wasOffline = false;
    this._readyYet();
  }

  _readyYet() {
    if (this._ready || !this._layout?.complete || !this.live?.states.epoch) return;
    this._ready = true;
    this._emit("ready", this.info);
  }

  /** @param {number[]} changed */
  _seatsChanged(changed) {
    const layout = this._layout;
    if (layout) {
      const first = changed.length > layout.count / 2;
      if (first) this._view.repaint();
      else
        this._view.overlay.pulse(
          changed.filter((seat) => !this._mine.has(seat) && !this._pending.has(seat)),
          layout,
        );
      this._view.change(first ? [] : changed.filter((seat) => seat < layout.count));
      if (first) this._view.rows.reset(layout);
      if (first) this._view.list.reset(layout);
      this._view.recount(first);
    }
    const lost = changed.filter(
      (seat) => this._selected.has(seat) && !this._pending.has(seat) && this.live?.states.of(seat) !== FREE,
    );
    if (lost.length) this._lose(lost);
    this._emit("seatschange", { seats: changed.length });
    this._summary();
  }

  _statusChanged() {
    const { connection, status } = this;
    if (connection === "offline") this._wasOffline = true;
    if (connection === "offline") this._banner(this._say.t("conn_offline"));
    else if (status === "stale")
      this._banner(this._say.t("map_stale", { time: this._say.time(this.live?.staleSince || Date.now()) }));
    else if (status === "paused" || status === "closed") this._banner(this._say.t(`map_${status}`));
    else if (!this._wasOffline) this._banner("");
    this._emit("statuschange", { connection, status });
  }

  /** @param {string} code */
  _failed(code) {
    if (this._layout?.complete) return;
    const missing = code === "show_not_found" || code === "not_found";
    const say = this._say;
    const again = h("button", { class: "action", type: "button", onclick: () => this._again() }, say.t("tryAgain"));
    const home = h("a", { class: "action", href: `${this._nodes[0]}/` }, say.t("allShows"));
    this._view.cover.className = "cover";
    this._view.cover.replaceChildren(
      h("h2", {}, say.t(missing ? "mapMissing" : "mapFailed")),
      h("p", {}, say.t(missing ? "mapMissingHint" : "loadFailedHint")),
      missing ? home : again,
    );
    this._view.cover.hidden = false;
    this._emit("failed", { code });
  }

  _again() {
    this._cover("mapLoading", true);
    this.live?.retry();
  }

  // --- inside: choosing ---------------------------------------------------------------------------------------------
  /** @param {number} seat */
  _state(seat) {
    if (this._mine.has(seat)) return MINE;
    if (this._selected.has(seat)) return SELECTED;
    return this.live?.states.of(seat) ?? 4;
  }

  /** @param {number} seat */
  _toggle(seat) {
    if (this._selected.has(seat)) this._drop(seat);
    else this._choose(seat);
  }

  /** @param {number} seat */
  _choose(seat) {
    const say = this._say;
    if (this.hasAttribute("readonly") || this._selected.has(seat) || this._mine.has(seat)) return false;
    if (this._state(seat) !== FREE) {
      this.announce(
        say.t("takenSay", { seat: this._words.name(seat), state: say.t(`state_${NAMES[this._state(seat)]}`) }),
      );
      this._view.showTip(seat, true);
      return false;
    }
    if (this._selected.size >= this.maxSeats) {
      const words = say.t("tooMany", { n: this.maxSeats });
      this._banner(words, false, 4000);
      return false;
    }
    this._selected.add(seat);
    this._view.hideCallout();
    this._view.change([seat]);
    const { length } = this.selection;
    this.announce(say.t("chosenSay", { seat: this._words.name(seat), n: length, total: say.rupees(this._total()) }));
    this._selectionChanged();
    return true;
  }

  /** @param {number} seat */
  _drop(seat) {
    this._selected.delete(seat);
    this._view.change([seat]);
    this.announce(this._say.t("droppedSay", { seat: this._words.name(seat) }));
    this._selectionChanged();
  }

  _total() {
    return [...this._selected].reduce((sum, seat) => sum + (this._words.info(seat).price ?? 0), 0);
  }

  _selectionChanged() {
    this._emit("selectionchange", {
      seats: [...this._selected].map((seat) => this._words.info(seat)),
      total: this._total(),
    });
  }

  /** Others were faster: say so where the viewer looks, and offer what is near. @param {number[]} seats */
  _lose(seats) {
    if (!seats.length) return;
    const say = this._say;
    for (const seat of seats) this._selected.delete(seat);
    this._view.change(seats);
    const names = say.list(seats.map((seat) => this._words.name(seat)));
    const words = say.t(seats.length > 1 ? "lostMany" : "lostOne", { seats: names });
    const near = this._nearest(seats[0], OFFERS);
    const offers = near.map((seat) =>
      h(
        "button",
        { type: "button", "data-seat": this._ids[seat], onclick: () => this._choose(seat) },
        this._words.offer(seat),
      ),
    );
    this._view.notes.callout.setAttribute("aria-label", words);
    this._view.showCallout(seats[0], [
      h("p", { role: "alert" }, words),
      h("p", { class: "near" }, say.t(near.length ? "nearest" : "noneNear")),
      h("div", { class: "offers" }, ...offers),
      h(
        "button",
        { class: "shut", type: "button", "aria-label": say.t("close"), onclick: () => this._view.hideCallout() },
        icon("close"),
      ),
    ]);
    this._emit("seatlost", {
      seats: seats.map((seat) => this._ids[seat]),
      offers: near.map((seat) => this._ids[seat]),
    });
    this._selectionChanged();
  }

  /** @param {number} seat @param {number} limit */
  _nearest(seat, limit) {
    return this._layout ? nearestFree(this._layout, seat, (n) => this._state(n) === FREE, limit) : [];
  }

  // --- inside: words and looks --------------------------------------------------------------------------------------
  _turn() {
    this._view.showList(this.view === "list");
    this._emit("viewchange", { view: this.view });
  }

  /** Now and then, and only for whoever is in the grid: how many seats are left. */
  _summary() {
    const now = performance.now();
    if (now - this._saidAt < SUMMARY_MS || this.shadowRoot?.activeElement !== this._view.grid) return;
    this._saidAt = now;
    this.announce(this._say.t("freeSay", { n: this._view.labels.free }));
  }

  _legend() {
    const { palette } = this._view;
    const layout = this._layout;
    if (!layout || !palette) return;
    drawLegend(this._view.legend, {
      layout,
      palette,
      say: this._say,
      prices: this.info?.prices ?? {},
      hidden: this._hidden,
      toggle: (category) => this._filter(category),
    });
    drawKey(this._view.key, palette, this._say);
  }

  /** @param {number} category */
  _filter(category) {
    if (!this._hidden.delete(category)) this._hidden.add(category);
    for (const chip of this._view.legend.querySelectorAll("button")) {
      const n = this._layout?.categories.findIndex(({ name }) => name === chip.dataset.category) ?? -1;
      chip.setAttribute("aria-pressed", String(!this._hidden.has(n)));
    }
    this._view.repaint();
    if (this._layout) this._view.list.reset(this._layout);
  }

  /** @param {string} text @param {boolean} [good] it goes by itself @param {number} [forMs] */
  _banner(text, good = false, forMs = good ? 3000 : 0) {
    const { banner } = this._view;
    clearTimeout(this._bannerTimer);
    banner.hidden = !text;
    banner.classList.toggle("good", good);
    if (text) banner.replaceChildren(icon(good ? "check" : "alert"), h("span", {}, text));
    if (forMs) this._bannerTimer = setTimeout(() => this._statusChanged(), forMs);
  }

  /** @param {string} word @param {boolean} light */
  _cover(word, light) {
    this._view.cover.className = light ? "cover light" : "cover";
    this._view.cover.replaceChildren(h("p", {}, this._say.t(word)));
    this._view.cover.hidden = false;
  }

  _applyLocale() {
    this._say = speaker(this.getAttribute("locale") ?? "en");
    this.shadowRoot?.firstElementChild?.setAttribute("lang", this._say.code);
    this._view.relabel();
    this._legend();
    if (this.live) this._statusChanged();
  }

  _applyTheme() {
    const theme = this.getAttribute("theme");
    this.toggleAttribute("data-dark", theme ? theme === "dark" : this._dark.matches);
    this._view.restyle();
    this._legend();
  }

  /** @param {string} name @param {unknown} detail */
  _emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail, bubbles: true, composed: true }));
  }
}

customElements.define("seat-map", SeatMap);
