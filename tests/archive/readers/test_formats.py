"""What we write in other formats: pixels, texts, sidecars, parents; read back by us."""

from __future__ import annotations

import errno
import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import InvalidRequest, Note, StorageError
from pipelines.groups import InitImage, Inpaint
from pipelines.types import GenerationRequest, GenerationResult
from tests.archive.helpers import NOON, encoded, results, tiles
from webui.archive import files, formats, metadata, numbers, pictures, store, xmp
from webui.archive.inputs import InputStore, pixels_sha256
from webui.archive.metadata import Record
from webui.archive.store import ImageStore, Saving

NOISE = Image.effect_noise((64, 72), 80).convert("RGB")
REQUEST = GenerationRequest(
    prompt="a 猫, (red:1.2)\nsecond line 🙂", negative_prompt='"ugly", blurry: very', model="v1-5 pruned",
    seed=450910884, sampler="DPM++ 2M SDE", schedule="karras", steps=21, guidance=6.5, width=64, height=72, clip_skip=2,
)  # fmt: skip
SUFFIXES = {"png": ".png", "webp": ".webp", "jpeg": ".jpg", "avif": ".avif"}


def make_store(root: Path, **options: object) -> ImageStore:
    return ImageStore(root, clock=lambda: NOON, saving=Saving(**options))


def result(request: GenerationRequest = REQUEST, image: Image.Image = NOISE) -> GenerationResult:
    return replace(results(request)[0], image=image, facts={"model": {"sha256": "6ce0161689" + "0" * 54}})


@pytest.mark.parametrize("kind", formats.FORMATS)
def test_every_format_holds_the_record_and_the_text(tmp_path: Path, kind: str) -> None:
    archive = make_store(tmp_path, format=kind)
    saved = archive.save(result())
    assert saved.path.suffix == SUFFIXES[kind]
    back = metadata.read(saved.path)
    assert back.record is not None
    assert back.record.request(archive.inputs) == result().request
    assert back.record.pixels_sha256 == pixels_sha256(NOISE)
    assert metadata.from_infotext(back.text or "")[0]["prompt"] == REQUEST.prompt
    assert back.lossy == (kind not in formats.LOSSLESS)
    read = pictures.read(saved.path)
    if kind in formats.LOSSLESS:
        assert pixels_sha256(read) == back.record.pixels_sha256
    else:
        distance = np.abs(np.asarray(read, dtype=int) - np.asarray(NOISE, dtype=int)).mean()
        assert 0 < distance < 6


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(["webp", "jpeg", "avif"]), st.text(st.characters(codec="utf-8", exclude_characters="\0")))
def test_any_prompt_travels_in_any_format(kind: str, prompt: str) -> None:
    made = results(
        GenerationRequest(prompt=prompt, negative_prompt=prompt[::-1], seed=1, steps=1, width=64, height=64)
    )[0]
    record = Record.of(made, InputStore(Path("never made")), NOON)
    small = Image.new("RGB", (8, 8))
    file = formats.encode(small, formats.check(kind), record.to_json(), metadata.to_infotext(record))
    assert metadata.read(file.data).record == record


@pytest.mark.parametrize("kind", ["webp", "avif", "jpeg"])
def test_texts_too_long_for_the_format_make_it_a_png(tmp_path: Path, kind: str) -> None:
    long = replace(REQUEST, prompt="🙂" * 20_000, negative_prompt="猫" * 20_000)
    saved = make_store(tmp_path, format=kind).save(result(long))
    assert saved.path.suffix == (".png" if kind == "jpeg" else SUFFIXES[kind])
    assert metadata.read(saved.path).fields["prompt"] == long.prompt


def test_sides_too_long_for_the_format_make_it_a_png() -> None:
    wide = Image.new("RGB", (16_384, 1))
    assert formats.encode(wide, "webp", "{}", "x").suffix == ".png"
    assert formats.encode(wide, "jpeg", "{}", "x").suffix == ".jpg"


def test_a_grid_takes_the_format_and_its_record(tmp_path: Path) -> None:
    archive = make_store(tmp_path, format="webp")
    made = results(replace(REQUEST, batch_size=3))
    grid = archive.save_grid(made[0], tiles(made), beside=archive.save(made[0]))
    assert grid is not None
    back = metadata.read(grid.path)
    assert (grid.path.suffix, back.record and back.record.kind) == (".webp", "grid")
    assert back.record is not None
    assert back.record.pixels_sha256 == pixels_sha256(pictures.read(grid.path))


