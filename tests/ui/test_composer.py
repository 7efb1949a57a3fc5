"""What the page does with one's own presets, by name."""

from __future__ import annotations

from pathlib import Path

from webui.library.saved import SavedPresets
from webui.ui.widgets.composer import OwnPresets


def test_an_earlier_version_comes_back_and_so_does_what_was_deleted(tmp_path: Path) -> None:
    saved = SavedPresets(tmp_path, taken=[])
    mine = OwnPresets(saved)

    def prompts() -> list[str]:
        return [str(one.fields["prompt"]) for one in saved.listing().presets]

    for prompt in ("first", "second"):
        saved.save("Evening", {"prompt": prompt}, replace=True)
    answer = mine.change(["earlier", "0", "Evening"])
    assert (prompts(), answer["told"], answer["gone"]) == (["first"], "Restored: Evening.", [])
    mine.change(["earlier", "0", "Evening"])
    assert prompts() == ["second"]

    answer = mine.change(["delete", "0", "Evening"])
    (file,) = answer["gone"]
    assert prompts() == []
    answer = mine.change(["undelete", "1", file])
    assert (prompts(), answer["told"], answer["gone"]) == (["second"], "已恢复：Evening。", [])


def test_there_may_be_no_earlier_version(tmp_path: Path) -> None:
    saved = SavedPresets(tmp_path, taken=[])
    saved.save("Evening", {"prompt": "only"})
    answer = OwnPresets(saved).change(["earlier", "0", "Evening"])
    assert answer["told"] == "There is no earlier version of “Evening”."
    for name in ("nobody", "../x.yaml", ""):
        assert OwnPresets(saved).change(["undelete", "0", name])["gone"] == []
