"""Plans for the tests: a plain one, and ones as real editors and converters write them."""

from __future__ import annotations

import uuid
from typing import Any

import orjson

Plan = dict[str, Any]


def seat(guid: str, number: object, x: float, y: float, category: str = "Standard", **extra: object) -> Plan:
    return {
        "seat_guid": guid,
        "seat_number": number,
        "position": {"x": x, "y": y},
        "category": category,
        **extra,
    }


def plan(**changes: object) -> Plan:
    """Two zones of two rows of three seats; fresh at each call, so that a test may spoil it."""
    zones = []
    for z, (name, top) in enumerate((("Stalls", 100), ("Balcony", 400))):
        rows = [
            {
                "row_number": row,
                "position": {"x": 20, "y": 30 * r},
                "seats": [seat(f"{name}-{row}-{n}", str(n), 25 * n, 0) for n in (1, 2, 3)],
            }
            for r, row in enumerate(("A", "B"))
        ]
        zones.append({"name": name, "position": {"x": 10 * z, "y": top}, "rows": rows, "areas": []})
    return {
        "name": "Small hall",
        "categories": [{"name": "Standard", "color": "#cccccc"}],
        "zones": zones,
        "size": {"width": 600, "height": 500},
        **changes,
    }


def dump(plan: object) -> bytes:
    return orjson.dumps(plan)


def editor_plan() -> Plan:
    """As today's editor writes it: uuids, row labels, radii, every kind of area, text on each of them."""

    def own(**keys: object) -> Plan:
        return {"uuid": str(uuid.uuid4()), **keys}

    def area(shape: str, **keys: object) -> Plan:
        text = {"position": {"x": 0, "y": 0}, "color": "#333333", "text": "", "size": 16}
        return own(shape=shape, color="#eee", border_color="#aaaaaa", rotation=0, text=text, **keys)

    rows = [
        own(
            row_number=str(r),
            row_label="Row %s",
            seat_label="Seat %s",
            row_number_position="both",
            position={"x": 40.5, "y": 30.25 * r},
            seats=[
                own(
                    seat_guid=str(uuid.uuid4()),
                    seat_number=str(n),
                    position={"x": 25.5 * n, "y": 0.125 * n},
                    category="Parkett",
                    radius=10,
                    start_direction=None,
                    rotation=0,
                )
                for n in range(1, 9)
            ],
        )
        for r in range(1, 5)
    ]
    label = {"position": {"x": 100, "y": 20}, "color": "#ffffff", "text": "Bühne", "size": 24}
    areas = [
        area("rectangle", position={"x": 0, "y": 0}, rectangle={"width": 200, "height": 40}) | {"text": label},
        area("circle", position={"x": 10, "y": 20}, circle={"radius": 5}),
        area("ellipse", position={"x": 10, "y": 20}, ellipse={"radius": {"x": 8, "y": 4}}) | {"rotation": 45.0},
        area("polygon", position={"x": 50, "y": 60}, polygon={"points": [{"x": x, "y": x * x} for x in range(4)]}),
        area("text", position={"x": 300, "y": 10}) | {"text": {**label, "text": "Ausgang"}},
    ]
    zone = own(name="Parkett links", zone_id="PL", position={"x": 33.3, "y": 66.6}, rows=rows, areas=areas)
    return {
        "name": "Großer Saal",
        "categories": [{"name": "Parkett", "color": "#7f4a91"}],
        "zones": [zone],
        "size": {"width": 800, "height": 600},
    }
