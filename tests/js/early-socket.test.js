import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";
import { openEarly, takeEarly } from "../../static/seat-map/early-socket.js";

const ADDRESS = "wss://node.example/socket.io/?EIO=4&transport=websocket";
const [CONNECTING, OPEN, CLOSED] = [0, 1, 3];
let opened = [];

class FakeSocket {
  static OPEN = OPEN;

  constructor(url) {
    this.url = url;
    this.readyState = CONNECTING;
    opened.push(this);
  }

  close() {
    this.readyState = CLOSED;
  }
}

/** What a socket does once it has been taken and its handlers are set. */
async function heard(socket) {
  const events = [];
  socket.onopen = () => events.push("open");
  socket.onmessage = ({ data }) => events.push(data);
  await Promise.resolve();
  return events;
}

describe("a socket that is opened early", () => {
  beforeEach(() => {
    opened = [];
    globalThis.WebSocket = FakeSocket;
    openEarly("https://node.example");
  });

  test("gives what it has received to the one that takes it, once", async () => {
    const [socket] = opened;
    socket.readyState = OPEN;
    socket.onmessage({ data: "0{}" });
    const taken = takeEarly(ADDRESS);
    assert.equal(taken, socket);
    assert.deepEqual(await heard(taken), ["open", "0{}"]);
    assert.equal(takeEarly(ADDRESS), null);
  });

  test("opens for the one that took it before", async () => {
    assert.deepEqual(await heard(takeEarly(ADDRESS)), []);
  });

  test("is not used when it has failed, or leads to another node", () => {
    opened[0].readyState = CLOSED;
    assert.equal(takeEarly(ADDRESS), null);
    openEarly("https://node.example");
    assert.equal(takeEarly("wss://other.example/socket.io/?EIO=4&transport=websocket"), null);
    assert.equal(opened[1].readyState, CLOSED);
  });
});
