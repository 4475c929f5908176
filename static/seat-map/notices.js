/**
 * What the map tells its viewer: the banner above the seats, the cover while there is no map, and the callout next to a
 * seat that somebody else has taken.
 *
 * @import { Translator } from "../i18n/i18n.js"
 * @import { View } from "./view.js"
 */
import { h, icon } from "../app/dom.js";

const GOOD_NEWS_MS = 3000;

export class Notices {
  /** @param {View} view @param {() => void} refresh called when a banner's time is over: show what holds now */
  constructor(view, refresh) {
    this._view = view;
    this._refresh = refresh;
    this._timer = 0;
  }

  /**
   * Show a text above the map, which gets smaller; over the map if it is gone in a moment: seats must not move under a finger.
   * @param {string} text "" hides the banner
   * @param {boolean} [good] good news; it disappears after a moment
   * @param {number} [forMs] how long it is shown, 0 until the next one
   */
  banner(text, good = false, forMs = good ? GOOD_NEWS_MS : 0) {
    const { banner } = this._view;
    clearTimeout(this._timer);
    if (banner.hidden || !forMs) banner.classList.toggle("over", forMs > 0);
    banner.hidden = !text;
    banner.classList.toggle("good", good);
    if (text) banner.replaceChildren(icon(good ? "check" : "alert"), h("span", {}, text));
    if (forMs) this._timer = setTimeout(this._refresh, forMs);
  }

  /** Say that the map is being loaded, and hide that of another show. @param {Translator} i18n */
  loading(i18n) {
    this._cover(this._view.picture.layout ? "cover" : "cover light", h("p", {}, i18n.t("mapLoading")));
  }

  /**
   * Say that there is no map to show.
   * @param {Translator} i18n
   * @param {string} title
   * @param {string} hint
   * @param {Node} action what can be done about it
   */
  failed(i18n, title, hint, action) {
    this._cover("cover", h("h2", {}, i18n.t(title)), h("p", {}, i18n.t(hint)), action);
  }

  /** The map is here. */
  uncover() {
    this._view.cover.hidden = true;
  }

  /**
   * Say next to a seat that it is lost, and offer others.
   * @param {Translator} i18n
   * @param {object} lost
   * @param {number} lost.seat
   * @param {string} lost.text
   * @param {{id: string, label: string, choose: () => void}[]} lost.offers free seats near it
   */
  lost(i18n, { seat, text, offers }) {
    const buttons = offers.map(({ id, label, choose }) =>
      h("button", { type: "button", "data-seat": id, onclick: choose }, label),
    );
    const close = () => this._view.hideCallout();
    this._view.popups.callout.setAttribute("aria-label", text);
    this._view.showCallout(seat, [
      h("p", { role: "alert" }, text),
      h("p", { class: "near" }, i18n.t(offers.length ? "nearest" : "noneNear")),
      h("div", { class: "offers" }, ...buttons),
      h("button", { class: "shut", type: "button", "aria-label": i18n.t("close"), onclick: close }, icon("close")),
    ]);
  }

  /** @param {string} look @param {...Node} content */
  _cover(look, ...content) {
    this._view.cover.className = look;
    this._view.cover.replaceChildren(...content);
    this._view.cover.hidden = false;
  }
}
