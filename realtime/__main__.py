"""Runs the command line as ``python -m realtime``."""

from realtime.cli import main

main()
