"""What a file says: our record, else the parameters text, else nothing; and never a failure without a sentence."""

from __future__ import annotations

import json
import re
import zlib
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.errors import InvalidRequest, Note, StorageError, UnreadableImage
from pipelines.groups import InitImage, Inpaint
from pipelines.types import Batch, GenerationRequest
from tests.archive.helpers import NOON, chunk, encoded, png, results
from tests.refusals import refused
from webui.archive import VERSION, exif, metadata
from webui.archive.containers import png_info, read_texts
from webui.archive.exif import decode_comment
from webui.archive.inputs import InputStore
from webui.archive.metadata import Record, request_from_json, request_to_json

ROOT = Path(__file__).parents[2]
PICTURE = Image.effect_noise((40, 24), 60).convert("RGB")
MASK = Image.new("L", (40, 24), 0)
MASK.paste(200, (4, 4, 20, 20))
TEXT = (
    "a 星 🙂\nNegative prompt: b\nSteps: 5, Sampler: Euler, Schedule type: Karras, CFG scale: 7, Seed: 9, Size: 64x64"
)
PIXEL = [b"\1\2\3"]


@pytest.fixture
def inputs(tmp_path: Path) -> InputStore:
    return InputStore(tmp_path / "inputs")


def inpaint_request() -> GenerationRequest:
    return GenerationRequest(
        prompt='say "hi": 你好,\nNegative prompt: 🙂',
        negative_prompt="Negative prompt: twice",
        seed=11,
        batch_size=3,
        width=64,
        height=72,
        init=InitImage(image=PICTURE, strength=0.3, resize_mode="pad", image_guidance=2.5),
        inpaint=Inpaint(mask=MASK, mask_blur=0, mask_grow=-3, masked_content="latent noise", only_masked=True),
    )


def assert_same_request(one: GenerationRequest, other: GenerationRequest) -> None:
    """Field by field; pictures by their pixels."""
    for left, right, part in ((one.init, other.init, "image"), (one.inpaint, other.inpaint, "mask")):
        assert (left is None) == (right is None)
        if left is not None and right is not None:
            assert getattr(left, part).tobytes() == getattr(right, part).tobytes()
            assert getattr(left, part).mode == getattr(right, part).mode
            assert replace(right, **{part: getattr(left, part)}) == left
    assert replace(other, init=one.init, inpaint=one.inpaint) == one


def test_the_version_is_written_once() -> None:
    """In pyproject.toml; the changelog's newest heading tells people what is in it."""
    assert f'\nversion = "{VERSION}"\n' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == VERSION
    places = [ROOT / "app.py", ROOT / "bootstrap.py", ROOT / "README.md"]
    places += [file for room in ("webui", "pipelines", "tools") for file in (ROOT / room).rglob("*.py")]
    assert len(places) > 200
    assert [str(file) for file in places if VERSION in file.read_text(encoding="utf-8")] == []


def test_every_field_of_a_request_travels(inputs: InputStore) -> None:
    """A field added to the types and forgotten here must not be lost in silence."""
    data = request_to_json(inpaint_request(), inputs)
    assert set(data) == {item.name for item in fields(GenerationRequest)}
    assert set(data["init"]) == {item.name for item in fields(InitImage)}
    assert set(data["inpaint"]) == {item.name for item in fields(Inpaint)}


def test_a_record_gives_the_request_as_run_and_its_batch(inputs: InputStore) -> None:
    request = inpaint_request()
    for position, result in enumerate(results(request)):
        record = Record.from_json(Record.of(result, inputs, NOON).to_json())
        assert record.position == position
        assert record.made_at == NOON
        again = record.request(inputs)
        assert_same_request(result.request, again)
        assert Batch.around(again, record.position).seeds == (11, 12, 13)


CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")


