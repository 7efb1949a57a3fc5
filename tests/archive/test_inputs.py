"""Input pictures are kept once, exactly, and never trusted on the way back."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import StorageError, Unavailable
from webui.archive.inputs import InputsAround, InputStore, pixels_sha256


def test_put_and_get_are_the_same_pixels(tmp_path: Path) -> None:
    store = InputStore(tmp_path / "inputs")
    for image in (Image.effect_noise((30, 20), 90), Image.effect_noise((30, 20), 90).convert("RGB")):
        name = store.put(image)
        assert name == store.put(image.copy())
        back = store.get(name)
        assert (back.mode, back.size, back.tobytes()) == (image.mode, image.size, image.tobytes())
    assert len(list(store.folder.iterdir())) == 2


def test_the_hash_counts_mode_size_and_pixels() -> None:
    image = Image.new("L", (2, 3), 7)
    assert pixels_sha256(image) == hashlib.sha256(b"L 2x3\n" + b"\7" * 6).hexdigest()
    assert pixels_sha256(image) != pixels_sha256(Image.new("L", (3, 2), 7))


def test_only_whole_pictures_come_back(tmp_path: Path) -> None:
    store = InputStore(tmp_path)
    name = store.put(Image.effect_noise((30, 20), 90))
    path = tmp_path / f"{name}.png"
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(StorageError, match="input_unreadable"):
        store.get(name)
    Image.new("L", (30, 20)).save(path)
    with pytest.raises(StorageError, match="input_changed"):
        store.get(name)
    path.unlink()
    with pytest.raises(StorageError, match="input_gone"):
        store.get(name)


@pytest.mark.parametrize("name", ["", "../../secret", "0" * 63, "0" * 64 + "\n", "G" * 64, "/etc/passwd"])
def test_names_that_are_no_hash_are_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(StorageError, match="input_name"):
        InputStore(tmp_path).get(name)


def test_other_modes_are_a_bug_of_the_caller(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="RGB or L, got RGBA"):
        InputStore(tmp_path).put(Image.new("RGBA", (1, 1)))


def test_a_vanished_disk_is_not_made_again(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="folder_gone"):
        InputStore(tmp_path / "disk" / "inputs").put(Image.new("L", (1, 1)))
    assert list(tmp_path.iterdir()) == []


def test_an_input_of_another_archive_is_brought_with_its_origin(tmp_path: Path) -> None:
    own, other = InputStore(tmp_path / "own" / "inputs"), InputStore(tmp_path / "other" / "inputs")
    for store in (own, other):
        store.folder.parent.mkdir()
    image = Image.effect_noise((30, 20), 90)
    name = other.put(image)
    other.note(name, {"program": "another", "text": "a lighthouse"})
    around = InputsAround(tmp_path / "other" / "img2img" / "a.png", own)
    assert around.bring(name) == own.folder / f"{name}.png"
    assert own.get(name).tobytes() == image.tobytes()
    assert own.origin(name) == {"program": "another", "text": "a lighthouse"}
    Image.new("L", (30, 20)).save(other.folder / f"{name}.png")  # damaged there: ours is whole
    assert around.bring(name).is_file()


@pytest.mark.parametrize("name", ["0" * 64, "../a", 5, None, ["x"]])
def test_what_lies_nowhere_is_told(tmp_path: Path, name: object) -> None:
    with pytest.raises(StorageError):
        InputsAround(tmp_path / "a.png", InputStore(tmp_path / "own")).bring(name)  # type: ignore[arg-type]


def test_a_picture_that_is_away_for_a_moment_is_read_and_one_whose_archive_is_away_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "outputs"
    root.mkdir()
    inputs = InputStore(root / "inputs")
    sha256 = inputs.put(Image.new("RGB", (8, 8), "red"))
    opened, away = Image.open, tmp_path / "away"

    def flicker(*arguments: Any, **options: Any) -> Any:
        if not away.exists():
            root.rename(away)
            try:
                return opened(*arguments, **options)
            finally:
                away.rename(root)
                away.mkdir()
        return opened(*arguments, **options)

    monkeypatch.setattr(Image, "open", flicker)
    assert inputs.get(sha256).size == (8, 8)
    away.rmdir()
    monkeypatch.undo()
    root.rename(away)
    with pytest.raises(Unavailable):
        inputs.get(sha256)
    away.rename(root)
    (root / "inputs" / f"{sha256}.png").unlink()
    with pytest.raises(StorageError) as caught:
        inputs.get(sha256)
    assert caught.value.note.code == "input_gone"
