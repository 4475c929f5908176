"""The closed list of error codes: one class per code, whose docstring is its message.

Every refusal that reaches a client is one of these. The table in ``docs/protocol.md`` is made from this file
(``python -m realtime.errors``), and a test holds every code that the Lua library returns against it.
Pure: imports nothing of the house.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TicketError(Exception):
    """Something went wrong that no code below describes; trying again may help."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = True

    def __init__(self, message: str | None = None, **details: Any) -> None:
        """Take a message for people (default: the class docstring) and details that go to the client as they are."""
        self.message = message or " ".join((type(self).__doc__ or "").split()).replace("``", "")
        self.details = details
        super().__init__(self.message)

    def payload(self) -> dict[str, Any]:
        """Return the wire form: ``{"code", "message", "retryable", **details}``."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable, **self.details}


class BadRequest(TicketError):
    """The request is not of the documented form; the message says where."""

    code, status, retryable = "bad_request", 400, False


class PayloadTooLarge(TicketError):
    """The request is larger than this server takes."""

    code, status, retryable = "payload_too_large", 413, False


class InvalidPlan(TicketError):
    """The seating plan can't be used; the message says where."""

    code, status, retryable = "invalid_plan", 422, False


class Unauthorized(TicketError):
    """The identity token is not valid here; connect without one to get a new identity."""

    code, status, retryable = "unauthorized", 401, False


class Forbidden(TicketError):
    """Only operators may do this."""

    code, status, retryable = "forbidden", 403, False


class NotFound(TicketError):
    """There is nothing at this address."""

    code, status, retryable = "not_found", 404, False


class ShowNotFound(TicketError):
    """There is no show with this id."""

    code, status, retryable = "show_not_found", 404, False


class TheatreNotFound(TicketError):
    """There is no theatre with this id in this region."""

    code, status, retryable = "theatre_not_found", 404, False


class LayoutNotFound(TicketError):
    """There is no layout with this id."""

    code, status, retryable = "layout_not_found", 404, False


class SeatNotFound(TicketError):
    """The show has no such seat; ``seats`` names the unknown ones."""

    code, status, retryable = "seat_not_found", 404, False


class HoldNotFound(TicketError):
    """There is no hold with this id, or it ended long ago."""

    code, status, retryable = "hold_not_found", 404, False


class BookingNotFound(TicketError):
    """There is no booking with this id."""

    code, status, retryable = "booking_not_found", 404, False


class NotYourHold(TicketError):
    """This hold belongs to somebody else."""

    code, status, retryable = "not_your_hold", 403, False


class SeatsTaken(TicketError):
    """Some of these seats are not free any more; ``seats`` names them. Choose others."""

    code, status, retryable = "seats_taken", 409, False


class HoldExpired(TicketError):
    """The time for this hold is over; its seats went back on sale. Hold them again if they are still free."""

    code, status, retryable = "hold_expired", 410, False


class HoldEnded(TicketError):
    """This hold was released; it can't be used any more."""

    code, status, retryable = "hold_ended", 409, False


class HoldConfirmed(TicketError):
    """This hold is already being booked; it can't be changed any more."""

    code, status, retryable = "hold_confirmed", 409, False


class HoldLost(TicketError):
    """The region lost this hold in a failure; its seats are honestly free again. Hold them again."""

    code, status, retryable = "hold_lost", 410, False


class ExtendLimit(TicketError):
    """This hold can't be extended any further."""

    code, status, retryable = "extend_limit", 409, False


class TooManyHolds(TicketError):
    """You have too many live holds on this show; confirm or release one first."""

    code, status, retryable = "too_many_holds", 409, False


class TooManyWatches(TicketError):
    """This connection watches too many shows; unwatch one first."""

    code, status, retryable = "too_many_watches", 409, False


class RequestReused(TicketError):
    """This request_id was used before for other seats, or its hold has ended; use a new one for a new hold."""

    code, status, retryable = "request_reused", 409, False


class SalesPaused(TicketError):
    """Sales for this show are paused; try again in a while."""

    code, status, retryable = "sales_paused", 409, True


class SalesClosed(TicketError):
    """Sales for this show are closed."""

    code, status, retryable = "sales_closed", 409, False


class PaymentRefused(TicketError):
    """The payment service does not vouch for this payment; pay again."""

    code, status, retryable = "payment_refused", 402, False


class BookingRejected(TicketError):
    """The seats were sold to somebody else before this booking could be recorded; the payment is refunded."""

    code, status, retryable = "booking_rejected", 409, False


class TheatreConflict(TicketError):
    """This theatre is declared by more than one region; nothing is sold for it until an operator puts that right."""

    code, status, retryable = "theatre_conflict", 409, False


class AlreadyExists(TicketError):
    """Something else with this id exists already."""

    code, status, retryable = "already_exists", 409, False


class RateLimited(TicketError):
    """Too many requests; slow down. ``retry_after_ms`` says for how long."""

    code, status, retryable = "rate_limited", 429, True


class RegionUnavailable(TicketError):
    """The region that owns this show is out of reach; nothing is lost, try again in a moment."""

    code, status, retryable = "region_unavailable", 503, True


class Overloaded(TicketError):
    """The region that owns this show has more work than it can take; try again in a moment."""

    code, status, retryable = "overloaded", 503, True


def _all() -> dict[str, type[TicketError]]:
    classes: list[type[TicketError]] = [TicketError, *TicketError.__subclasses__()]
    return {c.code: c for c in classes}


CODES: dict[str, type[TicketError]] = _all()
"""Every code with its class."""


def markdown_table() -> str:
    """Return the table of ``docs/protocol.md``: code, HTTP status, retryable, meaning."""
    rows = [f"| `{e.code}` | {e.status} | {'yes' if e.retryable else 'no'} | {e().message} |" for e in CODES.values()]
    return "\n".join(["| code | HTTP | retryable | meaning |", "| --- | --- | --- | --- |", *rows])


if __name__ == "__main__":
    print(markdown_table())  # noqa: T201
