"""Reports of a crowd's run: on the terminal, as JSON, and as one HTML page."""
