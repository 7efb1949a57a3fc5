"""SD 3 and Flux: pictures as diffusers' own pipelines make them, and one sentence for what those cannot be told."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import Cancelled, InvalidRequest, ModelError, Note, NotFinite
from pipelines.groups import InitImage, Inpaint
from pipelines.types import Batch, GenerationRequest, Progress
from tests.engines.conftest import ignore

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

MODELS = ("sd3", "sd3-no-t5", "sd3.5-medium", "flux-dev", "flux-schnell")
# what diffusers is asked for beside prompt, size, seed and steps: as the models' cards have it
ASKED: dict[str, dict[str, Any]] = {
    **{model: {"guidance_scale": 5.0, "negative_prompt": "a tree"} for model in MODELS[:3]},
    "flux-dev": {"guidance_scale": 3.5},
    "flux-schnell": {"guidance_scale": 0.0, "max_sequence_length": 256},
}
GUIDANCE = {"flux-dev": 3.5, "flux-schnell": 1.0}
T5_NAME = "text_encoders.t5xxl.transformer.shared.weight"
PICTURE = Image.effect_mandelbrot((128, 96), (-2, -1.5, 1, 1.5), 40).convert("RGB")
MASK = Image.new("L", PICTURE.size, 0)
MASK.paste(255, (16, 24, 72, 64))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.models.pipeline_folders import write_flux, write_sd3, write_sd3_file

    folder = tmp_path_factory.mktemp("models")
    write_sd3(folder / "sd3")
    write_sd3(folder / "sd3-no-t5", t5=False)
    write_sd3(folder / "sd3.5-medium", dual=True)
    write_sd3(folder / "sd3.5-no-t5", t5=False, dual=True)
    for name in ("sd3-no-t5", "sd3.5-no-t5"):
        write_sd3_file(folder / name, folder / f"{name}-file.safetensors")
    write_sd3_file(folder / "sd3-no-t5", folder / "t5.safetensors", **{T5_NAME: torch.zeros(2, 2)})
    write_flux(folder / "flux-dev")
    write_flux(folder / "flux-schnell", guided=False)
    return folder


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine([folder], device="cpu")
    # as diffusers computes where nobody tells it otherwise
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    yield engine
    engine.close()


def request_for(kind: str, **changes: Any) -> GenerationRequest:
    asked: dict[str, Any] = {
        "prompt": "a red star on a blue tree",
        "negative_prompt": ASKED[kind].get("negative_prompt", ""),
        "model": kind,
        "sampler": "Euler",
        "steps": 3,
        "guidance": GUIDANCE.get(kind, 5.0),
        "width": 128,
        "height": 96,
        "seed": 7,
    }
    return GenerationRequest(**asked | changes)


def run(engine: Any, request: GenerationRequest) -> list[Any]:
    assert request.seed is not None
    batch = next(request.batches_from(request.seed))
    found: list[Any] = engine.generate(replace(batch, threads=1), ignore)
    return found


def diffusers_own(folder: Path, model: str, seeds: tuple[int, ...], **more: Any) -> list[Any]:
    import diffusers

    kind = diffusers.AutoPipelineForImage2Image if "image" in more else diffusers.DiffusionPipeline
    if "mask_image" in more:
        kind = diffusers.AutoPipelineForInpainting
    absent = {"text_encoder_3": None, "tokenizer_3": None} if model == "sd3-no-t5" else {}
    pipeline = kind.from_pretrained(folder / model, local_files_only=True, **absent)
    pipeline.set_progress_bar_config(disable=True)
    size = {} if "image" in more else {"width": 128, "height": 96}
    more = {"num_inference_steps": 3, **size, **more}
    generator = [torch.Generator().manual_seed(seed) for seed in seeds]
    return list(
        pipeline(["a red star on a blue tree"] * len(seeds), generator=generator, **ASKED[model], **more).images
    )


def difference(one: Any, other: Any) -> int:
    return int(numpy.abs(numpy.asarray(one, dtype=int) - numpy.asarray(other, dtype=int)).max())


@pytest.mark.parametrize("model", MODELS)
def test_the_picture_is_diffusers_own(engine: Any, folder: Path, model: str) -> None:
    ours = run(engine, request_for(model))[0].image
    (theirs,) = diffusers_own(folder, model, (7,))
    assert ours.size == (128, 96)
    assert difference(ours, theirs) <= 1
    (other,) = diffusers_own(folder, model, (8,))
    assert difference(ours, other) > 50  # so that nearness says something


@pytest.mark.parametrize("model", ["sd3-no-t5", "sd3.5-no-t5"])
def test_one_file_makes_the_picture_of_its_folder(engine: Any, model: str) -> None:
    asked = request_for("sd3", model=model)
    folder, file = (run(engine, replace(asked, model=name))[0] for name in (model, f"{model}-file"))
    assert difference(file.image, folder.image) <= 1  # mapped files lie otherwise in memory: other last bits
    assert file.facts["sampler"] == folder.facts["sampler"]
    assert file.facts["model"]["family"] == folder.facts["model"]["family"]


def test_a_file_with_t5_lacks_its_tokenizer(engine: Any) -> None:
    with pytest.raises(ModelError) as caught:
        run(engine, request_for("sd3", model="t5"))
    assert caught.value.note == Note("of_model", name="t5", problem=Note("t5_in_file"))


@pytest.mark.parametrize("model", ["sd3", "flux-dev"])
def test_a_picture_to_start_from_as_diffusers_takes_it(engine: Any, folder: Path, model: str) -> None:
    init = InitImage(image=PICTURE, strength=0.67)
    result = run(engine, request_for(model, init=init))[0]
    (theirs,) = diffusers_own(folder, model, (7,), image=[PICTURE], strength=0.5, height=96, width=128)
    assert difference(result.image, theirs) <= 1
    assert result.facts["steps_run"] == result.request.steps_run == 2
    assert difference(result.image, run(engine, request_for(model))[0].image) > 20


@pytest.mark.parametrize("model", ["sd3", "flux-dev"])
def test_a_masked_part_is_repainted_as_diffusers_does(engine: Any, folder: Path, model: str) -> None:
    """Inside the mask; outside, not a pixel changes."""
    init, inpaint = InitImage(image=PICTURE, strength=0.67), Inpaint(mask=MASK, mask_blur=0)
    result = run(engine, request_for(model, init=init, inpaint=inpaint))[0]
    more = {"image": [PICTURE], "mask_image": [MASK], "strength": 0.5, "height": 96, "width": 128}
    (theirs,) = diffusers_own(folder, model, (7,), **more)
    inside = MASK.getbbox()
    assert difference(result.image.crop(inside), theirs.crop(inside)) <= 1
    assert difference(result.image.crop(inside), PICTURE.crop(inside)) > 20
    assert result.facts["changed_outside_mask"] == 0
    outside = numpy.asarray(MASK) == 0
    assert (numpy.asarray(result.image)[outside] == numpy.asarray(PICTURE)[outside]).all()


@pytest.mark.parametrize("model", ["sd3", "flux-dev"])
def test_what_is_masked_may_begin_from_what_surrounds_it(engine: Any, model: str) -> None:
    init = InitImage(image=PICTURE, strength=0.67)
    wanted = ({}, {"masked_content": "fill"}, {"only_masked": True, "padding": 0})
    found = [run(engine, request_for(model, init=init, inpaint=Inpaint(mask=MASK, **one)))[0] for one in wanted]
    assert len({result.image.tobytes() for result in found}) == 3
    assert {result.facts["changed_outside_mask"] for result in found} == {0}


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("task", ["txt2img", "img2img", "inpaint"])
def test_every_position_of_a_batch_is_made_again(engine: Any, model: str, task: str) -> None:
    init = InitImage(image=PICTURE, strength=0.67) if task != "txt2img" else None
    inpaint = Inpaint(mask=MASK) if task == "inpaint" else None
    request = request_for(model, batch_size=2, init=init, inpaint=inpaint)
    first = run(engine, request)
    assert len({result.image.tobytes() for result in first}) == 2
    run(engine, request_for(model, prompt="green", steps=2, seed=99))  # leaves no trace
    for result in first:
        again = engine.generate(Batch.around(result.request, result.position, threads=1), ignore)
        assert again[result.position].image.tobytes() == result.image.tobytes()
        assert result.request.seed == 7 + result.position


WRONG = (
    ("sd3", {"sampler": "DDIM"}, "sampler", Note("only_with", wanted="Euler", model="SD 3", value="DDIM")),
    ("sd3", {"schedule": "karras"}, "schedule", Note("only_with", wanted="automatic", model="SD 3", value="karras")),
    ("sd3", {"clip_skip": 2}, "clip_skip", Note("only_with", wanted=1, model="SD 3", value=2)),
    ("sd3", {"vae": "soft"}, "vae", Note("only_with", wanted="automatic", model="SD 3", value="soft")),
    ("sd3", {"dialect": "compel"}, "dialect", Note("only_with", wanted="a1111", model="SD 3", value="compel")),
    ("sd3", {"stop_after": 2}, "stop_after", Note("only_with", wanted=0, model="SD 3", value=2)),
    ("sd3", {"tiling": "both"}, "tiling", Note("only_with", wanted="none", model="SD 3", value="both")),
    ("sd3", {"prediction_type": "epsilon"}, "prediction_type", Note("not_with", model="SD 3", value="epsilon")),
    ("sd3", {"zero_terminal_snr": True}, "zero_terminal_snr", Note("not_with", model="SD 3", value=True)),
    ("sd3", {"width": 120}, "width", Note("multiple_with", step=16, model="SD 3", value=120)),
    ("sd3", {"height": 72}, "height", Note("multiple_with", step=16, model="SD 3", value=72)),
    ("sd3", {"prompt": "a star <lora:ink:1>"}, "prompt", Note("no_lora_with", model="SD 3", name="ink")),
    (
        "sd3",
        {"init": InitImage(image=PICTURE), "inpaint": Inpaint(mask=MASK, masked_content="latent noise")},
        "masked_content",
        Note("choice_with", choices=("original", "fill"), model="SD 3", value="latent noise"),
    ),
    (
        "sd3",
        {"init": InitImage(image=PICTURE), "inpaint": Inpaint(mask=MASK, soft=True)},
        "soft",
        Note("not_with", model="SD 3", value=True),
    ),
    (
        "sd3",
        {"init": InitImage(image=PICTURE, image_guidance=2)},
        "image_guidance",
        Note("not_with", model="SD 3", value=2),
    ),
    (
        "flux-dev",
        {"negative_prompt": "blurry"},
        "negative_prompt",
        Note("empty_with", model="Flux dev", value="blurry"),
    ),
    ("flux-schnell", {"guidance": 3.5}, "guidance", Note("no_guidance", model="Flux schnell", high=1, value=3.5)),
)


@pytest.mark.parametrize(("model", "changes", "field", "note"), WRONG, ids=[f"{one[0]}-{one[2]}" for one in WRONG])
def test_what_it_cannot_be_told_is_refused_at_its_field(
    engine: Any, model: str, changes: dict[str, Any], field: str, note: Note
) -> None:
    request = request_for(model, **changes)
    for attempt in (engine.check, lambda wish: run(engine, wish)):  # before it is queued, and by the engine itself
        with pytest.raises(InvalidRequest) as caught:
            attempt(request)
        assert (caught.value.field, caught.value.note) == (field, note)


@pytest.mark.parametrize("text", ["a (red:1.2) star", "(red) star", "[red] star", "a [red:blue:0.5] star", "a BREAK b"])
@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_weights_and_changes_are_refused_and_not_read_as_letters(engine: Any, field: str, text: str) -> None:
    with pytest.raises(InvalidRequest, match="plain_text_with") as caught:
        engine.check(request_for("sd3", **{field: text}))
    assert caught.value.field == field


def test_and_composes_the_prompt_alone(engine: Any) -> None:
    with pytest.raises(InvalidRequest, match="plain_text_with"):
        engine.check(request_for("sd3", prompt="a tree AND a star"))
    engine.check(request_for("sd3", negative_prompt="trees AND stars"))


def test_brackets_with_a_backslash_are_letters(engine: Any, folder: Path) -> None:
    from pipelines.families.plain import plain_text

    assert plain_text("prompt", r"a \(red\) star, 16:9 # a remark", "SD 3") == "a (red) star, 16:9"


def test_a_prompt_that_would_be_cut_off_is_refused(engine: Any) -> None:
    """T5 reads 256 tokens, its end mark among them; here every letter is one. Without T5, CLIP's 77 are all."""
    run(engine, request_for("sd3", prompt="," * 254, steps=1))  # with the sign before the first word: 255
    with pytest.raises(InvalidRequest, match=r"^prompt: too_many_tokens\(high=256, model='SD 3', value=257\)"):
        run(engine, request_for("sd3", prompt="," * 255, steps=1))
    with pytest.raises(InvalidRequest, match=r"^negative_prompt: too_many_tokens\(high=256"):
        run(engine, request_for("sd3", negative_prompt="," * 300, steps=1))
    with pytest.raises(InvalidRequest, match=r"^prompt: too_many_tokens\(high=77, model='SD 3', value=78\)"):
        run(engine, request_for("sd3-no-t5", prompt="star " * 76, steps=1))


