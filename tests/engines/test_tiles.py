"""A picture whose network sees it in parts, beside a loop of the test's own on diffusers' parts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.groups import Hires, InitImage, Inpaint, Tiles
from pipelines.leading import Control, Reuse
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines import passes, running  # noqa: E402
from pipelines.models import memory  # noqa: E402
from tests.engines.test_passes import pipelines_of  # noqa: E402

STEPS, SIZE = 2, (384, 256)
TILES = Tiles(side=256, overlap=64)
WISH = replace(SMALL, steps=STEPS, width=SIZE[0], height=SIZE[1], tiles=TILES)


def drawn(size: tuple[int, int] = SIZE) -> Image.Image:
    small = np.random.default_rng(3).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    """In float32: halves are compared."""
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine(device="cpu", exact=True)
    yield engine
    engine.close()


def made(engine: Any, request: GenerationRequest = WISH) -> Any:
    engine.check(request)
    return engine.generate(batch_of(request, 7), ignore)[0]


def apart(one: Any, other: Any) -> int:
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other)).max())


def seen_by(network: Any, engine: Any, request: GenerationRequest) -> list[tuple[int, ...]]:
    """Height and width of what it is given at each call."""
    found: list[tuple[int, ...]] = []
    hook = network.register_forward_pre_hook(lambda _, given: found.append(tuple(given[0].shape[-2:])))
    try:
        made(engine, request)
    finally:
        hook.remove()
    return found


def test_each_call_is_put_together_of_its_parts(engine: Any) -> None:
    """Two parts that overlap: in the outer quarter of that a part counts nothing, in the inner wholly."""
    result = made(engine)
    pipeline, _ = pipelines_of(engine)
    words, negative = pipeline.encode_prompt(WISH.prompt, "cpu", 1, True, "")
    factor = pipeline.vae_scale_factor
    height, width, side, shared = SIZE[1] // factor, SIZE[0] // factor, 256 // factor, 64 // factor
    latents = torch.randn((1, 4, height, width), generator=torch.Generator().manual_seed(7))
    ramp = ((torch.arange(shared) + 0.5 - shared / 4) / (shared / 2)).clamp(0, 1)
    ones = torch.ones(width - side)
    first = torch.cat([torch.ones(side - shared), ramp.flip(0)])
    parts = [(slice(0, side), first), (slice(width - side, width), torch.cat([ramp, ones]))]
    pipeline.scheduler.set_timesteps(STEPS)
    for timestep in pipeline.scheduler.timesteps:
        total, counted = torch.zeros_like(latents), torch.zeros(width)
        for place, share in parts:
            share = torch.nn.functional.pad(share, (0, side - len(share)), value=1.0)
            given = torch.cat([latents[..., place]] * 2)
            said = pipeline.unet(given, timestep, encoder_hidden_states=torch.cat([negative, words])).sample
            without, told = said.chunk(2)
            total[..., place] += (without + WISH.guidance * (told - without)) * share
            counted[place] += share
        latents = pipeline.scheduler.step(total / counted, timestep, latents).prev_sample
    decoded = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    assert apart(result.image, pipeline.image_processor.postprocess(decoded.detach())[0]) <= 1
    assert result.facts["tiles"] == 2


def test_the_network_sees_a_part_at_a_time_and_one_that_holds_all_changes_nothing(engine: Any) -> None:
    unet = engine.manager.get("builtin").parts.unet
    side = 256 // engine.manager.current.parts.vae_factor
    assert seen_by(unet, engine, WISH) == [(side, side)] * 2 * STEPS
    whole = replace(WISH, width=256)
    assert made(engine, whole).image.tobytes() == made(engine, replace(whole, tiles=None)).image.tobytes()


def test_of_two_passes_the_second_and_the_picture_is_made_again(engine: Any) -> None:
    request = replace(WISH, width=128, height=128, hires=Hires(by=3, strength=0.5))
    unet, factor = engine.manager.get("builtin").parts.unet, engine.manager.current.parts.vae_factor
    assert seen_by(unet, engine, request) == [(128 // factor,) * 2] * STEPS + [(256 // factor,) * 2] * 4
    result = made(engine, request)
    assert (result.image.size, result.facts["passes"][1]["tiles"]) == ((384, 384), 4)
    assert made(engine, result.request).image.tobytes() == result.image.tobytes()


def steps_across(image: Image.Image) -> Any:
    """How far each column of pixels is from the next, (width - 1,)."""
    values = np.asarray(image.convert("L"), dtype=float)
    return np.abs(np.diff(values, axis=1)).mean(0)


def test_no_border_shows(engine: Any) -> None:
    """Across the lines where parts begin, meet and end the picture changes no more than elsewhere."""
    request = replace(WISH, steps=4, init=InitImage(image=drawn(), strength=0.5))
    across = steps_across(made(engine, request).image)
    borders = [place + near for place in (128, 192, 256) for near in range(-4, 4)]
    assert across[borders].mean() <= np.delete(across, borders).mean()
    hard = steps_across(made(engine, replace(request, tiles=Tiles(side=256, overlap=0))).image)
    lines = [place + near for place in (128, 256) for near in range(-4, 4)]
    assert hard[lines].mean() > 1.2 * np.delete(hard, lines).mean()  # without an overlap it does


def test_a_map_is_followed_part_by_part(engine: Any) -> None:
    control = Control(map=drawn())
    made(engine, replace(WISH, control_1=control))
    (network,) = engine._controls._held.values()
    seen: list[Any] = []
    hook = network.controlnet_cond_embedding.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    try:
        made(engine, replace(WISH, control_1=control))
    finally:
        hook.remove()
    values = torch.from_numpy(np.asarray(drawn(), np.float32) / 255).permute(2, 0, 1)
    assert torch.equal(seen[0][0], values[..., :256])
    assert torch.equal(seen[1][0], values[..., 128:])


def test_what_lies_outside_of_the_mask_stays(engine: Any) -> None:
    mask = Image.new("L", SIZE)
    mask.paste(255, (0, 0, 192, 256))
    request = replace(WISH, init=InitImage(image=drawn()), inpaint=Inpaint(mask=mask, mask_blur=0))
    result = made(engine, request).image
    assert apart(result.crop((192, 0, *SIZE)), drawn().crop((192, 0, *SIZE))) == 0
    assert apart(result, drawn()) > 10


def test_the_plan_counts_one_part(engine: Any) -> None:
    parts = engine.manager.get("builtin").parts
    request = replace(WISH, width=2048, height=2048)

    def size(request: GenerationRequest) -> memory.Size:
        batch = batch_of(request, 7)
        return passes.size_of_all(parts, running.passes_of(batch, running_wish(request), running.Means()), 1)

    assert (size(request).seen, size(request).pixels) == (256 * 256, 2048 * 2048)
    told = running._seen(request)
    assert (told.width, told.height) == (256, 256)  # what SDXL is told of a part
    assert size(replace(request, tiles=None)).seen == 2048 * 2048
    second = replace(WISH, width=512, height=512, hires=Hires(by=4))
    assert (size(second).seen, size(second).pixels) == (512 * 512, 2048 * 2048)  # the first pass sees all of its own
    shape = memory.shape_of("sdxl", bytes_per_number=2)
    one, all_of_it = (
        memory.step_bytes(shape, memory.Size(width=4096, height=4096, sees=sees), memory.Ways())
        for sees in (768 * 768, 0)
    )
    assert one - shape.weights == pytest.approx((all_of_it - shape.weights) * (768 / 4096) ** 2)


def running_wish(request: GenerationRequest) -> Any:
    from pipelines.prompts.wish import wish_of

    return wish_of(request)


def test_what_it_does_not_go_with_is_said(engine: Any) -> None:
    for changes in ({"reuse": Reuse()}, {"tiling": "x"}):
        with pytest.raises(InvalidRequest) as caught:
            engine.check(replace(WISH, **changes))
        assert (caught.value.field, caught.value.note.code) == ("tiles", "tiles_beside")
    with pytest.raises(InvalidRequest) as caught:
        Tiles(side=256, overlap=136)
    assert (caught.value.field, caught.value.note.code) == ("tiles_overlap", "overlap_half")
