"""The embedded cluster behind ``up``: real servers as child processes on loopback, sample data, delayed links."""
