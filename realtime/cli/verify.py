"""``verify``: checks the code of a ticket without a network, as a gate does."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import click

from realtime.cli.common import load_settings
from realtime.tickets.code import printed
from realtime.tickets.token import PublicKeys, TicketClaims, TicketInvalid, derive_key
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
    """Check the text of a ticket's QR code: was it issued here, and what for?

    A valid code proves that the region issued the ticket. Whether it was used or cancelled since, only the region
    knows. Exit status 1: not a ticket of this installation.
    """
    try:
        known = [_from_file(keys)] if keys is not None else _from_topology(topology)
        claims = _verified(token.strip(), known)
    except TicketInvalid as error:
        raise click.ClickException(f"not a valid ticket: {error.reason.value}") from None
    click.echo(f"{printed(claims.code)}: {claims.seat_count} seats of {claims.show} on {claims.day}")


def _from_file(path: Path) -> PublicKeys:
    try:
        return PublicKeys.from_jwks(json.loads(path.read_text()))
    except (ValueError, KeyError, TypeError) as error:
        raise click.ClickException(f"{path} has no ticket keys: {error}") from None


def _verified(token: str, known: list[PublicKeys]) -> TicketClaims:
    """Return what a token states under the first keys that accept it; raise the last ``TicketInvalid``."""
    for keys in known[:-1]:
        with contextlib.suppress(TicketInvalid):
            return verify_token(token, keys)
    return verify_token(token, known[-1])


def _from_topology(topology: Path) -> list[PublicKeys]:
    """Return the keys of the secret, and of the second one during a rotation."""
    settings = load_settings(topology)
    secrets = [secret for secret in (settings.secret, settings.second_secret) if secret]
    return [PublicKeys.of(derive_key(secret, region) for region in settings.topology.regions) for secret in secrets]
