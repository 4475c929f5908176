// The official JavaScript client, unmodified: watch, hold, pay, confirm; prints what it receives as JSON lines.
import { io } from "socket.io-client";

const [url, show, seat, transports] = process.argv.slice(2);
const say = (event, payload) => console.log(JSON.stringify({ event, payload }));
const socket = io(url, { transports: transports.split(","), reconnection: false });
for (const event of ["session", "seats:changed", "booking:settled"]) socket.on(event, (payload) => say(event, payload));
socket.on("connect_error", (error) => {
  say("connect_error", { message: error.message, data: error.data });
  process.exit(1);
});
socket.on("connect", async () => {
  const ask = (event, payload) => socket.timeout(20000).emitWithAck(event, payload);
  say("watch", await ask("show:watch", { show }));
  const held = await ask("seats:hold", { show, seats: [seat], request_id: crypto.randomUUID() });
  say("hold", held);
  const paid = await fetch(`${url}/demo/pay`, { method: "POST", body: JSON.stringify({ hold: held.hold.id }) });
  say("confirm", await ask("seats:confirm", { hold: held.hold.id, ...(await paid.json()) }));
  say("again", await ask("seats:hold", { show, seats: [seat], request_id: "2" }));
  say("nonsense", await ask("seats:hold", 5));
  say("transport", socket.io.engine.transport.name);
  socket.on("seats:changed", (change) => change.sold && process.exit(0));
  setTimeout(() => process.exit(0), 500);
});