@pytest.mark.fault(19, 20)
@settings(max_examples=150, deadline=None)
@given(st.text(CHARACTERS, max_size=200), st.text(CHARACTERS, max_size=50), st.floats(0, 30), st.integers(0, 2**32 - 1))
def test_our_json_holds_every_prompt_through_a_png(prompt: str, negative: str, guidance: float, seed: int) -> None:
    request = GenerationRequest(
        prompt=prompt, negative_prompt=negative, guidance=guidance, seed=seed, steps=1, width=64, height=64
    )
    result = results(request)[0]
    record = Record.of(result, InputStore(Path("never made")), NOON)
    data = encoded(result.image, "PNG", pnginfo=png_info(record.to_json(), metadata.to_infotext(record)))
    back = metadata.read(data)
    assert back.record == record
    assert_same_request(request, back.record.request(InputStore(Path("never made"))))
    assert back.fields["prompt"] == prompt
    assert back.unknown == ()


def test_the_whole_text_limit_fits_both_ways() -> None:
    request = GenerationRequest(
        prompt="🙂" * 20_000, negative_prompt="\x01" * 20_000, seed=1, steps=1, width=64, height=64
    )
    result = results(request)[0]
    record = Record.of(result, InputStore(Path("never made")), NOON)
    data = encoded(result.image, "PNG", pnginfo=png_info(record.to_json(), metadata.to_infotext(record)))
    assert metadata.read(data).record == record
    only_text = encoded(result.image, "PNG", pnginfo=png_info("", metadata.to_infotext(record)))
    assert metadata.read(only_text).fields["prompt"] == request.prompt


def good() -> dict[str, Any]:
    request = {
        "prompt": "a", "negative_prompt": "", "model": "builtin", "sampler": "Euler", "schedule": "karras", "steps": 20,
        "guidance": 7.0, "width": 64, "height": 64, "batch_size": 2, "batches": 1, "seed": 5, "clip_skip": 1,
        "init": None, "inpaint": None,
    }  # fmt: skip
    return {
        "schema": 1, "program": "seedprint 0.1.0", "kind": "image", "made_at": "2026-11-20T12:00:00+00:00",
        "request": request, "position": 1, "seconds": 1.5, "pixels_sha256": "0f" * 32, "facts": {"dtype": "bfloat16"},
    }  # fmt: skip


def test_fields_of_a_later_version_are_kept_and_named() -> None:
    data = good() | {"schema": 7, "parent": "abc", "lineage": {"of": ["x"]}}
    data["request"] |= {"film": {"every": 2}, "init": {"image": "00" * 32, "strength": 0.5, "tile": True}}
    record = Record.from_json(json.dumps(data))
    assert json.loads(record.to_json()) == data
    assert record.unknown == ("film", "init.tile")
    assert record.extra == {"parent": "abc", "lineage": {"of": ["x"]}}


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"schema": None}, "schema", "wrong_type"),
        ({"schema": True}, "schema", "wrong_type"),
        ({"schema": 0}, "schema", "at_least"),
        ({"position": 2}, "position", "whole_number"),
        ({"position": -1}, "position", "whole_number"),
        ({"position": "1"}, "position", "wrong_type"),
        ({"seconds": "slow"}, "seconds", "wrong_type"),
        ({"pixels_sha256": "xyz"}, "pixels_sha256", "not_sha256"),
        ({"made_at": "yesterday"}, "made_at", "not_a_moment"),
        ({"kind": "film"}, "kind", "choice"),
        ({"kind": []}, "kind", "choice"),
        ({"facts": []}, "facts", "wrong_type"),
        ({"request": "x"}, "request", "wrong_type"),
        ({"request": {}}, "prompt", "missing"),
        ({"request": {"prompt": 5}}, "prompt", "wrong_type"),
        ({"request": {"steps": True}}, "steps", "wrong_type"),
        ({"request": {"seed": 10**400}}, "seed", "number_too_large"),
        ({"request": {"init": "x"}}, "init", "wrong_type"),
        ({"request": {"init": {"strength": 1}}}, "init_image", "missing"),
        ({"request": {"inpaint": {"mask": "x", "invert": 1}}}, "invert", "wrong_type"),
    ],
)
def test_a_bad_record_is_refused_at_its_field(changes: dict[str, Any], field: str, code: str) -> None:
    with refused(field, code):
        Record.from_json(json.dumps(good() | changes))


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "5", "null", "[" * 100_000, '{"a":' * 50_000, "NaN", "9" * 5000, '{"a":' * 60 + "1" + "}" * 60],
)
def test_what_is_no_json_object_is_refused(text: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        Record.from_json(text)
    assert caught.value.note.code in ("not_json", "wrong_type")
    with refused("seedprint", "record_too_long", limit=1024):
        Record.from_json(" " * (1024 * 1024 + 1))


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(good())), st.sampled_from(sorted(good()["request"])), JSON_VALUES, st.booleans())
def test_no_record_is_another_failure(name: str, inner: str, value: Any, deep: bool) -> None:
    data = good()
    (data["request"] if deep else data)[inner if deep else name] = value
    try:
        record = Record.from_json(json.dumps(data))
    except InvalidRequest:
        return
    json.loads(record.to_json())
    back = metadata.read(png((1, 1), 8, 2, PIXEL, [chunk(b"iTXt", b"seedprint\0\0\0\0\0" + json.dumps(data).encode())]))
    assert back.problem is None
    try:
        record.request(InputStore(Path("never made")))
    except (InvalidRequest, StorageError):
        return