def test_attention_is_refused(engine: Any) -> None:
    with pytest.raises(InvalidRequest, match=r"^attention: no_attention_with\(model='SD 3'\)"):
        engine.generate(Batch(request=request_for("sd3"), seeds=(7,), attention=True), ignore)


def test_it_tells_every_step_and_stops_within_one(engine: Any) -> None:
    told: list[Progress] = []

    def stop(progress: Progress) -> None:
        told.append(progress)
        if progress.stage == "denoising" and progress.step == 2:
            raise Cancelled("enough")

    before = run(engine, request_for("sd3"))[0]
    with pytest.raises(Cancelled):
        engine.generate(Batch(request=request_for("sd3", steps=5), seeds=(7,)), stop)
    steps = [(progress.step, progress.steps) for progress in told if progress.stage == "denoising"]
    assert steps == [(1, 5), (2, 5)]
    assert run(engine, request_for("sd3"))[0].image.tobytes() == before.image.tobytes()


@pytest.mark.parametrize(
    ("part", "sentence"), [("transformer", r"not_finite_at\(step=1\)"), ("vae", "not_finite_decoded")]
)
def test_numbers_that_are_not_finite_make_no_picture(engine: Any, part: str, sentence: str) -> None:
    run(engine, request_for("sd3", steps=1))
    pipeline = engine.manager.current.pipeline
    module = pipeline.transformer.proj_out if part == "transformer" else pipeline.vae.decoder.conv_out
    broken = module.register_forward_hook(lambda _module, _inputs, output: output * float("inf"))
    try:
        with pytest.raises(NotFinite, match=sentence):
            run(engine, request_for("sd3"))
    finally:
        broken.remove()


