"""TickingTickets: real-time seat maps and seat booking across regions.

The rooms of the house, top to bottom; a module never imports one above it:
``cli``, ``dev``, ``web`` and ``keeper``, ``rooms`` and ``locks``, ``ledger``, then what everyone shares.
"""

__version__ = "0.1.0"
