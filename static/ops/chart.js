/**
 * A line chart over time, drawn by uPlot in the colours of the theme.
 */
import uPlot from "/static/vendor/uplot.js";

const HEIGHT = 150;
/** Steps between the marks of an axis of whole numbers. */
const WHOLE = Array.from({ length: 10 }, (_, n) => [1, 2, 5].map((step) => step * 10 ** n)).flat();
const TIME = new Intl.DateTimeFormat("en-IN", {
  timeZone: "Asia/Kolkata",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});

export class Chart {
  /**
   * @param {HTMLElement} place
   * @param {string} label for screen readers
   * @param {(value: number) => string} format
   * @param {{lines?: number, time?: (when: number) => string, whole?: boolean}} [how] how many lines; how a time (ms)
   *   is written; whether only whole numbers are marked
   */
  constructor(place, label, format, { lines = 1, time = (when) => TIME.format(new Date(when)), whole = false } = {}) {
    this._place = place;
    this._format = format;
    this._time = time;
    this._lines = lines;
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", label);
    this._plot = this._make([[], ...Array.from({ length: lines }, () => [])], whole);
    this._resize = new ResizeObserver(() => this._plot.setSize({ width: this._place.clientWidth, height: HEIGHT }));
    this._resize.observe(place);
  }

  /** @param {number[]} times s @param {number[][]} values one list for each line */
  set(times, values) {
    this._plot.setData([times, ...values]);
  }

  destroy() {
    this._resize.disconnect();
    this._plot.destroy();
  }

  /** @param {number[][]} data @param {boolean} whole */
  _make(data, whole) {
    const style = getComputedStyle(document.documentElement);
    const colour = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const axis = {
      stroke: colour("--muted"),
      grid: { stroke: colour("--line"), width: 1 },
      ticks: { show: false },
      font: "12px system-ui",
    };
    const strokes = [colour("--accent"), colour("--own"), colour("--warn")];
    return new uPlot(
      {
        width: this._place.clientWidth || 300,
        height: HEIGHT,
        cursor: { show: false },
        legend: { show: false },
        scales: { x: { time: true }, y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.15)] } },
        axes: [
          {
            ...axis,
            size: 26,
            values: (_plot, marks) => marks.map((at) => this._time(at * 1000)),
            space: 80,
          },
          { ...axis, size: 52, values: (_plot, marks) => marks.map(this._format), ...(whole ? { incrs: WHOLE } : {}) },
        ],
        series: [
          {},
          ...Array.from({ length: this._lines }, (_, n) => ({
            stroke: strokes[n],
            width: 2,
            fill: n === 0 ? colour("--accent-soft") : undefined,
            points: { show: false },
          })),
        ],
      },
      /** @type {any} */ (data),
      this._place,
    );
  }
}
