/**
 * A value that takes long to compute: it is computed in short steps while there is time, or at once when it is needed.
 * Pure.
 */

/** @template T */
export class Steps {
  /** @param {Generator<void, T>} steps that computes it */
  constructor(steps) {
    this._steps = steps;
    /** @type {IteratorResult<void, T>} */
    this._last = { value: undefined };
  }

  /** Compute until this time at most, but one step at least. @param {number} end as `performance.now()` has it @returns {boolean} whether the value is there */
  run(end) {
    while (!this._last.done) {
      this._last = this._steps.next();
      if (performance.now() > end) break;
    }
    return !!this._last.done;
  }

  /** The value; computes what is left of it. @returns {T} */
  get value() {
    this.run(Infinity);
    return /** @type {IteratorReturnResult<T>} */ (this._last).value;
  }
}
