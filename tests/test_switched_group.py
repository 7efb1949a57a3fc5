"""A group all of whose fields have defaults: given to the real request in a process of its own, it is walked through
every face by tests/test_every_field.py and by tests/switched/checks.py. Nothing else names it."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.lengthy
FACES = (
    "the_job_row_and_the_worker",
    "the_file_and_history",
    "a1111s_text",
    "an_axis_of_the_lab",
    "the_command_line",
    "the_page",
    "a_preset",
)


def test_a_group_with_a_switch_has_every_face_by_itself() -> None:
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "-p", "tests.switched.plugin"]
    # the documents name no pretend fields
    chosen = ["-k", "(second or scale or method or switched) and not told_in_the_docs"]
    files = ["tests/test_every_field.py", "tests/switched/checks.py"]
    done = subprocess.run([*command, *chosen, *files], cwd=ROOT, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stdout
    for face in FACES:
        for name in ("second", "scale", "second_steps", "method"):
            assert re.search(rf"::test_{face}\[{name}=.* PASSED", done.stdout), (face, name)
    assert "checks.py" in done.stdout
