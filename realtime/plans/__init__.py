"""Seating plans: reads the JSON format of pretix's free editor into a ``model.Layout``.

Pure: no I/O. ``reader`` reads the whole plan, ``areas`` converts its decorations to shapes, ``values`` validates single
values and names the place of an error, ``colors`` accepts plain colours only.
"""

from realtime.plans.reader import read_plan

__all__ = ["read_plan"]
