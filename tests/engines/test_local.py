"""The recipe, against diffusers' own pipelines on the same parts, and what it does when things go wrong."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import Cancelled, EngineLost, ModelError, Note, NotFinite, OutOfMemory
from pipelines.groups import InitImage
from pipelines.types import Progress
from tests.engines.conftest import SMALL, Run, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
local = pytest.importorskip("pipelines.engines.local")
loading = pytest.importorskip("pipelines.models.weights.loading")
running = pytest.importorskip("pipelines.engines.running")

ASSERTED = "CUDA error: device-side assert triggered"
SAMPLERS = ["DDIM", "Euler a", "DPM++ 2M", "Heun"]


@pytest.fixture(scope="module", params=["float32", "bfloat16"])
def typed_engine(request: pytest.FixtureRequest) -> Iterator[Any]:
    """An engine of this type, whatever this machine's processor would choose."""
    engine = local.LocalEngine(device="cpu")
    dtype = getattr(torch, request.param)
    engine.manager.placement = replace(engine.manager.placement, dtype=dtype, channels_last=dtype == torch.bfloat16)
    yield engine
    engine.close()


def pipeline(kind: str, engine: Any, sampler: str) -> Any:
    """diffusers' pipeline on the parts that the engine has loaded. What is around the sampler is judged here, the
    samplers themselves in `tests/sampling`."""
    import diffusers

    from pipelines.sampling.schedulers import make_scheduler

    parts = engine.manager.current.parts
    made = getattr(diffusers, kind)(
        unet=parts.unet,
        vae=parts.vae,
        text_encoder=parts.text_encoders[0],
        tokenizer=parts.tokenizers[0],
        scheduler=make_scheduler(sampler, "automatic", parts.scheduler_config, (7,)),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_txt2img_is_diffusers_bit_for_bit(typed_engine: Any, sampler: str) -> None:
    request = replace(SMALL, sampler=sampler, negative_prompt="blurry", width=96)
    ours = typed_engine.generate(batch_of(request, 7), ignore)[0].image
    theirs = pipeline("StableDiffusionPipeline", typed_engine, sampler)(
        request.prompt,
        negative_prompt=request.negative_prompt,
        width=96,
        height=64,
        num_inference_steps=request.steps,
        guidance_scale=request.guidance,
        generator=torch.Generator().manual_seed(7),
    ).images[0]
    assert ours.tobytes() == theirs.tobytes()


@pytest.mark.parametrize("sampler", SAMPLERS)
def test_img2img_is_diffusers_bit_for_bit(typed_engine: Any, sampler: str) -> None:
    """Where both mean the same: the picture has the size already, and strength × steps is whole."""
    picture = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 40).convert("RGB")
    request = replace(SMALL, sampler=sampler, steps=4, init=InitImage(image=picture, strength=0.5))
    ours = typed_engine.generate(batch_of(request, 7), ignore)[0].image
    theirs = pipeline("StableDiffusionImg2ImgPipeline", typed_engine, sampler)(
        request.prompt,
        image=picture,
        strength=0.5,
        negative_prompt="",
        num_inference_steps=4,
        guidance_scale=request.guidance,
        generator=[torch.Generator().manual_seed(7)],
    ).images[0]
    assert ours.tobytes() == theirs.tobytes()


def test_guidance_of_one_asks_the_model_once_and_ignores_the_negative_prompt(engine: Any, run: Run) -> None:
    rows: list[int] = []
    run()  # loads the model
    unet = engine.manager.current.parts.unet
    hook = unet.register_forward_hook(lambda unet, inputs, output: rows.append(len(inputs[0])))
    try:
        plain = run(guidance=1.0)[0].image
        other = run(guidance=1.0, negative_prompt="red")[0].image
        assert rows == [1] * 2 * SMALL.steps
        run(guidance=2.0)
        assert rows[2 * SMALL.steps :] == [2] * SMALL.steps
    finally:
        hook.remove()
    assert plain.tobytes() == other.tobytes()