def test_settings_that_there_are_not() -> None:
    for options, field, values in (
        ({"format": "gif"}, "format", {"choices": ("png", "webp", "jpeg", "avif"), "value": "gif"}),
        ({"sidecars": ("xml",)}, "sidecars", {"choices": ("txt", "json"), "value": ("xml",)}),
    ):
        with pytest.raises(InvalidRequest) as error:
            Saving(**options)
        assert (error.value.field, error.value.note) == (field, Note("choice", **values))


def test_a_format_this_pillow_lacks_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(formats.features, "check", lambda name: name != "avif")
    assert formats.check("webp") == "webp"
    with pytest.raises(InvalidRequest, match="format_unwritable"):
        formats.check("avif")


# -- sidecars


def listed(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file() and path.parent.name != numbers.FOLDER)


def test_sidecars_say_what_the_image_says(tmp_path: Path) -> None:
    archive = make_store(tmp_path, sidecars=("txt", "json"))
    for made in results(replace(REQUEST, batch_size=2)):
        path = archive.save(made).path
        back = metadata.read(path)
        assert path.with_suffix(".txt").read_bytes().decode() == f"{back.text}\n"
        assert Record.from_json(path.with_suffix(".json").read_text(encoding="utf-8")) == back.record
        with Image.open(path) as image:
            bare = image.copy()
        bare.save(path.with_name(f"bare-{path.name}"), pnginfo=None)
        for suffix in (".txt", ".json"):
            path.with_suffix(suffix).rename(path.with_name(f"bare-{path.stem}{suffix}"))
        assert metadata.read(path.with_name(f"bare-{path.name}")).record == back.record
    assert [name[:6] for name in listed(tmp_path) if name.startswith("0")] == ["00001-", "00002-"]


def test_a_full_disk_leaves_neither_image_nor_sidecar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path, sidecars=("txt", "json"))
    archive.prepare()
    calls = []
    write = files.os.fsync

    def full(handle: int) -> None:
        calls.append(handle)
        if len(calls) == 5:  # folder, folder, image, text: the record no longer fits
            raise OSError(errno.ENOSPC, "full")
        write(handle)

    with monkeypatch.context() as patch:
        patch.setattr(files.os, "fsync", full)
        with pytest.raises(StorageError, match="folder_full"):
            archive.save(result())
    assert listed(tmp_path) == []
    assert archive.save(result()).path.name.startswith("00001-")
    assert [Path(name).suffix for name in listed(tmp_path)] == [".json", ".png", ".txt"]


def test_a_sidecar_that_fails_at_last_costs_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path, sidecars=("txt", "json"))
    link = files.os.link

    def only_images(part: Path, final: Path) -> None:
        if final.suffix != ".png":
            raise OSError(errno.EIO, "broken")
        link(part, final)

    monkeypatch.setattr(files.os, "link", only_images)
    saved = archive.save(result())
    assert listed(tmp_path) == [saved.path.name]


def test_sidecars_and_part_files_leave_the_counter_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = make_store(tmp_path, sidecars=("txt",))
    folder = archive.save(result()).path.parent
    (folder / "99999999abcdef00.part").write_bytes(b"another program is writing")
    assert make_store(tmp_path).save(result()).path.name.startswith("00002-")
    assert archive.save(result()).path.name.startswith("00003-")
    looks: list[Path] = []
    scandir = os.scandir
    monkeypatch.setattr(store.os, "scandir", lambda path: (looks.append(Path(path)), scandir(path))[1])
    assert archive.save(result()).path.name.startswith("00004-")
    assert folder not in looks  # its own sidecars are no reason to list the folder again


# -- parents


def test_an_image_names_the_picture_it_was_made_from(tmp_path: Path) -> None:
    archive = make_store(tmp_path)
    parent = archive.save(result())
    image = metadata.read_input(parent.path, archive.inputs)
    mask = Image.new("L", image.size, 255)
    first = metadata.read(parent.path)
    assert first.record is not None
    assert first.record.parent is None
    assert "parent" not in json.loads(first.record.to_json())
    its = {"program": first.record.program, "text": first.text}
    for request, kind in (
        (replace(REQUEST, init=InitImage(image=image)), "img2img"),
        (replace(REQUEST, init=InitImage(image=image), inpaint=Inpaint(mask=mask)), "inpaint"),
    ):
        record = metadata.read(archive.save(result(request)).path).record
        assert record is not None
        assert record.parent == {"pixels_sha256": pixels_sha256(NOISE), "kind": kind, **its}


