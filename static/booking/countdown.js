/**
 * Shows the time that is left of a hold, as a ring and digits; screen readers hear it a few times only.
 */
import { h } from "../app/dom.js";
import { clockText, shareLeft, spokenMark } from "./time-left.js";

const AROUND = 2 * Math.PI * 26;
const SOON_S = 60;
export class Countdown {
  /**
   * @param {() => number} remaining ms
   * @param {(seconds: number) => void} announce
   */
  constructor(remaining, announce) {
    this._remaining = remaining;
    this._announce = announce;
    this._whole = 1;
    this._said = Infinity;
    this._timer = 0;
    const space = "http://www.w3.org/2000/svg";
    const svg = document.createElementNS(space, "svg");
    svg.setAttribute("viewBox", "0 0 60 60");
    svg.setAttribute("class", "ring");
    svg.setAttribute("aria-hidden", "true");
    const circles = ["track", "rest"].map((name) => {
      const circle = document.createElementNS(space, "circle");
      for (const [key, value] of [
        ["cx", "30"],
        ["cy", "30"],
        ["r", "26"],
        ["class", name],
      ])
        circle.setAttribute(key, value);
      svg.append(circle);
      return circle;
    });
    this._rest = circles[1];
    this._rest.style.strokeDasharray = String(AROUND);
    this._digits = h("span", { class: "digits", role: "timer" });
    this.element = h("div", { class: "countdown" }, svg, this._digits);
  }

  /** @param {number} wholeMs the time of a full ring */
  start(wholeMs) {
    this._whole = Math.max(1, wholeMs);
    clearInterval(this._timer);
    this._timer = setInterval(() => this._draw(), 250);
    this._draw();
  }

  stop() {
    clearInterval(this._timer);
    this._timer = 0;
    this._said = Infinity;
  }

  _draw() {
    const left = this._remaining();
    if (Number.isNaN(left)) {
      this._digits.textContent = "–:––";
      return;
    }
    const seconds = Math.ceil(left / 1000);
    const text = clockText(seconds);
    if (this._digits.textContent !== text) this._digits.textContent = text;
    this._rest.style.strokeDashoffset = String(AROUND * (1 - shareLeft(left, this._whole)));
    this.element.classList.toggle("soon", seconds <= SOON_S);
    const mark = spokenMark(seconds, this._said);
    if (mark) {
      this._said = mark;
      this._announce(seconds);
    }
  }
}
