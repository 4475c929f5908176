"""Socket.IO over raw sockets: accepts connections, keeps sessions, writes frames to many viewers at once.

Reading order:

1. ``guard`` (which private parts of the frameworks are used, and why), ``server`` (puts the rest together);
2. ``client_address``, ``admission``, ``waste``, ``fair_queue``, ``budget`` (whose connection it is, how many there may
   be, whose turn it is, what one may send);
3. ``listening_socket``, ``handshake``, ``request_smuggling``, ``acceptor``, ``http_connection``, ``refusal``,
   ``driver``, ``frames``, ``websocket_connection`` (a connection, from the kernel to its session);
4. ``session_manager``, ``packet_queue``, ``packets``, ``protocol`` (sessions, and what clients may send);
5. ``fanout``, ``plain_fanout`` (what is sent to them);
6. ``limited_log``, ``framework_logs`` (what strangers can make a node log).

A *session* is Socket.IO's, named by its ``sid``; the engine.io session that carries it is named by its ``eio_sid``.
"""