def test_a_parent_with_loss_is_named_by_the_hash_in_its_own_file(tmp_path: Path) -> None:
    archive = make_store(tmp_path, format="jpeg")
    parent = archive.save(result())
    image = metadata.read_input(parent.path, archive.inputs)
    assert pixels_sha256(image) != pixels_sha256(NOISE)
    record = metadata.read(archive.save(result(replace(REQUEST, init=InitImage(image=image)))).path).record
    assert record is not None
    assert record.parent is not None
    assert record.parent["pixels_sha256"] == pixels_sha256(NOISE)
    assert record.settings["init"]["image"] == pixels_sha256(image)


def test_the_text_of_a_foreign_parent_goes_along(tmp_path: Path) -> None:
    graph = {"3": {"class_type": "KSampler", "inputs": {"seed": 4711}}}
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(graph)
    archive = make_store(tmp_path)
    archive.prepare()
    image = metadata.read_input(encoded(NOISE, "WEBP", exif=exif.tobytes()), archive.inputs)
    saved = archive.save(result(replace(REQUEST, init=InitImage(image=image))))
    record = metadata.read(saved.path).record
    assert record is not None
    assert record.parent == {
        "pixels_sha256": pixels_sha256(image),
        "kind": "img2img",
        "program": "ComfyUI",
        "text": json.dumps(graph),
    }
    assert Record.from_json(record.to_json()) == record


@pytest.mark.parametrize("kind", ["png", "webp", "jpeg", "avif"])
def test_the_text_of_the_first_picture_survives_every_step(tmp_path: Path, kind: str) -> None:
    """Another program's, through larger, edited and changed once more; each step names the one before it."""
    text = "a fox, 狐狸\nNegative prompt: blurry\nSteps: 7, Sampler: Euler a, Seed: 5, Size: 64x64, Their: own"
    chunks = PngInfo()
    chunks.add_itxt("parameters", text)
    before: Path | bytes = encoded(NOISE, "PNG", pnginfo=chunks)
    archive = make_store(tmp_path, format=kind)
    archive.prepare()
    hashes: list[str] = []
    for step in range(3):
        image = metadata.read_input(before, archive.inputs)
        mask = Image.new("L", image.size, 255)
        made = result(
            replace(REQUEST, init=InitImage(image=image), inpaint=Inpaint(mask=mask) if step == 1 else None),
            image=Image.effect_noise((40 + 8 * step, 64), 70).convert("RGB"),
        )
        hashes.append(pixels_sha256(made.image))
        saved = archive.save(made)
        record = metadata.read(saved.path).record
        assert record is not None
        assert record.parent is not None
        assert record.parent["text"] == text
        assert "program" not in record.parent  # many write `parameters`
        assert record.parent["pixels_sha256"] == (hashes[step - 1] if step else pixels_sha256(NOISE))
        assert record.parent["kind"] == ("inpaint" if step == 1 else "img2img")
        before = saved.path


def test_a_photo_is_a_parent_without_a_text(tmp_path: Path) -> None:
    archive = make_store(tmp_path)
    for kind in ("JPEG", "BMP"):
        image = metadata.read_input(encoded(NOISE, kind), archive.inputs)
        assert archive.inputs.origin(pixels_sha256(image)) == {}
    record = Record.of(result(replace(REQUEST, init=InitImage(image=image))), archive.inputs, NOON)
    assert record.parent == {"pixels_sha256": pixels_sha256(image), "kind": "img2img"}
    assert archive.inputs.origin("../x") == {}


def test_a_note_stays_as_it_was_and_a_broken_one_is_passed_over(tmp_path: Path) -> None:
    inputs = InputStore(tmp_path / "inputs")
    sha256 = inputs.put(NOISE)
    inputs.note(sha256, {"program": "A", "text": "1"})
    inputs.note(sha256, {"program": "B", "text": "2"})
    assert inputs.origin(sha256) == {"program": "A", "text": "1"}
    for text in ("[" * 5000, "[]", "{", '{"text": 5}'):
        (inputs.folder / f"{sha256}.json").write_text(text)
        assert inputs.origin(sha256) == {}


def test_xmp_of_strangers() -> None:
    ours = '{"a": "<&>\\u0001 \ud800 \uffff 猫"}'
    assert json.loads(xmp.read(xmp.write(ours))["seedprint"]) == json.loads(ours)
    sound = xmp.write("{}")
    for packet in (b"", b"<", b"<a>" * 100_000, sound[:-30], b"\0" * 9, b"<!DOCTYPE a><a/>", b"\xff\xfe<\0a\0"):
        assert xmp.read(packet) == {}
    entity = b'<!DOCTYPE a [<!ENTITY b "bbbb">]>' + sound.partition(b"?>")[2].replace(b"{}", b"&b;")
    assert xmp.read(entity) == {}
