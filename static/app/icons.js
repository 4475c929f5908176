/**
 * The icons by name: paths on a grid of 24 x 24. A bundle has those whose names stand in one of its modules.
 */

/** @type {Record<string, string>} */
export default {
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  fit: "M4 9V4h5M20 9V4h-5M4 15v5h5M20 15v5h-5",
  list: "M9 6h11M9 12h11M9 18h11M4.500 6h.01M4.500 12h.01M4.500 18h.01",
  map: "M4 6.500l5-2 6 2 5-2v13l-5 2-6-2-5 2zM9 4.500v13M15 6.500v13",
  wheelchair: "M10.500 4.500v.010M10.500 8v6h5l2.500 5M8 11.500a5 5 0 1 0 6.500 6.500",
  info: "M12 11v5M12 8v.01M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  close: "M6 6l12 12M18 6L6 18",
  next: "M9 5l7 7-7 7",
  back: "M15 5l-7 7 7 7",
  clock: "M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18",
  ticket: "M4 7h16v3.5a1.5 1.5 0 0 0 0 3V17H4v-3.5a1.5 1.5 0 0 0 0-3zM14 7v2M14 11v2M14 15v2",
  check: "M5 12.5l4.5 4.5L19 7.5",
  seat: "M7 4h10v8H7zM5 12h14v5H5zM7 17v3M17 17v3",
  search: "M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5L20 20",
  moon: "M19 14.5A8 8 0 0 1 9.5 5a8 8 0 1 0 9.500 9.500z",
  alert: "M12 4l9 16H3zM12 10v4M12 17v.2",
  globe:
    "M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18M3 12h18M12 3c3 2.500 4 5.500 4 9s-1 6.500-4 9M12 3c-3 2.500-4 5.500-4 9s1 6.500 4 9",
  lock: "M6 11h12v9H6zM8.5 11V8a3.500 3.500 0 0 1 7 0v3",
  calendar: "M4 6h16v14H4zM4 10h16M8 3v5M16 3v5",
};
