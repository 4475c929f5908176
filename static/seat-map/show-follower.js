/**
 * Keeps the map up to date with the show: draws what the LiveShow reports, says how the connection and the sales are,
 * and passes the events on to the page.
 *
 * @import { MapContext } from "./context.js"
 * @import { Layout } from "./layout.js"
 * @import { Notices } from "./notices.js"
 * @import { Selection } from "./selection.js"
 */
import { h } from "../app/dom.js";
import { LiveShow } from "./live.js";
import { isShut, shutText } from "./sales.js";
import { FREE } from "./seat-states.js";

/** How often a screen reader hears how many seats are left. */
const SUMMARY_MS = 20000;

export class ShowFollower {
  /**
   * @param {MapContext} context
   * @param {Selection} selection
   * @param {Notices} notices
   * @param {import("./legend.js").Legend} legend
   */
  constructor(context, selection, notices, legend) {
    this._context = context;
    this._selection = selection;
    this._notices = notices;
    this._legend = legend;
    /** Ids that were set as the viewer's own, perhaps before the layout was there. @type {string[]} */
    this.mineIds = [];
    /** Whether layout and statuses are there. */
    this.ready = false;
    this._wasOffline = false;
    this._soldOut = false;
    this._summarizedAt = 0;
  }

  /** Follow a show, in place of the one before. @param {string[]} nodes origins @param {string | null} show id; null for none */
  start(nodes, show) {
    this.stop();
    this._selection.clear();
    this._context.only.clear();
    this._context.shown = null;
    this._context.view.closePopups();
    this._notices.loading(this._context.i18n);
    this.ready = false;
    if (!show) return;
    const live = new LiveShow(nodes, show);
    this._context.live = live;
    this._listen(live);
    live.start();
  }

  stop() {
    this._context.live?.stop();
    this._context.live = null;
  }

  /** Show the state of the connection and of the sales, and tell the page. */
  statusChanged() {
    const { live } = this._context;
    if (!live) return;
    this._nameMap();
    this.drawBanner(live);
    this._context.emit("statuschange", { connection: live.connection.state, status: live.status });
  }

  /** Say above the map why seats can't be chosen. @param {LiveShow} live */
  drawBanner(live) {
    const { choosing, i18n } = this._context;
    const { status, staleSince } = live;
    if (live.connection.state === "offline") {
      this._wasOffline = true;
      this._notices.banner(i18n.t("conn_offline"));
    } else if (status === "stale") {
      this._notices.banner(i18n.t("map_stale", { time: i18n.time(staleSince || Date.now()) }));
    } else if (isShut(status)) this._notices.banner(shutText(i18n, status, live.show, Date.now()));
    else if (this.ready && !choosing.mine.size && !countFree(this._context, 1))
      this._notices.banner(i18n.t("map_sold_out"));
    else if (!this._wasOffline) this._notices.banner("");
  }

  _nameMap() {
    const { i18n, layout, live, view } = this._context;
    const name = i18n.name(live?.show?.title ?? layout?.name ?? "");
    view.grid.setAttribute("aria-label", i18n.t("mapLabel", { name }));
  }

  /** @param {LiveShow} live */
  _listen(live) {
    /** @param {string} name @param {(detail: any) => void} handle */
    const on = (name, handle) =>
      live.addEventListener(name, (event) => handle(/** @type {CustomEvent} */ (event).detail));
    on("layout", (layout) => this._layoutChanged(layout));
    on("seats", (changed) => this._seatsChanged(changed));
    on("watched", () => this._watched());
    on("status", () => this.statusChanged());
    on("connection", () => this.statusChanged());
    on("failed", (code) => this._failed(code));
    on("show", (show) => {
      this._context.emit("showchange", show);
      this._legend.draw();
    });
    on("holdexpired", (payload) => this._context.emit("holdexpired", payload));
    on("bookingsettled", (payload) => this._context.emit("bookingsettled", payload));
    on("refundupdated", (payload) => this._context.emit("refundupdated", payload));
  }

