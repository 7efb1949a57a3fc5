"""Soft inpainting: a mask's greys say when a place is free. Beside a plain loop as the paper's authors wrote it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw

from pipelines.groups import MASKED_CONTENTS, InitImage, Inpaint
from pipelines.types import Batch, GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.modifiers.inpainting import Differential  # noqa: E402
from pipelines.sampling.schedulers import make_scheduler  # noqa: E402
from tests.engines.test_modifiers import (  # noqa: E402
    GUIDANCE,
    IMAGES,
    NEGATIVES,
    NOISE,
    POSITIVES,
    STEPS,
    drawn,
    euler,
    network,
    ours,
)

GREYS = (0.0, 0.1, 0.35, 0.45, 0.6, 0.7, 0.9, 1.0)  # of the eight columns; STEPS is 4, so none meets a step


def test_latents_are_those_of_the_authors_own_loop() -> None:
    """arXiv:2306.00950, algorithm 1; in their code the map says what is kept, and step i keeps what is over i / n."""
    unet, scheduler = network(), euler()
    original, greys = 3 * drawn(IMAGES, 4, 8, 8, seed=20), torch.tensor(GREYS).expand(1, 1, 8, 8)
    scheduler.set_timesteps(STEPS)
    begun = scheduler.add_noise(original, NOISE, scheduler.timesteps[:1])
    found = ours(unet, euler(), Differential(mask=greys, original=original, noise=NOISE), noise=begun)
    keep = 1 - greys
    words = torch.cat([one.expand(IMAGES, -1, -1) for one in (NEGATIVES, POSITIVES)])
    latents = begun
    for i, timestep in enumerate(scheduler.timesteps):
        if i > 0:
            here = scheduler.add_noise(original, NOISE, timestep[None])
            kept = (keep > i / STEPS).float()
            latents = here * kept + latents * (1 - kept)
        with torch.no_grad():
            given = scheduler.scale_model_input(torch.cat([latents] * 2), timestep)
            negative, positive = unet(given, timestep, encoder_hidden_states=words).sample.chunk(2)
        latents = scheduler.step(negative + GUIDANCE * (positive - negative), timestep, latents).prev_sample
    torch.testing.assert_close(found[..., 1:], latents[..., 1:], rtol=1e-4, atol=1e-4)
    assert torch.equal(found[..., 0], original[..., 0])  # what is not masked at all is the picture's own to the end
    plain = ours(unet, euler(), noise=begun)
    assert float((found - plain).abs().amax(dim=(0, 1, 2)).min()) > 0.01  # every column was held for a while


@pytest.mark.parametrize("sampler", ["Euler", "Heun", "PLMS", "DPM++ 2M"])
def test_grey_is_free_from_its_share_of_the_steps_whatever_the_sampler(sampler: str) -> None:
    """At each whole step: how many columns are not the picture's own."""
    free: list[int] = []

    class Looking(Differential):
        def after_step(self, latents: Any, scheduler: Any, next_timestep: Any) -> Any:
            blended = super().after_step(latents, scheduler, next_timestep)
            free.append(int((blended == latents).all(dim=2).all(dim=(0, 1)).sum()))
            return blended

    greys = torch.tensor(GREYS).expand(1, 1, 8, 8)
    scheduler = make_scheduler(sampler, "automatic", {}, (0, 1))
    ours(network(), scheduler, Looking(mask=greys, original=drawn(IMAGES, 4, 8, 8, seed=20), noise=NOISE))
    assert free[: STEPS - 1] == [sum(grey >= left / STEPS for grey in GREYS) for left in (3, 2, 1)]
    assert free[-1] == len(GREYS) - 1


def ramp(size: int = 64) -> Image.Image:
    """White at the left, black at the right, 16 columns of each."""
    mask = Image.linear_gradient("L").rotate(90).resize((size, size))
    ImageDraw.Draw(mask).rectangle((0, 0, 15, size), fill=255)
    ImageDraw.Draw(mask).rectangle((size - 16, 0, size, size), fill=0)
    return mask


def wish(**changes: Any) -> GenerationRequest:
    picture = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 40).convert("RGB")
    inpaint = Inpaint(**{"mask": ramp(), "mask_blur": 0, "soft": True, **changes})
    return replace(SMALL, steps=8, init=InitImage(image=picture, strength=1.0), inpaint=inpaint)


@pytest.mark.parametrize("content", MASKED_CONTENTS)
@pytest.mark.parametrize("only_masked", [False, True])
def test_nothing_changes_where_the_mask_is_black_and_it_is_made_again(
    engine: Any, content: str, only_masked: bool
) -> None:
    request = wish(masked_content=content, only_masked=only_masked, padding=4)
    result = engine.generate(batch_of(request, 7), ignore)[0]
    assert result.facts["changed_outside_mask"] == 0
    assert request.init is not None
    before, after = np.asarray(request.init.image), np.asarray(result.image)
    outside = np.asarray(ramp()) == 0
    assert outside[:, -16:].all()
    assert (before[outside] == after[outside]).all()
    assert (before[:, :16] != after[:, :16]).any(axis=2).mean() > 0.9
    again = engine.generate(Batch.around(result.request, 0, threads=1), ignore)[0]
    assert again.image.tobytes() == result.image.tobytes()
    hard = engine.generate(batch_of(wish(masked_content=content, soft=False), 7), ignore)[0]
    assert hard.image.tobytes() != result.image.tobytes()


def test_the_darker_the_nearer_to_the_picture(engine: Any) -> None:
    """Of a picture of one colour: columns of lighter grey go further from it."""
    grey = Image.new("RGB", (64, 64), (30, 160, 90))
    found = []
    for light in (60, 120, 180, 255):
        request = replace(wish(mask=Image.new("L", (64, 64), light)), init=InitImage(image=grey, strength=1.0))
        made = engine.generate(batch_of(request, *range(4)), ignore)
        found.append(np.mean([np.abs(np.asarray(one.image).astype(int) - np.asarray(grey)).mean() for one in made]))
    assert found == sorted(found)
    assert found[0] < 0.5 * found[-1]


def test_what_shows_is_new_wherever_a_step_was_free() -> None:
    """Else the new picture and the old one would be seen at once, one through the other."""
    from pipelines.sampling import masks

    request = wish()
    shown, mask = (np.asarray(one) for one in (masks.plan(request).mask, ramp()))
    assert (shown[mask == 0] == 0).all()
    assert (shown[mask >= 256 / 8] == 255).all()
    assert (np.diff(shown.astype(int), axis=1) <= 0).all()


def test_a_soft_mask_grows_with_its_greys() -> None:
    from pipelines.sampling import masks

    mask = Image.new("L", (32, 32), 0)
    ImageDraw.Draw(mask).rectangle((12, 12, 19, 19), fill=100)
    wider = np.asarray(masks.prepared(Inpaint(mask=mask, soft=True, mask_grow=3, mask_blur=0)))
    narrower = np.asarray(masks.prepared(Inpaint(mask=mask, soft=True, mask_grow=-3, mask_blur=0)))
    assert (wider == 100).sum() == 14 * 14
    assert (narrower == 100).sum() == 2 * 2
    assert {*np.unique(wider), *np.unique(narrower)} == {0, 100}
