/**
 * Choosing seats as the viewer sees and hears it: the rules of `choosing.js`, drawn, announced and reported to the
 * page.
 *
 * @import { MapContext } from "./context.js"
 * @import { Notices } from "./notices.js"
 */
import { STATE_NAMES } from "./context.js";
import { nearestFree } from "./nearby.js";
import { FREE } from "./seat-states.js";

/** How many free seats are offered in place of a lost one. */
export const OFFERS = 3;
const LIMIT_BANNER_MS = 4000;

export class Selection {
  /** @param {MapContext} context @param {Notices} notices */
  constructor(context, notices) {
    this._context = context;
    this._notices = notices;
  }

  /** Whether seats of any status can be chosen. */
  get _any() {
    return this._context.host.hasAttribute("any-status");
  }

  /** Choose a seat, or remove it from the selection. @param {number} seat */
  toggle(seat) {
    if (!this.remove(seat)) this.choose(seat);
  }

  /** @param {number} seat @returns {boolean} whether it was chosen by this call */
  choose(seat) {
    const { host, i18n, choosing, text, view } = this._context;
    if (host.hasAttribute("readonly")) return false;
    if (this._context.dimmed(seat)) {
      view.announce(i18n.t("filteredSay", { seat: text.name(seat) }));
      return false;
    }
    // Seats that are held already count, too.
    const outcome = choosing.choose(seat, host.maxSeats - choosing.mine.size, this._any);
    if (outcome === "taken") this._explainTaken(seat);
    else if (outcome === "limit") {
      this._notices.banner(i18n.t("tooMany", { n: host.maxSeats }), false, LIMIT_BANNER_MS);
    }
    if (outcome !== "chosen") return false;
    view.hideCallout();
    view.change([seat]);
    const total = i18n.rupees(this._total());
    view.announce(i18n.t("chosenSay", { seat: text.name(seat), n: choosing.selected.size, total }));
    this.report();
    return true;
  }

  /** @param {number} seat @returns {boolean} whether it was chosen before */
  remove(seat) {
    const { i18n, choosing, text, view } = this._context;
    if (!choosing.remove(seat)) return false;
    view.change([seat]);
    view.announce(i18n.t("removedSay", { seat: text.name(seat) }));
    this.report();
    return true;
  }

  clear() {
    const seats = this._context.choosing.clear();
    this._context.view.change(seats);
    if (seats.length) this.report();
  }

  /** Set the seats that are held or booked for this viewer. @param {number[]} seats */
  setMine(seats) {
    const { changed, deselected } = this._context.choosing.setMine(seats);
    this._context.view.change(changed);
    if (deselected) this.report();
  }

  /** Somebody else has taken these seats: say so next to them, and offer free ones near. @param {number[]} seats */
  lose(seats) {
    if (!seats.length || this._any) return;
    const { i18n, choosing, text, view } = this._context;
    choosing.lose(seats);
    view.change(seats);
    const near = this.nearest(seats[0], OFFERS);
    const ids = this._context.ids(near);
    const offers = near.map((seat, n) => ({ id: ids[n], label: text.offer(seat), choose: () => this.choose(seat) }));
    const names = i18n.list(seats.map((seat) => text.name(seat)));
    const words = i18n.t(seats.length > 1 ? "lostMany" : "lostOne", { seats: names });
    this._notices.lost(i18n, { seat: seats[0], text: words, offers });
    this._context.emit("seatlost", { seats: this._context.ids(seats), offers: ids });
    this.report();
  }

  /** Free seats near one, best first. @param {number} seat @param {number} limit @returns {number[]} */
  nearest(seat, limit) {
    const { layout, choosing } = this._context;
    return layout ? nearestFree(layout, seat, (n) => choosing.state(n) === FREE, limit) : [];
  }

  /** Tell the page what is chosen now. */
  report() {
    const { choosing, text } = this._context;
    const seats = [...choosing.selected].map((seat) => text.info(seat));
    this._context.emit("selectionchange", { seats, total: this._total() });
  }

  /** @param {number} seat that can't be chosen */
  _explainTaken(seat) {
    const { i18n, choosing, text, view } = this._context;
    const state = i18n.t(`state_${STATE_NAMES[choosing.state(seat)]}`);
    view.announce(i18n.t("takenSay", { seat: text.name(seat), state }));
    view.showTip(seat, true);
  }

  /** Rupees, with fee and taxes. */
  _total() {
    const { choosing, text } = this._context;
    return [...choosing.selected].reduce((sum, seat) => sum + (text.info(seat).price ?? 0), 0);
  }
}
