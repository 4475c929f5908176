"""The closed list of error codes: one class per code, whose docstring is its message.

Every error that reaches a client is one of these. The table in ``docs/protocol.md`` is generated from this file
(``python -m realtime.errors``), and a test checks that every code of the Lua library is in it.
Pure: imports nothing from the rest of the package.
"""

from __future__ import annotations

from typing import Any, ClassVar


class TicketError(Exception):
    """Something unexpected went wrong. Try again."""

    code: ClassVar[str] = "internal"
    status: ClassVar[int] = 500
    retryable: ClassVar[bool] = True

    def __init__(self, message: str | None = None, **details: Any) -> None:
        """Take a message for people (default: the class docstring) and details that are sent to the client as given."""
        self.message = message or " ".join((type(self).__doc__ or "").split()).replace("``", "")
        self.details = details
        super().__init__(self.message)

    def payload(self) -> dict[str, Any]:
        """Return the wire form: ``{"code", "message", "retryable", **details}``."""
        return {"code": self.code, "message": self.message, "retryable": self.retryable, **self.details}


class BadRequest(TicketError):
    """The request is malformed; the message says where."""

    code, status, retryable = "bad_request", 400, False


class PayloadTooLarge(TicketError):
    """The request is too large."""

    code, status, retryable = "payload_too_large", 413, False


class InvalidPlan(TicketError):
    """The seating plan can't be imported; the message says what is wrong and where."""

    code, status, retryable = "invalid_plan", 422, False


class Unauthorized(TicketError):
    """The identity token is invalid or has expired. Connect without a token to get a new identity."""

    code, status, retryable = "unauthorized", 401, False


class Forbidden(TicketError):
    """Only staff may do this. Send the operator key, or a staff token with a role that may do it."""

    code, status, retryable = "forbidden", 403, False


class NotFound(TicketError):
    """There is nothing at this address, or it does not accept this method."""

    code, status, retryable = "not_found", 404, False


class ShowNotFound(TicketError):
    """There is no show with this id."""

    code, status, retryable = "show_not_found", 404, False


class TheatreNotFound(TicketError):
    """There is no theatre with this id."""

    code, status, retryable = "theatre_not_found", 404, False


class LayoutNotFound(TicketError):
    """There is no layout with this id."""

    code, status, retryable = "layout_not_found", 404, False


class SeatNotFound(TicketError):
    """The show has no seats with these ids; ``seats`` lists them."""

    code, status, retryable = "seat_not_found", 404, False


class HoldNotFound(TicketError):
    """There is no hold with this id, or it ended some time ago."""

    code, status, retryable = "hold_not_found", 404, False


class BookingNotFound(TicketError):
    """There is no booking with this id."""

    code, status, retryable = "booking_not_found", 404, False


class BookingCancelled(TicketError):
    """This booking was cancelled; its ticket is not valid any more."""

    code, status, retryable = "booking_cancelled", 410, False


class LinkInvalid(TicketError):
    """This link to a ticket is incomplete or was revoked, or its show is over."""

    code, status, retryable = "link_invalid", 403, False


class CancelTooLate(TicketError):
    """This booking can't be cancelled any more; ``cancel_until`` (ms since the epoch) was the latest time."""

    code, status, retryable = "cancel_too_late", 409, False


class PriceDiffers(TicketError):
    """The new seats have a price (``price``, in paise) other than the booking's (``amount``). Choose others."""

    code, status, retryable = "price_differs", 409, False


class AlreadyAdmitted(TicketError):
    """Somebody was admitted with this ticket before; ``admitted_at`` (ms) and ``gate`` say when and where."""

    code, status, retryable = "already_admitted", 409, False


class TicketLeased(TicketError):
    """This ticket is leased to another gate, which ``gate`` names; ``until`` (ms) is the end. Send the people there."""

    code, status, retryable = "ticket_leased", 409, True


class WrongShow(TicketError):
    """This ticket is for another show or theatre, or for another time; ``show`` says which."""

    code, status, retryable = "wrong_show", 409, False


class TicketUnreadable(TicketError):
    """This is neither the code nor the QR code of a ticket of this installation.

    The reason is malformed, version, unknown_key or signature (forged).
    """

    code, status, retryable = "ticket_unreadable", 422, False


class CommandNotFound(TicketError):
    """This request is not known: it never arrived, or it arrived too long ago. It is safe to repeat it."""

    code, status, retryable = "command_not_found", 404, False


class NotYourHold(TicketError):
    """This hold belongs to another buyer."""

    code, status, retryable = "not_your_hold", 403, False