def test_a_request_this_version_cannot_run_is_read_and_refused_when_built() -> None:
    data = good()
    data["request"]["sampler"] = "Euler of tomorrow"
    record = Record.from_json(json.dumps(data))
    with refused("sampler", "choice", value="Euler of tomorrow"):
        record.request(InputStore(Path("never made")))
    back = metadata.read(png((1, 1), 8, 2, PIXEL, [chunk(b"iTXt", b"seedprint\0\0\0\0\0" + json.dumps(data).encode())]))
    assert back.unknown == ("sampler: Euler of tomorrow",)
    assert "sampler" not in back.fields
    assert back.fields["seed"] == 5


def test_odd_facts_never_cost_an_image(inputs: InputStore) -> None:
    result = replace(
        results(GenerationRequest(seed=1, steps=1, width=64, height=64))[0],
        facts={"loss": float("nan"), "path": Path("x"), "sizes": (1, 2), "model": {"sha256": "ab" * 32}},
    )
    record = Record.from_json(Record.of(result, inputs, NOON).to_json())
    assert record.facts == {"loss": None, "path": "x", "sizes": [1, 2], "model": {"sha256": "ab" * 32}}
    assert record.model_sha256 == "ab" * 32


def test_reading_falls_back_from_ours_to_the_text_to_nothing() -> None:
    def read(*chunks: bytes) -> metadata.ReadBack:
        return metadata.read(png((1, 1), 8, 2, PIXEL, chunks))

    ours = chunk(b"iTXt", b"seedprint\0\0\0\0\0" + json.dumps(good()).encode())
    broken = chunk(b"iTXt", b"seedprint\0\0\0\0\0{")
    text = chunk(b"iTXt", b"parameters\0\0\0\0\0" + TEXT.encode())
    assert read(text, ours).record is not None
    assert read(text, ours).text == TEXT
    assert read(text).fields["prompt"] == "a 星 🙂"
    assert read(text).record is None
    assert read(broken, text).fields["seed"] == 9
    assert read(broken, text).problem == Note("not_json", value="{", field="seedprint")
    nothing = read()
    assert (nothing.record, nothing.fields, nothing.text, nothing.problem) == (None, {}, None, None)
    assert nothing.size == (1, 1)
    long = read(chunk(b"tEXt", b"parameters\0" + b"x" * 300_000))
    assert (long.fields, long.problem) == ({}, Note("record_too_long", limit=256, value=300_000, field="parameters"))


