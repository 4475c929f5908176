"""Socket.IO over raw sockets: accepts connections, keeps sessions, writes frames to many viewers at once.

Reading order:

1. ``guard`` (which private parts of the frameworks are used, and why), ``server`` (puts the rest together);
2. ``client_address``, ``admission``, ``budget`` (whose connection it is, how many there may be, what one may send);
3. ``handshake``, ``acceptor``, ``http_connection``, ``driver``, ``frames``, ``websocket_connection`` (a connection);
4. ``session_manager``, ``packets``, ``protocol`` (sessions, and what clients may send);
5. ``fanout``, ``plain_fanout`` (what is sent to them).
"""
