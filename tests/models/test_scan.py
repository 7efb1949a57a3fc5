"""Walking folders: what is listed, by what name, and how fast."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Note
from pipelines.models import checkpoints
from pipelines.models.checkpoints import scan
from pipelines.models.files.hashes import Hashes
from pipelines.models.files.remembering import Memory
from pipelines.types import ModelInfo
from tests.models.files import checkpoint, write_folder, write_model
from tools.random_kinds import KINDS

ROOT = Path(__file__).parents[2]
links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege on Windows")


def names(root: Path) -> list[str]:
    return [info.name for info in scan([root])]


def by_name(root: Path) -> dict[str, ModelInfo]:
    return {info.name: info for info in scan([root])}


def test_nothing_there(tmp_path: Path) -> None:
    assert scan([]) == ()
    assert scan([tmp_path, tmp_path / "not there"]) == ()


def test_files_folders_and_what_is_left_out(tmp_path: Path) -> None:
    write_model(tmp_path / "b.safetensors", checkpoint())
    write_model(tmp_path / "below" / "deep" / "A.ckpt", checkpoint(2048))
    write_folder(tmp_path / "diffusers" / "my model")
    write_model(tmp_path / ".hidden" / "c.safetensors", checkpoint())
    write_model(tmp_path / ".d.safetensors", checkpoint())
    for name in ("readme.md", "b.yaml", "b.png", "b.safetensors.part", "b.safetensors.crdownload"):
        (tmp_path / name).write_bytes(b"x")
    found = by_name(tmp_path)
    assert list(found) == ["A", "b", "my model"]
    assert (found["A"].family, found["b"].family) == ("sdxl", "sd1")
    assert found["b"].path == str(tmp_path / "b.safetensors")
    assert found["b"].bytes == (tmp_path / "b.safetensors").stat().st_size


@pytest.mark.parametrize(
    ("width", "channels", "prediction", "family", "inpainting"),
    [
        (768, 4, "epsilon", "sd1", False),
        (1024, 4, "v_prediction", "sd2", False),
        (768, 9, "epsilon", "sd1", True),
        (192, 4, "v_prediction", "custom", False),
    ],
)
def test_a_folder_by_its_configurations(
    width: int, channels: int, prediction: str, family: str, inpainting: bool, tmp_path: Path
) -> None:
    folder = write_folder(tmp_path / "m", width=width, channels=channels, prediction=prediction)
    (info,) = scan([tmp_path])
    assert (info.family, info.inpainting, info.prediction_type) == (family, inpainting, prediction)
    assert (info.layout, info.problem, info.native_size) == ("folder", None, 512)
    assert set(info.parts) == {"unet", "vae", "text_encoder"}
    assert info.bytes == sum(path.stat().st_size for path in folder.rglob("*.safetensors"))


def test_a_root_that_is_itself_a_model(tmp_path: Path) -> None:
    write_folder(tmp_path / "m")
    assert names(tmp_path / "m") == ["m"]


def test_names_that_collide(tmp_path: Path) -> None:
    write_model(tmp_path / "dream.safetensors", checkpoint())
    write_model(tmp_path / "xl" / "dream.safetensors", checkpoint(2048))
    write_model(tmp_path / "xl" / "Only.safetensors", checkpoint(2048))
    write_model(tmp_path / "same.safetensors", checkpoint())
    write_model(tmp_path / "same.ckpt", checkpoint())
    write_model(tmp_path / "builtin.safetensors", checkpoint())
    found = by_name(tmp_path)
    assert set(found) == {
        "dream",
        "xl/dream",
        "Only",
        "same.safetensors",
        "same.ckpt",
        "builtin.safetensors",
    }
    assert found["xl/dream"].family == "sdxl"


def test_two_roots_with_the_same_file(tmp_path: Path) -> None:
    for root in ("one", "two"):
        write_model(tmp_path / root / "dream.safetensors", checkpoint())
    found = scan([tmp_path / "one", tmp_path / "two"])
    assert [info.name for info in found] == ["one/dream.safetensors", "two/dream.safetensors"]


def test_names_are_unique_whatever_the_files_are_called(tmp_path: Path) -> None:
    for root in ("a/models", "b/models"):
        for name in ("x.safetensors", "X.ckpt", "x (2).ckpt"):
            write_model(tmp_path / root / name, KINDS["vae"])
    found = scan([tmp_path / "a" / "models", tmp_path / "b" / "models"])
    assert len({info.name.casefold() for info in found}) == len(found) == 6


def test_a_hubs_plain_file_name_is_replaced_by_its_folder(tmp_path: Path) -> None:
    write_model(tmp_path / "sd-vae-ft-mse" / "diffusion_pytorch_model.safetensors", KINDS["vae"])
    assert names(tmp_path) == ["sd-vae-ft-mse"]


@links
def test_names_a_page_can_carry(tmp_path: Path) -> None:
    write_model(tmp_path / "line\nbreak.safetensors", checkpoint())
    write_model(tmp_path / "cafe\u0301.safetensors", checkpoint())
    with open(os.fsencode(tmp_path) + b"/\xff.safetensors", "wb"):  # noqa: PTH123 - a name that is no UTF-8
        pass
    assert names(tmp_path) == ["?", "café", "line?break"]


@pytest.mark.fault(30)
@links
def test_links(tmp_path: Path) -> None:
    root, elsewhere = tmp_path / "models", tmp_path / "elsewhere"
    write_model(elsewhere / "far.safetensors", checkpoint())
    write_model(elsewhere / "more" / "other.safetensors", checkpoint())
    root.mkdir()
    (root / "near.safetensors").symlink_to(elsewhere / "far.safetensors")
    (root / "folder").symlink_to(elsewhere / "more")
    (root / "loop").symlink_to(root)
    (elsewhere / "more" / "back").symlink_to(elsewhere / "more")
    (root / "gone.safetensors").symlink_to(elsewhere / "deleted.safetensors")
    (root / "itself.ckpt").symlink_to(root / "itself.ckpt")
    (root / "gone folder").symlink_to(elsewhere / "no folder")
    found = by_name(root)
    assert list(found) == ["gone", "gone folder", "itself", "near", "other"]
    assert found["near"].path == str(root / "near.safetensors")
    assert found["near"].problem is None
    assert found["gone"].problem == Note("dead_link", target=str(elsewhere / "deleted.safetensors"))
    assert found["itself"].problem is not None
    assert found["itself"].problem.code == "dead_link"


@links
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may read everything")
def test_forbidden_files_and_folders(tmp_path: Path) -> None:
    path = write_model(tmp_path / "x.safetensors", checkpoint())
    path.chmod(0)
    (tmp_path / "closed").mkdir(mode=0)
    found = by_name(tmp_path)
    problems = [found[name].problem for name in ("x", "closed")]
    assert [one and one.code for one in problems] == ["file_unreadable_because", "models_unreadable"]


def reads(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    opened: list[Path] = []
    original = checkpoints._identify
    monkeypatch.setattr(checkpoints, "_identify", lambda item: opened.append(item.path) or original(item))
    return opened


def test_only_what_changed_is_opened_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = write_model(tmp_path / "a.safetensors", checkpoint()), write_model(tmp_path / "b.safetensors", KINDS["vae"])
    folder = write_folder(tmp_path / "c")
    memory = Memory()
    first = scan([tmp_path], memory)
    opened = reads(monkeypatch)
    assert scan([tmp_path], memory) == first
    assert opened == []

    write_model(b, checkpoint(2048))
    (tmp_path / "a.yaml").write_text('model:\n  params:\n    parameterization: "v"\n', encoding="utf-8")
    (folder / "unet" / "config.json").write_text('{"cross_attention_dim": 1024}', encoding="utf-8")
    found = {info.name: info for info in scan([tmp_path], memory)}
    assert sorted(opened) == [a, b, folder]
    assert (found["a"].prediction_type, found["b"].family, found["c"].family) == ("v_prediction", "sdxl", "sd2")

    b.unlink()
    assert [info.name for info in scan([tmp_path], memory)] == ["a", "c"]


def test_a_file_of_the_same_size_with_another_time_is_read_again(tmp_path: Path) -> None:
    path = write_model(tmp_path / "a.safetensors", checkpoint())
    memory = Memory()
    scan([tmp_path], memory)
    path.write_bytes(b"\xff" * path.stat().st_size)
    os.utime(path, ns=(1, 1))
    (info,) = scan([tmp_path], memory)
    assert info.problem is not None


def test_memory_outlives_the_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, file = tmp_path / "models", tmp_path / "seen.json"
    write_model(root / "a.safetensors", checkpoint())
    first = scan([root], Memory(file))
    opened = reads(monkeypatch)
    assert scan([root], Memory(file)) == first
    assert opened == []


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 0}', '{"version": 1, "entries": {"x": [[1], {"name": 1}]}}']
)
def test_a_damaged_memory_is_as_good_as_none(text: str, tmp_path: Path) -> None:
    root, file = tmp_path / "models", tmp_path / "seen.json"
    write_model(root / "a.safetensors", checkpoint())
    file.write_text(text, encoding="utf-8")
    assert [info.name for info in scan([root], Memory(file))] == ["a"]


def test_a_memory_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    write_model(tmp_path / "a.safetensors", checkpoint())
    assert len(scan([tmp_path], Memory(tmp_path / "no folder" / "seen.json"))) == 1


def test_each_file_is_looked_into_once_and_never_again_while_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shapes = list(KINDS.values()) + [checkpoint(width) for width in (768, 1024, 2048)]
    files = [tmp_path / f"{number % 20}" / f"model {number}.safetensors" for number in range(200)]
    for number, file in enumerate(files):
        write_model(file, shapes[number % len(shapes)])
    opened: list[Path] = []
    plain = Path.open

    def counted(self: Path, *given: Any, **named: Any) -> Any:
        opened.append(self)
        return plain(self, *given, **named)

    monkeypatch.setattr(Path, "open", counted)
    memory = Memory(tmp_path / "seen.json")
    first = scan([tmp_path], memory)
    assert len(first) == 200
    looked_into = Counter(path for path in opened if path.suffix == ".safetensors")
    assert set(looked_into) == set(files)
    assert max(looked_into.values()) <= 2  # what kind of file it is, and its header
    opened.clear()
    assert scan([tmp_path], memory) == first
    assert [path for path in opened if path.suffix == ".safetensors"] == []
    write_model(files[7], shapes[0] | {"more.weight": (1, 2)})
    scan([tmp_path], memory)
    assert {path for path in opened if path.suffix == ".safetensors"} == {files[7]}


def test_hashes_are_filled_in_when_they_are_ready(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m" / "a.safetensors", checkpoint())
    (tmp_path / "m" / "page.safetensors").write_bytes(b"<!DOCTYPE html>")
    hashes = Hashes()
    hashes.wait(path, 20)
    found = {info.name: info.sha256 for info in scan([tmp_path / "m"], hashes=hashes)}
    hashes.close()
    assert found == {"a": hashlib.sha256(path.read_bytes()).hexdigest(), "page": None}


def test_half_precision_twins_in_a_folder_count_once(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    (before,) = scan([tmp_path])
    write_model(folder / "unet" / "diffusion_pytorch_model.fp16.safetensors", {"conv_in.weight": (320, 4, 3, 3)})
    (after,) = scan([tmp_path])
    assert after.bytes == before.bytes


def test_the_page_may_ask_without_torch() -> None:
    """Whatever the standard library does not have stays out of the page's process."""
    modules = "pipelines.models.checkpoints, pipelines.models.conversion, pipelines.models.catalogue"
    script = f"import sys, {modules}; print(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = {name.partition(".")[0] for name in done.stdout.split()}
    assert loaded.isdisjoint({"torch", "numpy", "safetensors", "diffusers", "transformers", "PIL"})


def test_what_is_wrong_is_remembered_too(tmp_path: Path) -> None:
    """A problem is a code with values: it comes back as it was, and with what a VAE is for."""
    root, file = tmp_path / "models", tmp_path / "seen.json"
    write_model(root / "soft.safetensors", KINDS["vae"])
    write_model(root / "ink.safetensors", KINDS["lora-flux"])
    first = scan([root], Memory(file))
    assert [info.problem is not None for info in first] == [True, True]
    kept = Memory(file)
    assert kept._entries
    assert scan([root], kept) == first
