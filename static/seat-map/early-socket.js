/**
 * Opens the WebSocket of a page's first connection while the modules that use it are still on their way: the connection
 * then takes two round trips less once they are there.
 */

/** @type {{socket: WebSocket, received: MessageEvent[]} | null} */
let early = null;

/** Begin to connect to a node. @param {string} origin */
export function openEarly(origin) {
  // The address that the Socket.IO client asks for.
  const socket = new WebSocket(`${origin.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
  /** @type {MessageEvent[]} */
  const received = [];
  socket.onmessage = (message) => received.push(message);
  early = { socket, received };
}

/**
 * The socket that was opened early, if it is for this address and not closed. What has happened to it is repeated as
 * soon as the caller has set its handlers.
 * @param {string} address
 * @returns {WebSocket | null}
 */
export function takeEarly(address) {
  if (!early) return null;
  const { socket, received } = early;
  early = null;
  if (socket.url !== address || socket.readyState > WebSocket.OPEN) {
    socket.close();
    return null;
  }
  const isOpen = socket.readyState === WebSocket.OPEN;
  queueMicrotask(() => {
    if (isOpen) socket.onopen?.(new Event("open"));
    for (const message of received) socket.onmessage?.(message);
  });
  return socket;
}