  /** @param {Layout} layout more of it, or all */
  _layoutChanged(layout) {
    const { choosing, view } = this._context;
    this._notices.uncover();
    this._nameMap();
    if (this.mineIds.length) choosing.mine = new Set(this._context.indices(this.mineIds));
    view.setLayout(layout);
    view.picture.overlay.own = choosing.own;
    this._legend.draw();
    this._checkReady();
  }

  _watched() {
    this._context.view.picture.mark("live");
    if (this._wasOffline) this._notices.banner(this._context.i18n.t("backOnline"), true);
    this._wasOffline = false;
    this._checkReady();
  }

  _checkReady() {
    const { layout, live } = this._context;
    if (this.ready || !layout?.complete || !live?.watched) return;
    this.ready = true;
    this._soldOut = !countFree(this._context, 1);
    if (this._soldOut) this.statusChanged();
    this._context.emit("ready", live.show);
  }

  /** @param {number[]} changed */
  _seatsChanged(changed) {
    const { choosing, layout } = this._context;
    if (layout) this._drawChanges(layout, changed);
    this._selection.lose(choosing.lost(changed));
    this._context.emit("seatschange", { seats: changed.length });
    const now = !countFree(this._context, 1);
    if (now !== this._soldOut) {
      this._soldOut = now;
      this.statusChanged();
    }
    this._summarize();
  }

  /** @param {Layout} layout @param {number[]} changed */
  _drawChanges(layout, changed) {
    const { choosing, view } = this._context;
    if (changed.length > layout.count / 2) {
      view.changeAll(layout);
      return;
    }
    view.picture.overlay.pulse(
      changed.filter((seat) => !choosing.concerns(seat)),
      layout,
    );
    view.change(changed.filter((seat) => seat < layout.count));
  }

  /** From time to time, and only while the focus is on the grid, say how many seats are free. */
  _summarize() {
    const { host, i18n, view } = this._context;
    const now = performance.now();
    if (now - this._summarizedAt < SUMMARY_MS || host.shadowRoot?.activeElement !== view.grid) return;
    this._summarizedAt = now;
    view.announce(i18n.t("freeSay", { n: view.picture.labels.free }));
  }

  /** @param {string} code */
  _failed(code) {
    const { i18n, layout, live } = this._context;
    if (layout?.complete) return;
    // No show can have an id that is refused.
    if (["show_not_found", "not_found", "bad_request"].includes(code)) {
      const home = h("a", { class: "action", href: `${live?.connection.nodes[0]}/` }, i18n.t("allShows"));
      this._notices.failed(i18n, "mapMissing", "mapMissingHint", home);
    } else {
      const retry = h("button", { class: "action", type: "button", onclick: () => this._retry() }, i18n.t("tryAgain"));
      this._notices.failed(i18n, "mapFailed", "loadFailedHint", retry);
      if (code === "offline") this._checkOrigin();
    }
    this._context.emit("failed", { code });
  }

  // A server that answers but hides its answers from this page does not allow the page's origin.
  async _checkOrigin() {
    const { i18n, live } = this._context;
    const base = live?.connection.base ?? location.origin;
    if (new URL(base).origin === location.origin) return;
    try {
      await fetch(`${base}/api/v1/config`, { mode: "no-cors", cache: "no-store" });
    } catch {
      return;
    }
    if (this._context.live !== live || this._context.layout?.complete) return;
    const hint = h("p", { class: "origin" }, i18n.t("mapOriginHint", { origin: location.origin }));
    this._notices.failed(i18n, "mapOrigin", "mapOriginBuyer", hint);
    this._context.emit("failed", { code: "forbidden_origin" });
  }

  _retry() {
    this._notices.loading(this._context.i18n);
    this._context.live?.retry();
  }
}

/** How many seats are free, counted up to `most`; -1 while that is not known. @param {MapContext} context @param {number} most */
export function countFree({ layout, live }, most) {
  if (!layout?.complete || !live) return -1;
  let free = 0;
  for (let seat = 0; seat < layout.count && free < most; seat++) if (live.states.of(seat) === FREE) free++;
  return free;
}
