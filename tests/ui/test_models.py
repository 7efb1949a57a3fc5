"""The Models tab, what is settled for a model, and forms that are kept: every event on the fake engine."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipelines.engines.fake import FakeEngine
from pipelines.types import GenerationRequest
from tests.models.clip import write_header_only
from tests.models.files import checkpoint, write_model
from tests.models.test_rot import flip
from webui.kept.settings import Settings
from webui.parts import build_parts
from webui.server import build_application, prepare_environment
from webui.ui.models.view import count_text, size_text

from .conftest import Page

LORA = {
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768),
    "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_up.weight": (320, 4),
}


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page")
    models = folder / "models"
    write_model(models / "anime.safetensors", checkpoint())
    write_model(models / "large <b>.safetensors", checkpoint(2048))
    write_model(models / "depth.safetensors", checkpoint(channels=5))
    write_model(models / "style.safetensors", LORA)
    write_model(models / "soft.safetensors", {"decoder.conv_in.weight": (512, 4, 3, 3)})
    write_header_only(models / "ip-adapter" / "image_encoder")
    (models / "empty.safetensors").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))  # put back afterwards
        folder.mkdir(parents=True, exist_ok=True)
        patch.chdir(folder)  # likewise
        prepare_environment(folder)
        settings = Settings(output_dir=folder / "outputs", models_dirs=(models,), data_dir=folder, engine="fake")
        engine = FakeEngine(folders=settings.models_dirs)
        with build_parts(settings, engine, folder) as parts:
            parts.service.start()
            with TestClient(build_application(parts)) as client:
                yield Page(client, parts, engine, settings.output_dir)


def items(ui: Page, language: str = "en") -> dict[str, dict[str, Any]]:
    return {item["name"]: item for item in ui.call("models", language=language)["models_list"]["items"]}


def choose(ui: Page, name: str, language: str = "en") -> dict[str, Any]:
    return ui.call("models_choose", {"models_list": {"selected": items(ui)[name]["id"]}}, language=language)


def shown(answer: dict[str, Any], prefix: str) -> dict[str, Any]:
    """Field -> value, of the fields that were given one."""
    found = {name.removeprefix(prefix): update for name, update in answer.items() if name.startswith(prefix)}
    partial = {name for name, one in found.items() if isinstance(one, dict) and one.get("__type__") == "update"}
    named = ((name, one) for name, one in found.items() if name not in partial or "value" in one)
    return {name: one["value"] if name in partial else one for name, one in named}


def test_everything_is_listed_the_usable_first_the_unreadable_last(ui: Page) -> None:
    found = items(ui)
    assert list(found) == [
        "anime", "large <b>", "Built-in (simple scenes)", "Built-in, by masked tokens (simple scenes)", "image_encoder",
        "soft", "style", "builtin-2x", "builtin-outlines", "depth", "empty",
    ]  # fmt: skip
    assert (found["anime"]["title"], found["anime"]["family"]) == ("Model", "SD 1.x")
    assert (found["style"]["title"], found["style"]["problem"]) == ("LoRA", "")
    assert found["soft"]["family"] == "SD 1.x / SD 2.x / SDXL / SDXL refiner"
    assert (found["image_encoder"]["title"], found["image_encoder"]["problem"]) == ("Image encoder", "")
    assert items(ui, "zh-CN")["image_encoder"]["title"] == "图像编码器"
    assert found["empty"]["problem"] == "The file is empty."
    assert "cannot be run yet" in found["depth"]["problem"]
    assert items(ui, "zh-CN")["empty"]["problem"] == "文件为空。"


@pytest.mark.fault(10)
def test_a_new_file_is_there_at_once_and_a_deleted_one_gone(ui: Page) -> None:
    late = write_model(Path(ui.parts.service.shelf.everything()[0].path).parent / "late.safetensors", checkpoint(1024))
    assert items(ui)["late"]["family"] == "SD 2.x"
    identity = items(ui)["late"]["id"]
    late.unlink()
    assert "late" not in items(ui)
    answer = ui.call("models_choose", {"models_list": {"selected": identity}})
    assert "no longer there" in answer["models_anatomy"]


def test_a_model_shows_what_it_is_made_of(ui: Page) -> None:
    answer = choose(ui, "anime")
    text = answer["models_anatomy"]
    for words in ("Text encoder", "UNet", "VAE", "512 × 512", "Noise (epsilon)", "float16", "GB on a card"):
        assert words in text
    assert answer["models_settled"]["visible"] is True
    assert answer["models_width"]["placeholder"] == "512"
    assert choose(ui, "style")["models_settled"]["visible"] is False
    assert choose(ui, "image_encoder")["models_settled"]["visible"] is False
    assert "文件为空" in choose(ui, "empty", "zh-CN")["models_anatomy"]


@pytest.mark.attack(6)
def test_names_of_files_are_escaped(ui: Page) -> None:
    text = choose(ui, "large <b>")["models_anatomy"]
    assert "<b>" not in text
    assert "large &lt;b&gt;" in text


@pytest.mark.parametrize("value", [None, {}, {"selected": None}, {"selected": "/etc/passwd"}, {"selected": [1]}, "x"])
def test_odd_values_choose_nothing(ui: Page, value: Any) -> None:
    for event in ("models_choose", "models_save", "models_forget", "models_use", "models"):
        ui.call(event, {"models_list": value})
    assert ui.parts.service.shelf.settings.get(ui.parts.service.models()[0]) == {}


def test_the_list_of_vaes_holds_what_lies_there(ui: Page) -> None:
    answer = ui.call("form_refresh")
    assert [value for _, value in answer["form_vae"]["choices"]] == ["automatic", "soft"]


def test_settled_values_are_kept_and_come_with_the_model(ui: Page) -> None:
    chosen = {"models_list": {"selected": items(ui)["anime"]["id"]}}
    wanted = {"models_width": 640, "models_clip_skip": 2, "models_sampler": "Euler a", "models_vae": "soft"}
    saved = ui.call("models_save", {**chosen, **wanted, "models_prediction_type": "v_prediction"})
    assert "Kept" in saved["models_told"]["value"]
    assert {"width": 640, "clip_skip": 2, "sampler": "Euler a", "vae": "soft"}.items() <= shown(
        saved, "models_"
    ).items()
    answer = ui.call("models_use", chosen)
    assert answer["way"] == "txt2img"
    fields = shown(answer, "form_")
    assert {"model": "anime", "width": 640, "height": 512, "clip_skip": 2, "vae": "soft"}.items() <= fields.items()
    status = ui.generate(values={"form_model": "anime", "form_width": 64, "form_height": 64})
    assert status.state == "done"
    assert ui.engine.batches[-1].request.prediction_type == "v_prediction"
    assert items(ui)["anime"]["used"]
    ui.call("models_forget", chosen)
    assert ui.parts.service.shelf.settings.get(ui.parts.service.models()[0]) == {}


def test_a_bad_value_is_told_beside_its_field_and_nothing_is_kept(ui: Page) -> None:
    chosen = {"models_list": {"selected": items(ui)["anime"]["id"]}}
    answer = ui.call("models_save", {**chosen, "models_width": 100}, language="zh-CN")
    assert answer["models_width"]["elem_classes"] == ["field-error"]
    assert answer["models_width"]["info"] == "宽度必须是 8 的倍数，现为 100。"
    assert ui.parts.service.shelf.settings.get(ui.parts.service.models()[0]) == {}


def test_a_model_changes_only_what_was_not_changed(ui: Page) -> None:
    found = shown(ui.call("form_find"), "form_")
    before = found["defaults"]
    values = {"form_defaults": before, "form_model": "large <b>", "form_steps": 77}
    values |= {f"form_{name}": before[name] for name in ("width", "height", "guidance")}
    fields = shown(ui.call("form_model", values), "form_")
    assert (fields["width"], fields["height"]) == (1024, 1024)
    assert "steps" not in fields
    assert fields["defaults"]["width"] == 1024


def test_defaults_bring_every_setting_back_and_leave_the_prompt(ui: Page) -> None:
    values = {"form_prompt": "kept", "form_steps": 99, "form_seed": 5, "form_strength": 0.1}
    fields = shown(ui.call("form_reset", {**values, "form_model": "anime"}), "form_")
    assert (fields["steps"], fields["seed"], fields["strength"], fields["mask_blur"]) == (25, -1, 0.75, 4)
    assert "prompt" not in fields
    assert "model" not in fields


def test_a_form_is_kept_found_and_undone(ui: Page) -> None:
    defaults = shown(ui.call("form_find"), "form_")["defaults"]
    first = {"form_defaults": defaults, "form_prompt": "a red star", "form_steps": 31}
    ui.call("form_keep", first)
    ui.call("form_keep", {**first, "form_model": "large <b>", "form_strength": 0.5})
    found = shown(ui.call("form_find"), "form_")
    assert (found["prompt"], found["steps"], found["strength"], found["model"]) == ("a red star", 31, 0.5, "large <b>")
    assert found["defaults"]["width"] == 1024
    undone = shown(ui.call("form_undo"), "form_")
    assert (undone["prompt"], undone["strength"], undone["model"]) == ("a red star", 0.75, "anime")


def test_a_page_that_has_not_found_its_form_keeps_nothing(ui: Page) -> None:
    ui.call("form_find")
    before = ui.parts.forms.current("form")
    ui.call("form_keep", {"form_prompt": "too early"})
    assert ui.parts.forms.current("form") == before


def test_a_kept_model_that_is_gone_leaves_the_form_its_own(ui: Page) -> None:
    ui.parts.forms.keep("form", {"model": "was here", "vae": "was here", "steps": 44})
    found = shown(ui.call("form_find"), "form_")
    assert "model" not in found
    assert (found["vae"], found["steps"]) == ("automatic", 44)


def test_a_picture_whose_model_was_renamed_says_so_and_is_sent_with_the_right_one(ui: Page) -> None:
    end = time.monotonic() + 60
    while (anime := ui.parts.service.shelf.everything()[0]).sha256 is None:
        assert time.monotonic() < end, "the hash never came"
        time.sleep(0.05)
    request = GenerationRequest(prompt="a cat", model="before", width=64, height=64, steps=2, seed=1)
    facts = {"model": {"name": "before", "sha256": anime.sha256}}
    (result,) = ui.engine.generate(next(request.batches_from(1)), lambda _: None)
    saved = ui.parts.store.save(replace(result, facts=facts))
    picture = {"path": str(saved.path), "meta": {"_type": "gradio.FileData"}}
    assert "The model before is now called anime" in ui.call("again_show", {"again_image": picture})["again_settings"]
    assert "before 现名 anime" in ui.call("again_show", {"again_image": picture}, "zh-CN")["again_settings"]
    assert shown(ui.call("again_send", {"again_image": picture}), "form_")["model"] == "anime"
    job = ui.call("again_submit", {"again_image": picture})["seedprint-jobs-again"][-1]
    report = ui.finished(job).again
    assert report is not None
    assert report.identical
    told = ui.watch("again_watch", {"seedprint-jobs-again": [job]})["again_report"]["value"]
    assert "is now called anime" in told


def test_counts_and_sizes_as_people_say_them() -> None:
    assert [count_text(count) for count in (7, 12_345, 83_653_863, 859_520_964, 2_567_463_684)] == [
        "7", "12 K", "84 M", "860 M", "2.57 B",
    ]  # fmt: skip
    assert [size_text(count) for count in (0, 1500, 29_000_000, 2_132_000_000)] == ["0 B", "2 kB", "29 MB", "2.13 GB"]


@pytest.mark.fault(12)
def test_bytes_that_changed_are_told_with_the_model(ui: Page) -> None:
    file = ui.outputs.parent / "models" / "anime.safetensors"
    until = time.monotonic() + 60
    while any(info.sha256 is None and info.problem is None for info in ui.engine.shelf()):
        assert time.monotonic() < until
        time.sleep(0.01)
    flip(file)
    try:
        (info,) = [info for info in ui.engine.shelf() if info.name == "anime"]
        ui.engine.read_again(info, lambda: True)
        told = items(ui)["anime"]["problem"]
        assert told.startswith("The file of anime changed since 2")
        assert "though size and time are the same" in told
        assert "大小和时间相同" in items(ui, "zh-CN")["anime"]["problem"]
        assert "though size and time are the same" in str(choose(ui, "anime")["models_anatomy"])
        assert any(model.name == "anime" for model in ui.engine.models())  # it can still be used
    finally:
        flip(file)
        ui.engine.read_again(info, lambda: True)
    assert items(ui)["anime"]["problem"] == ""


def test_the_monthly_reading_is_a_choice_that_is_kept(ui: Page) -> None:
    assert ui.call("models_reading")["models_monthly"] is True
    ui.call("models_monthly", {"models_monthly": False})
    assert ui.call("models_reading")["models_monthly"] is False
    ui.call("models_monthly", {"models_monthly": True})
