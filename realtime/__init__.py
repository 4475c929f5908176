"""TickingTickets: real-time seat maps and seat booking across regions.

The packages, from top to bottom; a module never imports one above its own:
``cli``, ``dev``, ``web`` and ``keeper``, ``rooms`` and ``locks``, ``feeds``, ``ledger``, then what all of them use.
The import contract in ``pyproject.toml`` is the complete list and is checked in CI.
"""

__version__ = "0.1.0"
