"""Models of masked tokens: pictures as diffusers' own pipelines make them, made again, filmed, ended early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest, Kept, Note
from pipelines.groups import InitImage, Inpaint
from pipelines.types import Batch, GenerationRequest, Progress
from pipelines.watching import Filming
from tests.engines.conftest import ignore

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

MODELS = ("amused", "amused-larger")
PROMPT, NEGATIVE, STEPS, GUIDANCE = "a red star on a blue tree", "a tree", 6, 4.0
PICTURE = Image.effect_mandelbrot((128, 96), (-2, -1.5, 1, 1.5), 40).convert("RGB")
MASK = Image.new("L", PICTURE.size, 0)
MASK.paste(255, (32, 32, 96, 64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.models.pipeline_folders import write_amused

    folder = tmp_path_factory.mktemp("models")
    write_amused(folder / "amused")
    write_amused(folder / "amused-larger", larger=True)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine([folder], device="cpu")
    # as diffusers computes where nobody tells it otherwise
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    yield engine
    engine.close()


def request_for(model: str, **changes: Any) -> GenerationRequest:
    asked: dict[str, Any] = {
        "prompt": PROMPT,
        "negative_prompt": NEGATIVE,
        "model": model,
        "sampler": "MaskGIT",
        "steps": STEPS,
        "guidance": GUIDANCE,
        "width": 128,
        "height": 96,
        "seed": 7,
    }
    return GenerationRequest(**asked | changes)


def batch_for(request: GenerationRequest, **more: Any) -> Batch:
    assert request.seed is not None
    return replace(next(request.batches_from(request.seed)), threads=1, **more)


def run(engine: Any, request: GenerationRequest, **more: Any) -> list[Any]:
    found: list[Any] = engine.generate(batch_for(request, **more), ignore)
    return found


def diffusers_own(folder: Path, model: str, seed: int, **more: Any) -> Any:
    import diffusers

    kind = diffusers.AmusedImg2ImgPipeline if "image" in more else diffusers.AmusedPipeline
    if "mask_image" in more:
        kind = diffusers.AmusedInpaintPipeline
    pipeline = kind.from_pretrained(folder / model, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    size = {} if "image" in more else {"width": 128, "height": 96}
    options = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE, "negative_prompt": NEGATIVE, **size, **more}
    return pipeline(PROMPT, generator=torch.Generator().manual_seed(seed), **options).images[0]


def difference(one: Any, other: Any) -> int:
    return int(numpy.abs(numpy.asarray(one, dtype=int) - numpy.asarray(other, dtype=int)).max())


@pytest.mark.parametrize("model", MODELS)
def test_the_picture_is_diffusers_own(engine: Any, folder: Path, model: str) -> None:
    result = run(engine, request_for(model))[0]
    assert result.image.size == (128, 96)
    assert difference(result.image, diffusers_own(folder, model, 7)) <= 1
    assert difference(result.image, diffusers_own(folder, model, 8)) > 20  # so that nearness says something
    assert result.facts["sampler"]["base"] == "AmusedScheduler"
    assert result.facts["model"]["family"] == "amused"


def test_without_guidance_the_negative_prompt_is_not_asked(engine: Any, folder: Path) -> None:
    ours = run(engine, request_for("amused", guidance=1.0))[0].image
    assert difference(ours, diffusers_own(folder, "amused", 7, guidance_scale=1.0)) <= 1


@pytest.mark.parametrize("model", MODELS)
def test_a_picture_to_start_from_as_diffusers_takes_it(engine: Any, folder: Path, model: str) -> None:
    result = run(engine, request_for(model, init=InitImage(image=PICTURE, strength=0.5)))[0]
    theirs = diffusers_own(folder, model, 7, image=PICTURE, strength=0.5)
    assert difference(result.image, theirs) <= 1
    assert result.facts["steps_run"] == STEPS // 2
    assert difference(result.image, run(engine, request_for(model))[0].image) > 20


def test_at_full_strength_nothing_of_the_picture_stays(engine: Any) -> None:
    init = InitImage(image=PICTURE, strength=1.0)
    assert difference(*(run(engine, request_for("amused", init=one))[0].image for one in (init, None))) == 0


@pytest.mark.parametrize("model", MODELS)
def test_a_masked_part_is_repainted_as_diffusers_does(engine: Any, folder: Path, model: str) -> None:
    """Inside the mask; outside, not a pixel changes."""
    square = 256, 256  # diffusers' own takes a mask only where its sides are multiples of 16 tokens
    picture, mask = PICTURE.resize(square), Image.new("L", square, 0)
    mask.paste(255, (64, 96, 192, 176))  # whole tokens
    init, inpaint = InitImage(image=picture, strength=1.0), Inpaint(mask=mask, mask_blur=0, masked_content="original")
    result = run(engine, request_for(model, init=init, inpaint=inpaint, width=256, height=256))[0]
    theirs = diffusers_own(folder, model, 7, image=picture, mask_image=mask, strength=1.0)
    inside = mask.getbbox()
    assert difference(result.image.crop(inside), theirs.crop(inside)) <= 1
    assert difference(result.image.crop(inside), picture.crop(inside)) > 20
    assert result.facts["changed_outside_mask"] == 0


@pytest.mark.parametrize("task", ["txt2img", "img2img", "inpaint"])
def test_every_position_of_a_batch_is_made_again(engine: Any, task: str) -> None:
    init = InitImage(image=PICTURE, strength=0.67) if task != "txt2img" else None
    inpaint = Inpaint(mask=MASK, masked_content="original") if task == "inpaint" else None
    request = request_for("amused", batch_size=2, init=init, inpaint=inpaint)
    first = run(engine, request)
    assert len({result.image.tobytes() for result in first}) == 2
    run(engine, request_for("amused-larger", prompt="green", steps=2, seed=99))  # leaves no trace
    for result in first:
        again = engine.generate(Batch.around(result.request, result.position, threads=1), ignore)
        assert again[result.position].image.tobytes() == result.image.tobytes()
        assert result.request.seed == 7 + result.position


def test_what_is_kept_before_the_last_step_is_made_again(engine: Any) -> None:
    def keep(progress: Progress) -> None:
        if progress.stage == "denoising" and progress.step == 2:
            raise Kept("stopped")

    kept = engine.generate(batch_for(request_for("amused")), keep)[0]
    assert kept.request.stop_after == 2
    assert run(engine, kept.request)[0].image.tobytes() == kept.image.tobytes()
    assert difference(kept.image, run(engine, request_for("amused"))[0].image) > 20


def test_a_film_shows_masks_that_fall_and_changes_no_pixel(engine: Any) -> None:
    plain, filmed = (run(engine, request_for("amused"), filming=one)[0] for one in (None, Filming(moments=STEPS)))
    assert filmed.image.tobytes() == plain.image.tobytes()
    assert [moment.step for moment in filmed.moments] == list(range(1, STEPS + 1))
    known = [moment.alpha**2 for moment in filmed.moments]
    assert known[0] == 0
    assert known == sorted(set(known))
    assert {tuple(moment.views) for moment in filmed.moments} == {("noisy", "clean", "without", "given")}
    grey = [numpy.all(numpy.asarray(one.views["noisy"]) == 128, axis=2).mean() for one in filmed.moments]
    assert [1 - share for share in known] == pytest.approx(grey, abs=0.02)
    assert difference(filmed.moments[-1].views["clean"], plain.image) == 0


WRONG: tuple[tuple[dict[str, Any], str, Note], ...] = (
    ({"sampler": "DDIM"}, "sampler", Note("only_with", wanted="MaskGIT", model="aMUSEd", value="DDIM")),
    ({"width": 112}, "width", Note("multiple_with", step=32, model="aMUSEd", value=112)),
    ({"prompt": "(star:1.2)"}, "prompt", Note("plain_text_with", model="aMUSEd", value="(star:1.2)")),
    (
        {"init": InitImage(image=PICTURE), "inpaint": Inpaint(mask=MASK, masked_content="fill")},
        "masked_content",
        Note("choice_with", choices=("original",), model="aMUSEd", value="fill"),
    ),
)


@pytest.mark.parametrize(("changes", "field", "note"), WRONG, ids=[field for _, field, _ in WRONG])
def test_what_it_cannot_be_told_is_said(engine: Any, changes: dict[str, Any], field: str, note: Note) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.check(request_for("amused", **changes))
    assert (caught.value.field, caught.value.note) == (field, note)


def test_a_prompt_that_is_too_long_is_said(engine: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        run(engine, request_for("amused", prompt="a " * 90))
    assert caught.value.field == "prompt"


def test_other_models_do_not_take_its_sampler(engine: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.check(request_for("builtin"))
    assert caught.value.note == Note("sampler_of_tokens", value="MaskGIT")
