"""Frame rates of the seat map in a real browser on a slow device."""
