"""A picture changed by words: beside the formula worked by diffusers' own scheduler, and what it does to a picture."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image, ImageDraw

from pipelines.errors import InvalidRequest, Note
from pipelines.groups import Edit, InitImage, Inpaint, Refiner
from pipelines.types import Batch, GenerationRequest
from tests.engines.conftest import batch_of, ignore

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

SOURCE, STEPS, GUIDANCE, SEED = "a red ball on a blue background", 6, 3.0, 7
PICTURE = Image.new("RGB", (64, 64), (40, 85, 220))
ImageDraw.Draw(PICTURE).ellipse((18, 16, 46, 44), fill=(218, 38, 42))
REQUEST = GenerationRequest(
    prompt="a yellow ball on a blue background",
    negative_prompt="blurry",
    sampler="DDPM",
    steps=STEPS,
    guidance=GUIDANCE,
    width=64,
    height=64,
    seed=SEED,
    init=InitImage(image=PICTURE, strength=1.0),
    edit=Edit(source=SOURCE),
)


@pytest.fixture(scope="module")
def exact() -> Iterator[Any]:
    """The built-in model in float32."""
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine(device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    yield engine
    engine.close()


def made(engine: Any, request: GenerationRequest = REQUEST, *seeds: int) -> Any:
    return engine.generate(batch_of(request, *(seeds or (SEED,))), ignore)[0]


def difference(one: Any, other: Any) -> int:
    return int(numpy.abs(numpy.asarray(one, dtype=int) - numpy.asarray(other, dtype=int)).max())


def pipeline_of(engine: Any) -> Any:
    from diffusers import StableDiffusionPipeline

    from pipelines.families.builtin import FOLDER

    found = StableDiffusionPipeline.from_pretrained(FOLDER, dtype=torch.float32, local_files_only=True)
    found.set_progress_bar_config(disable=True)
    return found


@torch.no_grad()
def as_published(pipeline: Any, request: GenerationRequest, run: int = STEPS) -> Any:
    """Huberman-Spiegelglas et al., algorithms 1 and 2: z_t is what diffusers' own step, given the noise of one seed
    for both prompts, leaves of the picture's next latents."""
    from diffusers import DDPMScheduler

    config = dict(pipeline.scheduler.config) | {
        "clip_sample": False,
        "timestep_spacing": "leading",
        "variance_type": "fixed_small",
    }
    scheduler = DDPMScheduler.from_config(config)
    scheduler.set_timesteps(STEPS)
    timesteps, generator = scheduler.timesteps[-run:], torch.Generator().manual_seed(SEED)
    pixels = torch.from_numpy(numpy.asarray(PICTURE, dtype=numpy.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    clean = pipeline.vae.encode(pixels).latent_dist.sample(generator) * pipeline.vae.config.scaling_factor
    path = [scheduler.add_noise(clean, torch.randn(clean.shape, generator=generator), one[None]) for one in timesteps]
    words = {
        text: pipeline.encode_prompt(text, "cpu", 1, False)[0]
        for text in (request.prompt, request.negative_prompt, SOURCE)
    }

    def after(latents: Any, timestep: Any, text: str) -> Any:
        both = torch.cat([words[request.negative_prompt], words[text]])
        less, more = pipeline.unet(torch.cat([latents] * 2), timestep, both).sample.chunk(2)
        said = less + request.guidance * (more - less)
        return scheduler.step(said, timestep, latents, generator=torch.Generator().manual_seed(99)).prev_sample

    latents = path[0]
    for place, timestep in enumerate(timesteps):
        target = path[place + 1] if place + 1 < len(path) else clean
        latents = after(latents, timestep, request.prompt) + target - after(path[place], timestep, SOURCE)
    return decoded(pipeline, latents)


@torch.no_grad()
def decoded(pipeline: Any, latents: Any) -> Any:
    pixels = pipeline.vae.decode(latents / pipeline.vae.config.scaling_factor).sample
    return pipeline.image_processor.postprocess(pixels)[0]


def test_it_is_the_published_formula(exact: Any) -> None:
    result = made(exact)
    assert difference(result.image, as_published(pipeline_of(exact), REQUEST)) <= 1
    assert difference(result.image, PICTURE) > 50


def test_a_part_of_the_steps_begins_at_their_level(exact: Any) -> None:
    request = replace(REQUEST, init=InitImage(image=PICTURE, strength=0.5))
    assert difference(made(exact, request).image, as_published(pipeline_of(exact), request, STEPS // 2)) <= 1


@pytest.mark.parametrize("guidance", [1.0, GUIDANCE])
def test_with_its_own_words_the_picture_comes_back(exact: Any, guidance: float) -> None:
    """As the VAE gives it back."""
    pipeline, generator = pipeline_of(exact), torch.Generator().manual_seed(SEED)
    pixels = torch.from_numpy(numpy.asarray(PICTURE, dtype=numpy.float32)).permute(2, 0, 1)[None] / 127.5 - 1
    with torch.no_grad():
        clean = pipeline.vae.encode(pixels).latent_dist.sample(generator) * pipeline.vae.config.scaling_factor
    same = replace(REQUEST, prompt=SOURCE, guidance=guidance)
    assert difference(made(exact, same).image, decoded(pipeline, clean)) <= 1


def shares(image: Any, colour: tuple[int, int, int]) -> Any:
    """Where a picture has about this colour."""
    return numpy.abs(numpy.asarray(image, dtype=int) - colour).sum(2) < 150


def test_what_is_not_told_otherwise_stays_where_it_is(engine: Any) -> None:
    """The ball turns yellow in its place, on the background that was there."""
    large = PICTURE.resize((128, 128), Image.Resampling.NEAREST)
    request = replace(REQUEST, width=128, height=128, steps=16, init=InitImage(image=large, strength=0.7))
    image = made(engine, request).image
    ball = shares(large, (218, 38, 42))
    yellow = shares(image, (250, 215, 45))
    assert (ball & yellow).sum() / (ball | yellow).sum() > 0.75
    assert (shares(image, (40, 85, 220)) & ~ball).sum() / (~ball).sum() > 0.9


def test_every_position_of_a_batch_is_made_again(engine: Any) -> None:
    request = replace(REQUEST, batch_size=2, steps=4)
    first = engine.generate(batch_of(request, SEED, SEED + 1), ignore)
    assert len({result.image.tobytes() for result in first}) == 2
    for result in first:
        again = engine.generate(Batch.around(result.request, result.position, threads=1), ignore)
        assert again[result.position].image.tobytes() == result.image.tobytes()


def test_a_long_text_of_the_picture_is_read_to_its_end(engine: Any) -> None:
    """Of three chunks, beside prompts of one."""
    longer = replace(REQUEST, steps=2, edit=Edit(source=", ".join([SOURCE] * 30)))
    assert difference(made(engine, longer).image, made(engine, replace(REQUEST, steps=2)).image) > 5


MASK = Image.new("L", PICTURE.size, 255)
WRONG: tuple[tuple[dict[str, Any], str, Note], ...] = (
    ({"sampler": "DDIM"}, "sampler", Note("edit_sampler", wanted="DDPM", value="DDIM")),
    ({"init": None}, "edit", Note("edit_whole_picture")),
    ({"inpaint": Inpaint(mask=MASK)}, "edit", Note("edit_whole_picture")),
    ({"refiner": Refiner(model="x")}, "refiner", Note("refiner_beside_edit")),
)


@pytest.mark.parametrize(("changes", "field", "note"), WRONG, ids=[field for _, field, _ in WRONG])
def test_what_does_not_go_together_is_said_before_the_queue(
    engine: Any, changes: dict[str, Any], field: str, note: Note
) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.check(replace(REQUEST, **changes))
    assert (caught.value.field, caught.value.note) == (field, note)
