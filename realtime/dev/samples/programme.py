"""Theatres in nine Indian cities over three regions, and what is on: films, concerts and cricket.

Every name is invented. Ids are made from region, theatre and time, so that a later start finds again what it declared.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, timezone

from realtime.model import Admission, Fee, Theatre

INDIA = timezone(timedelta(hours=5, minutes=30), "IST")

_THEATRES = {
    "multiplex": (
        ("yamuna-lights", "Yamuna Lights Multiplex", "Delhi", "north"),
        ("konkan-lights", "Konkan Lights Multiplex", "Mumbai", "west"),
        ("palash-screens", "Palash Screens", "Bengaluru", "south"),
    ),
    "concert_hall": (
        ("gulmohar-sabhagar", "Gulmohar Sabhagar", "Jaipur", "north"),
        ("sahyadri-rangmandir", "Sahyadri Rangmandir", "Pune", "west"),
        ("coromandel-sabha", "Coromandel Sabha", "Chennai", "south"),
    ),
    "stadium": (
        ("shivalik-oval", "Shivalik Oval", "Chandigarh", "north"),
        ("riverbend-oval", "Riverbend Oval", "Ahmedabad", "west"),
        ("granite-park", "Granite Park Stadium", "Hyderabad", "south"),
    ),
}
"""Theatres by their plan: id, name, city, region."""

_FILMS = (
    "The Last Ferry to Alibag",
    "Monsoon Accounts",
    "Neon Jasmine",
    "Seventeen Minutes Late",
    "Kite Season",
    "A Tiger in the Lift",
)
_CONCERTS = ("Ragas at Dusk: An Evening of Sitar and Sarod", "Strings and Tabla: The Saffron Ensemble")
_MATCH = "T20 Cricket: {city} Monsoons v Coastal Comets"

_SCREENINGS = (time(9, 45), time(13, 15), time(16, 45), time(20, 15), time(23, 55))
_TIMES = {"multiplex": _SCREENINGS, "concert_hall": (time(16, 0), time(19, 30)), "stadium": (time(19, 0),)}

_MATINEE = {"Recliner": 420, "Gold": 240, "Silver": 160}
_PRICES = {
    "multiplex": {"Recliner": 560, "Gold": 340, "Silver": 220},
    "concert_hall": {"Platinum": 4500, "Gold": 2800, "Silver": 1600, "Balcony": 900},
    "stadium": {"Pavilion": 9500, "Premium": 6500, "Lower Stand": 3200, "Upper Stand": 1800, "Gallery": 850},
}
_MATINEE_UNTIL = time(15, 0)
_ADMISSIONS = {"multiplex": Admission.CINEMA, "concert_hall": Admission.OTHER, "stadium": Admission.SPORT_LEAGUE}
_FEES = {"multiplex": Fee(2_000, 200), "concert_hall": Fee(), "stadium": Fee(5_000, 0)}
"""Rs 20 and 2 %, none, Rs 50: for each seat, before tax."""


@dataclass(frozen=True, slots=True)
class SampleShow:
    """A show to declare: ``plan`` names its seating plan, ``starts_at`` is ISO 8601 in Indian time, prices rupees."""

    id: str
    region: str
    theatre: str
    plan: str
    title: str
    starts_at: str
    prices: dict[str, int]
    admission: Admission
    fee: Fee


def theatres() -> list[Theatre]:
    """Return the nine theatres, three a region."""
    return [Theatre(*entry) for entries in _THEATRES.values() for entry in entries]


def shows(today: date) -> list[SampleShow]:
    """Return the shows of ``today`` and of the day after, by Indian time; the last one of a day starts at 23:55."""
    found = [show for day in (today, today + timedelta(days=1)) for show in _shows_of(day)]
    return sorted(found, key=lambda show: (show.starts_at, show.id))


def _shows_of(day: date) -> Iterator[SampleShow]:
    for plan, entries in _THEATRES.items():
        for n, (theatre, _, city, region) in enumerate(entries):
            for k, start in enumerate(_TIMES[plan]):
                at = datetime.combine(day, start, INDIA)
                yield SampleShow(
                    id=f"{region}-{theatre}-{at:%Y%m%d-%H%M}",
                    region=region,
                    theatre=theatre,
                    plan=plan,
                    title=_title(plan, city, day.toordinal() + 2 * n + k),
                    starts_at=at.isoformat(),
                    prices=dict(_MATINEE if plan == "multiplex" and start < _MATINEE_UNTIL else _PRICES[plan]),
                    admission=_ADMISSIONS[plan],
                    fee=_FEES[plan],
                )


def _title(plan: str, city: str, turn: int) -> str:
    if plan == "stadium":
        return _MATCH.format(city=city)
    titles = _FILMS if plan == "multiplex" else _CONCERTS
    return titles[turn % len(titles)]
