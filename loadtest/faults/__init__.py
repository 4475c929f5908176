"""``python -m loadtest faults``: buyers and viewers while things die, and a verdict on what they were told."""
