"""A person's own presets: kept whole, with history, in any order, whatever they are called."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipelines.errors import InvalidRequest, StorageError
from webui.library import versions
from webui.library.presets import Preset, load
from webui.library.saved import SavedPresets
from webui.library.versions import VersionedFolder


@pytest.fixture
def saved(tmp_path: Path) -> SavedPresets:
    return SavedPresets(tmp_path / "user", taken=("Anime",))


def names(saved: SavedPresets) -> list[str]:
    return [preset.name for preset in saved.listing().presets]


def test_what_is_saved_is_read_by_the_common_reader(saved: SavedPresets) -> None:
    made = saved.save("烛光 portrait", {"prompt": "a portrait of {prompt}", "steps": 30, "seed": None}, about="dim")
    assert dict(made.fields) == {"prompt": "a portrait of {prompt}", "steps": 30}
    (read,) = load(saved.folder)
    assert read == made
    assert [file.name for file in saved.folder.iterdir()] == ["烛光_portrait.yaml"]


def test_saving_again_needs_leave_and_keeps_the_earlier_version(saved: SavedPresets) -> None:
    saved.save("a", {"steps": 10})
    with pytest.raises(InvalidRequest, match="preset_taken"):
        saved.save("A", {"steps": 20})
    saved.save("a", {"steps": 20}, replace=True)
    assert saved.get("a").fields["steps"] == 20
    (version,) = saved.history("a")
    assert "steps: 10" in version.path.read_text(encoding="utf-8")
    (back,) = saved.restore(version)
    assert back.fields["steps"] == 10
    assert ["steps: 20" in one.path.read_text(encoding="utf-8") for one in saved.history("a")] == [True, False]


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("", "preset_nameless"),
        (" \n ", "preset_nameless"),
        ("x" * 81, "preset_name_long"),
        ("a\x07b", "preset_name_control"),
        ("anime", "preset_shipped"),
    ],
)
def test_names_that_cannot_be(saved: SavedPresets, name: str, rule: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        saved.save(name, {"steps": 10})
    assert caught.value.field == "name"
    assert caught.value.note.code == rule
    assert names(saved) == []


@pytest.mark.parametrize(("field", "value"), [("steps", 0), ("width", 65), ("sampler", "PLMS3"), ("colour", "red")])
def test_settings_that_cannot_be(saved: SavedPresets, field: str, value: object) -> None:
    with pytest.raises(InvalidRequest) as caught:
        saved.save("a", {field: value})
    assert caught.value.field in (field, "preset")
    assert names(saved) == []
    assert not saved.folder.exists()


@pytest.mark.attack(5)
def test_files_are_safe_and_never_shared(saved: SavedPresets) -> None:
    asked = ["../x", "CON", "a/b", "a:b", "a b", "!!", "??", "x" * 80, "汉" * 80, ".hidden", "é", "e\u0301 "]
    made = [saved.save(name, {"steps": 10 + place}) for place, name in enumerate(asked[:-1])]
    with pytest.raises(InvalidRequest):  # the same letter, written in two code points
        saved.save(asked[-1], {"steps": 9})
    assert [preset.fields["steps"] for preset in made] == list(range(10, 10 + len(made)))
    assert sorted(names(saved)) == sorted(preset.name for preset in made)
    files = list(saved.folder.iterdir())
    assert len(files) == len(made)
    assert all(len(file.name.encode()) <= 120 and file.name.split(".")[0].upper() != "CON" for file in files)
    assert not {character for file in files for character in file.name} & set('<>:"/\\|?*')


def test_rename_duplicate_delete(saved: SavedPresets) -> None:
    saved.save("a", {"prompt": "{prompt}, film"})
    saved.save("b", {"steps": 5})
    assert saved.rename("a", "c").name_zh == "c"
    assert names(saved) == ["c", "b"]
    assert [version.name for version in saved.history("c")] == ["a.yaml"]
    assert saved.duplicate("c").name == "c 2"
    assert saved.duplicate("c").name == "c 3"
    assert names(saved) == ["c", "c 3", "c 2", "b"]
    saved.delete("c")
    assert names(saved) == ["c 3", "c 2", "b"]
    with pytest.raises(InvalidRequest, match="preset_unknown"):
        saved.delete("c")
    latest = saved.history()[0]
    assert latest.name == "a.yaml"
    assert [preset.name for preset in saved.restore(latest)] == ["c"]
    with pytest.raises(InvalidRequest):
        saved.rename("c", "B")
    assert saved.rename("c", "C").name == "C"


def test_a_new_file_does_not_inherit_a_deleted_ones_history(saved: SavedPresets) -> None:
    saved.save("a", {"steps": 1})
    saved.delete("a")
    saved.save("a", {"steps": 2})
    assert saved.history("a") == ()
    assert len(saved.history()) == 1
    with pytest.raises(InvalidRequest):  # its name is in use again
        saved.restore(saved.history()[0])


def test_the_order_is_the_persons_own(saved: SavedPresets) -> None:
    for name in "abcd":
        saved.save(name, {"steps": 5})
    saved.move("d", 0)
    saved.move("a", 99)
    assert names(saved) == ["d", "b", "c", "a"]
    saved.rename("b", "z")
    assert names(saved) == ["d", "z", "c", "a"]
    assert names(SavedPresets(saved.folder)) == ["d", "z", "c", "a"]
    (saved.folder / ".order").write_text("{broken", encoding="utf-8")
    assert sorted(names(saved)) == ["a", "c", "d", "z"]
    saved.save("e", {"steps": 5})
    assert len(names(saved)) == 5


def test_changes_on_disk_are_noticed_and_only_they(saved: SavedPresets, monkeypatch: pytest.MonkeyPatch) -> None:
    saved.save("a", {"steps": 5})
    first = saved.listing()
    assert saved.listing() is first
    mine = saved.folder / "mine.yaml"
    mine.write_text("# by hand\n- name: x\n  name_zh: 甲\n- name: y\n  name_zh: 乙\n  steps: 7\n", encoding="utf-8")
    assert names(saved) == ["a", "x", "y"]
    os.utime(mine, ns=(1, 1))  # the same size as before, another time
    assert saved.listing() is not first
    mine.unlink()
    assert names(saved) == ["a"]


def test_a_file_by_hand_with_several_is_changed_one_at_a_time(saved: SavedPresets) -> None:
    saved.folder.mkdir(parents=True)
    mine = saved.folder / "mine.yaml"
    mine.write_text("# by hand\n- name: x\n  name_zh: 甲\n- name: y\n  name_zh: 乙\n  steps: 7\n", encoding="utf-8")
    saved.save("x", {"steps": 9}, replace=True)
    assert [(one.name, dict(one.fields)) for one in saved.listing().presets] == [
        ("x", {"steps": 9}),
        ("y", {"steps": 7}),
    ]
    saved.rename("y", "w")
    assert saved.get("w").name_zh == "乙"
    saved.delete("x")
    saved.delete("w")
    assert not mine.exists()
    assert saved.history()[-1].path.read_text(encoding="utf-8").startswith("# by hand")


def test_many_at_once(saved: SavedPresets) -> None:
    saved.save("b", {"steps": 5})
    many = [Preset(name=f"style {number}", name_zh="", fields={"prompt": "{prompt}, x"}) for number in range(150)]
    odd = [Preset(name=name, name_zh="", fields={"prompt": "y"}) for name in ("B", "anime", "style 7", "x" * 90)]
    added, problems = saved.add([*many, *odd], "my styles")
    assert added == 153
    (problem,) = problems
    assert (problem.values["at"], problem.values["problem"].code) == ("x" * 90, "preset_name_long")
    assert {"b", "B 2", "anime 2", "style 7", "style 7 2"} <= set(names(saved))
    assert sorted(file.name for file in saved.folder.glob("*.yaml")) == ["b.yaml", "my_styles-2.yaml", "my_styles.yaml"]
    assert saved.add([], "none") == (0, ())


def test_a_broken_file_hides_no_other(saved: SavedPresets) -> None:
    saved.save("a", {"steps": 5})
    (saved.folder / "bad.yaml").write_text("- name: b\n  name_zh: b\n  steps: 900\n", encoding="utf-8")
    (saved.folder / "same.yaml").write_text("- {name: A, name_zh: a}\n- {name: anime, name_zh: a}\n", encoding="utf-8")
    listing = saved.listing()
    assert [preset.name for preset in listing.presets] == ["a"]
    assert [problem.values["at"] for problem in listing.problems] == ["bad.yaml:1", "same.yaml:1", "same.yaml:2"]


def test_the_history_is_capped(tmp_path: Path) -> None:
    folder = VersionedFolder(tmp_path, kept=3)
    for number in range(7):
        folder.replace("a.yaml", str(number).encode())
        folder.replace("b.yaml", b"other")
    kept = folder.versions("a.yaml")
    assert [version.path.read_bytes() for version in sorted(kept, key=lambda one: one.number)] == [b"3", b"4", b"5"]
    assert {version.name for version in folder.versions()} == {"a.yaml", "b.yaml"}
    assert VersionedFolder(tmp_path / "none").versions() == ()


@pytest.mark.parametrize("broken", ["write_part", "sync_folder"])
def test_a_full_disk_loses_nothing(saved: SavedPresets, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    saved.save("a", {"steps": 5})

    def full(*_given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(versions, broken, full)
    with pytest.raises(StorageError, match="No space left"):
        saved.save("a", {"steps": 6}, replace=True)
    assert saved.get("a").fields["steps"] == 5
    assert not list(saved.folder.glob("*.part"))


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="needs a folder that refuses this user")
def test_a_read_only_folder_is_told(saved: SavedPresets) -> None:
    saved.folder.mkdir(parents=True)
    saved.folder.chmod(0o500)
    with pytest.raises(StorageError):
        saved.save("a", {"steps": 5})


TEXT = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=60)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(prompt=TEXT, negative=TEXT, name=TEXT)
@example(prompt="a\x85b\u2028c\u2029d\re", negative="\x85", name="")
def test_any_text_comes_back_as_it_was(saved: SavedPresets, prompt: str, negative: str, name: str) -> None:
    fields = {"prompt": prompt, "negative_prompt": negative}
    saved.save("fixed", fields, replace=True)
    assert dict(SavedPresets(saved.folder).get("fixed").fields) == fields
    with contextlib.suppress(InvalidRequest):  # a name that cannot be
        made = saved.save(name, fields, replace=True)
        assert SavedPresets(saved.folder).get(made.name) == made
        saved.delete(made.name)
