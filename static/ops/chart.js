/**
 * A line chart over time, drawn by uPlot in the colours of the theme.
 */
import uPlot from "/static/vendor/uplot.js";

const HEIGHT = 150;
/** Steps between the marks of the axis of values. */
const STEPS = [0.1, 0.2, 0.5, ...Array.from({ length: 10 }, (_, n) => [1, 2, 5].map((step) => step * 10 ** n)).flat()];
/** The time axis covers at least this much, s. */
const SHORTEST = 60;
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
   * @param {{lines?: number, time?: (when: number) => string, step?: number, points?: boolean}} [how] how many lines; how
   *   a time (ms) is written; the smallest step between marked values; whether each value has a point, for lines with gaps
   */
  constructor(place, label, format, { lines = 1, time = clock, step = 1, points = false } = {}) {
    this._place = place;
    this._format = format;
    this._time = time;
    this._lines = lines;
    /** @type {number[]} */
    this._times = [];
    place.setAttribute("role", "img");
    place.setAttribute("aria-label", label);
    this._plot = this._make([[], ...Array.from({ length: lines }, () => [])], step, points);
    this._resize = new ResizeObserver(() => this._plot.setSize({ width: this._place.clientWidth, height: HEIGHT }));
    this._resize.observe(place);
  }

  /** @param {number[]} times s @param {(number | null)[][]} values one list for each line; null is a gap */
  set(times, values) {
    this._times = times;
    this._plot.setData([times, ...values]);
  }

  destroy() {
    this._resize.disconnect();
    this._plot.destroy();
  }

  /** The time axis: from the first to the last value. One value alone would get a whole day. @returns {[number, number]} */
  _span() {
    const last = this._times.at(-1) ?? Date.now() / 1000;
    return [Math.min(this._times[0] ?? last, last - SHORTEST), last];
  }

  /** @param {number[][]} data @param {number} step @param {boolean} points */
  _make(data, step, points) {
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
        scales: {
          x: { time: true, range: () => this._span() },
          y: { range: (_plot, _least, most) => [0, Math.max(1, most * 1.15)] },
        },
        axes: [
          {
            ...axis,
            size: 26,
            values: (_plot, marks) => marks.map((at) => this._time(at * 1000)),
            space: 80,
          },
          {
            ...axis,
            size: 52,
            values: (_plot, marks) => marks.map(this._format),
            incrs: STEPS.filter((each) => each >= step),
          },
        ],
        series: [
          {},
          ...Array.from({ length: this._lines }, (_, n) => ({
            stroke: strokes[n],
            width: 2,
            fill: n === 0 ? colour("--accent-soft") : undefined,
            points: { show: points },
          })),
        ],
      },
      /** @type {any} */ (data),
      this._place,
    );
  }
}

/** @param {number} when ms */
function clock(when) {
  return TIME.format(new Date(when));
}
