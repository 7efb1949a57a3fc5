"""`python -m tests`: sets up the environment with the test tools, gets a browser where there is none, runs every test.

    python -m tests --fast         what needs neither torch nor the page, within a minute on two cores
    python -m tests --faults       what provokes a fault or an attack, and a table of what holds
    python -m tests --coverage     the same tests, and how much of the program they run

Other arguments go to pytest: `python -m tests tests/commands/test_main.py -k seed`. With `--no-bootstrap` the
environment is used as it is.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import bootstrap

ROOT = Path(__file__).resolve().parent.parent
COVERAGE = ["--cov=webui", "--cov=pipelines", "--cov-report=term-missing:skip-covered"]
LEAST = "--cov-fail-under=90"  # percent, of a whole run
SIDE_BY_SIDE = ["-n", "auto", "--maxprocesses", "4", "--dist", "loadfile"]  # one process a core, a file in one of them
OWN = (bootstrap.FLAG, "--coverage")


def main() -> int:
    bootstrap.refuse_old_python()
    given = sys.argv[1:]
    if bootstrap.FLAG not in given:
        bootstrap.ensure(ROOT / "requirements-dev.txt", ["-m", "tests", *given])

    import pytest

    from tests import browsers

    arguments = pytest_arguments(given)
    if not {"--fast", "--collect-only"} & set(given) and SIDE_BY_SIDE[0] in arguments:
        # got once, before there are several processes; what is left out without one is told by a single process
        browser = browsers.usable(obtain=True)
        if browser is None:
            arguments = [argument for argument in arguments if argument not in SIDE_BY_SIDE]
        else:
            os.environ[browsers.NAMED] = browser
    return int(pytest.main(arguments))


def pytest_arguments(given: list[str]) -> list[str]:
    arguments = [argument for argument in given if argument not in OWN]
    coverage = [*COVERAGE, *([] if arguments else [LEAST])] if "--coverage" in given else []
    whole = all(one.startswith("--") for one in arguments)  # no file, no -k: what is chosen runs in one process
    together = SIDE_BY_SIDE if whole and "--collect-only" not in given else []
    return ["--rootdir", str(ROOT), "--get-browser", *together, *coverage, *arguments]


if __name__ == "__main__":
    sys.exit(main())
