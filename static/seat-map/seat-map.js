/**
 * `<seat-map>`: a live seat map of one show. Two lines put it on any page:
 *
 *     <script type="module" src="https://tickets.example/static/seat-map/seat-map.js"></script>
 *     <seat-map server="https://tickets.example" show="west-screen-1-0930"></seat-map>
 *
 * Attributes
 *   server     origins of nodes, the preferred one first, separated by spaces; default: where this module is from
 *   show       id of the show
 *   max-seats  the most seats that may be chosen; default: the show's own limit
 *   locale     en or hi; default: en
 *   theme      light or dark; default: what the device prefers
 *   view       map or list; default: map
 *   readonly   nothing can be chosen
 *   any-status seats can be chosen whatever their status: for operators
 *
 * Properties: `selection` (seat ids), `mine` (seat ids that are held or booked for this viewer; set it), `info` (the
 * show), `connection` (state), `status` (of the show), `painted`, `live` (the LiveShow behind it).
 * Methods: `select`, `deselect`, `clear`, `seat`, `seatState`, `isFree`, `countFree`, `nearest`, `companions`, `reveal`, `pointOf`, `zoomBy`,
 * `showAll`, `hold`, `resume`, `extend`, `release`, `confirm`, `request`, `post`, `announce`.
 * Events (all bubble): `ready`, `showchange`, `selectionchange`, `seatlost`, `seatschange`, `statuschange`,
 * `viewchange`, `holdexpired`, `bookingsettled`, `refundupdated`, `failed`. Details, and the CSS variables: docs/seat-map.md.
 *
 * The element is attributes, properties and methods; what they share is in `context.js`, the show's events arrive
 * through `show-follower.js`, choosing is `selection.js` by the rules of `choosing.js`, requests to the node are
 * `request-element.js`.
 *
 * @import { HoldAck, SeatInfo, SeatStatus } from "./types.js"
 */
import { isLoaded, loadLanguage, supported, translator } from "../i18n/i18n.js";
import { MapContext, STATE_NAMES } from "./context.js";
import { Legend } from "./legend.js";
import { besideInRow } from "./nearby.js";
import { Notices } from "./notices.js";
import { RequestElement } from "./request-element.js";
import { RequestError } from "./request-error.js";
import { FREE } from "./seat-states.js";
import { OFFERS, Selection } from "./selection.js";
import { countFree, ShowFollower } from "./show-follower.js";

const DEFAULT_MAX_SEATS = 10;

export class SeatMap extends RequestElement {
  static observedAttributes = ["server", "show", "locale", "theme", "view"];

  constructor() {
    super();
    this._context = new MapContext(this, {
      choose: (seat) => this._selection.toggle(seat),
      switchView: () => this.setAttribute("view", this.view === "list" ? "map" : "list"),
    });
    this._legend = new Legend(this._context);
    const notices = new Notices(this._context.view, () => this._follower.statusChanged());
    this._selection = new Selection(this._context, notices);
    this._follower = new ShowFollower(this._context, this._selection, notices, this._legend);
    this._dark = matchMedia("(prefers-color-scheme: dark)");
    this._restyle = () => this._applyTheme();
  }

  connectedCallback() {
    this._dark.addEventListener("change", this._restyle);
    this._context.view.connect();
    this._applyLocale();
    this._applyTheme();
    this._context.view.showList(this.view === "list");
    this._start();
  }

