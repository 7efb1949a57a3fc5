"""The README tells the truth: its commands parse, its switches exist, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from tests import __main__ as tests_command
from tests.conftest import ROOT
from tools import screenshots
from webui.commands import main as cli

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(
    r"^python app\.py ?(.*)$", "\n".join(re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)), re.MULTILINE
)
LINKS = re.findall(r"\]\(([^)]+)\)", TEXT)


def test_it_shows_commands_and_links() -> None:
    assert len(COMMANDS) >= 5
    assert len(LINKS) >= 5


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--help" not in command])
def test_every_command_parses(command: str) -> None:
    options = cli.parser().parse_args(cli.with_command(shlex.split(command)))
    assert callable(options.run)


@pytest.mark.parametrize("command", [command for command in COMMANDS if "--help" in command])
def test_every_help_is_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.parser().parse_args(cli.with_command(shlex.split(command)))
    assert ended.value.code == 0
    assert "usage: python app.py" in capsys.readouterr().out


def test_every_switch_exists(capsys: pytest.CaptureFixture[str]) -> None:
    helps = ""
    for command in ([], ["serve"], ["generate"], ["again"]):
        with pytest.raises(SystemExit):
            cli.parser().parse_args([*command, "--help"])
        helps += capsys.readouterr().out
    known = set(re.findall(r"--[a-z][a-z-]+", helps + (tests_command.__doc__ or "")))
    assert set(re.findall(r"`(--[a-z][a-z-]+)", TEXT)) <= known


@pytest.mark.parametrize("link", [link for link in LINKS if not link.startswith("https://")])
def test_every_link_leads_to_a_file(link: str) -> None:
    assert (ROOT / link).is_file()


@pytest.mark.parametrize("name", re.findall(r"`((?:models|presets|outputs|docs|tests)/[a-z_]*\.?[a-z]*)`", TEXT))
def test_every_path_of_the_project_is_there(name: str) -> None:
    made_on_the_way = {"outputs/inputs/", "presets/user/"}
    assert name in made_on_the_way or (ROOT / Path(name)).exists()


def test_the_tests_start_as_the_readme_says() -> None:
    assert "python -m tests\n" in TEXT
    assert (ROOT / "tests" / "__main__.py").is_file()
    assert "$python -m tests" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


def test_the_licence_is_the_one_named() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Apache License" in licence
    assert "END OF TERMS AND CONDITIONS" in licence
    assert 'license = "Apache-2.0"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")


def test_its_pictures_are_light_and_of_one_size_and_each_is_shown() -> None:
    shown = [ROOT / link for link in re.findall(r"!\[[^\]]+\]\(([^)]+)\)", TEXT)]
    assert [path.stem for path in shown] == [step.__name__ for step in screenshots.STORY]
    assert set(shown) == set(screenshots.FOLDER.iterdir())
    for path in shown:
        with Image.open(path) as picture:
            assert picture.size == screenshots.SIZE
        assert path.stat().st_size <= 150_000
