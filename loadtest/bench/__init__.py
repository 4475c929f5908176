"""Benchmarks: this project compared with python-socketio's own ``emit``, Node.js and the bare kernel, in one run."""