def test_the_record_names_what_ran(engine: Any) -> None:
    facts = run(engine, request_for("flux-dev"))[0].facts
    assert facts["pipeline"] == "FluxPipeline"
    assert facts["sampler"]["class"] == "FlowMatchEulerDiscreteScheduler"
    assert facts["model"]["family"] == "flux"
    assert len(facts["model"]["sha256"]) == 64
    assert (facts["steps_run"], facts["dtype"], facts["vae_dtype"]) == (3, "float32", "float32")
    assert {"torch", "diffusers", "transformers"} <= facts.keys()


def test_it_is_switched_and_kept_as_others_are(engine: Any, folder: Path) -> None:
    """Going back reads nothing; another model's picture is what it was before; a folder that broke changes nothing."""
    small = GenerationRequest(prompt="a red star", width=64, height=64, steps=2, seed=7)
    plain = run(engine, small)[0].image.tobytes()
    run(engine, request_for("sd3"))
    pipeline = engine.manager.current.pipeline
    assert run(engine, small)[0].image.tobytes() == plain
    assert "sd3" in engine.manager.resident
    run(engine, request_for("sd3"))
    assert engine.manager.current.pipeline is pipeline
    broken = folder / "broken"
    shutil.copytree(folder / "sd3-no-t5", broken)
    weights = broken / "vae" / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1000])
    with pytest.raises(ModelError, match="broken"):
        run(engine, request_for("sd3", model="broken"))
    assert engine.manager.current.pipeline is pipeline


