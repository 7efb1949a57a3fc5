"""What the page does with one's own presets, by name."""

from __future__ import annotations

from pathlib import Path

from webui.library.collection import open_library
from webui.library.presets import Preset
from webui.library.saved import SavedPresets
from webui.ui.widgets.composer import OwnPresets, preset_choices, preset_words

PRESETS = Path(__file__).resolve().parents[2] / "presets"


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


def test_presets_are_offered_in_groups_ones_own_first_and_historic_ones_last(tmp_path: Path) -> None:
    library = open_library(PRESETS, tmp_path)
    library.saved.save("My own", {"steps": 9}, replace=False)
    shown = preset_choices(library.presets, library, frozenset())
    words = preset_words(library.presets)
    groups = {preset.name: preset.group for preset in library.presets}
    names = [name for _label, name in shown]
    assert names[:2] == ["", "My own"]
    assert sorted(names[2:]) == sorted(groups)
    order = list(dict.fromkeys(groups[name] for name in names[2:]))
    assert order == ["settings", "styles", "scenes", "historic"]  # each together
    for label, name in shown[2:]:
        english, chinese = words[label.key]
        assert english.endswith(f" · {name}")
        assert " · " in chinese
        assert chinese != english


def test_what_is_for_the_small_model_or_of_2022_stands_with_its_like() -> None:
    for preset in open_library(PRESETS).presets:
        assert preset.for_builtin == (preset.group == "scenes"), preset.name
        assert ("2022" in preset.name) == (preset.group == "historic"), preset.name


def test_a_group_that_nobody_named_comes_last(tmp_path: Path) -> None:
    other = Preset(name="Other", name_zh="其他", group="more")
    library = open_library(PRESETS, tmp_path)
    presets = (other, *library.presets)
    assert preset_choices(presets, library, frozenset())[-1][1] == "Other"
    assert preset_words(presets)["preset_0"] == ("more · Other", "more · 其他")
