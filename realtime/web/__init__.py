"""The node: HTTP and Socket.IO for the shows of all regions."""
