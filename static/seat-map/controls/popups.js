/**
 * The texts over the map: the tip of a seat or section, the callout that stays until it is closed, and the text that is
 * being typed. Tip and callout follow the map as it moves.
 *
 * @import { Camera } from "../drawing/camera.js"
 */
import { h } from "../../app/dom.js";

const FADE_MS = 2600;

/** @typedef {{x: number, y: number}} Point of the plan */

export class Popups {
  /** @param {Camera} camera */
  constructor(camera) {
    this._camera = camera;
    this.tip = h("div", { class: "tip", hidden: true, "aria-hidden": "true" });
    this.callout = h("div", { class: "callout", role: "alertdialog", hidden: true });
    this.typing = h("div", { class: "typing", hidden: true, "aria-hidden": "true" });
    /** Elements to put over the map. */
    this.elements = [this.tip, this.callout, this.typing];
    /** @type {Point} */
    this._tipAt = { x: 0, y: 0 };
    /** @type {Point} */
    this._calloutAt = { x: 0, y: 0 };
    this._gap = 0;
    this._timer = 0;
  }

  /**
   * @param {{title: string, detail: string} | null} text null hides it
   * @param {Point} at
   * @param {boolean} fade it disappears by itself (touch)
   */
  showTip(text, at, fade) {
    clearTimeout(this._timer);
    this.tip.hidden = !text;
    if (!text) return;
    this.tip.replaceChildren(h("b", {}, text.title), h("span", {}, text.detail));
    this._tipAt = at;
    this._anchor(this.tip, at);
    if (fade) this._timer = setTimeout(() => this.showTip(null, at, false), FADE_MS);
  }

  /** @param {Node[]} content @param {Point} at */
  showCallout(content, at) {
    this.callout.replaceChildren(...content);
    this.callout.hidden = false;
    this._calloutAt = at;
    this.showTip(null, at, false);
    this._anchor(this.callout, at);
  }

  /** @param {string} text "" hides it */
  showTyping(text) {
    this.typing.hidden = !text;
    this.typing.textContent = text;
  }

  /** Move with the map. @param {number} size of a seat on the screen */
  frame(size) {
    this._gap = size / 2 + 8;
    if (!this.tip.hidden) this._anchor(this.tip, this._tipAt);
    if (!this.callout.hidden) this._anchor(this.callout, this._calloutAt);
  }

  // Above the place if there is room, else below it.
  /** @param {HTMLElement} box @param {Point} at */
  _anchor(box, at) {
    const { scale, x: dx, y: dy, width, height } = this._camera;
    const [x, y] = [at.x * scale + dx, at.y * scale + dy];
    const [w, tall] = [box.offsetWidth, box.offsetHeight];
    const left = Math.max(8, Math.min(width - w - 8, x - w / 2));
    const above = y - this._gap - tall;
    const top = Math.max(8, Math.min(height - tall - 8, above > 8 ? above : y + this._gap));
    box.style.transform = `translate(${Math.round(left)}px, ${Math.round(top)}px)`;
  }
}
