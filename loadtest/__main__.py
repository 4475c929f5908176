"""``python -m loadtest``: load tests, fault tests and benchmarks."""

from __future__ import annotations

try:
    from loadtest.cli import main
except ModuleNotFoundError as error:
    raise SystemExit(
        f"{error}: install the load test's dependencies with `pip install 'tickingtickets[loadtest]'`"
    ) from None

if __name__ == "__main__":
    main(prog_name="python -m loadtest")
