"""Files of which public reports say that programs misread them, and the kinds they stand for."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import piexif
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import UnreadableImage
from tests.archive.helpers import chunk, encoded, png
from webui.archive import exif, metadata, pictures
from webui.archive.containers import png_info
from webui.archive.entries import look
from webui.archive.metadata import from_infotext
from webui.archive.readers import infotext
from webui.archive.thumbnails import Thumbnails

CASES = Path(__file__).parents[2] / "data" / "cases"
PICTURE = Image.effect_noise((40, 24), 60).convert("RGB")
LINE = "Steps: 24, Sampler: Euler a, CFG scale: 6.5, Seed: 991, Size: 512x640, Model: lakes_v2"
TEXT = f"a paper crane 折り鶴\nNegative prompt: blurry\n{LINE}"


def fields_of(name: str) -> dict[str, object]:
    return dict(metadata.read(CASES / name).fields)


# -- 01: text behind the settings


def test_01_text_behind_the_settings() -> None:
    back = metadata.read(CASES / "01/template.png")
    wanted = {"steps": 24, "sampler": "Euler a", "seed": 991, "prompt": "a small boat on a lake"}
    assert wanted.items() <= back.fields.items()
    assert back.fields["negative_prompt"] == "blurry, dark"
    assert "Negative Template: blurry, dark" in back.unknown
    assert back.model_hash == "6ce0161689"


BEHIND = (
    "Time taken: 5.2 sec.\n\nA: 3.1 GB, R: 3.5 GB, Sys: 4.0/8 GB (51%)",
    "Template: a {b|c}, one: two, three: four, five: six\nand on",
    "Negative Template: Steps, Seed: 5, Size: 8x8",
    "Wildcard: x\n\nnotes of a person: a, bb: c, dd: e",
)


@given(st.one_of(st.sampled_from(BEHIND), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=60)))
def test_whatever_stands_behind_the_settings_changes_none(behind: str) -> None:
    if "Steps:" in behind:
        return
    fields, _ = from_infotext(f"{TEXT}\n{behind}")
    assert fields == from_infotext(TEXT)[0]


# -- 02: lists and objects without quotes


def test_02_json_between_the_settings() -> None:
    wanted = {"steps": 25, "seed": 123, "width": 832, "height": 1216, "clip_skip": 2, "guidance": 5.5}
    found = fields_of("02/civitai.png")
    assert wanted.items() <= found.items()
    assert "model" not in found


@pytest.mark.parametrize(
    "value",
    [
        '{"lora:my Size, Steps: 3": "0a1b", "model": "x, Seed: 4"}',
        "{'a': 'Seed: 5, Steps: 3', 'b': [1, {'Size': '8x8, Size: 8x8'}]}",
        '[\n  {"x": "Seed: 7"},\n  {"y": "Size: 8x8, Steps: 9"}\n]',
        "[7, 8, 9, ]",
        '["\\", Seed: 5, Steps: 1"]',
    ],
)
def test_a_list_or_object_is_read_to_its_end(value: str) -> None:
    fields, unknown = from_infotext(f"x\nSteps: 25, Hashes: {value}, Seed: 123, Size: 832x1216")
    assert (fields["steps"], fields["seed"], fields["width"]) == (25, 123, 832)
    assert unknown == [f"Hashes: {value}"]


PIECES = ["Seed: 5", "a, Steps: 3, ", "}]", "'", '"]']


@settings(max_examples=300)
@given(
    st.recursive(
        st.none()
        | st.integers()
        | st.text(max_size=20)
        | st.sampled_from(["Seed: 5", "a, Steps: 3, ", "}]", "'", '"]']),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
        max_leaves=8,
    ),
    st.text(max_size=30),
    st.sampled_from(["", *BEHIND]),
    st.sampled_from([None, 2]),
)
@example({"Seed: 5, ": ["}"]}, 'a "b": c, Steps: 9', "", None)
def test_no_value_changes_the_settings_around_it(data: object, words: str, behind: str, indent: int | None) -> None:
    values = {"Civitai resources": json.dumps([data], indent=indent), "Hires prompt": infotext.quote(words)}
    values["Python"] = repr({"x": data}).replace("\n", " ")
    middle = ", ".join(f"{key}: {value}" for key, value in values.items())
    fields, _ = from_infotext(f"x\nSteps: 25, {middle}, Seed: 123, Size: 832x1216\n{behind}")
    assert {name: fields.get(name) for name in ("steps", "seed", "width", "height", "prompt")} == {
        "steps": 25, "seed": 123, "width": 832, "height": 1216, "prompt": "x",
    }  # fmt: skip


# -- 03: UTF-8 where Latin-1 should be


def test_03_utf_8_in_a_latin_1_chunk() -> None:
    found = fields_of("03/text_utf8.png")
    assert (found["prompt"], found["negative_prompt"]) == ("折り鶴 and a café", "ぼけ")


@given(st.text(st.characters(max_codepoint=0x17F, exclude_characters="\0\r"), max_size=30))
@example("Ã©")  # Latin-1 that is sound UTF-8 too
@example("café")
def test_what_we_write_is_read_as_it_was_meant(words: str) -> None:
    text = f"a{words}b\n{LINE}"
    assert metadata.read(encoded(PICTURE, "PNG", pnginfo=png_info("", text))).text == text
    plain = text.encode()
    for data in (chunk(b"tEXt", b"parameters\0" + plain), chunk(b"iTXt", b"parameters\0\0\0\0\0" + plain)):
        assert metadata.read(png((1, 1), 8, 2, [b"abc"], [data])).text == text


# -- 04: the places that a text may stand in


@pytest.mark.parametrize("name", ["04/com_sdcpp.jpg", "04/com_plain.jpg"])
def test_04_the_comment_of_a_jpeg(name: str) -> None:
    assert {"prompt": "a paper crane", "seed": 991, "negative_prompt": "blurry"}.items() <= fields_of(name).items()


def exif_of(**tags: object) -> bytes:
    """By piexif, which is no part of the program."""
    known = {"description": ("0th", 0x010E), "xp": ("0th", 0x9C9C), "comment": ("Exif", 0x9286)}
    folders: dict[str, dict[int, object]] = {"0th": {}, "Exif": {}}
    for name, value in tags.items():
        folder, tag = known[name]
        folders[folder][tag] = value
    return bytes(piexif.dump(folders))


PREFIXES = {
    "ascii": b"ASCII\0\0\0" + TEXT.encode(),
    "undefined": b"\0" * 8 + TEXT.encode(),
    "big": b"UNICODE\0" + TEXT.encode("utf-16-be"),
    "little": b"UNICODE\0" + TEXT.encode("utf-16-le"),
    "marked": b"UNICODE\0" + TEXT.encode("utf-16"),
    "utf-8": b"UNICODE\0" + TEXT.encode(),
    "jis": b"JIS\0\0\0\0\0" + TEXT.encode("iso2022_jp"),
}
EXIFS = {name: {"comment": body} for name, body in PREFIXES.items()} | {
    "ImageDescription": {"description": TEXT.encode()},
    "XPComment": {"xp": TEXT.encode("utf-16-le") + b"\0\0"},
    "both": {"description": b"OLYMPUS DIGITAL CAMERA", "comment": b"ASCII\0\0\0", "xp": TEXT.encode("utf-16-le")},
}


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
@pytest.mark.parametrize("place", sorted(EXIFS))
def test_settings_anywhere_in_exif(kind: str, place: str) -> None:
    back = metadata.read(encoded(PICTURE, kind, exif=exif_of(**EXIFS[place])))
    assert (back.text, back.fields["seed"]) == (TEXT, 991)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_settings_in_the_description_of_xmp(kind: str) -> None:
    packet = (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:description><rdf:Alt><rdf:li>'
        f"{TEXT}</rdf:li></rdf:Alt></dc:description></rdf:Description></rdf:RDF></x:xmpmeta>"
    )
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", packet)
    how = {"pnginfo": info} if kind == "PNG" else {"xmp": packet.encode()}
    assert metadata.read(encoded(PICTURE, kind, **how)).fields["seed"] == 991


def test_a_profile_of_imagemagick_and_little_endian_exif() -> None:
    tiff = b"II*\0\x08\0\0\0\1\0" + struct.pack("<HHII", 0x9286, 7, len(PREFIXES["little"]), 26) + bytes(4)
    for data in (b"Exif\0\0" + tiff + PREFIXES["little"], exif_of(comment=PREFIXES["big"])):
        raw = f"\nexif\n{len(data):8}\n{data.hex()}\n"
        back = metadata.read(png((1, 1), 8, 2, [b"abc"], [chunk(b"tEXt", b"Raw profile type exif\0" + raw.encode())]))
        assert back.fields["seed"] == 991


@settings(max_examples=300)
@given(st.binary(max_size=80), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
def test_no_exif_is_a_failure(body: bytes, head: bytes) -> None:
    exif.texts(head + body)
    assert exif.orientation({"exif": head + body, "xmp": body}) >= 0


def test_words_of_a_camera_are_no_settings() -> None:
    back = metadata.read(encoded(PICTURE, "JPEG", exif=exif_of(description=b"a day, sea: blue, sky: grey, sand: hot")))
    assert back.fields == {}


# -- 05: chunks over a limit


@pytest.mark.parametrize("name", ["ztxt_big.png", "itxt_big.png", "iccp_big.png"])
def test_05_a_big_chunk_never_costs_the_picture(name: str, tmp_path: Path) -> None:
    path = CASES / "05" / name
    assert pictures.read(path).size == (64, 64)
    assert pictures.read_mask(path).size == (64, 64)
    assert Thumbnails(tmp_path / "thumbs.sqlite").get(path).startswith(b"\xff\xd8")
    back = metadata.read(path)
    assert back.size == (64, 64)
    if name != "itxt_big.png":  # the one whose only text is the big one
        assert back.fields["prompt"] == "a paper crane"


# -- 15: a strength that belongs to the second pass


def test_15_the_strength_of_a_second_pass() -> None:
    path = CASES / "15/hires.png"
    back = metadata.read(path)
    assert {"steps": 20, "seed": 5, "width": 512, "schedule": "karras"}.items() <= back.fields.items()
    assert "strength" not in back.fields
    second = {"hires": True, "hires_by": 2.0, "hires_steps": 10, "hires_upscaler": "latent", "hires_strength": 0.4}
    assert second.items() <= back.fields.items()
    assert back.unknown == ()
    entry = look(path.parents[1], path)
    assert entry is not None
    assert entry.saved.task == "txt2img"


def test_a_strength_alone_is_that_of_img2img_and_older_names_of_the_second_pass_count() -> None:
    assert from_infotext(f"x\n{LINE}, Denoising strength: 0.4")[0]["strength"] == 0.4
    for key in ("First pass size: 512x512", "Hires resize: 1024x1024", "Hires prompt: x"):
        assert "strength" not in from_infotext(f"x\n{LINE}, Denoising strength: 0.4, {key}")[0]


# -- stable-diffusion.cpp


@pytest.mark.parametrize(
    ("sampler", "wanted"),
    [
        ("euler_a", ("Euler a", "automatic")),
        ("euler_a karras", ("Euler a", "karras")),
        ("euler discrete", ("Euler", "automatic")),
        ("heun exponential", ("Heun", "exponential")),
        ("dpm2", ("DPM2", "automatic")),
        ("dpm++2m karras", ("DPM++ 2M", "karras")),
        ("dpm++2m sgm_uniform", ("DPM++ 2M", "sgm uniform")),
        ("lms", ("LMS", "automatic")),
        ("lcm", ("LCM", "automatic")),
        ("tcd discrete", ("TCD", "automatic")),
        ("ddim_trailing karras", ("DDIM", "sgm uniform")),
        *((name, None) for name in ("dpm++2s_a", "dpm++2mv2", "ipndm", "ipndm_v", "res_2s", "euler ays", "lcm karras")),
    ],
)
def test_samplers_of_stable_diffusion_cpp(sampler: str, wanted: tuple[str, str] | None) -> None:
    fields, unknown = from_infotext(
        "a cat\nSteps: 20, CFG scale: 7.000000, Guidance: 3.500000, Eta: 0.000000, Skip layers: [7, 8, 9, ], Seed: 42, "
        f"Size: 512x512, Model: sd-v1-4.ckpt, RNG: cuda, Sampler: {sampler}, Version: stable-diffusion.cpp"
    )
    assert (fields["model"], fields["seed"], fields["guidance"]) == ("sd-v1-4", 42, 7.0)
    assert ((fields["sampler"], fields["schedule"]) if "sampler" in fields else None) == wanted
    assert (f"Sampler: {sampler}" in unknown) is (wanted is None)


def test_the_model_of_old_novelai_has_its_hash_apart() -> None:
    info = PngInfo()
    said = {"Software": "NovelAI", "Source": "Stable Diffusion 1D44365E", "Description": "a cat"}
    for name, text in {**said, "Comment": json.dumps({"steps": 28, "seed": 7, "sampler": "k_euler"})}.items():
        info.add_text(name, text)
    back = metadata.read(encoded(PICTURE, "PNG", pnginfo=info))
    assert (back.fields["model"], back.model_hash) == ("Stable Diffusion", "1d44365e")


def test_no_picture_at_all_is_still_refused() -> None:
    with pytest.raises(UnreadableImage):
        metadata.read(b"\x89PNG\r\n\x1a\n")
