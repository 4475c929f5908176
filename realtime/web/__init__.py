"""The node: HTTP and Socket.IO for any show, whoever owns it."""
