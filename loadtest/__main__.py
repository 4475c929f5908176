"""``python -m loadtest``: load tests, fault tests and benchmarks."""

from __future__ import annotations

try:
    from loadtest.cli import main
except ModuleNotFoundError as error:
    raise SystemExit(
        f"{error}: install what load tests need with `make install`, and run `.venv/bin/python -m loadtest`; "
        "or install the extra `loadtest` of the wheel"
    ) from None

if __name__ == "__main__":
    main(prog_name="python -m loadtest")
