"""``verify``: checks the code of a ticket without a network, as a gate does."""

from __future__ import annotations

import json
from pathlib import Path

import click

from realtime.cli.common import load_settings
from realtime.tickets.code import printed
from realtime.tickets.token import PublicKeys, TicketInvalid, live_keys
from realtime.tickets.token import verify as verify_token


@click.command()
@click.argument("token")
@click.option(
    "--keys",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="A file with the answer of GET /api/v1/tickets/keys; default: the keys of the topology's regions.",
)
@click.pass_obj
def verify(topology: Path, token: str, keys: Path | None) -> None:
    """Check the text of a ticket's QR code: whether it was issued here, and for what.

    A valid code proves that the region issued the ticket. Only the region knows whether it was used or cancelled since.
    The exit status is 1 if it is not a ticket of this installation.
    """
    try:
        claims = verify_token(token, _from_file(keys) if keys is not None else _from_topology(topology))
    except TicketInvalid as error:
        raise click.ClickException(f"not a valid ticket: {error.reason.value}") from None
    click.echo(f"{printed(claims.code)}: {claims.seat_count} seats of {claims.show} on {claims.day}")


def _from_file(path: Path) -> PublicKeys:
    try:
        return PublicKeys.from_jwks(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise click.ClickException(f"{path} has no ticket keys: {error}") from None


def _from_topology(topology: Path) -> PublicKeys:
    settings = load_settings(topology)
    return PublicKeys.of(live_keys(settings.secrets, settings.topology.regions))
