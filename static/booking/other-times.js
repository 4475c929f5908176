/**
 * Other times of a show that is sold out or not sold any more: the same title, at the same theatre first.
 *
 * @import { Show } from "../seat-map/types.js"
 * @import { Translator } from "../i18n/i18n.js"
 */
import { h } from "../app/dom.js";
import { levelOf, levelText } from "../shows/availability.js";

const MOST = 6;
const TIMEOUT_MS = 8000;
const RETRY_MS = 5000;

export class OtherTimes {
  /** @param {() => void} changed called when there is something to show, or when the element is to be asked for again */
  constructor(changed) {
    this._changed = changed;
    /** @type {Show[]} */
    this._shows = [];
    this._asked = "";
  }

  /** The other times as a list, null while there are none. @param {Translator} i18n @param {Show} show @returns {HTMLElement | null} */
  element(i18n, show) {
    this._ask(show);
    if (!this._shows.length) return null;
    const links = this._shows.map((other) => {
      const when = i18n.moment(other.starts_at);
      const where = other.theatre === show.theatre ? "" : `${i18n.name(other.theatre_name)}, ${i18n.name(other.city)}`;
      const words = [when, where, levelText(i18n, other, Date.now())].filter(Boolean).join(" · ");
      return h("li", {}, h("a", { href: `/shows/${encodeURIComponent(other.id)}` }, words));
    });
    return h(
      "nav",
      { class: "other-times", "aria-label": i18n.t("otherTimes") },
      h("h3", {}, i18n.t("otherTimes")),
      h("ul", {}, ...links),
    );
  }

  /** @param {Show} show */
  async _ask(show) {
    if (this._asked === show.id) return;
    this._asked = show.id;
    try {
      const answer = await fetch("/api/v1/shows", { signal: AbortSignal.timeout(TIMEOUT_MS) });
      const { shows } = /** @type {{shows: Show[]}} */ (await answer.json());
      this._shows = shows
        .filter((other) => other.id !== show.id && other.title === show.title && other.status === "live")
        .filter((other) => levelOf(other) !== "none")
        .sort((a, b) => Number(b.theatre === show.theatre) - Number(a.theatre === show.theatre))
        .slice(0, MOST);
      if (this._shows.length) this._changed();
    } catch {
      // The show may not change any more, so nothing else draws the panel again.
      setTimeout(() => {
        this._asked = "";
        this._changed();
      }, RETRY_MS);
    }
  }
}
