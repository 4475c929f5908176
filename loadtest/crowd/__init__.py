"""Thousands of viewers, buyers and pollers against any installation, in several processes, with checks at the end."""
