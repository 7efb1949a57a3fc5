"""Inpainting through the whole recipe."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.groups import MASKED_CONTENTS, InitImage, Inpaint
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, Run, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(5).integers(0, 256, (height, width, 3), dtype=np.uint8))


def disc(width: int, height: int) -> Image.Image:
    mask = Image.new("L", (width, height), 0)
    ImageDraw.Draw(mask).ellipse((width // 3, height // 3, width * 2 // 3, height * 2 // 3), fill=255)
    return mask


def wish(content: str = "original", size: tuple[int, int] = (64, 64), **options: Any) -> GenerationRequest:
    init = InitImage(image=noise(*size), strength=options.pop("strength", 1.0), resize_mode="stretch")
    inpaint = Inpaint(mask=disc(*size), masked_content=content, **{"mask_blur": 1, **options})
    return replace(SMALL, init=init, inpaint=inpaint)


@pytest.mark.parametrize("content", MASKED_CONTENTS)
@pytest.mark.parametrize("only_masked", [False, True])
@pytest.mark.parametrize("size", [(64, 64), (120, 90)])
def test_only_the_mask_changes(engine: Any, content: str, only_masked: bool, size: tuple[int, int]) -> None:
    from pipelines.sampling import masks

    request = wish(content, size, only_masked=only_masked, padding=4)
    result = engine.generate(batch_of(request, 7), ignore)[0]
    canvas = masks.plan(request)
    assert result.facts["changed_outside_mask"] == 0
    assert result.image.size == (size if only_masked else (64, 64))
    outside = np.asarray(canvas.mask) == 0
    before, after = np.asarray(canvas.original), np.asarray(result.image)
    assert outside.any()
    assert (before[outside] == after[outside]).all()
    full = np.asarray(canvas.mask) == 255
    assert (before[full] != after[full]).any(axis=1).mean() > 0.9
    if only_masked or size == (64, 64):
        assert request.init is not None
        assert (np.asarray(request.init.image)[outside] == after[outside]).all()  # of the very picture given


@pytest.mark.parametrize("sampler", ["DDIM", "Euler", "Heun", "DPM2 a", "DPM++ 2M", "PLMS", "DPM++ SDE", "LCM"])
def test_latents_outside_end_as_the_pictures_own(engine: Any, sampler: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any compositing: the kept latents are the encoded picture, whatever the sampler did between."""
    from pipelines.engines import decoding
    from pipelines.models.memory import Ways
    from pipelines.sampling import masks, noise

    seen: list[Any] = []
    decode = decoding.decode
    monkeypatch.setattr(
        decoding, "decode", lambda parts, latents, *more: (seen.append(latents), decode(parts, latents, *more))[1]
    )
    request = replace(wish(strength=0.75), sampler=sampler, steps=4)
    engine.generate(batch_of(request, 7), ignore)
    parts, canvas = engine.manager.current.parts, masks.plan(request)
    with torch.no_grad():
        expected = decoding.encode(parts, canvas.picture, noise.generators([7]), Ways(), [])
    kept = (masks.latent_mask(canvas.working_mask, parts.vae_factor) == 0).expand_as(expected)
    assert bool(kept.any())
    assert torch.equal(seen[0][kept], expected[kept])
    assert not torch.allclose(seen[0][~kept], expected[~kept], atol=0.1)


def test_between_steps_the_kept_part_has_the_noise_of_its_step(engine: Any, run: Run) -> None:
    """For Euler the latents are picture + sigma × noise: what the UNet sees, unscaled, must have that spread."""
    from pipelines.sampling.schedulers import make_scheduler, timesteps_for

    run()
    parts, inputs = engine.manager.current.parts, []
    hook = parts.unet.register_forward_hook(lambda unet, args, output: inputs.append(args[0][1:2].float()))
    flat = InitImage(image=Image.new("RGB", (64, 64), "grey"), strength=1.0)
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 16, 16))
    request = replace(SMALL, sampler="Euler", steps=6, init=flat, inpaint=Inpaint(mask=mask, mask_blur=0))
    try:
        engine.generate(batch_of(request, 7), ignore)
    finally:
        hook.remove()
    scheduler = make_scheduler("Euler", "automatic", parts.scheduler_config, (7,))
    timesteps_for(scheduler, 6, 6)
    first = inputs[0] * (float(scheduler.sigmas[0]) ** 2 + 1) ** 0.5
    beyond = 16 // parts.vae_factor
    for sigma, seen in zip(scheduler.sigmas.tolist(), inputs, strict=False):
        unscaled = seen * (sigma**2 + 1) ** 0.5
        outside = unscaled[
            :, :, beyond:, beyond:
        ]  # the picture's part is constant over space but for the VAE's small texture
        expected = sigma / float(scheduler.sigmas[0]) * first[:, :, beyond:, beyond:].std(dim=(2, 3))
        assert torch.allclose(outside.std(dim=(2, 3)), expected, rtol=0.25, atol=0.25)


def test_the_four_contents_begin_differently(engine: Any, run: Run) -> None:
    run()
    parts, first = engine.manager.current.parts, {}
    for content in MASKED_CONTENTS:
        inputs: list[Any] = []
        hook = parts.unet.register_forward_hook(
            lambda unet, args, output, inputs=inputs: inputs.append(args[0].float())
        )
        try:
            engine.generate(batch_of(replace(wish(content, strength=0.67), sampler="DDIM"), 7), ignore)
        finally:
            hook.remove()
        first[content] = inputs[0]
    names = list(first)
    for index, one in enumerate(names):
        for other in names[index + 1 :]:
            assert not torch.equal(first[one], first[other]), (one, other)
    # outside of the mask all begin alike, but for fill, whose colours the VAE carries a little way over the edge
    factor = parts.vae_factor
    for content in ("latent noise", "latent nothing"):
        difference = (first[content] - first["original"]).abs().amax(dim=(0, 1))
        assert difference[: 16 // factor].max() == 0
        assert difference[32 // factor, 32 // factor] > 0


def test_neighbours_do_not_touch_an_inpainted_image(engine: Any) -> None:
    request = replace(wish("latent noise"), batch_size=2, sampler="Euler a")
    first = engine.generate(batch_of(request, 7, 8), ignore)
    second = engine.generate(batch_of(request, 7, 100), ignore)
    assert first[0].image.tobytes() == second[0].image.tobytes()
    assert first[1].image.tobytes() != second[1].image.tobytes()