class SeatsTaken(TicketError):
    """Some of these seats are no longer free; ``seats`` lists them. Choose other seats."""

    code, status, retryable = "seats_taken", 409, False


class HoldExpired(TicketError):
    """This hold has expired and its seats are on sale again. Select them again if they are still free."""

    code, status, retryable = "hold_expired", 410, False


class HoldEnded(TicketError):
    """This hold was released and can no longer be used."""

    code, status, retryable = "hold_ended", 409, False


class HoldConfirmed(TicketError):
    """This hold is being booked and can no longer be changed."""

    code, status, retryable = "hold_confirmed", 409, False


class HoldLost(TicketError):
    """This hold was lost in a server failure and its seats are free again. Select them again."""

    code, status, retryable = "hold_lost", 410, False


class ExtendLimit(TicketError):
    """This hold can't be extended again."""

    code, status, retryable = "extend_limit", 409, False


class TooManyHolds(TicketError):
    """You have too many holds on this show. Confirm or release one first."""

    code, status, retryable = "too_many_holds", 409, False


class AddressLimit(TicketError):
    """Your network holds as many seats of this show as one network may. Book some of them, or try again in a moment."""

    code, status, retryable = "address_limit", 429, True


class SeatsResting(TicketError):
    """Your network has held these seats too long (``seats``). Try again after ``retry_after_ms``, or choose others."""

    code, status, retryable = "seats_resting", 409, True


class ChallengeRequired(TicketError):
    """Demand is very high. Solve ``challenge`` and repeat the request with the solution."""

    code, status, retryable = "challenge_required", 429, False


class TooManyWatches(TicketError):
    """This connection watches too many shows. Unwatch one first."""

    code, status, retryable = "too_many_watches", 409, False


class RequestReused(TicketError):
    """This request_id was already used for other seats, or its hold has ended. Use a new one for each new hold."""

    code, status, retryable = "request_reused", 409, False


class SalesPaused(TicketError):
    """Sales for this show are paused. Try again later."""

    code, status, retryable = "sales_paused", 409, True


class SalesClosed(TicketError):
    """Sales for this show are closed, or have ended."""

    code, status, retryable = "sales_closed", 409, False


class SalesNotStarted(TicketError):
    """Sales for this show have not started yet; ``sales_start`` says when they will (ms since the epoch)."""

    code, status, retryable = "sales_not_started", 409, True


class PaymentRefused(TicketError):
    """The payment could not be verified. Pay again."""

    code, status, retryable = "payment_refused", 402, False


class PaymentUnavailable(TicketError):
    """The payment service does not answer at the moment; nothing is lost. Try again in a moment."""

    code, status, retryable = "payment_unavailable", 503, True


class WebhookRefused(TicketError):
    """This is not a webhook of the payment service: its signature or its form is not valid."""

    code, status, retryable = "webhook_refused", 400, False


class BookingRejected(TicketError):
    """The seats were sold to another buyer before this booking was recorded, or ``reason`` says why it failed. The
    payment is refunded.
    """

    code, status, retryable = "booking_rejected", 409, False


class TheatreConflict(TicketError):
    """More than one region declares this theatre; nothing is sold for it until an operator resolves the conflict."""

    code, status, retryable = "theatre_conflict", 409, False


class AlreadyExists(TicketError):
    """This id is already in use."""

    code, status, retryable = "already_exists", 409, False


class RateLimited(TicketError):
    """Too many requests. Wait ``retry_after_ms`` before the next one."""

    code, status, retryable = "rate_limited", 429, True


class RegionUnavailable(TicketError):
    """Booking is unavailable for this show at the moment. Try again in a few seconds."""

    code, status, retryable = "region_unavailable", 503, True


class Overloaded(TicketError):
    """Demand for this show is very high at the moment. Try again in a few seconds."""

    code, status, retryable = "overloaded", 503, True


def _all() -> dict[str, type[TicketError]]:
    classes: list[type[TicketError]] = [TicketError, *TicketError.__subclasses__()]
    return {c.code: c for c in classes}


CODES: dict[str, type[TicketError]] = _all()
"""Every error class by its code."""


def markdown_table() -> str:
    """Return the table of ``docs/protocol.md``: code, HTTP status, retryable, meaning."""
    rows = [f"| `{e.code}` | {e.status} | {'yes' if e.retryable else 'no'} | {e().message} |" for e in CODES.values()]
    return "\n".join(["| code | HTTP | retryable | meaning |", "| --- | --- | --- | --- |", *rows])


if __name__ == "__main__":
    print(markdown_table())  # noqa: T201
