"""Seating plans: reads the JSON format of pretix's free editor into a ``model.Layout``.

Pure: no I/O. ``reader`` reads the whole plan, ``areas`` converts its decorations to shapes, ``values`` validates single
values and names the place of an error, ``colors`` accepts plain colours only, ``rows`` reads how rows are named,
``marks`` reads marks on seats. ``report`` finds what its seller should know. ``coded`` writes a layout in few bytes for
pages, with the rules of ``id_rules`` and the numbers of ``varints``.
"""

from realtime.plans.reader import import_plan, read_plan
from realtime.plans.report import Finding

__all__ = ["Finding", "import_plan", "read_plan"]