def test_and_asks_for_each_part_and_a_weight_of_zero_takes_it_away(engine: Any, run: Run) -> None:
    alone = np.asarray(run(prompt="a red star")[0].image).astype(int)
    both = np.asarray(run(prompt="a red star AND a green tree:0")[0].image).astype(int)
    other = np.asarray(run(prompt="a red star AND a green tree")[0].image).astype(int)
    assert np.abs(alone - both).mean() < 4  # another batch size in the UNet: bf16's last bits
    assert np.abs(alone - other).mean() > 8


def test_the_prompt_is_obeyed(run: Run) -> None:
    """The one thing that a model with random weights cannot show."""
    size = {"width": 128, "height": 128, "steps": 8}
    red = np.asarray(run(prompt="a big red ball on a white background", **size)[0].image).astype(float)
    blue = np.asarray(run(prompt="a big blue ball on a white background", **size)[0].image).astype(float)
    middle = slice(48, 80)
    assert red[middle, middle, 0].mean() > red[middle, middle, 2].mean() + 40
    assert blue[middle, middle, 2].mean() > blue[middle, middle, 0].mean() + 40


def test_progress_counts_every_step_and_shows_previews(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "PREVIEW_SECONDS", 0.0)
    told: list[Progress] = []
    engine.generate(batch_of(replace(SMALL, steps=4), 7), told.append)
    assert [item.stage for item in told] == ["loading", "encoding", *["denoising"] * 4, "decoding"]
    assert [(item.step, item.steps) for item in told if item.stage == "denoising"] == [(n, 4) for n in (1, 2, 3, 4)]
    previews = [item.preview for item in told if item.preview is not None]
    assert len(previews) == 4
    picture = Image.open(io.BytesIO(previews[-1]))
    assert picture.format == "JPEG"
    assert max(picture.size) <= 256


