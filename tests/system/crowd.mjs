// Buyers on the official client, which reconnects and repeats by itself, and nothing more: what surfaces is an error.
// argv: show, url ... ; one buyer a URL, until stdin ends. Prints a JSON line for each thing that a user would see.
import { io } from "socket.io-client";

const [show, ...urls] = process.argv.slice(2);
const say = (what) => console.log(JSON.stringify(what));
let open = true;
process.stdin.resume().on("end", () => (open = false));
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function buy(url, number) {
  let token;
  const socket = io(url, {
    transports: ["websocket"],
    auth: (answer) => answer(token ? { token } : {}),
    retries: 30,
    ackTimeout: 6000,
    reconnectionDelay: 100,
    reconnectionDelayMax: 300,
  });
  socket.on("session", (session) => (token = session.token));
  socket.on("node:leaving", () => say({ leaving: url }));
  const pay = async (hold) => {
    for (;;) {
      try {
        const body = JSON.stringify({ hold });
        const paid = await fetch(`${url}/demo/pay`, { method: "POST", body });
        if (paid.ok) return (await paid.json()).payment;
      } catch {
        // The node is away; a browser would try again.
      }
      await pause(100);
    }
  };
  for (let turn = 0; open; turn++) {
    const seat = `${"ABCDEF"[number % 6]}-${turn + 1}`;
    try {
      const held = await socket.emitWithAck("seats:hold", { show, seats: [seat], request_id: `${number}-${turn}` });
      if (!held.ok) throw new Error(held.error.code);
      const payment = await pay(held.hold.id);
      const done = await socket.emitWithAck("seats:confirm", { hold: held.hold.id, payment });
      if (!done.ok) throw new Error(done.error.code);
      say({ booked: held.hold.id, seat, state: done.booking.state });
    } catch (error) {
      say({ error: String(error), seat });
    }
    await pause(100);
  }
  socket.close();
}

await Promise.all(urls.map(buy));
