"""Socket.IO over raw sockets: accepting, sessions, frames and fan-out. Everything that touches framework internals."""
