"""The `parameters` text: what we write stands here letter by letter, what others write is read as they mean it."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.details import Detail
from pipelines.fields import flat
from pipelines.groups import MASKED_CONTENTS, Hires, Refiner
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import REQUEST_FIELDS, TILINGS, GenerationRequest
from tests.refusals import refused
from webui.archive import VERSION
from webui.archive.metadata import from_infotext
from webui.archive.readers import infotext

PLAIN = {
    "prompt": "a red star",
    "negative_prompt": "",
    "model": "v1-5",
    "sampler": "DPM++ 2M",
    "schedule": "karras",
    "steps": 20,
    "guidance": 7.0,
    "width": 512,
    "height": 768,
    "batch_size": 4,
    "batches": 1,
    "seed": 1,
    "clip_skip": 1,
    "tiling": "none",
}
NOT_HELD = ("batch_size", "batches", "resize_mode", "mask_grow")


def test_txt2img_letter_by_letter() -> None:
    assert infotext.write(PLAIN, model_sha256="6ce0161689" + "0" * 54) == (
        "a red star\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 7, Seed: 1, Size: 512x768, "
        f"Model hash: 6ce0161689, Model: v1-5, RNG: CPU, Version: seedprint {VERSION}"
    )


def test_inpaint_letter_by_letter() -> None:
    settings_ = PLAIN | {
        "negative_prompt": "blurry\nugly",
        "schedule": "sgm uniform",
        "guidance": 7.25,
        "model": 'a: "b", c',
        "clip_skip": 2,
        "strength": 0.6,
        "resize_mode": "crop",
        "mask_blur": 0,
        "mask_grow": 0,
        "invert": True,
        "masked_content": "latent noise",
        "only_masked": True,
        "padding": 24,
    }
    assert infotext.write(settings_) == (
        "a red star\nNegative prompt: blurry\nugly\n"
        "Steps: 20, Sampler: DPM++ 2M, Schedule type: SGM Uniform, CFG scale: 7.25, Seed: 1, Size: 512x768, "
        r'Model: "a: \"b\", c", Denoising strength: 0.6, Clip skip: 2, Mask mode: Inpaint not masked, '
        "Mask blur: 0, Inpaint area: Only masked, Masked area padding: 24, Masked content: latent noise, "
        f"RNG: CPU, Version: seedprint {VERSION}"
    )


def test_variations_of_a_seed_as_the_reference_program_writes_them() -> None:
    begun = "a star\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768, "
    fields, unknown = from_infotext(
        begun + "Variation seed: 5, Variation seed strength: 0.15, Seed resize from: 512x512"
    )
    varied = {"variation": True, "variation_seed": 5, "variation_strength": 0.15, "from_width": 512, "from_height": 512}
    assert varied.items() <= fields.items()
    assert unknown == []
    resized = {"variation": True, "variation_strength": 0.0, "from_width": 512, "from_height": 512}
    assert resized.items() <= from_infotext(begun + "Seed resize from: 512x512")[0].items()
    assert from_infotext(begun)[0]["variation"] is False


def test_tiling_as_the_reference_program_writes_it() -> None:
    """That one has both or none; one way alone it takes for both."""
    begun = "a star\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x768"
    assert from_infotext(begun + ", Tiling: True") == (from_infotext(begun)[0] | {"tiling": "both"}, [])
    assert from_infotext(begun)[0]["tiling"] == "none"
    assert "Tiling: True" in infotext.write(PLAIN | {"tiling": "both"})
    assert "Tiling" not in infotext.write(PLAIN | {"tiling": "none"})
    assert from_infotext(infotext.write(PLAIN | {"tiling": "x"}))[0]["tiling"] == "x"


SECOND = {  # what a text that has a second pass leaves out, as that program means it
    "hires": True,
    "hires_by": 2.0,
    "hires_width": 0,
    "hires_height": 0,
    "hires_steps": 0,
    "hires_sampler": "same",
    "hires_schedule": "same",
    "hires_guidance": 0.0,
    "hires_prompt": "",
    "hires_negative_prompt": "",
}


def test_a_second_pass_as_the_reference_program_writes_it() -> None:
    begun = "a star\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, Denoising strength: 0.35, "
    told = (
        "Hires upscaler: 4x-UltraSharp, Hires resize: 1024x1536, Hires sampler: DPM++ 2M, Hires schedule type: Karras, "
        'Hires CFG Scale: 5.5, Hires prompt: "a star, sharp", Hires negative prompt: blurry, Hires steps: 12'
    )
    fields, unknown = from_infotext(begun + told)
    second = {
        "hires_upscaler": "4x-UltraSharp",
        "hires_width": 1024,
        "hires_height": 1536,
        "hires_sampler": "DPM++ 2M",
        "hires_schedule": "karras",
        "hires_guidance": 5.5,
        "hires_prompt": "a star, sharp",
        "hires_negative_prompt": "blurry",
        "hires_steps": 12,
        "hires_strength": 0.35,
    }
    assert {name: fields[name] for name in second} == second
    assert "strength" not in fields
    assert unknown == []
    named = {"Latent (bicubic antialiased)": "latent bicubic antialiased", "None": "lanczos", "Latent": "latent"}
    for theirs, ours in named.items():
        assert from_infotext(f"{begun}Hires upscaler: {theirs}")[0]["hires_upscaler"] == ours


def test_a_second_pass_is_written_as_the_reference_program_writes_it() -> None:
    hires = Hires(width=1024, height=1536, upscaler="latent bicubic", strength=0.35, steps=12, prompt="a: b")
    told = flat(GenerationRequest(prompt="a star", seed=1, hires=hires))
    text = infotext.write({name: value for name, value in told.items() if value is not None})
    assert "Denoising strength: 0.35" in text
    assert "Hires denoising" not in text
    for pair in (
        "Hires resize: 1024x1536",
        "Hires upscaler: Latent (bicubic)",
        "Hires steps: 12",
        'Hires prompt: "a: b"',
    ):
        assert pair in text


def test_steps_that_are_not_guided_as_the_reference_program_writes_them() -> None:
    begun = "a star\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, "
    told = {"Skip Early CFG: 0.1": {"guiding_start": 0.1}, "NGMS: 1.5": {"guiding_least_sigma": 1.5}}
    told["NGMS: 1.5, NGMS all steps: True"] = {"guiding_least_sigma": 1.5, "guiding_all_steps": True}
    for text, wanted in told.items():
        fields, unknown = from_infotext(begun + text)
        assert unknown == []
        assert fields["guiding"] is True
        changed = {
            one.name: one.default for one in REQUEST_FIELDS if one.group == "guiding" and not one.switch
        } | wanted
        assert {name: fields[name] for name in changed} == changed
        assert text in infotext.write({**fields, "steps": 20})


def test_what_extensions_of_the_reference_program_say_of_the_guidance() -> None:
    begun = "a star\nSteps: 20, Sampler: Euler a, CFG scale: 15, Seed: 1, Size: 512x512, "
    thresholded = "Dynamic thresholding enabled: True, Mimic scale: 7.5, Threshold percentile: 99.5"
    freeu = "freeu_enabled: True, freeu_b1: 1.01, freeu_b2: 1.02, freeu_s1: 0.99, freeu_s2: 0.95, CFG Rescale: 0.7"
    fields, unknown = from_infotext(f"{begun}{thresholded}, {freeu}")
    assert unknown == []
    told = {"method": "thresholded", "mimicked": 7.5, "percentile": 99.5, "freeu": True, "rescale": 0.7}
    told |= {"inner_1": 1.01, "inner_2": 1.02, "skip_1": 0.99, "skip_2": 0.95}
    assert {f"guiding_{name}": value for name, value in told.items()}.items() <= fields.items()


def test_a_text_of_the_reference_program() -> None:
    text = (
        "photo of a cat, <lora:fluffy:0.8>\nsecond line\nNegative prompt: blurry, (bad:1.2)\nmore\n"
        "Steps: 30, Sampler: Euler a, Schedule type: SGM Uniform, CFG scale: 6.5, Seed: 1234, Size: 640x512, "
        'Model hash: 6ce0161689, Model: v1-5-pruned, Clip skip: 2, Lora hashes: "fluffy: 1f2e3d4c5b6a, b: 0a1b", '
        "Hires upscale: 2, Version: v1.10.1"
    )
    fields, unknown = from_infotext(text)
    assert fields == {
        "prompt": "photo of a cat, <lora:fluffy:0.8>\nsecond line",
        "negative_prompt": "blurry, (bad:1.2)\nmore",
        "steps": 30,
        "sampler": "Euler a",
        "schedule": "sgm uniform",
        "guidance": 6.5,
        "seed": 1234,
        "width": 640,
        "height": 512,
        "model": "v1-5-pruned",
        "clip_skip": 2,
        "tiling": "none",
        "guiding": False,
        **SECOND,
        "refiner": False,
        "variation": False,
        "regions": False,
        "reuse": False,
        "edit": False,
        "detail": False,
    }
    assert unknown == ["Lora hashes: fluffy: 1f2e3d4c5b6a, b: 0a1b"]
    assert infotext.model_hash(text) == "6ce0161689"


def test_a_refiner_of_the_reference_program() -> None:
    text = "a cat\nSteps: 30, Sampler: Euler, Refiner: sd_xl_refiner_1.0 [7440042bbd], Refiner switch at: 0.8, "
    fields, unknown = from_infotext(text + "Refiner switch by sampling steps: True, Version: v1.10.1")
    told = {"refiner": True, "refiner_model": "sd_xl_refiner_1.0", "refiner_switch_at": 0.8}
    assert told.items() <= fields.items()
    assert unknown == []
    ours = infotext.write({**flat(GenerationRequest(refiner=Refiner(model="mine [0123456789]"))), "seed": 7})
    assert "Refiner: mine [0123456789], Refiner switch at: 0.8, " in ours
    assert "Refiner switch by sampling steps: True" in ours  # or that program would hand over elsewhere
    assert from_infotext(ours)[0]["refiner_model"] == "mine [0123456789]"


def test_schedules_that_older_programs_wrote_behind_the_sampler() -> None:
    fields, unknown = from_infotext("x\nSteps: 20, Sampler: DPM++ 2M Karras, CFG scale: 7, Seed: 1")
    assert (fields["sampler"], fields["schedule"], unknown) == ("DPM++ 2M", "karras", [])


def test_absent_pairs_mean_the_defaults_of_the_format() -> None:
    fields, _ = from_infotext("x\nSteps: 20, Sampler: Euler, Seed: 1, Mask blur: 3")
    assert (fields["clip_skip"], fields["schedule"], fields["negative_prompt"]) == (1, "automatic", "")
    assert (fields["masked_content"], fields["only_masked"], fields["invert"]) == ("original", False, False)
    assert from_infotext("just words") == ({"prompt": "just words", "negative_prompt": ""}, [])


@pytest.mark.parametrize(
    "pair",
    [
        "Sampler: DPM fantastic",
        "Schedule type: Turbo",
        "Steps: many",
        "Steps: 0",
        "Steps: " + "9" * 5000,
        "CFG scale: nan",
        "CFG scale: inf",
        "Seed: -1",
        "Seed: 18446744073709551616",
        "Size: 500x500",
        "Size: 99999999x8",
        "Denoising strength: 2",
        "Mask blur: 1000",
        "Masked content: magic",
        "RNG: NV",
        "Hires checkpoint: other",
    ],
)
def test_what_we_cannot_do_is_named(pair: str) -> None:
    fields, unknown = from_infotext(f"x\nClip skip: 2, Model: m, Version: v, {pair}")
    assert unknown == [pair]
    assert fields["model"] == "m"
    assert not {"sampler", "steps", "guidance", "seed", "width", "strength", "mask_blur"} & set(fields)


def test_traps_of_the_format() -> None:
    # fewer than three pairs on the last line: words of the prompt
    assert from_infotext("a\nstyle: oil, size: big")[0]["prompt"] == "a\nstyle: oil, size: big"
    # keys of one letter and empty values are no pairs
    assert "Model" not in from_infotext("a\nSteps: 5, Seed: 1, Clip skip: 1, Model: , x: 3")[0]
    # old files do not quote
    assert from_infotext("a\nSteps: 5, Seed: 1, Clip skip: 1, Model: a: b")[0]["model"] == "a: b"
    # Windows line ends
    assert from_infotext("a\r\nNegative prompt: b\r\nSteps: 5, Seed: 1, Clip skip: 1")[0]["negative_prompt"] == "b"
    # broken quotes stay text
    assert from_infotext('a\nSteps: 5, Seed: 1, Clip skip: 1, Model: "a\\x"')[0]["model"] == '"a\\x"'


def test_text_is_data_not_code() -> None:
    fields, unknown = from_infotext("x\nSteps: __import__('os').getcwd(), Seed: 1+1, Size: 2**9x512, Clip skip: 1")
    assert set(fields) == {
        *("prompt", "negative_prompt", "clip_skip", "tiling"),
        *("schedule", "hires", "refiner", "detail", "guiding", "regions", "variation", "reuse", "edit"),
    }
    assert len(unknown) == 3


def test_long_texts_are_refused_and_no_text_is_slow() -> None:
    for text in ("x" * (256 * 1024 + 1), "星" * 100_000):
        with refused("parameters", "record_too_long", limit=256):
            from_infotext(text)
    for piece in ("a", " ", "a ", 'aa: "', "aa:", "aa: ,", "\\", 'aa: "\\', "Negative prompt:\n", "a-/ b", *BRACKETS):
        from_infotext("Steps: 1, Seed: 1, Size: 8x8, " + piece * (200_000 // len(piece)))


BRACKETS = (
    "aa: [",
    "aa: {",
    'aa: ["x',
    "aa: ['",
    "aa: [],",
    "Steps: 1, aa: [\n",
    'aa: ["x, aa: [", ',
    "[",
    "]",
    "bb: ['\"",
)

CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
PROMPTS = st.one_of(
    st.text(CHARACTERS, max_size=80),
    st.lists(
        st.sampled_from(
            [
                "a",
                "星星",
                "🙂",
                '"',
                ":",
                ",",
                "\n",
                " ",
                "\\",
                "Negative prompt:",
                "Steps: 20, Seed: 1, CFG scale: 7",
                "\r",
                "\t",
                "(x:1.2)",
                "Size: 8x8",
                "<lora:a:1>",
                "\u2028",
            ]
        ),
        max_size=12,
    ).map("".join),
)


@st.composite
def flat_settings(draw: st.DrawFn) -> dict[str, object]:
    sampler = draw(st.sampled_from(sorted(SAMPLERS)))
    drawn = PLAIN | {
        "prompt": draw(PROMPTS),
        "negative_prompt": draw(PROMPTS),
        "model": draw(st.text(CHARACTERS, min_size=1, max_size=30).filter(lambda name: name.strip() == name and name)),
        "sampler": sampler,
        "schedule": draw(st.sampled_from(SAMPLERS[sampler].schedules)),
        "steps": draw(st.integers(1, 150)),
        "guidance": draw(st.one_of(st.integers(0, 30), st.floats(0, 30))),
        "width": 8 * draw(st.integers(8, 512)),
        "height": 8 * draw(st.integers(8, 512)),
        "seed": draw(st.integers(0, 2**32 - 1)),
        "clip_skip": draw(st.integers(1, 12)),
        "tiling": draw(st.sampled_from(TILINGS)),
        **draw(st.sampled_from(({}, {"stop_after": 7}))),
    }
    if draw(st.booleans()):
        drawn |= {"strength": draw(st.floats(0, 1)), "resize_mode": "crop"}
        if draw(st.booleans()):
            drawn |= {
                "mask_blur": draw(st.integers(0, 64)),
                "mask_grow": 0,
                "invert": draw(st.booleans()),
                "masked_content": draw(st.sampled_from(MASKED_CONTENTS)),
                "only_masked": draw(st.booleans()),
                "padding": draw(st.integers(0, 256)),
                "soft": draw(st.booleans()),
            }
    return drawn


def can_be_held(prompt: str, negative: str) -> bool:
    """The limits of the format as docs/metadata.md states them, written apart from the code."""
    both = f"{prompt}\n{negative}"
    return not (prompt != prompt.lstrip() or "\r" in both or "\nNegative prompt:" in f"\n{both}")


@settings(max_examples=400, deadline=None)
@given(flat_settings())
@example(PLAIN | {"prompt": "", "negative_prompt": "", "model": '"quoted"'})
@example(PLAIN | {"prompt": "", "negative_prompt": "\n x\n"})
@example(PLAIN | {"prompt": 'a "quoted", colon: x\n\nSteps: 20, Seed: 5, Size: 8x8', "negative_prompt": "坏 🙂"})
def test_request_to_text_to_request_is_the_identity(drawn: dict[str, object]) -> None:
    prompt, negative = str(drawn["prompt"]), str(drawn["negative_prompt"])
    assert infotext.holds(prompt, negative) == can_be_held(prompt, negative)
    fields, unknown = from_infotext(infotext.write(drawn, model_sha256="ab" * 32))
    off = {one.name: False for one in REQUEST_FIELDS if one.switch and one.name in fields}  # none of them was drawn
    held = off | {name: value for name, value in drawn.items() if name not in NOT_HELD}
    if not drawn.get("only_masked"):
        held.pop("padding", None)  # the format tells it for "Only masked" alone, where it matters
    if not can_be_held(prompt, negative):
        for name in ("prompt", "negative_prompt"):
            held.pop(name)
            fields.pop(name)
    assert fields == held
    assert unknown == []


def test_details_as_adetailer_writes_them() -> None:
    text = (
        "a face\nSteps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512, ADetailer model: face_yolov8n.pt, "
        'ADetailer prompt: "a smile, sharp", ADetailer confidence: 0.5, ADetailer dilate erode: 8, '
        "ADetailer mask blur: 6, ADetailer denoising strength: 0.35, ADetailer inpaint only masked: True, "
        "ADetailer inpaint padding: 48, ADetailer use separate steps: True, ADetailer steps: 30, "
        "ADetailer use separate CFG scale: True, "
        "ADetailer CFG scale: 5.5, ADetailer mask only top k: 2, ADetailer version: 24.11.1, "
        "ADetailer model 2nd: hand_yolov8n.pt, Version: v1.10.1"
    )
    fields, unknown = from_infotext(text)
    found = {name.removeprefix("detail_"): value for name, value in fields.items() if name.startswith("detail")}
    assert found == {
        **{"detail": True, "detector": "face_yolov8n.pt", "prompt": "a smile, sharp", "confidence": 0.5, "grow": 8},
        **{"blur": 6, "strength": 0.35, "padding": 48, "steps": 30, "guidance": 5.5, "most": 2},
        **{"boxes": "", "words": "", "negative_prompt": ""},
    }
    assert "strength" not in fields
    assert unknown == ["ADetailer model 2nd: hand_yolov8n.pt"]


def test_details_are_written_so_that_adetailer_reads_them() -> None:
    detail = Detail(boxes="0,0,64,64", strength=0.35, steps=30, guidance=5.5, prompt="a smile")
    text = infotext.write({**PLAIN, **flat(GenerationRequest(detail=detail)), **PLAIN})
    assert (
        'Detail boxes: "0,0,64,64", ADetailer model: None, ADetailer prompt: a smile, '
        "ADetailer denoising strength: 0.35, ADetailer use separate steps: True, ADetailer steps: 30, "
        "ADetailer use separate CFG scale: True, ADetailer CFG scale: 5.5"
    ) in text
    fields, unknown = infotext.read(text)
    assert unknown == []
    assert (fields["detail"], fields["detail_boxes"], fields["detail_steps"]) == (True, "0,0,64,64", 30)
    assert infotext.read(infotext.write(PLAIN))[0]["detail"] is False
