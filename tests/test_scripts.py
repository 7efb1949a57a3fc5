"""The logic of the page's own scripts, by node's own runner: `tests/scripts/`, without a browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OLDEST = (20, 19)


@cache
def node() -> str | None:
    """This machine's node, or None where it has none that is new enough."""
    program = shutil.which("node")
    if program is None:
        return None
    told = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.match(r"v(\d+)\.(\d+)", told)
    return program if found and (int(found[1]), int(found[2])) >= OLDEST else None


@pytest.mark.parametrize("path", sorted((ROOT / "tests" / "scripts").glob("*.test.js")), ids=lambda path: path.name)
def test_the_scripts_do_what_they_should(path: Path) -> None:
    program = node()
    if program is None:
        pytest.skip("needs node 20.19 or newer")
    done = subprocess.run([program, "--test", str(path)], capture_output=True, text=True, check=False, cwd=ROOT)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]
