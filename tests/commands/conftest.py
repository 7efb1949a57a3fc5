"""A command, run in this process."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from webui.commands import main as cli

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """`run("generate", "a star")` on the fake engine, in an empty folder, with its own outputs; in this process."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> subprocess.CompletedProcess[str]:
        try:
            folders = ["--output-dir", str(tmp_path / "outputs"), "--data-dir", str(tmp_path / "data")]
            status = cli.main([*arguments, "--engine", "fake", *folders])
        except SystemExit as ended:
            status = int(ended.code or 0)
        out, errors = capfd.readouterr()
        return subprocess.CompletedProcess(arguments, status, out, errors)

    return command
