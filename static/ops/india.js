/**
 * A rough outline of India and the places of its cities, projected from longitude and latitude to a picture 100 units
 * high.
 */

// biome-ignore format: a table of coordinates
/** Clockwise from Kashmir. @type {[number, number][]} */
const OUTLINE = [
  [74.0, 36.9], [77.8, 35.5], [79.2, 32.6], [78.7, 31.3], [81.0, 30.2], [80.1, 28.8], [84.0, 27.5], [88.1, 26.4], [88.8, 28.1],
  [89.8, 26.7], [92.0, 26.9], [91.7, 27.8], [94.5, 29.3], [97.2, 28.2], [95.2, 26.6], [94.6, 24.7], [93.3, 24.0], [92.6, 22.0],
  [92.2, 23.7], [91.2, 24.1], [92.4, 25.0], [89.8, 25.3], [88.2, 25.8], [88.7, 24.3], [89.0, 21.7], [87.0, 21.5], [86.4, 19.9],
  [84.1, 18.3], [82.3, 16.6], [80.3, 15.7], [80.1, 13.4], [79.8, 10.3], [78.9, 9.5], [77.5, 8.1], [76.3, 9.9], [74.9, 12.8],
  [73.7, 15.9], [72.8, 19.0], [72.7, 21.2], [70.8, 20.7], [69.0, 22.3], [70.4, 22.9], [68.2, 23.7], [71.0, 24.4], [69.6, 27.2],
  [72.9, 29.0], [74.6, 31.1], [75.3, 32.3], [73.8, 33.4], [73.9, 34.6],
];

// biome-ignore format: a table of coordinates
/** @type {Record<string, [number, number]>} */
const CITIES = {
  Delhi: [77.2, 28.6], Mumbai: [72.9, 19.1], Bengaluru: [77.6, 13.0], Chennai: [80.3, 13.1], Kolkata: [88.4, 22.6],
  Hyderabad: [78.5, 17.4], Pune: [73.9, 18.5], Ahmedabad: [72.6, 23.0], Jaipur: [75.8, 26.9], Kochi: [76.3, 9.9],
  Lucknow: [80.9, 26.8], Guwahati: [91.7, 26.1], Chandigarh: [76.8, 30.7],
};

const WEST = 67;
const NORTH = 38;
const SCALE = 3.2;

/** @param {[number, number]} place @returns {[number, number]} */
const project = ([longitude, latitude]) => [(longitude - WEST) * SCALE * 0.93, (NORTH - latitude) * SCALE];

/** The place of a city in the picture, null for an unknown city. @param {string} name */
export function cityAt(name) {
  const place = CITIES[name];
  return place ? project(place) : null;
}

/** The outline as an SVG path. */
export const outline = `M${OUTLINE.map(project)
  .map(([x, y]) => `${x.toFixed(1)} ${y.toFixed(1)}`)
  .join("L")}Z`;
