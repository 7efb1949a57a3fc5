"""How pictures are saved, set on the page: an example for every pattern, kept over restarts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import StorageError
from tests.ui.conftest import Page
from webui.archive.store import ImageStore, Saving
from webui.kept.saving import FILE, SavingSettings


def values(pattern: str, kind: str = "png", sidecars: tuple[str, ...] = (), grid: str = "plain") -> dict[str, Any]:
    return {
        "saving_pattern": pattern,
        "saving_format": kind,
        "saving_sidecars": list(sidecars),
        "saving_grid": grid,
    }


def example(ui: Page, *given: Any, language: str = "en") -> str:
    return str(ui.call("saving_example", values(*given), language)["saving_example"])


def test_the_example_follows_the_pattern_and_the_format(ui: Page) -> None:
    assert "<code>00042-450910884_a_red_star_on_a_blue_field.png</code>" in ui.call("saving")["saving_example"]
    assert "<code>512x768 00042.jpg</code>" in example(ui, "[width]x[height] [number]", "jpeg")
    assert "<code>00042 [mood].webp</code>" in example(ui, "[number] [mood]", "webp")


def test_the_room_on_the_disk_is_shown(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageStore, "free_bytes", lambda self: 1_234_560_000_000)
    assert "1,234.6 GB are free" in example(ui, "[number]")
    assert "剩余 1,234.6 GB" in example(ui, "[number]", language="zh")


def test_a_lost_disk_is_told(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(store: ImageStore) -> int:
        raise StorageError("folder_gone", folder="x")

    monkeypatch.setattr(ImageStore, "free_bytes", lost)
    assert example(ui, "[number]") == '<p class="error-line">The output folder is gone: x.</p>'


@pytest.mark.parametrize(
    ("pattern", "english", "chinese"),
    [
        ("", "A name must hold [number]", "文件名必须包含 [number]"),
        ("[seed]", "A name must hold [number]", "文件名必须包含 [number]"),
        ("[number]<b>", "A name must not hold", "文件名不能包含"),
        ("[number][number]", "A name uses each token once", "每个标记只能用一次"),
        (".[number]", "A name must not begin with a dot", "文件名不能以点或空格开头"),
    ],
)
def test_a_bad_pattern_is_one_sentence_and_changes_nothing(ui: Page, pattern: str, english: str, chinese: str) -> None:
    before = ui.parts.store.saving
    assert english in example(ui, pattern)
    assert chinese in example(ui, pattern, language="zh")
    assert english in ui.call("saving_save", values(pattern))["saving_example"]
    assert ui.parts.store.saving == before


def test_what_is_kept_holds_for_the_next_picture_and_after_a_restart(ui: Page) -> None:
    before = ui.parts.store.saving
    try:
        told = ui.call("saving_save", values("[seed] [number]", "webp", ("txt",), "none"))["saving_example"]
        assert "Kept" in told
        assert "Kept" not in example(ui, "[number]")
        saved = ui.generate(values={"form_seed": 77, "form_batch_size": 1}).saved[0].path
        assert saved.name == "77 00001.webp"
        assert saved.with_suffix(".txt").is_file()
        assert ui.generate(values={"form_seed": 78, "form_batch_size": 2}).grid is None
        kept = SavingSettings(ui.outputs.parent / FILE).get()
        assert kept == Saving(pattern="[seed] [number]", format="webp", sidecars=("txt",), grid="none")
        assert ui.call("saving")["saving_pattern"] == "[seed] [number]"
    finally:
        ui.call("saving_save", values(before.pattern))


def test_a_file_that_was_edited_badly_costs_only_what_is_wrong(tmp_path: Path) -> None:
    file = tmp_path / FILE
    assert SavingSettings(file).get() == Saving()
    for text in ("{", "[]", '{"format": "tiff", "later": 1, "sidecars": 3}'):
        file.write_text(text, encoding="utf-8")
        assert SavingSettings(file).get() == Saving()
    file.write_text('{"format": "webp", "pattern": "[seed]"}', encoding="utf-8")
    assert SavingSettings(file).get() == replace(Saving(), format="webp")
