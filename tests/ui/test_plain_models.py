"""SD 3 and Flux on the page: what suits them is filled in, and what they cannot be told is said beside its field."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipelines import families
from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest
from pipelines.types import EngineState, GenerationRequest
from tests.models.files import checkpoint, write_model, write_pipeline_folder
from webui.commands import main as cli
from webui.commands.asked import request_of
from webui.kept.settings import Settings
from webui.parts import build_parts
from webui.proof import golden
from webui.server import build_application, prepare_environment
from webui.ui.generate import memory_line
from webui.words import fault

from .conftest import Page
from .test_events import faults


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page")
    models = folder / "models"
    write_model(models / "anime.safetensors", checkpoint())
    write_pipeline_folder(models / "triple", num_layers=24)
    write_pipeline_folder(models / "quick", flux=True, guidance_embeds=False)
    (write_pipeline_folder(models / "torn", flux=True) / "vae/model.safetensors").unlink()
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


def chosen(ui: Page, model: str, **values: Any) -> dict[str, Any]:
    """What choosing the model fills in, of a form that shows `values` beside what it began with."""
    answer = ui.call("form_model", {"form_model": model, **{f"form_{key}": one for key, one in values.items()}})
    found = {name.removeprefix("form_"): update for name, update in answer.items()}
    return {name: one["value"] for name, one in found.items() if isinstance(one, dict) and "value" in one}


def test_the_models_tab_names_them_and_what_is_missing(ui: Page) -> None:
    items = {item["name"]: item for item in ui.call("models")["models_list"]["items"]}
    assert (items["triple"]["family"], items["triple"]["problem"]) == ("SD 3", "")
    assert (items["quick"]["family"], items["quick"]["problem"]) == ("Flux · schnell", "")
    assert items["torn"]["problem"] == "The vae's weights file is missing."
    items = {item["name"]: item for item in ui.call("models", language="zh-CN")["models_list"]["items"]}
    assert items["torn"]["problem"] == "缺少 vae 的权重文件。"


def test_choosing_one_fills_in_what_makes_a_picture(ui: Page) -> None:
    found = chosen(ui, "triple")
    wanted = {"sampler": "Euler", "schedule": "automatic", "steps": 28, "guidance": 7.0, "width": 1024, "height": 1024}
    assert wanted.items() <= (found | {"guidance": found.get("guidance", 7.0)}).items()
    assert {"sampler": "Euler", "steps": 4, "guidance": 1.0}.items() <= chosen(ui, "quick").items()
    status = ui.generate(
        values={
            "form_prompt": "a star",
            **{f"form_{k}": v for k, v in found.items() if k in wanted},
            "form_model": "triple",
        }
    )
    assert status.state == "done"
    request = ui.engine.batches[-1].request
    assert (request.model, request.sampler, request.steps, request.width) == ("triple", "Euler", 28, 1024)


def test_a_sampler_that_it_does_not_take_gives_way(ui: Page) -> None:
    """What a person changed is theirs for any other model."""
    changed = {"sampler": "DDIM", "schedule": "sgm uniform", "steps": 11}
    found = chosen(ui, "triple", **changed)
    assert (found["sampler"], found["schedule"]) == ("Euler", "automatic")
    assert "steps" not in found
    assert not chosen(ui, "anime", **changed).keys() & changed.keys()


def test_what_it_cannot_be_told_is_said_beside_its_field(ui: Page) -> None:
    answer = ui.call("form_submit", {"form_model": "triple", "form_sampler": "DDIM"})
    assert faults(answer) == {"sampler": "Sampler must be Euler with SD 3, got DDIM."}


def test_what_was_settled_and_it_cannot_be_told_is_said_in_a_line(ui: Page) -> None:
    """The page has no field for it, so nobody would see a sentence beside one."""
    (triple,) = (one for one in ui.parts.service.models() if one.name == "triple")
    settings = ui.parts.service.shelf.settings
    settings.put(triple, {"prediction_type": "epsilon"})
    told = ui.call("form_submit", {"form_model": "triple", "form_sampler": "Euler"})["form_live"]
    settings.put(triple, {})
    assert told["state"] == "refused"
    assert "SD 3" in told["error"]
    assert not told.get("faults")


def test_how_it_reads_a_prompt_is_shown_as_far_as_it_is_known(ui: Page) -> None:
    from pipelines.families.builtin import FOLDER as BUILTIN

    for model in ("triple", "quick"):
        place = Path(next(one.path for one in ui.parts.service.models() if one.name == model))
        for name in ("tokenizer", "tokenizer_2"):
            if model == "triple" or name == "tokenizer":  # Flux's second is no CLIP's
                (place / name / "tokenizer.json").write_bytes((BUILTIN / "tokenizer/tokenizer.json").read_bytes())
        reading = ui.parts.service.read_prompt(model, "a star")
        assert [len(chunks) for chunks in reading.encoders] == [1] * (2 if model == "triple" else 1)


def test_nobody_guesses_what_it_takes(ui: Page) -> None:
    (triple,) = (one for one in ui.parts.service.models() if one.name == "triple")
    card = EngineState(state="ready", device="a card", dtype="float16", memory_free_bytes=7 * 2**30)
    assert memory_line.told(card, triple, {}, "en").startswith("whether it fits is not known")
    assert not re.search("[A-Za-z]", memory_line.told(card, triple, {}, "zh"))
    assert memory_line.told(replace(card, memory_free_bytes=None), triple, {}, "en") == ""


def test_the_golden_set_asks_nothing_that_it_refuses(ui: Page) -> None:
    for model in ui.parts.service.models():
        if model.sampler is not None:
            wishes = list(golden.requests(model))
            assert {wish.task for wish in wishes} == {"txt2img", "img2img", "inpaint"}
            for wish in wishes:
                families.of(model.family).check(model, wish)


def test_the_command_line_takes_what_suits_it(ui: Page) -> None:
    parts = ui.parts
    options = cli.parser().parse_args(["generate", "a star", "--model", "quick"])
    request = request_of(options, parts)
    assert (request.sampler, request.steps, request.guidance, request.width) == ("Euler", 4, 1.0, 1024)
    assert (
        request_of(cli.parser().parse_args(["generate", "a star", "--model", "quick", "--steps", "2"]), parts).steps
        == 2
    )


REFUSED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("triple", {"sampler": "DDIM"}),
    ("triple", {"clip_skip": 2}),
    ("triple", {"dialect": "compel"}),
    ("triple", {"prediction_type": "epsilon"}),
    ("triple", {"width": 520}),
    ("triple", {"prompt": "a (red:1.2) star"}),
    ("triple", {"prompt": "<lora:ink>"}),
    ("quick", {"guidance": 3.5}),
    ("quick", {"negative_prompt": "blurry"}),
)


@pytest.mark.parametrize(("model", "changes"), REFUSED, ids=[str(changes) for _, changes in REFUSED])
def test_every_refusal_is_told_in_chinese(ui: Page, model: str, changes: dict[str, Any]) -> None:
    asked = {"model": model, "sampler": "Euler", "guidance": 1.0, "negative_prompt": ""} | changes
    with pytest.raises(InvalidRequest) as caught:
        ui.engine.check(GenerationRequest(**asked))
    told = fault(caught.value, "zh")
    assert "must" not in told
    assert "with" not in told
    assert re.search(r"[\u4e00-\u9fff]", told)
