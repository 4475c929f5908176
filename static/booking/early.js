/**
 * Runs before the page's other modules are there: the plan of the show is loaded and decoded, and the connection opened,
 * while they are on their way.
 */
import { given } from "../app/given.js";
import { openEarly } from "../seat-map/early-socket.js";
import { beginLayout } from "../seat-map/layout-loader.js";

if (given.show) {
  openEarly(location.origin);
  beginLayout(`${location.origin}/api/v1/layouts/${given.show.layout}`, given.show.seat_count);
}
// The first use of each loads the browser's data for it, which takes long on a phone.
new Intl.NumberFormat("en-IN").format(1);
new Intl.DateTimeFormat("en-IN", { timeZone: "Asia/Kolkata", weekday: "short" }).format(0);
