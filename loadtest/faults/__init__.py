"""``python -m loadtest faults``: sell seats while parts of the system fail, then check every answer."""
