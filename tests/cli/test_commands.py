"""The command line: help, one-line errors, and the commands of operators against a running cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from redis import Redis

from realtime import keys
from realtime.cli import cli
from realtime.dev import samples, valkey
from realtime.dev.cluster import Cluster


def run(*args: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "realtime", *args],
        capture_output=True,
        text=True,
        timeout=60,
        env={**os.environ, **(env or {})},
    )


def test_help_names_every_command() -> None:
    done = run("--help")
    assert done.returncode == 0
    for command in ("up", "node", "keeper", "plans", "shows", "theatres"):
        assert command in done.stdout
    assert "Delay the links" in run("up", "--help").stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["node", "--region", "west", "--port", "1"], "--topology"),
        (["--topology", "EXAMPLE", "node", "--region", "west", "--port", "8000"], "SECRET"),
        (["node", "--region", "west"], "--port"),
        (["plans", "import", "nowhere.json", "--theatre", "x"], "does not exist"),
        (["shows", "add"], "Missing option"),
        (["fly"], "No such command"),
    ],
)
def test_an_error_is_one_clear_line_and_no_traceback(args: list[str], said: str) -> None:
    example = str(Path(__file__).parent.parent.parent / "topology.example.toml")
    done = run(*(example if arg == "EXAMPLE" else arg for arg in args), env={"TICKINGTICKETS_SECRET": ""})
    assert done.returncode == 2
    assert said in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('master = "ftp://x"\nledger = "sqlite:///x.db"', "regions.west.master: Redis URL must specify"),
        ('master = "redis://:secret@x:port"\nledger = "sqlite:///x.db"', "regions.west.master: Port"),
        ('master = "redis://x"\nledger = "mysql://secret@x/y"', "regions.west.ledger: set sqlite:"),
        ('master = "redis://x"\nledger = "nonsense"', "regions.west.ledger: set sqlite:"),
        ('sentinels = ["x"]\nservice = "y"\nledger = "sqlite:///x.db"', "regions.west.sentinels: x is not host:port"),
        (
            'sentinels = ["x:1"]\nservice = "y"\nsentinel_credentials = "redis://:secret"',
            "regions.west.sentinel_credentials: set redis://:password@",
        ),
        (
            'master = "redis://x"\nledger = "sqlite:///x.db"\n[regions.west.replicas]\nwest = ["x:6379"]',
            "regions.west.replicas.west: Redis URL must specify",
        ),
    ],
)
@pytest.mark.parametrize("command", [["node", "--region", "west", "--port", "1"], ["keeper", "--region", "west"]])
def test_an_invalid_address_is_reported_with_its_field(
    tmp_path: Path, command: list[str], line: str, said: str
) -> None:
    file = tmp_path / "topology.toml"
    file.write_text(f"[regions.west]\n{line}\n")
    environment = {"TICKINGTICKETS_SECRET": "sixteen characters"}
    done = CliRunner(env=environment).invoke(cli, ["--topology", str(file), *command])
    assert done.exit_code == 2
    assert said in done.stderr
    assert "secret" not in done.stderr


def test_a_ledger_that_no_driver_can_address_is_reported_by_its_users(tmp_path: Path) -> None:
    file = tmp_path / "topology.toml"
    file.write_text('[regions.west]\nmaster = "redis://x"\nledger = "postgresql://secret@x:port/y"\n')
    environment = {"TICKINGTICKETS_SECRET": "sixteen characters"}
    done = CliRunner(env=environment).invoke(cli, ["--topology", str(file), "keeper", "--region", "west"])
    assert done.exit_code == 2
    assert "the address of the ledger is not valid" in done.stderr
    assert "secret" not in done.stderr


def test_a_data_folder_that_is_not_writable_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("up", "--data", str(tmp_path / "file" / "var"))
    assert done.returncode == 1
    assert "can't write to" in done.stderr
    assert "Traceback" not in done.stderr


def test_dead_letters_are_listed_although_a_region_does_not_answer(tmp_path: Path) -> None:
    server = valkey.start(tmp_path / "master")
    server.wait_ready()
    file = tmp_path / "topology.toml"
    regions = {"north": "redis://127.0.0.1:1", "west": server.url}
    file.write_text("".join(f'[regions.{name}]\nmaster = "{url}"\n' for name, url in regions.items()))
    try:
        with Redis.from_url(server.url) as redis:
            redis.xadd(keys.DEAD_LETTERS, {"kind": "booking", "hold": "west-s.h", "reason": "poison"}, "7-0")
        runner = CliRunner(env={"TICKINGTICKETS_SECRET": "sixteen characters"})
        done = runner.invoke(cli, ["--topology", str(file), "dead-letters", "list"])
        assert done.stdout == "west 7-0 booking hold=west-s.h: poison\n"
        assert (done.exit_code, done.stderr.strip()) == (
            1,
            "Error: no answer from north: dead letters there are not listed",
        )
        alone = runner.invoke(cli, ["--topology", str(file), "dead-letters", "list", "--region", "west"])
        assert (alone.exit_code, alone.stdout) == (0, done.stdout)
    finally:
        server.stop()


def test_an_operator_imports_a_plan_and_sells_a_show(cluster: Cluster, tmp_path: Path) -> None:
    env = {f"TICKINGTICKETS_{name}": value for name, value in cluster.secrets.items()}
    topology = str(cluster.topology_file("north"))

    def tickets(*args: str) -> Result:
        return CliRunner(env=env).invoke(cli, ["--topology", topology, *args], catch_exceptions=False)

    file = tmp_path / "hall.json"
    file.write_bytes(samples.multiplex_plan())
    added = tickets("theatres", "add", "cli-hall", "--region", "south", "--name", "CLI Hall", "--city", "Chennai")
    assert added.exit_code == 0, added.stderr
    imported = tickets("plans", "import", str(file), "--theatre", "cli-hall")
    assert imported.exit_code == 0, imported.stderr
    assert "in south" in imported.stdout and "280 seats" in imported.stdout
    layout = imported.stdout.split()[1]
    sold = ["--title", "From the shell", "--starts-at", "2030-01-01T18:30:00+05:30"]
    prices = [part for name in ("Recliner", "Gold", "Silver") for part in ("--price", f"{name}=300")]
    shown = tickets("shows", "add", "--theatre", "cli-hall", "--layout", layout, *sold, *prices)
    assert shown.exit_code == 0, shown.stderr
    show = "south-cli-hall-20300101-1830"
    assert shown.stdout.startswith(show)
    assert show in run("--topology", topology, "shows", "list", env=env).stdout
    assert "cli-hall" in tickets("theatres", "list").stdout
    for verb, state in (("pause", "paused"), ("close", "closed"), ("open", "open")):
        assert f"{show} is {state}" in tickets("shows", verb, show).stdout

    file.write_text('{"zones": [')
    broken = tickets("plans", "import", str(file), "--theatre", "cli-hall")
    assert broken.exit_code == 1
    assert "line 1" in broken.stderr and "Traceback" not in broken.stderr
    nowhere = tickets("shows", "pause", "south-unknown")
    assert (nowhere.exit_code, "show_not_found" in nowhere.stderr) == (1, True)
    stolen = tickets("theatres", "add", "cli-hall", "--region", "north", "--name", "Mine", "--city", "Delhi")
    assert (stolen.exit_code, "theatre_conflict" in stolen.stderr) == (1, True)
