"""What a run says in the end: on the terminal, as JSON, as one page."""
