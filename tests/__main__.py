"""`python -m tests`: sets up the environment with the test tools, then runs every test and reports coverage.

Arguments go to pytest: `python -m tests tests/commands/test_main.py -k seed`. With `--no-bootstrap` the environment
is used as it is.
"""

from __future__ import annotations

import sys
from pathlib import Path

import bootstrap

ROOT = Path(__file__).resolve().parent.parent
COVERAGE = ["--cov=webui", "--cov=pipelines", "--cov-report=term-missing:skip-covered"]
LEAST = "--cov-fail-under=90"  # percent, of a whole run


def main() -> int:
    bootstrap.refuse_old_python()
    arguments = [argument for argument in sys.argv[1:] if argument != bootstrap.FLAG]
    if len(arguments) == len(sys.argv) - 1:
        bootstrap.ensure(ROOT / "requirements-dev.txt", ["-m", "tests", *arguments])

    import pytest

    whole = [] if arguments else [LEAST]
    return int(pytest.main(["--rootdir", str(ROOT), *COVERAGE, *whole, *(arguments or [str(ROOT / "tests")])]))


if __name__ == "__main__":
    sys.exit(main())
