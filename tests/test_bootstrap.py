"""The set-up: what it runs, when, and what it says when something fails. No package is installed here."""

from __future__ import annotations

import ast
import os
import signal
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

import bootstrap
from tests.conftest import ROOT

CPU, CUDA_13, CUDA_12 = None, 13_000, 12_080


class FakeCommands:
    """Stands for `subprocess.run`: notes every command; `fails` names words of commands that go wrong."""

    def __init__(self) -> None:
        self.commands: list[list[str]] = []
        self.fails: list[str] = []
        self.interrupt: str = ""
        self.config = ""

    def __call__(self, command: Sequence[str], **_: Any) -> subprocess.CompletedProcess[str]:
        line = " ".join(command)
        self.commands.append(list(command))
        if self.interrupt and self.interrupt in line:
            raise KeyboardInterrupt
        if any(word in line for word in self.fails):
            return subprocess.CompletedProcess(command, 1, "", "")
        if "venv" in command:
            python = bootstrap.python_of(bootstrap.VENV)
            python.parent.mkdir(parents=True, exist_ok=True)
            python.touch()
        if "-c" in command:
            missing = not bootstrap.python_of(bootstrap.VENV).exists()
            return subprocess.CompletedProcess(command, int(missing), f"{sys.version_info[:2]}\n", "")
        return subprocess.CompletedProcess(command, 0, self.config if "config" in command else "", "")

    @property
    def installs(self) -> list[list[str]]:
        return [command[6:] for command in self.commands if "install" in command]


@pytest.fixture
def commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeCommands:
    fake = FakeCommands()
    monkeypatch.setattr(bootstrap, "VENV", tmp_path / ".venv")
    monkeypatch.setattr(bootstrap.subprocess, "run", fake)
    monkeypatch.setattr(bootstrap, "cuda_version", lambda: CPU)
    monkeypatch.setattr(bootstrap.sys, "platform", "linux")
    monkeypatch.setattr(bootstrap, "run_inside", lambda python, command: fake.commands.append(["inside", *command]))
    monkeypatch.delenv(bootstrap.OVERRIDE, raising=False)
    return fake


@pytest.fixture
def requirements(tmp_path: Path) -> Path:
    (tmp_path / "requirements.txt").write_text("torch==2.13.0  # why\nother==1\n", encoding="utf-8")
    (tmp_path / "requirements-dev.txt").write_text("-r requirements.txt\ntests==1\n", encoding="utf-8")
    return tmp_path / "requirements.txt"


def test_the_first_start_makes_everything_and_goes_inside(commands: FakeCommands, requirements: Path) -> None:
    bootstrap.ensure(requirements, ["app.py", "--x"])
    assert [sys.executable, "-m", "venv", "--clear", str(bootstrap.VENV)] in commands.commands
    index = ["--index-url", "https://download.pytorch.org/whl/cpu"]
    assert commands.installs == [
        ["--no-deps", *index, "torch==2.13.0"],
        ["--no-deps", "-r", str(requirements)],
        [*index, "torch==2.13.0"],
    ]
    # nothing but the environment's own Python installs anything
    assert {command[0] for command in commands.commands if "install" in command} == {
        str(bootstrap.python_of(bootstrap.VENV))
    }
    assert commands.commands[-1] == ["inside", "app.py", "--x"]


def test_the_second_start_runs_nothing(commands: FakeCommands, requirements: Path) -> None:
    bootstrap.ensure(requirements, ["app.py"])
    commands.commands.clear()
    bootstrap.ensure(requirements, ["app.py"])
    assert commands.commands == [["inside", "app.py"]]


def test_other_pins_are_installed_into_the_same_environment(commands: FakeCommands, requirements: Path) -> None:
    bootstrap.ensure(requirements, ["app.py"])
    commands.commands.clear()
    requirements.write_text("torch==2.13.0\nother==2\n", encoding="utf-8")
    bootstrap.ensure(requirements, ["app.py"])
    assert len(commands.installs) == 3
    assert not [command for command in commands.commands if "venv" in command]


def test_the_development_list_follows_the_list_it_includes(commands: FakeCommands, requirements: Path) -> None:
    development = requirements.with_name("requirements-dev.txt")
    before = bootstrap.stamp_of(development)
    requirements.write_text("torch==2.13.0\nother==2\n", encoding="utf-8")
    assert bootstrap.stamp_of(development) != before
    bootstrap.ensure(development, ["-m", "tests"])
    assert ["--no-deps", "-r", str(development)] in commands.installs
    # both lists are in now, in one environment
    commands.commands.clear()
    bootstrap.ensure(development, ["-m", "tests"])
    bootstrap.ensure(requirements, ["app.py"])
    assert commands.installs == []


