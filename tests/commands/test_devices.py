"""`--device`: what may be named, and which engine that makes."""

from __future__ import annotations

import contextlib

import pytest

from pipelines.engines import pool
from tests.refusals import refused
from webui.commands import main as cli
from webui.kept.settings import Settings
from webui.server import make_engine


def settings(*arguments: str) -> Settings:
    return cli.settings_of(cli.parser().parse_args(["serve", "--engine", "fake", *arguments]))


def test_devices_are_named_with_commas() -> None:
    assert settings().devices == ()
    assert settings("--device", "cuda:1").devices == ("cuda:1",)
    assert settings("--device", "cuda:0, cpu").devices == ("cuda:0", "cpu")
    assert settings("--device", "all").devices == ("all",)


@pytest.mark.parametrize("text", ["gpu", "cuda:", "cuda:0,", "", "all,cpu", "cuda:x", "cpu:0"])
def test_other_names_are_refused(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        settings("--device", text)
    assert ended.value.code == cli.BAD_INPUT
    assert "cuda:N" in capsys.readouterr().err


def test_several_are_a_pool_and_one_is_the_engine_itself() -> None:
    with contextlib.closing(make_engine(settings("--device", "cpu,cpu"))) as several:
        assert [one.describe().name for one in several.devices()] == ["cpu #1", "cpu #2"]
    with contextlib.closing(make_engine(settings("--device", "cpu"))) as one:
        assert one.devices() == (one,)


def test_all_cards_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "cards", lambda: ())
    with refused("device", "no_cards"):
        make_engine(Settings(devices=("all",)))


def test_cards_are_counted_in_a_process_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "_COUNT", "print(2)")
    assert pool.cards() == ("cuda:0", "cuda:1")
    for fails in ("raise SystemExit(1)", "print('none')"):
        monkeypatch.setattr(pool, "_COUNT", fails)
        assert pool.cards() == ()
