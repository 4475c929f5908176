"""Socket.IO over raw sockets: accepts connections, keeps sessions, writes frames to many viewers at once.

Reading order: ``guard`` (which private parts of the frameworks are used, and why), ``server`` (puts the rest together),
``acceptor``, ``driver``, ``frames``, ``websocket_connection`` (a WebSocket from its first byte), ``session_manager``,
``packets``, ``protocol`` (what clients may send), ``fanout``, ``plain_fanout`` (what is sent to them).
"""
