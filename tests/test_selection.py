"""What `python -m tests` runs where: without a browser, with `--fast`, with `--coverage`."""

from __future__ import annotations

import ast
import functools
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests import __main__ as command
from tests import browsers
from tests.conftest import ROOT
from tests.selection import marks_of

FILES = sorted((ROOT / "tests").rglob("test_*.py"))
HEAVY_MODULES = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}


@pytest.mark.parametrize(
    ("text", "marks"),
    [
        ("import os\n", set()),
        ("import pytest\npytestmark = pytest.mark.torch\n", {"torch"}),
        ("pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings('ignore:x')]\n", {"browser", "filterwarnings"}),
        ("@pytest.mark.torch\ndef test_one(): ...\n", set()),
        ("text = 'pytestmark = pytest.mark.torch'\n", set()),
    ],
)
def test_the_marks_of_a_file_are_read_from_its_text(tmp_path: Path, text: str, marks: set[str]) -> None:
    file = tmp_path / "test_one.py"
    file.write_text(text, encoding="utf-8")
    assert marks_of(file) == marks


@functools.cache
def heavy_imports(file: Path) -> frozenset[str]:
    """What it imports of HEAVY_MODULES as soon as it is imported itself, through our own modules too."""
    names: set[str] = set()
    for node in ast.parse(file.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {node.module or "", *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif "importorskip" in (text := ast.unparse(node)) and not isinstance(node, ast.FunctionDef | ast.ClassDef):
            names |= {name for name in HEAVY_MODULES if f"'{name}" in text}
    own = [ROOT.joinpath(*name.split(".")) for name in names if name.split(".")[0] in {"pipelines", "tests", "tools"}]
    files = [place.with_suffix(".py") for place in own] + [place / "__init__.py" for place in own]
    found = {name.split(".")[0] for name in names} & HEAVY_MODULES
    return frozenset(found).union(*(heavy_imports(one) for one in files if one.is_file() and one != file))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.relative_to(ROOT).as_posix())
def test_a_file_that_imports_torch_is_marked_so(file: Path) -> None:
    """Else `--fast` would import it."""
    if heavy_imports(file):
        assert "torch" in marks_of(file)


def test_torch_is_seen_through_other_modules() -> None:
    assert "torch" in heavy_imports(ROOT / "pipelines" / "sampling" / "masks.py")
    assert "torch" in heavy_imports(ROOT / "tests" / "sampling" / "common.py")
    assert heavy_imports(ROOT / "pipelines" / "types.py") == frozenset()


@pytest.mark.lengthy
def test_fast_tests_are_collected_without_torch() -> None:
    """Nor is what it takes seconds to import with it; and some are left."""
    look = (
        "import sys, pytest\n"
        "status = pytest.main(['--fast', '--collect-only', '-q', '-p', 'no:cacheprovider', 'tests'])\n"
        f"print('\\nheavy:', sorted({HEAVY_MODULES} & set(sys.modules)), int(status))"
    )
    done = subprocess.run([sys.executable, "-c", look], cwd=ROOT, capture_output=True, text=True, check=False)
    *lines, last = done.stdout.splitlines()
    assert last == "heavy: [] 0", done.stdout[-2000:]
    assert len([line for line in lines if "::" in line]) > 1000
    assert not [line for line in lines if line.startswith("tests/browser/")]


# -- the browser ----------------------------------------------------------------------------------------------------


class Machine:
    """Notes every command; those with a word of `fails` go wrong, a browser starts when it is in `starts`."""

    def __init__(self, *starts: str, fails: Sequence[str] = ()) -> None:
        self.starts, self.fails = list(starts), fails
        self.commands: list[list[str]] = []

    def __call__(self, command: Sequence[str], seconds: float) -> str | None:
        self.commands.append(list(command))
        if "launch" in " ".join(command) and len(command) > 3:
            return "" if command[3] in self.starts else None
        return None if any(word in command for word in self.fails) else ""

    @property
    def installs(self) -> list[str]:
        return [" ".join(command[1:]) for command in self.commands if "install" in command]


def test_the_first_browser_that_starts_is_taken() -> None:
    machine = Machine("/b", "/c")
    assert browsers.usable(obtain=True, run=machine, places=lambda _: iter(["/a", "/b", "/c"])) == "/b"
    assert machine.installs == []


def test_where_there_is_none_one_is_got() -> None:
    machine = Machine("/new")
    there: list[str] = []

    def places(run: browsers.Run) -> list[str]:
        return ["/new"] if machine.installs else there

    assert browsers.usable(obtain=False, run=machine, places=lambda run: iter(places(run))) is None
    assert machine.installs == []
    assert browsers.usable(obtain=True, run=machine, places=lambda run: iter(places(run))) == "/new"


DEBIANS = "DEBIAN_FRONTEND=noninteractive apt install -q -y --no-install-recommends chromium"
PLAYWRIGHTS = "-m playwright install chromium"


@pytest.mark.parametrize(
    ("user", "apt", "fails", "installs"),
    [
        (0, True, (), [DEBIANS]),
        (0, True, ("apt",), [DEBIANS, PLAYWRIGHTS]),
        (0, False, (), [PLAYWRIGHTS]),
        (1000, True, (), [PLAYWRIGHTS]),
    ],
)
def test_debian_as_root_gets_its_package_and_all_others_playwrights(
    monkeypatch: pytest.MonkeyPatch, user: int, apt: bool, fails: Sequence[str], installs: list[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: user, raising=False)
    monkeypatch.setattr(browsers.shutil, "which", lambda name: "apt" if apt and name == "apt-get" else None)
    machine = Machine(fails=fails)
    assert browsers.got(machine)
    assert machine.installs == installs


def test_a_browser_that_cannot_be_got_is_no_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(browsers.shutil, "which", lambda _: None)
    assert browsers.usable(obtain=True, run=Machine(fails=["install"]), places=lambda _: iter(())) is None


def test_a_program_that_hangs_or_is_not_there_failed() -> None:
    assert browsers.run(["/nowhere/at/all"], 5) is None
    assert browsers.run([sys.executable, "-c", "import time; time.sleep(60)"], 0.1) is None
    assert browsers.run([sys.executable, "-c", "raise SystemExit(3)"], 60) is None
    assert browsers.run([sys.executable, "-c", "print('yes')"], 60) == "yes\n"


@pytest.mark.parametrize(
    ("platform", "program"),
    [
        ("linux", "opt/google/chrome/chrome"),
        ("linux", "opt/microsoft/msedge/msedge"),
        ("darwin", "Applications/Chromium.app/Contents/MacOS/Chromium"),
        ("darwin", "home/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"),
        ("win32", "Program Files (x86)/Microsoft/Edge/Application/msedge.exe"),
        ("win32", "home/AppData/Local/Google/Chrome/Application/chrome.exe"),
    ],
)
def test_the_usual_places_of_each_system(tmp_path: Path, platform: str, program: str) -> None:
    environment = {"HOME": str(tmp_path / "home"), "LOCALAPPDATA": str(tmp_path / "home/AppData/Local")}
    environment |= {"PROGRAMFILES(X86)": str(tmp_path / "Program Files (x86)")}
    assert tmp_path / program in browsers.usual_places(platform, environment, tmp_path)


@pytest.mark.lengthy
@pytest.mark.parametrize(
    ("more", "summary"), [([], "2 deselected"), (["tests/test_readme.py"], "passed, 2 deselected")]
)
def test_without_a_browser_its_tests_are_left_out_in_one_line(tmp_path: Path, more: list[str], summary: str) -> None:
    """Playwright cannot start anything, and no installer is at hand: the run passes all the same."""
    bare = {**os.environ, "PLAYWRIGHT_NODEJS_PATH": str(tmp_path / "none"), "PATH": str(tmp_path)}
    tests = ["tests/browser/test_saving.py", *more]
    line = [sys.executable, "-m", "tests", "--no-bootstrap", "-q", "-p", "no:cacheprovider", *tests]
    done = subprocess.run(line, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [text for text in done.stdout.splitlines() if text.startswith("Left out: ")]
    assert told == [
        "Left out: 2 tests of the page in a browser, as no Chromium, Chrome or Edge starts here, and none could be got."
    ]
    assert summary in done.stdout.splitlines()[-1]


# -- what goes to pytest --------------------------------------------------------------------------------------------


def test_coverage_is_measured_only_where_it_is_asked_for() -> None:
    assert not [one for one in command.pytest_arguments([]) if "cov" in one]
    assert set(command.SIDE_BY_SIDE) <= set(command.pytest_arguments(["--coverage"]))
    assert not set(command.SIDE_BY_SIDE) & set(command.pytest_arguments(["tests/ui"]))
    assert not [one for one in command.pytest_arguments(["--fast", "-k", "again"]) if "cov" in one]
    assert command.LEAST in command.pytest_arguments(["--coverage", "--no-bootstrap"])
    part = command.pytest_arguments(["--coverage", "-k", "again"])
    assert "--cov=webui" in part
    assert command.LEAST not in part  # a part of the tests is no whole
    assert part[-2:] == ["-k", "again"]


def test_ci_runs_all_tests_by_the_command_of_the_readme() -> None:
    """Without `--coverage`, which takes twice as long."""
    assert "\n$python -m tests\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")
