"""Crowds: viewers, buyers and pollers by the thousand against any installation, in several processes, and a verdict."""
