"""Benchmarks: this project beside python-socketio's own ``emit``, Node.js and the bare kernel, in one run."""