  disconnectedCallback() {
    this._dark.removeEventListener("change", this._restyle);
    this._context.view.disconnect();
    this._follower.stop();
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before === now) return;
    // They are seats of that show.
    if (name === "show" && before) this.mine = [];
    if (!this.isConnected) return;
    if (name === "theme") this._applyTheme();
    else if (name === "locale") this._applyLocale();
    else if (name === "view") this._showView();
    else this._start();
  }

  // --- what a page reads and sets -----------------------------------------------------------------------------------
  /** The show's connection, layout and statuses; null while the element is not in a page. */
  get live() {
    return this._context.live;
  }

  /** Ids of the chosen seats, in the order of choosing. @returns {string[]} */
  get selection() {
    return this._context.ids(this._context.choosing.selected);
  }

  /** Choose exactly these seats, without an event. */
  set selection(ids) {
    this._context.view.change(this._context.choosing.replace(this._context.indices(ids)));
  }

  /** Ids of the seats that are held or booked for this viewer. @returns {string[]} */
  get mine() {
    const { choosing, layout } = this._context;
    return layout ? this._context.ids(choosing.mine) : this._follower.mineIds;
  }

  set mine(ids) {
    this._follower.mineIds = [...ids];
    this._selection.setMine(this._context.indices(ids));
    // A show is not sold out for the viewer who has its last seats.
    if (this.live && this.soldOut) this._follower.drawBanner(this.live);
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

  /** What is visible: the map, or the same seats as a list. @returns {"map" | "list"} */
  get view() {
    return this.getAttribute("view") === "list" ? "list" : "map";
  }

  set view(view) {
    this.setAttribute("view", view);
  }

  /** Whether everything in sight is painted, at the scale at which it is shown. */
  get painted() {
    return this._follower.ready && this._context.view.picture.tiles.settled;
  }

  /** Whether it is known that no seat is free. */
  get soldOut() {
    return !this.countFree(1);
  }

  /** The most seats that may be chosen. */
  get maxSeats() {
    return Number(this.getAttribute("max-seats")) || this.info?.max_seats || DEFAULT_MAX_SEATS;
  }

  /** @param {string} id @returns {SeatInfo | null} everything about a seat */
  seat(id) {
    const index = this._context.index(id);
    return index === undefined ? null : this._context.text.info(index);
  }

  /** What is shown of a seat: a status, "selected" or "mine". @param {string} id @returns {SeatStatus} */
  seatState(id) {
    const index = this._context.index(id);
    return index === undefined ? "unknown" : STATE_NAMES[this._context.choosing.state(index)];
  }

  /** Whether nobody has this seat, as far as this page knows. @param {string} id */
  isFree(id) {
    const index = this._context.index(id);
    return index !== undefined && this._context.status(index) === FREE;
  }

  /** The point of the viewport at which a click chooses this seat, once it is in sight (see `reveal`). @param {string} id */
  pointOf(id) {
    const box = this._context.view.field.getBoundingClientRect();
    const { x, y } = this._context.view.picture.framing.place(this._context.index(id) ?? 0);
    return { x: box.left + x, y: box.top + y };
  }

  /** Show these statuses in place of the present ones, as in a replay; null shows the present ones again. @param {Uint8Array | null} statuses by index */
  showStatuses(statuses) {
    const { layout, view } = this._context;
    const count = layout?.count ?? 0;
    const before = Uint8Array.from({ length: count }, (_, seat) => this._context.status(seat));
    this._context.shown = statuses?.slice() ?? null;
    /** @type {number[]} */
    const changed = [];
    for (let seat = 0; seat < count; seat++) if (this._context.status(seat) !== before[seat]) changed.push(seat);
    if (layout && changed.length > count / 2) view.changeAll(layout);
    else view.change(changed);
  }

  /** Move the map until a seat can be read and chosen; resolves when it can. @param {string} id */
  async reveal(id) {
    const index = this._context.index(id);
    if (index === undefined) return;
    this._context.view.picture.framing.reveal(index);
    while (this._context.view.picture.camera.gliding) await new Promise((next) => requestAnimationFrame(next));
  }

  /** Zoom in (more than 1) or out (less than 1), around the middle. @param {number} factor */
  zoomBy(factor) {
    this._context.view.picture.framing.zoomBy(factor);
  }

  /** Show the whole plan. */
  showAll() {
    this._context.view.picture.framing.fit();
  }

  /** How many seats are free, counted up to `most`; -1 while that is not known. @param {number} most */
  countFree(most) {
    return this._follower.ready ? countFree(this._context, most) : -1;
  }

  /** Choose a seat; false when it can't be chosen. @param {string} id */
  select(id) {
    const index = this._context.index(id);
    return index !== undefined && this._selection.choose(index);
  }

  /** Remove a seat from the selection. @param {string} id */
  deselect(id) {
    const index = this._context.index(id);
    if (index !== undefined) this._selection.remove(index);
  }

  /** Remove all seats from the selection. */
  clear() {
    this._selection.clear();
  }

  /** Free seats near one, best first. @param {string} id @param {number} [limit] @returns {string[]} */
  nearest(id, limit = OFFERS) {
    const index = this._context.index(id);
    return index === undefined ? [] : this._context.ids(this._selection.nearest(index, limit));
  }

  /** The companion seats of a wheelchair space: those next to it in its row that can be chosen. @param {string} id @returns {string[]} */
  companions(id) {
    const { layout, choosing } = this._context;
    const index = this._context.index(id);
    if (!layout || index === undefined || !layout.accessible[index]) return [];
    const beside = besideInRow(layout, index).filter((seat) => !layout.accessible[seat]);
    return this._context.ids(beside.filter((seat) => choosing.state(seat) === FREE));
  }

  /** Have screen readers read a text. @param {string} text */
  announce(text) {
    this._context.view.announce(text);
  }

  // --- holds --------------------------------------------------------------------------------------------------------
  /**
   * Hold seats; safe to call again with the same `requestId`, after a reload too.
   * Seats that somebody else took first are removed from the selection, and the map says so next to them.
   * @param {string} requestId
   * @param {string[]} [seats] default: the selection
   * @returns {Promise<HoldAck>}
   * @throws {RequestError}
   */
  async hold(requestId, seats = this.selection) {
    const { choosing } = this._context;
    choosing.request(this._context.indices(seats));
    try {
      const ack = await this._requestHold({ show: this.getAttribute("show"), seats, request_id: requestId });
      this.mine = [...new Set([...this.mine, ...ack.hold.seats])];
      return ack;
    } catch (error) {
      if (error instanceof RequestError && error.code === "seats_taken") {
        choosing.answered();
        this._selection.lose(this._context.indices(/** @type {string[]} */ (error.details.seats ?? [])));
      }
      throw error;
    } finally {
      choosing.answered();
    }
  }

  // --- inside -------------------------------------------------------------------------------------------------------
  get _nodes() {
    const named = (this.getAttribute("server") ?? "").split(/\s+/).filter((url) => URL.canParse(url));
    return named.length ? named.map((url) => new URL(url).origin) : [new URL(import.meta.url).origin];
  }

  // Attributes arrive one by one, and the browser reports each of them before it reports that the element is connected.
  _start() {
    this._starting ??= Promise.resolve().then(() => {
      this._starting = null;
      const show = this.getAttribute("show");
      if (this.isConnected) this._follower.start(this._nodes, show);
    });
  }

  _showView() {
    this._context.view.showList(this.view === "list");
    this._context.emit("viewchange", { view: this.view });
  }

  _applyLocale() {
    const context = this._context;
    const code = supported(this.getAttribute("locale"));
    context.i18n = translator(code);
    if (!isLoaded(code)) loadLanguage(code).then((done) => done && this._applyLocale());
    this.shadowRoot?.firstElementChild?.setAttribute("lang", context.i18n.code);
    context.view.relabel();
    this._legend.draw();
    this._follower.statusChanged();
  }

  _applyTheme() {
    const theme = this.getAttribute("theme");
    this.toggleAttribute("data-dark", theme ? theme === "dark" : this._dark.matches);
    this._context.view.picture.restyle();
    this._legend.draw();
  }
}

customElements.define("seat-map", SeatMap);
