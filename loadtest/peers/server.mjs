// The Node.js server of the benchmarks: the official Socket.IO server with its Redis adapter, one room, our payload.
// argv: port, URL of a Redis or Valkey server. Commands come as lines on stdin; each is answered with a line of JSON.
//   send RATE SECONDS   emit to the room RATE times a second (0: as fast as possible)
import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { createAdapter } from "@socket.io/redis-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";

const [port, redis] = process.argv.slice(2);
const pub = createClient({ url: redis });
const sub = pub.duplicate();
await Promise.all([pub.connect(), sub.connect()]);
const http = createServer();
const io = new Server(http, { adapter: createAdapter(pub, sub), pingInterval: 20000, perMessageDeflate: false });

io.on("connection", (socket) => {
  socket.on("show:watch", async (ask, answer) => {
    await socket.join("show");
    answer({ ok: true, show: ask.show });
  });
});

function payload(version) {
  const seat = version % 1000;
  return {
    show: "west-konkan-lights-20261123-2355", epoch: "019ab", from: version - 1, version,
    held: [seat, seat + 1], sold: [7, 8], t: Math.round((performance.timeOrigin + performance.now()) * 1000),
  };
}

async function send(rate, seconds) {
  const begun = performance.now();
  let turns = 0;
  for (;;) {
    const now = performance.now() - begun;
    if (now > seconds * 1000 || (rate > 0 && turns >= rate * seconds)) return turns;
    io.to("show").emit("seats:changed", payload(++turns));
    const rest = rate > 0 ? (turns / rate) * 1000 - (performance.now() - begun) : 0;
    await new Promise((done) => (rest >= 1 ? setTimeout(done, rest) : setImmediate(done)));
  }
}

http.listen({ port: Number(port), host: "127.0.0.1", backlog: 4096 }, () => console.log(JSON.stringify({ ready: true })));
for await (const line of createInterface({ input: process.stdin })) {
  const [, rate, seconds] = line.split(" ");
  console.log(JSON.stringify({ turns: await send(Number(rate), Number(seconds)) }));
}
process.exit(0);