@pytest.mark.parametrize("sampler", ["Euler", "DDIM", "Heun", "DPM++ 2M", "Euler a"])
def test_the_last_preview_looks_like_the_picture(engine: Any, sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever scale a sampler's latents have, the preview shows the clean picture that the model means."""
    monkeypatch.setattr(running, "PREVIEW_SECONDS", 0.0)
    told: list[Progress] = []
    request = replace(SMALL, sampler=sampler, steps=6, prompt="a red star on a blue background")
    image = engine.generate(batch_of(request, 7), told.append)[0].image
    last = [item.preview for item in told if item.preview is not None][-1]
    small = np.asarray(image.resize((8, 8), Image.Resampling.BOX)).astype(float)
    preview = np.asarray(Image.open(io.BytesIO(last)).resize((8, 8), Image.Resampling.BOX)).astype(float)
    assert np.abs(small - preview).mean() < 24
    assert np.corrcoef(small.ravel(), preview.ravel())[0, 1] > 0.9


@pytest.mark.parametrize("stop_at", ["loading", "encoding", "denoising", "decoding"])
def test_a_stop_comes_out_unchanged_and_the_engine_goes_on(engine: Any, run: Run, stop_at: str) -> None:
    before = run()[0].image
    stop, told = Cancelled("enough"), []

    def on_progress(progress: Progress) -> None:
        told.append(progress)
        if progress.stage == stop_at:
            raise stop

    with pytest.raises(Cancelled) as caught:
        engine.generate(batch_of(SMALL, 7), on_progress)
    assert caught.value is stop
    assert [item.stage for item in told].count(stop_at) == 1  # not one step more
    assert run()[0].image.tobytes() == before.tobytes()


@pytest.mark.fault(4)
def test_not_finite_latents_are_an_error_after_the_first_step(engine: Any, run: Run) -> None:
    run()
    told: list[Progress] = []
    unet = engine.manager.current.parts.unet
    hook = unet.register_forward_hook(lambda unet, inputs, output: (output[0] * float("nan"),))
    try:
        with pytest.raises(NotFinite) as caught:
            engine.generate(batch_of(SMALL, 7), told.append)
    finally:
        hook.remove()
    assert caught.value.note == Note("not_finite_at", step=1)
    assert not [item for item in told if item.stage == "denoising"]


@pytest.mark.fault(4)
def test_a_network_that_overflows_is_tried_again_in_fp32(typed_engine: Any) -> None:
    first = typed_engine.generate(batch_of(SMALL, 7), ignore)[0]
    assert "denoised_in" not in first.facts
    parts, dtype = typed_engine.manager.current.parts, typed_engine.manager.placement.dtype
    before = [tensor.data_ptr() for part in parts.modules for tensor in part.parameters()]

    def overflow(unet: Any, inputs: Any, output: Any) -> Any:
        return output if output[0].dtype == torch.float32 else (output[0] * float("inf"),)

    hook = parts.unet.register_forward_hook(overflow)
    try:
        second, again = (typed_engine.generate(batch_of(SMALL, 7), ignore)[0] for _ in range(2))
    finally:
        hook.remove()
    assert second.facts.get("denoised_in") == (None if dtype == torch.float32 else "float32")
    assert second.image.tobytes() == again.image.tobytes()
    assert np.abs(np.asarray(second.image).astype(int) - np.asarray(first.image)).mean() < 3
    assert [tensor.data_ptr() for part in parts.modules for tensor in part.parameters()] == before
    assert typed_engine.generate(batch_of(SMALL, 7), ignore)[0].image.tobytes() == first.image.tobytes()


def test_text_encoders_and_the_encoder_of_pictures_are_tried_again_too(typed_engine: Any) -> None:
    typed_engine.generate(batch_of(SMALL, 7), ignore)
    parts, dtype = typed_engine.manager.current.parts, typed_engine.manager.placement.dtype
    expected = None if dtype == torch.float32 else "float32"

    def overflow(_module: Any, _inputs: Any, output: Any) -> Any:
        first = output[0] if isinstance(output, tuple) else output
        if first.dtype == torch.float32:
            return output
        bad = first * float("nan")
        return (bad, *output[1:]) if isinstance(output, tuple) else bad

    norm = getattr(parts.text_encoders[0], "text_model", parts.text_encoders[0]).final_layer_norm
    picture = InitImage(image=Image.new("RGB", (64, 64), (200, 40, 40)), strength=0.5)
    for module, wish in (
        (norm, replace(SMALL, prompt="words never read before")),
        (parts.vae.encoder, replace(SMALL, init=picture)),
    ):
        hook = module.register_forward_hook(overflow)
        try:
            result = typed_engine.generate(batch_of(wish, 7), ignore)[0]
        finally:
            hook.remove()
        assert result.facts.get("denoised_in") == expected


@pytest.mark.fault(4)
def test_a_decoder_that_overflows_is_tried_again_in_fp32(typed_engine: Any) -> None:
    first = typed_engine.generate(batch_of(SMALL, 7), ignore)[0]
    assert first.facts["retries"] == 0
    vae, dtype = typed_engine.manager.current.parts.vae, typed_engine.manager.placement.dtype

    def overflow(vae: Any, inputs: Any, output: Any) -> Any:
        return output if output.dtype == torch.float32 else output * float("inf")

    hook = vae.decoder.register_forward_hook(overflow)
    try:
        second = typed_engine.generate(batch_of(SMALL, 7), ignore)[0]
    finally:
        hook.remove()
    assert second.facts["retries"] == (0 if dtype == torch.float32 else 1)
    assert second.facts["vae_dtype"] == "float32"
    assert np.abs(np.asarray(second.image).astype(int) - np.asarray(first.image)).mean() < 3
    assert vae.dtype == dtype  # put back
    hook = vae.decoder.register_forward_hook(lambda vae, inputs, output: output * float("nan"))
    try:
        with pytest.raises(NotFinite) as caught:
            typed_engine.generate(batch_of(SMALL, 7), ignore)
        assert caught.value.note == Note("not_finite_decoded")
    finally:
        hook.remove()


@pytest.mark.fault(2)
def test_a_decoder_without_memory_is_tried_again_in_tiles(engine: Any, run: Run) -> None:
    before = run()[0]
    vae, tiling = engine.manager.current.parts.vae, []

    def short_of_memory(decoder: Any, inputs: Any) -> None:
        tiling.append(vae.use_tiling)
        if not vae.use_tiling:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hook = vae.decoder.register_forward_pre_hook(short_of_memory)
    try:
        after = run()[0]
    finally:
        hook.remove()
    assert tiling == [False, False, True]
    assert (after.facts["vae_tiled"], after.facts["retries"]) == (True, 2)
    assert not vae.use_tiling
    assert after.image.tobytes() == before.image.tobytes()  # smaller than a tile


@pytest.mark.parametrize(
    ("foreign", "ours"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OutOfMemory),
        (MemoryError(), OutOfMemory),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"), OutOfMemory),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"), OutOfMemory),
        (torch.AcceleratorError("CUDA error: out of memory"), OutOfMemory),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), OutOfMemory),
        (torch.AcceleratorError(f"{ASSERTED}\nCUDA kernel errors might be reported later"), EngineLost),
        (RuntimeError("CUDA error: an illegal memory access was encountered"), EngineLost),
        (RuntimeError("cuDNN error: CUDNN_STATUS_EXECUTION_FAILED"), EngineLost),
        (RuntimeError("The size of tensor a (9) must match"), RuntimeError),
        (ValueError("a bug"), ValueError),
    ],
)
def test_the_map_of_foreign_errors(engine: Any, run: Run, foreign: Exception, ours: type[Exception]) -> None:
    run()

    def fail(unet: Any, inputs: Any) -> None:
        raise foreign

    hook = engine.manager.current.parts.unet.register_forward_pre_hook(fail)
    try:
        with pytest.raises(ours) as caught:
            run()
    finally:
        hook.remove()
    assert type(caught.value) is ours
    if ours is OutOfMemory:
        assert caught.value.note == Note("too_little_memory")
    if ours is EngineLost:
        assert caught.value.note == Note("device_failed", reason=str(foreign).partition("\n")[0])
    run()


