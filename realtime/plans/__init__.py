"""Seating plans: the JSON format of pretix's free editor in, a ``model.Layout`` out.

Pure: bytes in, values out, no I/O. ``reader`` walks the plan, ``areas`` turns its decorations into shapes, ``values``
checks single values and knows how to say where a fault is, ``colors`` lets nothing through that is not a plain colour.
"""

from realtime.plans.reader import read_plan

__all__ = ["read_plan"]