def test_all_three_png_text_chunks() -> None:
    packed = zlib.compress(b"plain\nSteps: 5, Seed: 1, Clip skip: 1")
    for body in (
        chunk(b"tEXt", b"parameters\0caf\xe9\nSteps: 5, Seed: 1, Clip skip: 1"),
        chunk(b"zTXt", b"parameters\0\0" + packed),
        chunk(b"iTXt", b"parameters\0\1\0\0\0" + packed),
    ):
        assert metadata.read(png((1, 1), 8, 2, PIXEL, [body])).fields["steps"] == 5


def test_text_behind_the_pixels_is_found() -> None:
    plain = png((1, 1), 8, 2, PIXEL)
    late = plain[:-12] + chunk(b"tEXt", b"parameters\0x\nSteps: 5, Seed: 1, Clip skip: 1") + plain[-12:]
    assert metadata.read(late).fields["prompt"] == "x"


def test_what_we_write_into_a_png_is_tEXt_or_iTXt_by_need(tmp_path: Path) -> None:
    for words, kind in (("plain", b"tEXt"), ("星", b"iTXt")):
        data = encoded(PICTURE, "PNG", pnginfo=png_info("{}", words))
        found = re.findall(rb"(tEXt|iTXt)(parameters|seedprint)\0", data)
        assert found == [(kind, b"parameters"), (b"iTXt", b"seedprint")]


def user_comment(body: bytes, kind: str) -> bytes:
    """A picture with a UserComment laid out by hand (EXIF 2.32), little-endian TIFF."""
    value = 26 + 18
    tiff = b"II*\0\x08\0\0\0" + b"\1\0" + b"\x69\x87\4\0\1\0\0\0" + (26).to_bytes(4, "little") + bytes(4)
    tiff += b"\1\0" + b"\x86\x92\7\0" + len(body).to_bytes(4, "little") + value.to_bytes(4, "little") + bytes(4)
    return encoded(PICTURE, kind, exif=b"Exif\0\0" + tiff + body)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize(
    "body",
    [
        b"UNICODE\0" + TEXT.encode("utf-16-be"),
        b"UNICODE\0" + TEXT.encode("utf-16-le"),
        b"UNICODE\0" + TEXT.encode("utf-16"),
        b"\0" * 8 + TEXT.encode(),
        TEXT.encode(),
    ],
)
def test_user_comments_of_other_programs(kind: str, body: bytes) -> None:
    back = metadata.read(user_comment(body, kind))
    assert (back.text, back.fields["seed"], back.size) == (TEXT, 9, PICTURE.size)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_our_user_comment_reads_back(kind: str) -> None:
    assert metadata.read(encoded(PICTURE, kind, exif=exif.write(TEXT))).text == TEXT


def test_our_user_comment_is_unicode_big_endian_and_left_out_when_too_long() -> None:
    assert b"UNICODE\0" + TEXT.encode("utf-16-be") in exif.write(TEXT)
    assert exif.write("x" * 40_000) == b""
    assert decode_comment(b"ASCII\0\0\0words\0") == "words"
    assert decode_comment(b"") == ""


def test_gif_comment() -> None:
    assert metadata.read(encoded(PICTURE, "GIF", comment=TEXT.encode())).fields["seed"] == 9


def test_files_that_are_no_picture(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_text("hello")
    for source, code, name in (
        (b"hello", "picture_no_picture", Note("the_picture")),
        (tmp_path / "a.png", "picture_no_picture", "a.png"),
        (tmp_path / "none.png", "picture_gone", "none.png"),
        (png((60_000, 60_000), 8, 2, [b""]), "picture_too_many_pixels", Note("the_picture")),
    ):
        with pytest.raises(UnreadableImage) as error:
            read_texts(source)
        assert (error.value.note.code, error.value.note.values["name"]) == (code, name)


def test_pictures_missing_from_the_archive_are_named(inputs: InputStore) -> None:
    data = request_to_json(inpaint_request(), inputs)
    (inputs.folder / f"{data['inpaint']['mask']}.png").unlink()
    with pytest.raises(StorageError, match=f"input_gone.*{data['inpaint']['mask'][:10]}"):
        request_from_json(data, inputs)
