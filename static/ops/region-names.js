/**
 * How the regions are called, by id, as the overview has read it: for all sections of the control room.
 *
 * @import { Translator } from "../i18n/i18n.js"
 */

/** @type {Map<string, string>} */
let labels = new Map();

/** @param {{name: string, label: string}[]} regions @returns {boolean} whether some are called otherwise than before */
export function nameRegions(regions) {
  const before = labels;
  labels = new Map(regions.map(({ name, label }) => [name, label]));
  return regions.some(({ name, label }) => before.get(name) !== label);
}

/** The name of a region, its id until it is known. @param {Translator} i18n @param {string} region */
export function regionName(i18n, region) {
  return i18n.name(labels.get(region) ?? region);
}