@pytest.fixture
def carded(engine: Any) -> Iterator[Any]:
    """The engine's card is a number (see `tests.engines.card`)."""
    from tests.engines.card import CardPlacement

    real = engine.manager.placement
    engine.manager.clear()
    engine.manager.placement = CardPlacement(**{item.name: getattr(real, item.name) for item in fields(real)})
    yield engine.manager.placement.card
    engine.manager.clear()
    engine.manager.placement = real


def room_beside_work() -> int:
    """Bytes a card must have besides the weights, as the plan counts them."""
    from pipelines.models import memory

    return memory.OVERHEAD + memory.decode_work(128 * 96, 4)


@pytest.mark.parametrize("model", ["sd3", "flux-dev"])
def test_a_card_gets_all_of_it_or_its_parts_or_its_layers(
    engine: Any, carded: Any, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its free memory; the picture is the same each time, but for the last bits: this card is main memory, where a
    copy lies otherwise than the mapped file."""
    from pipelines.models.weights.components import bytes_of
    from tests.engines.card import checked

    with checked(carded, monkeypatch):
        whole = run(engine, request_for(model))[0]
    assert "memory_plan" not in whole.facts
    loaded = engine.manager.current
    assert carded.used == sum(one.numel() * one.element_size() for part in loaded.modules for one in part.parameters())
    sizes = [bytes_of((part,)) for part in loaded.modules]
    loaded.leave()
    assert carded.used == 0
    carded.told = room_beside_work() + (max(sizes) + sum(sizes)) // 2
    parts = run(engine, request_for(model))[0]
    assert parts.facts["memory_plan"] == ["each part alone on the card"]
    assert difference(parts.image, whole.image) <= 1
    carded.told = room_beside_work() + max(sizes) - 1
    carded.peak = 0
    with checked(carded, monkeypatch) as mode:
        layers = run(engine, request_for(model))[0]
        assert mode.layers > 0
    assert layers.facts["memory_plan"] == ["layer by layer"]
    assert difference(layers.image, whole.image) <= 1
    assert 0 < carded.peak < max(sizes)
    run(engine, GenerationRequest(prompt="a star", width=64, height=64, steps=1, seed=1))
    on_card = sum(
        one.numel() * one.element_size() for part in engine.manager.current.modules for one in part.parameters()
    )
    assert carded.used == on_card  # nothing of it is left


def test_a_card_that_promised_too_much_is_climbed_down_from(engine: Any, carded: Any) -> None:
    whole = run(engine, request_for("sd3"))[0]
    engine.manager.clear()
    carded.weights.clear()
    carded.told, carded.capacity = 2**40, 1_000_000
    result = run(engine, request_for("sd3"))[0]
    assert result.facts["memory_rungs"] == ["free cache", "offload"]
    assert difference(result.image, whole.image) <= 1


def test_what_main_memory_cannot_hold_is_not_begun(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    import psutil

    engine.manager.clear()
    small = GenerationRequest(prompt="a star", width=64, height=64, steps=1, seed=1)
    run(engine, small)
    with monkeypatch.context() as patch:
        patch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(available=1_000_000, total=2_000_000))
        with pytest.raises(ModelError, match=r"sd3.*no_room_in_memory\(needed=0.0, free=0.0\)"):
            run(engine, request_for("sd3"))
    assert engine.manager.current.info.name == "builtin"


@pytest.mark.parametrize("model", ["sd3", "sd3-no-t5-file", "flux-dev"])
def test_it_runs_in_the_type_of_its_device(engine: Any, model: str) -> None:
    """T5's own library keeps one of its layers in 32 bits where the type is float16, and there alone."""
    real = engine.manager.placement
    engine.manager.clear()
    engine.manager.placement = replace(real, dtype=torch.bfloat16, channels_last=True)
    try:
        asked = request_for("flux-dev" if model == "flux-dev" else "sd3", model=model, prompt="", batch_size=2)
        first, second = run(engine, asked), run(engine, asked)
        assert {one.dtype for part in engine.manager.current.modules for one in part.parameters()} == {torch.bfloat16}
        assert first[0].facts["dtype"] == first[0].facts["vae_dtype"] == "bfloat16"
        assert [one.image.tobytes() for one in first] == [one.image.tobytes() for one in second]
    finally:
        engine.manager.clear()
        engine.manager.placement = real
