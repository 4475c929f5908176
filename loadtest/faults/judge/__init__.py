"""The judge: checks a recorded history against itself and against the final state. No clocks, no sockets."""