@pytest.mark.parametrize("word", ["-m venv", "other", "torch=="])
def test_a_failed_set_up_is_one_sentence_and_the_next_start_repairs_it(
    commands: FakeCommands, requirements: Path, word: str, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.fails = ["-r" if word == "other" else word]
    with pytest.raises(SystemExit) as ended:
        bootstrap.ensure(requirements, ["app.py"])
    assert str(ended.value).startswith("The set-up did not finish: ")
    assert "\n" not in str(ended.value)
    commands.fails = []
    bootstrap.ensure(requirements, ["app.py"])
    assert commands.commands[-1] == ["inside", "app.py"]
    assert len(commands.installs) >= 3


def test_a_failed_update_is_noticed_at_the_next_start_with_the_old_pins(
    commands: FakeCommands, requirements: Path
) -> None:
    """Half of the new pins may be installed: the old stamp must not count any more."""
    old = requirements.read_bytes()
    bootstrap.ensure(requirements, ["app.py"])
    requirements.write_text("torch==2.13.0\nother==2\n", encoding="utf-8")
    commands.fails = ["-r"]
    with pytest.raises(SystemExit):
        bootstrap.ensure(requirements, ["app.py"])
    requirements.write_bytes(old)
    commands.fails = []
    commands.commands.clear()
    bootstrap.ensure(requirements, ["app.py"])
    assert len(commands.installs) == 3


def test_an_interrupted_set_up_ends_with_130_and_is_repaired(
    commands: FakeCommands, requirements: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commands.interrupt = "-r"
    with pytest.raises(SystemExit) as ended:
        bootstrap.ensure(requirements, ["app.py"])
    assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("The set-up was interrupted.")
    commands.interrupt = ""
    bootstrap.ensure(requirements, ["app.py"])
    assert commands.commands[-1] == ["inside", "app.py"]


def test_without_pytorchs_index_the_usual_one_is_tried(commands: FakeCommands, requirements: Path) -> None:
    commands.fails = ["download.pytorch.org"]
    bootstrap.ensure(requirements, ["app.py"])
    assert commands.installs[1] == ["--no-deps", "torch==2.13.0"]
    assert commands.installs[-1] == ["torch==2.13.0"]


def test_a_missing_cuda_index_is_no_reason_for_a_cpu_torch(
    commands: FakeCommands, requirements: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bootstrap, "cuda_version", lambda: CUDA_13)
    commands.fails = ["download.pytorch.org"]
    with pytest.raises(SystemExit):
        bootstrap.ensure(requirements, ["app.py"])
    assert len(commands.installs) == 1


def test_an_unreadable_stamp_means_set_up_again(commands: FakeCommands, requirements: Path) -> None:
    bootstrap.ensure(requirements, ["app.py"])
    for content in ("", "[]", "{"):
        (bootstrap.VENV / "seedprint-pins.json").write_text(content, encoding="utf-8")
        assert bootstrap.read_stamps(bootstrap.VENV) == {}


@pytest.mark.parametrize(
    ("platform", "cuda", "own_index", "expected"),
    [
        ("linux", CPU, False, "https://download.pytorch.org/whl/cpu"),
        ("linux", CPU, True, None),
        ("linux", CUDA_13, False, "https://download.pytorch.org/whl/cu130"),
        ("linux", CUDA_12, False, "https://download.pytorch.org/whl/cu126"),
        ("linux", CUDA_13, True, None),
        ("win32", CUDA_13, False, "https://download.pytorch.org/whl/cu130"),
        ("win32", CUDA_13, True, "https://download.pytorch.org/whl/cu130"),
        ("win32", CPU, False, None),
        ("darwin", CPU, False, None),
    ],
)
def test_the_torch_build_fits_the_computer(
    platform: str, cuda: int | None, own_index: bool, expected: str | None
) -> None:
    options, words = bootstrap.torch_index(platform, cuda, own_index, {})
    assert options == ([] if expected is None else ["--index-url", expected])
    assert words


def test_the_person_has_the_last_word_on_the_index() -> None:
    for platform in ("linux", "win32", "darwin"):
        assert bootstrap.torch_index(platform, CUDA_13, True, {bootstrap.OVERRIDE: "default"})[0] == []
        mine = {bootstrap.OVERRIDE: "https://example.org/whl"}
        assert bootstrap.torch_index(platform, CPU, False, mine)[0] == ["--index-url", "https://example.org/whl"]


@pytest.mark.parametrize(
    ("listing", "expected"),
    [
        ("global.index-url='https://example.org'\n", True),
        (":env:.extra-index-url='https://example.org'\n", True),
        ("global.timeout='60'\n:env:.cert='/x'\n", False),
        ("", False),
    ],
)
def test_pips_own_settings_are_respected(commands: FakeCommands, listing: str, expected: bool) -> None:
    commands.config = listing
    assert bootstrap.own_index_configured(Path("python")) is expected


def test_no_driver_is_no_error() -> None:
    """Whatever this computer has: an answer, never an exception."""
    version = bootstrap.cuda_version()
    assert version is None or version >= 10_000


@pytest.mark.attack(18)
def test_every_package_is_pinned_exactly() -> None:
    for name in ("requirements.txt", "requirements-dev.txt"):
        for line in (ROOT / name).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith(("#", "-r ")):
                assert line.split(";")[0].split("#")[0].count("==") == 1, line
                assert not set(line.split(";")[0].split("#")[0]) & set("<>~*!"), line


def test_every_package_has_one_pin() -> None:
    """What one platform or a newer Python needs besides is told by a marker; no package is there in two versions."""
    pins: list[str] = []
    for name in ("requirements.txt", "requirements-dev.txt"):
        lines = (ROOT / name).read_text(encoding="utf-8").splitlines()
        pins += [line.split("==")[0] for line in lines if "==" in line and not line.startswith("#")]
    assert len(pins) > 90
    assert [name for name, count in Counter(pins).items() if count > 1] == []


def test_everything_imported_is_pinned() -> None:
    names = {"yaml": "pyyaml", "PIL": "pillow", "skimage": "scikit-image"}
    pinned = {line.split("==")[0] for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()}
    missing = set()
    for file in [*(ROOT / "webui").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")]:
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            for top in {module.split(".")[0] for module in modules}:
                if top not in sys.stdlib_module_names | {"webui", "pipelines"} and names.get(top, top) not in pinned:
                    missing.add(top)
    assert missing == set()


def copied(tmp_path: Path, main: str) -> Path:
    """A project of four files whose set-up is done: its environment's Python is this one."""
    for name in ("app.py", "bootstrap.py"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    (tmp_path / "requirements.txt").write_text("torch==2.13.0\n", encoding="utf-8")
    commands = tmp_path / "webui" / "commands"
    commands.mkdir(parents=True)
    (commands / "main.py").write_text(f"import os, sys\ndef main(arguments):\n    {main}\n", encoding="utf-8")
    return tmp_path / "app.py"


def stamp_as_done(folder: Path) -> None:
    pins = folder / "requirements.txt"
    bootstrap.write_stamps(folder / ".venv", {pins.name: bootstrap.stamp_of(pins)})


def plain_environment(venv: Path) -> None:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)


def test_a_started_program_runs_inside_with_its_arguments_and_status(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = copied(tmp_path, "print(sys.prefix, *arguments); return 7")
    plain_environment(tmp_path / ".venv")
    stamp_as_done(tmp_path)
    done = subprocess.run(
        [sys.executable, str(app), "a", "b c"], capture_output=True, text=True, cwd=ROOT.parent, check=False
    )
    assert done.returncode == 7, done.stderr
    assert done.stdout.strip() == f"{tmp_path / '.venv'} a b c"
    assert done.stderr == ""
    # --no-bootstrap stays in the environment it was started in
    here = subprocess.run(
        [sys.executable, str(app), "--no-bootstrap"], capture_output=True, text=True, cwd=ROOT.parent, check=False
    )
    assert here.stdout.strip() == sys.prefix


@pytest.mark.skipif(os.name == "nt", reason="on Windows the console sends Ctrl+C to both processes")
def test_a_signal_reaches_the_program_inside(tmp_path: Path) -> None:
    app = copied(tmp_path, "print('ready', flush=True); import time; time.sleep(60)")
    plain_environment(tmp_path / ".venv")
    stamp_as_done(tmp_path)
    with subprocess.Popen([sys.executable, str(app)], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        assert process.stdout.readline().strip() == b"ready"
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM


@pytest.mark.parametrize("command", [["app.py"], ["app.py", "--no-bootstrap"], ["-m", "tests"]])
def test_an_old_python_is_told_so(command: list[str]) -> None:
    """In one sentence, before anything that it could not read is imported."""
    old = "import sys, runpy; sys.version_info = (3, 10, 13, 'final', 0); sys.version = '3.10.13 (main)'; "
    how = "run_module" if "-m" in command else "run_path"
    name, *arguments = [word for word in command if word != "-m"]
    run = old + f"sys.argv[1:] = {arguments}; runpy.{how}({name!r}, run_name='__main__')"
    ended = subprocess.run([sys.executable, "-c", run], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert ended.stderr == "Seedprint needs Python 3.11 or newer; this is 3.10.13.\n"


@pytest.mark.parametrize("name", ["app.py", "bootstrap.py", "tests/__init__.py", "tests/__main__.py"])
def test_what_an_old_python_reads_until_it_is_told_is_in_its_words(name: str) -> None:
    ast.parse((ROOT / name).read_text(encoding="utf-8"), feature_version=(3, 7))


def test_the_oldest_python_is_promised_once() -> None:
    oldest = ".".join(map(str, bootstrap.OLDEST_PYTHON))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert project["project"]["requires-python"] == f">={oldest}"
    assert project["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"
    assert project["tool"]["mypy"]["python_version"] == oldest
    assert f"[Python](https://www.python.org/downloads/) {oldest} or newer" in (ROOT / "README.md").read_text("utf-8")