@pytest.mark.fault(34)
@pytest.mark.parametrize(
    "wrapped", [loading.model_errors, lambda name: loading.fit_errors("vae", "vae_unusable", name)]
)
def test_a_card_that_fails_while_a_file_is_read_is_no_fault_of_the_file(wrapped: Any) -> None:
    failure = torch.AcceleratorError(ASSERTED)
    with pytest.raises(torch.AcceleratorError) as caught, wrapped("a file"):
        raise failure
    assert caught.value is failure


def test_an_unknown_model_is_one_sentence_and_the_old_one_stays(engine: Any, run: Run) -> None:
    run()
    loaded = engine.manager.current
    with pytest.raises(ModelError, match=r"model_missing.*'nowhere'"):
        run(model="nowhere")
    assert engine.manager.current is loaded


def test_facts_say_what_was_true(engine: Any, run: Run) -> None:
    facts = run(sampler="Heun", steps=4)[0].facts
    assert facts["torch"] == torch.__version__
    assert facts["threads"] == 1
    assert facts["steps_run"] == 4
    assert facts["model_calls"] == 7
    assert facts["model"]["name"] == "builtin"
    assert facts["sampler"]["base"] == "HeunDiscreteScheduler"
    assert facts["dtype"] == str(next(engine.manager.current.parts.unet.parameters()).dtype).removeprefix("torch.")
    assert "changed_outside_mask" not in facts
