"""Files beside a model, the line about memory, and where a picture came from."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import Note
from pipelines.types import EngineState, GenerationRequest, ModelInfo
from webui.archive import metadata
from webui.archive.metadata import ReadBack
from webui.ui.again.tab import settings_table
from webui.ui.generate import memory_line
from webui.ui.layout import house_of

from .conftest import Page
from .test_events import SMALL, faults, picture, small, uploaded

GB = 2**30
SD1 = ModelInfo(name="dream", family="sd1", path="dream.safetensors")
SDXL = ModelInfo(name="grand", family="sdxl", path="grand.safetensors")
CARD = EngineState(state="ready", device="a card", dtype="float16", memory_bytes=8 * GB, memory_free_bytes=7 * GB)
# layer by layer, 263 bytes for each pixel of two rows, a sixteenth of the UNet's 1.7 billion bytes and 0.6 billion
# for the driver are 7 GB at 12.9 million pixels: a square of 3,597, in steps of 64
MOST = "3584×3584"
FILES = (
    ModelInfo(name="kl", family="sd1", path="kl.safetensors", kind="vae"),
    ModelInfo(name="ink", family="sd1", path="ink.safetensors", kind="lora"),
    ModelInfo(name="a:b", family="unknown", path="a:b.safetensors", kind="lora"),
    ModelInfo(name="torn", family="unknown", path="torn.safetensors", kind="unknown", problem=Note("file_empty")),
    ModelInfo(name="bad-hands", family="sd1", path="bad-hands.pt", kind="embedding"),
)


def names(update: dict[str, Any]) -> list[str]:
    return [value for _, value in update["choices"]]


@pytest.mark.parametrize("event", ["form_refresh", "form_load"])
def test_what_was_copied_in_is_offered_without_a_restart(ui: Page, monkeypatch: pytest.MonkeyPatch, event: str) -> None:
    before = ui.call(event)
    assert names(before["form_vae"]) == ["automatic"]
    monkeypatch.setattr(ui.engine, "models", lambda: (SD1, SDXL))
    monkeypatch.setattr(ui.engine, "adapters", lambda: FILES)
    after = ui.call(event)
    assert names(after["form_model"]) == ["dream", "grand"]
    assert names(after["form_vae"]) == ["automatic", "kl"]
    assert all("value" not in after[f"form_{name}"] for name in ("model", "vae"))


@pytest.mark.fault(10)
def test_a_vae_that_is_gone_is_told_beside_its_field(ui: Page) -> None:
    answer = ui.call("form_submit", small("txt2img", vae="kl"))
    told = "VAE must be automatic or a VAE in the models folder, got kl. Nothing there has a name like it."
    assert faults(answer) == {"vae": told}


def test_a_vae_that_is_gone_is_told_in_chinese(ui: Page) -> None:
    answer = ui.call("form_submit", small("txt2img", vae="kl"), language="zh-CN")
    assert faults(answer) == {"vae": "VAE 模型必须是 automatic 或模型文件夹中的 VAE，现为 kl。也没有名称相近的文件。"}


def memory(ui: Page, model: str, side: int, batch: int = 1, language: str = "en") -> dict[str, Any]:
    values = {"model": model, "width": side, "height": side, "batch_size": batch, "guidance": 7}
    answer = ui.call("form_memory", {f"form_{name}": value for name, value in values.items()}, language)
    return dict(answer["form_memory"])


@pytest.fixture
def card(ui: Page, monkeypatch: pytest.MonkeyPatch) -> Page:
    monkeypatch.setattr(ui.engine, "models", lambda: (SD1, SDXL, ModelInfo(name="own", family="builtin", path="")))
    monkeypatch.setattr(ui.engine, "describe", lambda: CARD)
    return ui


def test_a_size_that_fits_says_how_much_it_takes(card: Page) -> None:
    # SD 1.x in 16 bits: 1066.3 million numbers, 512 × 512 × 1535 bytes for the decode, 0.6 billion for the driver:
    # 3.135 billion bytes
    line = memory(card, "dream", 512)
    assert (line["value"], line["visible"]) == (f"fits: 2.9 of 7 GB · at most {MOST}", True)


def test_what_does_not_fit_says_what_would(card: Page) -> None:
    assert memory(card, "dream", 4096, 16)["value"].startswith("too large: the most that fits is ")
    # 16 pictures of 1024 × 1024 take 8.8 billion bytes a step, one takes 0.6
    assert memory(card, "dream", 1024, 16)["value"] == f"fits with one image at a time · at most {MOST}"
    # all of SDXL is 6.9 billion bytes in 16 bits, 5.3 without text encoders; its decode 3.2, of one tile 0.8
    assert memory(card, "grand", 1024)["value"].startswith("fits with text encoders off the card, tiled decode · ")


def test_what_runs_took_here_corrects_the_line(card: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    learned = replace(CARD, memory_learned={"sd1": {"step": 1.0, "decode": 2.0}})
    monkeypatch.setattr(card.engine, "describe", lambda: learned)
    assert (
        memory(card, "dream", 512)["value"] == f"fits: 3.3 of 7 GB · at most {MOST}"
    )  # 0.4 billion bytes more than below
    assert memory(card, "grand", 512)["value"] != memory(card, "dream", 512)["value"]


def test_the_line_in_chinese_holds_no_english(card: Page) -> None:
    for model, side, batch in (("dream", 512, 1), ("dream", 1024, 16), ("dream", 4096, 16), ("grand", 1024, 1)):
        text = memory(card, model, side, batch, "zh-CN")["value"]
        assert text
        assert not any(word in text for word in ("fits", "large", "card", "decode", "time", "alone"))


def test_nothing_is_said_of_an_unknown_model_or_before_the_memory_is_known(ui: Page, card: Page) -> None:
    assert memory(card, "own", 512)["visible"] is False
    fields = {"width": 512, "height": 512, "batch_size": 1, "guidance": 7.0}
    assert memory_line.told(EngineState(state="warming"), SD1, fields, "en") == ""


def test_without_a_card_main_memory_counts_and_nothing_can_leave_it() -> None:
    processor = replace(CARD, dtype="float32", memory_moves=False)
    fields = {"width": 1024, "height": 1024, "batch_size": 1, "guidance": 7.0}
    # SD 1.x in 32 bits: 4.27 billion bytes, 6.44 for a whole decode, 1.1 for a step, 0.8 for the system
    assert memory_line.told(processor, SD1, fields, "en").startswith("fits with tiled decode · at most ")
    # SDXL in 32 bits is 13.9 billion bytes, and no part of it can leave
    assert memory_line.told(processor, SDXL, fields, "en").startswith("too large: the model alone takes ")
    assert memory_line.told(replace(processor, memory_moves=True), SDXL, fields, "en").startswith("fits with ")


def test_a_request_that_is_not_in_the_form_is_told_like_one_that_is(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ui.engine, "models", lambda: (SDXL,))
    monkeypatch.setattr(ui.engine, "describe", lambda: replace(CARD, memory_free_bytes=24 * 2**30))
    tell = memory_line.teller(house_of(ui.parts))
    assert tell(GenerationRequest(model="grand"), "en").startswith("fits: ")
    assert tell(GenerationRequest(model="none"), "en") == ""


def test_of_two_models_that_take_turns_the_larger_counts_and_without_a_card_both() -> None:
    fields = {"width": 512, "height": 512, "batch_size": 1, "guidance": 7.0, "refiner": True, "refiner_model": "fine"}
    files = [ModelInfo(name="fine", family="sdxl-refiner", path="fine")]
    roomy = replace(CARD, memory_free_bytes=40 * 2**30)
    alone = memory_line.told(roomy, SDXL, {**fields, "refiner": False}, "en", None, files)
    assert memory_line.told(roomy, SDXL, fields, "en", None, files) == alone  # SDXL is the larger one
    # 13.9 billion bytes in 32 bits, and its refiner 12.2
    processor = replace(roomy, dtype="float32", memory_moves=False, memory_free_bytes=24 * 2**30)
    assert memory_line.told(processor, SDXL, {**fields, "refiner": False}, "en", None, files).startswith("fits")
    assert memory_line.told(processor, SDXL, fields, "en", None, files).startswith("too large")


def test_networks_count_that_work_beside_the_model_once_they_have_a_picture() -> None:
    fields = {"width": 512, "height": 512, "batch_size": 1, "guidance": 7.0}
    fields |= {"control_1_model": "lines", "control_2_model": "lines", "reference_1_model": "automatic"}
    files = [
        ModelInfo(name="lines", family="sdxl", path="lines", kind="controlnet", bytes=5 * 10**9, dtype="float16"),
        ModelInfo(name="like", family="sdxl", path="like", kind="ip-adapter", bytes=10 * 10**9, dtype="float32"),
    ]
    # in 32 bits the model takes 13.9 billion bytes, each of the files 10
    processor = replace(CARD, dtype="float32", memory_moves=False, memory_free_bytes=30 * 10**9)

    def told(**given: bool) -> str:
        return memory_line.told(processor, SDXL, {**fields, **given}, "en", None, files)

    alone = told()
    assert told(control_1_map=False) == alone
    assert alone.startswith("fits")
    assert told(control_1_map=True).startswith("fits")
    assert told(control_1_map=True) == told(control_1_map=True, control_2_map=True)  # one network, twice
    assert told(control_1_map=True, reference_1_picture=True).startswith("too large")


def test_an_upscaler_of_a_file_counts_between_two_passes() -> None:
    fields = {"width": 512, "height": 512, "batch_size": 1, "guidance": 7.0, "steps": 20, "sampler": "DPM++ 2M"}
    fields |= {"schedule": "automatic", "hires": True, "hires_by": 1.0}
    files = [ModelInfo(name="up", family="unknown", path="up", kind="upscaler", bytes=67_000_000)]

    def told(upscaler: str, **changes: object) -> str:
        asked = fields | {"hires_upscaler": upscaler} | changes
        return memory_line.told(replace(CARD, memory_free_bytes=3_500_000_000), SD1, asked, "en", None, files)

    # 2.13 + 0.6 billion bytes and 0.4 of a decode; the upscaler 0.067 and 1.1 for a tile of 256
    assert told("lanczos").startswith("fits: ")
    assert told("up").startswith("fits with ")
    assert told("up", hires=False).startswith("fits: ")


def test_a_model_that_edits_and_prompts_joined_by_AND_take_more() -> None:
    fields = {"width": 512, "height": 512, "batch_size": 16, "guidance": 7.0, "dialect": "a1111", "prompt": "a"}
    # 2.13 + 0.6 billion bytes and 16 pictures of 69 million for each row: 2 rows 4.9, 3 rows 6.0 billion
    free = replace(CARD, memory_free_bytes=5_500_000_000)
    assert memory_line.told(free, SD1, fields, "en").startswith("fits: ")
    assert memory_line.told(free, replace(SD1, variant="pix2pix"), fields, "en").startswith("fits with ")
    for dialect, begin in (("a1111", "fits with "), ("compel", "fits: ")):
        assert memory_line.told(free, SD1, {**fields, "dialect": dialect, "prompt": "a AND b"}, "en").startswith(begin)


def test_a_network_that_is_asked_once_more_takes_more() -> None:
    fields = {"width": 512, "height": 512, "batch_size": 16, "guidance": 7.0, "dialect": "a1111", "prompt": "a"}
    free = replace(CARD, memory_free_bytes=5_500_000_000)  # as above: 2 rows fit, 3 do not
    for changed, begin in (
        ({"guiding": True, "guiding_attention": 3.0}, "fits with "),
        ({"guiding": True, "guiding_layers": 3.0}, "fits with "),
        ({"guiding": True, "guiding_attention": 0.0}, "fits: "),
        ({"guiding": False, "guiding_attention": 3.0}, "fits: "),
        ({"guiding": True, "guiding_attention": "x"}, "fits: "),  # told where it is asked for
    ):
        assert memory_line.told(free, SD1, fields | changed, "en").startswith(begin)


def test_how_long_it_takes_is_told_from_the_pictures_made_lately(card: Page) -> None:
    asked: list[tuple[str, int]] = []

    def seconds(model: str, work: int) -> float:
        asked.append((model, work))
        return 3.0

    durations: Any = SimpleNamespace(seconds=seconds)
    fields = {"width": 512, "height": 256, "batch_size": 2, "batches": 3, "guidance": 7.0, "steps": 20, "strength": 0.5}
    assert ", about 18 s · " in memory_line.told(CARD, SD1, fields, "en", durations)
    assert asked == [("dream", 10 * 512 * 256)]
    assert "，约 18 秒 · 最大 " in memory_line.told(CARD, SD1, fields, "zh", durations)
    assert "about" not in memory_line.told(CARD, SD1, {**fields, "steps": None}, "en", durations)


@pytest.mark.parametrize("name", ["width", "height", "batch_size", "guidance"])
@pytest.mark.parametrize("value", [None, 0, "x", 10**30])
def test_a_form_that_is_not_filled_in_yet_says_nothing_or_something_true(name: str, value: Any) -> None:
    fields = {"width": 512, "height": 512, "batch_size": 1, "guidance": 7.0, name: value}
    text = memory_line.told(CARD, SD1, fields, "en")
    assert (text == "") is (name != "guidance" or not isinstance(value, int))


@pytest.mark.parametrize("task", ["img2img", "inpaint"])
def test_a_picture_made_from_one_of_ours_names_its_parent(ui: Page, task: str) -> None:
    (parent,) = ui.generate("txt2img", small("txt2img", prompt="the parent", seed=5)).saved
    known = metadata.read(parent.path).record
    data = parent.path.read_bytes()
    answer = ui.client.post("/gradio_api/upload", files={"files": ("a.png", data, "image/png")})
    path = str(answer.json()[0])
    values = small(task, prompt="the child")
    if task == "img2img":
        values["form_image"] = picture(path)
    else:
        shown = dict(ui.call("form_upload", {"form_painter": {"uploaded": path}})["form_painter"])
        mask = uploaded(ui, Image.new("L", (SMALL["width"], SMALL["height"]), 255), "mask.png")
        values["form_painter"] = {**shown, "mask": mask}
    (saved,) = ui.generate(task, values).saved
    record = metadata.read(saved.path).record
    assert known is not None
    assert record is not None
    assert record.parent is not None
    assert (record.parent["pixels_sha256"], record.parent["kind"]) == (known.pixels_sha256, task)
    assert str(record.parent["program"]).startswith("seedprint ")
    assert str(record.parent["text"]).startswith("the parent\nSteps: ")  # the first picture's text goes along


def test_another_program_is_named() -> None:
    assert "come from ComfyUI:" in settings_table(ReadBack(fields={"steps": 4}, program="ComfyUI"), "en")
    assert "come from another program:" in settings_table(ReadBack(fields={"steps": 4}), "en")
    assert "来自ComfyUI：" in settings_table(ReadBack(fields={"steps": 4}, program="ComfyUI"), "zh")


def test_details_are_planned_at_the_size_that_they_are_worked_on() -> None:
    fields = {"width": 512, "height": 512, "batch_size": 1, "guidance": 7.0, "steps": 20}

    def told(**more: Any) -> str:
        return memory_line.told(CARD, SD1, {**fields, **more}, "en")

    assert told(detail=True, detail_size=1024) == told(width=1024, height=1024) != told()
    assert told(detail=True) == told()  # at the side that suits the model
    assert told(detail=False, detail_size=1024) == told()
