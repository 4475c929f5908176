"""Secrets: from variables or files, strong enough, and two at a time while they are rotated."""

from __future__ import annotations

from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest
from click.testing import CliRunner

from realtime import settings
from realtime.cli import cli
from realtime.environment import MAX_FILE_BYTES
from realtime.errors import Unauthorized
from realtime.tickets.token import TicketClaims, derive_key, sign
from realtime.topology import TopologyError
from realtime.web.identity import Identities

OLD, NEW = "a secret of last year", "0f9a7c55be21d3" + "e8"
TOPOLOGY = "[payments]\nservice = 'signed'\n[regions.west]\nmaster = 'redis://a:1'\nledger = 'sqlite:////x'\n"


@pytest.fixture
def topology(tmp_path: Path) -> Path:
    file = tmp_path / "topology.toml"
    file.write_text(TOPOLOGY)
    return file


def load(topology: Path, **variables: str) -> settings.Settings:
    environ = {f"TICKINGTICKETS_{name}": value for name, value in variables.items()}
    return settings.load(topology, environ)


def test_any_variable_may_be_in_a_file(topology: Path, tmp_path: Path) -> None:
    for name, content in (("secret", OLD), ("key", NEW), ("ledger", "postgresql://u:p@c/d"), ("signed", "z" * 32)):
        (tmp_path / name).write_text(content + "\r\n")
    read = load(
        topology,
        SECRET_FILE=str(tmp_path / "secret"),
        OPERATOR_KEY_FILE=str(tmp_path / "key"),
        LEDGER_WEST_FILE=str(tmp_path / "ledger"),
        SIGNED_SECRET_FILE=str(tmp_path / "signed"),
        KIOSK_PIN_FILE="",
    )
    assert (read.secret, read.operator_key, read.kiosk_pin) == (OLD, NEW, "")
    assert read.topology.regions["west"].ledger == "postgresql://u:p@c/d"
    assert read.payments.environ["TICKINGTICKETS_SIGNED_SECRET"] == "z" * 32


@pytest.mark.parametrize(
    ("content", "variables", "message"),
    [
        (None, {}, "SECRET_FILE: .*No such file"),
        (b"\n", {}, "empty"),
        (b"\xff\xfe secret", {}, "not text"),
        (b"x" * (MAX_FILE_BYTES + 1), {}, "too large"),
        (OLD.encode(), {"SECRET": OLD}, "either .*SECRET or .*SECRET_FILE"),
        (b"short", {}, "SECRET can be guessed"),
    ],
)
def test_a_file_that_is_no_secret_is_refused_without_its_content(
    topology: Path, tmp_path: Path, content: bytes | None, variables: dict[str, str], message: str
) -> None:
    file = tmp_path / "secret"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(TopologyError, match=message) as refused:
        load(topology, SECRET_FILE=str(file), **variables)
    assert OLD not in str(refused.value) and "short" not in str(refused.value)


def test_the_settings_are_shown_without_secrets(topology: Path) -> None:
    topology.write_text(
        TOPOLOGY.replace("redis://a:1", "redis://:Rosebud-1@a:1") + "[webhooks.shop]\nurl = 'https://a'\n"
    )
    names = ["SECRET", "SECOND_SECRET", "OPERATOR_KEY", "METRICS_KEY", "REDIS_PASSWORD", "MAIL_PASSWORD"]
    names += ["WEBHOOK_SECRETS_SHOP", "SIGNED_SECRET"]
    read = load(topology, **{name: f"Rosebud {name} 0f9a7c55" for name in names}, KIOSK_PIN="246810")
    assert "Rosebud" not in repr(read) and "246810" not in repr(read)


@pytest.mark.parametrize("secret", ["short", "x" * 32, "0123456" * 5, "ChangeMe-1234567890", "my-password-12345"])
@pytest.mark.parametrize("name", ["SECRET", "SECOND_SECRET", "OPERATOR_KEY"])
def test_a_process_does_not_start_with_a_secret_that_can_be_guessed_but_in_a_trial(
    topology: Path, name: str, secret: str
) -> None:
    variables = {"SECRET": OLD, name: secret}
    with pytest.raises(TopologyError, match=f"_{name} can be guessed") as refused:
        load(topology, **variables)
    assert secret not in str(refused.value)
    load(topology, **variables, ALLOW_WEAK_SECRETS="yes")


@pytest.mark.parametrize("pin", ["000000", "111111", "121212", "123456", "987654", "3456789012"])
def test_a_pin_that_is_tried_first_is_refused(topology: Path, pin: str) -> None:
    with pytest.raises(TopologyError, match="KIOSK_PIN can be guessed"):
        load(topology, SECRET=OLD, KIOSK_PIN=pin)
    assert load(topology, SECRET=OLD, KIOSK_PIN="246810").kiosk_pin == "246810"


def test_each_step_of_a_rotation_accepts_the_tokens_of_the_step_before() -> None:
    steps = [Identities(OLD), Identities(OLD, NEW), Identities(NEW, OLD), Identities(NEW)]
    owner = Identities.new()
    for before, after in pairwise(steps):
        if after is not steps[-1]:
            assert after.owner(before.token(owner)) == owner
        assert before.owner(after.token(owner)) == owner, "old and new nodes run side by side"
    for first, last in ((steps[0], steps[-1]), (steps[-1], steps[0])):
        with pytest.raises(Unauthorized):
            first.owner(last.token(owner))
    assert steps[2].hold_id("west-s", owner, "1") == steps[3].hold_id("west-s", owner, "1")


def test_tickets_signed_with_either_secret_are_verified_until_the_old_one_is_unset(topology: Path) -> None:
    claims = TicketClaims("west-hamlet", "WDJBMJHT", 2, date(2030, 1, 1))
    tickets = [sign(claims, derive_key(secret, "west")) for secret in (OLD, NEW)]
    for second, exits in ((OLD, [0, 0]), ("", [1, 0])):
        variables = {"TICKINGTICKETS_SECRET": NEW, "TICKINGTICKETS_SECOND_SECRET": second}
        arguments = ["--topology", str(topology), "verify"]
        runs = [CliRunner().invoke(cli, [*arguments, ticket], env=variables) for ticket in tickets]
        assert [run.exit_code for run in runs] == exits, [run.output for run in runs]
    assert "unknown_key" in runs[0].output
