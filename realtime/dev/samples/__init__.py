"""Sample data, generated: seating plans, theatres in nine Indian cities, shows for today and tomorrow."""

from realtime.dev.samples.concert_hall import concert_hall_plan
from realtime.dev.samples.multiplex import multiplex_plan
from realtime.dev.samples.programme import INDIA, SampleShow, shows, theatres
from realtime.dev.samples.seeding import seed
from realtime.dev.samples.stadium import stadium_plan

__all__ = [
    "INDIA",
    "SampleShow",
    "concert_hall_plan",
    "multiplex_plan",
    "seed",
    "shows",
    "stadium_plan",
    "theatres",
]
