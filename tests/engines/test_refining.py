"""A refiner that runs the last steps, beside diffusers' own pipelines: `denoising_end`, then `denoising_start`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.details import Detail
from pipelines.errors import InvalidRequest
from pipelines.groups import Hires, InitImage, Inpaint, Refiner
from pipelines.types import BUILTIN, GenerationRequest, Progress
from tests.engines.conftest import batch_of, ignore
from tests.models.files import checkpoint, write_model

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from tests.engines.test_passes import ddim  # noqa: E402

SIDE, STEPS, SHARE = 128, 5, 0.6  # pixels: at 64 these networks magnify rounding
WISH = GenerationRequest(
    prompt="a red star",
    negative_prompt="blurred",
    width=SIDE,
    height=SIDE,
    steps=STEPS,
    guidance=5.0,
    sampler="DDIM",
    model="base",
    refiner=Refiner(model="refiner", switch_at=SHARE),
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    for name, kind in (("base", "sdxl"), ("refiner", "sdxl-refiner")):
        RandomModel(kind, tiny=True, dtype="fp32").write_folder(folder / name)
    engine = LocalEngine([folder], device="cpu", exact=True)
    yield engine
    engine.close()


def made(engine: Any, **changes: Any) -> Any:
    request = replace(WISH, **changes)
    engine.check(request)
    return engine.generate(batch_of(request, 7), ignore)[0]


def apart(one: Any, other: Any) -> int:
    return int(np.abs(np.asarray(one).astype(int) - np.asarray(other)).max())


def pipelines_of(engine: Any, first: str = "StableDiffusionXLPipeline", scheduler: Any = ddim) -> tuple[Any, Any]:
    """diffusers' own on the engine's networks; the picture is decoded by the VAE of the first."""
    import diffusers

    found, vae = [], None
    for name, kind in (("base", first), ("refiner", "StableDiffusionXLImg2ImgPipeline")):
        parts = engine.manager.beside(name).parts if name == "refiner" else engine.manager.get(name).parts
        vae = vae or parts.vae
        one, two = (
            (parts.text_encoders[0], parts.text_encoders[-1]) if name == "base" else (None, parts.text_encoders[0])
        )
        words = (parts.tokenizers[0], parts.tokenizers[-1]) if name == "base" else (None, parts.tokenizers[0])
        told = {"requires_aesthetics_score": True, "force_zeros_for_empty_prompt": False} if name == "refiner" else {}
        made = getattr(diffusers, kind)(
            **{"vae": vae, "unet": parts.unet, "scheduler": scheduler(parts), "add_watermarker": False, **told},
            **{"text_encoder": one, "text_encoder_2": two, "tokenizer": words[0], "tokenizer_2": words[1]},
        )
        made.set_progress_bar_config(disable=True)
        found.append(made)
    return found[0], found[1]


def theirs(pipelines: tuple[Any, Any], share: float = SHARE, **told: Any) -> Image.Image:
    """One generator for both, as one run has one."""
    first, second = pipelines
    shared = {"prompt": WISH.prompt, "negative_prompt": WISH.negative_prompt, "guidance_scale": 5.0}
    shared |= {"num_inference_steps": STEPS, "generator": [torch.Generator().manual_seed(7)]}
    shared |= {"original_size": (SIDE, SIDE), "target_size": (SIDE, SIDE)}
    size = {} if "image" in told else {"width": SIDE, "height": SIDE}
    handed = first(**shared, **size, **told, denoising_end=share, output_type="latent").images
    return second(**shared, image=handed, denoising_start=share).images[0]


def test_the_last_steps_are_what_diffusers_computes(engine: Any) -> None:
    told: list[Progress] = []
    engine.check(WISH)
    result = engine.generate(batch_of(WISH, 7), told.append)[0]
    assert apart(result.image, theirs(pipelines_of(engine))) <= 1
    counted = [(one.pass_number, one.passes, one.step, one.steps) for one in told if one.stage == "denoising"]
    assert counted == [(1, 2, n, 3) for n in (1, 2, 3)] + [(2, 2, n, 2) for n in (1, 2)]
    assert [(one.steps, one.width) for one in WISH.passes] == [(3, SIDE), (2, SIDE)]
    assert apart(result.image, made(engine, refiner=None).image) > 10


def test_noise_that_is_drawn_while_sampling_goes_on(engine: Any) -> None:
    """A sampler that draws at each step: the refiner's draws are none that the picture has seen already."""
    import diffusers

    def ancestral(parts: Any) -> Any:
        return diffusers.EulerAncestralDiscreteScheduler(**ddim_options(parts), timestep_spacing="linspace")

    result = made(engine, sampler="Euler a")
    assert apart(result.image, theirs(pipelines_of(engine, scheduler=ancestral))) <= 1


def ddim_options(parts: Any) -> dict[str, Any]:
    told = ("num_train_timesteps", "beta_start", "beta_end", "beta_schedule")
    return {name: parts.scheduler_config[name] for name in told}


def drawn() -> Image.Image:
    small = np.random.default_rng(3).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((SIDE, SIDE), Image.Resampling.BICUBIC)


def test_a_start_picture_counts_the_steps_it_skips(engine: Any) -> None:
    result = made(engine, init=InitImage(image=drawn(), strength=0.8))
    other = theirs(pipelines_of(engine, "StableDiffusionXLImg2ImgPipeline"), image=drawn(), strength=0.8)
    assert apart(result.image, other) <= 1
    assert [one["steps_run"] for one in result.facts["passes"]] == [2, 2]


def test_what_lies_outside_of_the_mask_stays(engine: Any) -> None:
    mask = Image.new("L", (SIDE, SIDE))
    mask.paste(255, (0, 0, SIDE // 2, SIDE))
    for soft in (False, True):
        told = {"init": InitImage(image=drawn()), "inpaint": Inpaint(mask=mask, mask_blur=0, soft=soft)}
        result, alone = made(engine, **told).image, made(engine, **told, refiner=None).image
        half = (SIDE // 2, 0, SIDE, SIDE)
        assert apart(result.crop(half), drawn().crop(half)) == 0
        assert apart(result, alone) > 2


@pytest.mark.parametrize("sampler", ["PLMS", "Heun", "DPM++ 2M", "DPM++ SDE"])
def test_every_kind_of_sampler_is_handed_over_after_a_whole_step(engine: Any, sampler: str) -> None:
    """By the same model there is nothing to see but in samplers that remember steps, which begin anew."""
    calls = {"PLMS": (4, 3), "Heun": (6, 3), "DPM++ 2M": (3, 2), "DPM++ SDE": (6, 3)}[sampler]
    result = made(engine, sampler=sampler)
    assert tuple(one["model_calls"] for one in result.facts["passes"]) == calls


def test_handed_to_the_same_weights_it_is_one_run(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Prompts that change, and what counts its steps, count those of both."""
    from pipelines.engines import unet

    monkeypatch.setattr(engine.manager, "beside", lambda name, *_, **__: engine.manager.get("base"))
    monkeypatch.setattr(unet.refiners, "check", lambda *_: None)
    wish: dict[str, Any] = {"prompt": "a [red:blue:0.8] star", "sampler": "Euler a"}
    both = engine.generate(batch_of(replace(WISH, **wish), 7), ignore)[0]
    alone = engine.generate(batch_of(replace(WISH, refiner=None, **wish), 7), ignore)[0]
    assert both.image.tobytes() == alone.image.tobytes()
    assert [one["name"] for one in both.facts["passes"]] == ["first picture", "refiner"]


def test_the_second_pass_is_the_one_that_it_ends(engine: Any) -> None:
    result = made(engine, hires=Hires(by=1.5, strength=0.8), refiner=Refiner(model="refiner", switch_at=0.4))
    assert result.image.size == (192, 192)
    told = [(one["name"], one["steps_run"]) for one in result.facts["passes"]]
    assert told == [("first picture", 5), ("hires", 1), ("refiner", 3)]
    assert [one.steps for one in result.request.passes] == [5, 1, 3]


def test_it_is_recorded_by_its_hash_and_the_picture_made_again(engine: Any) -> None:
    result = made(engine)
    info = next(one for one in engine.models() if one.name == "refiner")
    assert result.facts["refiner"] == {"name": "refiner", "sha256": engine._hash(info)}
    again = engine.generate(batch_of(result.request, 7), ignore)[0]
    assert again.image.tobytes() == result.image.tobytes()


def test_a_picture_kept_before_the_refiner_needs_none(engine: Any) -> None:
    result = made(engine, stop_after=3)
    assert "passes" not in result.facts
    assert [one.steps for one in result.request.passes] == [3]
    assert result.image.tobytes() == made(engine, stop_after=3, refiner=None).image.tobytes()
    later = made(engine, stop_after=4)
    assert [one["steps_run"] for one in later.facts["passes"]] == [3, 1]


@pytest.mark.parametrize(
    ("changes", "field", "code"),
    [
        ({"refiner": Refiner(model="gone")}, "refiner_model", "choice"),
        ({"refiner": Refiner()}, "refiner_model", "refiner_needed"),
        ({"refiner": Refiner(model="base")}, "refiner_model", "refiner_same"),
        ({"refiner": Refiner(model="sd1")}, "refiner_model", "refiner_family"),
        ({"refiner": Refiner(model=BUILTIN)}, "refiner_model", "refiner_family"),
        ({"model": "sd1"}, "refiner", "refiner_base"),
        ({"model": BUILTIN}, "refiner", "refiner_base"),
    ],
)
def test_what_cannot_be_refined_is_told_before_the_queue(tmp_path: Path, changes: Any, field: str, code: str) -> None:
    from pipelines.engines.fake import FakeEngine

    write_model(tmp_path / "base.safetensors", checkpoint(2048))
    write_model(tmp_path / "refiner.safetensors", checkpoint(1280, refiner=True))
    write_model(tmp_path / "sd1.safetensors", checkpoint(768))
    engine = FakeEngine(folders=[tmp_path])
    try:
        engine.check(WISH)
        with pytest.raises(InvalidRequest) as caught:
            engine.check(replace(WISH, **changes))
    finally:
        engine.close()
    assert (caught.value.field, caught.value.note.code) == (field, code)


def test_where_no_refiner_lies_at_all(tmp_path: Path) -> None:
    from pipelines.engines.fake import FakeEngine

    write_model(tmp_path / "base.safetensors", checkpoint(2048))
    engine = FakeEngine(folders=[tmp_path])
    try:
        with pytest.raises(InvalidRequest) as caught:
            engine.check(replace(WISH, refiner=Refiner(model="gone")))
    finally:
        engine.close()
    assert (caught.value.field, caught.value.note.code) == ("refiner_model", "refiner_none_here")


@pytest.mark.parametrize(
    ("share", "steps", "strength", "low", "high"),
    [(0.99, 5, 1.0, 0.01, 0.8), (0.4, 10, 0.5, 0.51, 0.9)],
)
def test_both_run_a_step(share: float, steps: int, strength: float, low: float, high: float) -> None:
    init = InitImage(image=drawn(), strength=strength)
    with pytest.raises(InvalidRequest) as caught:
        replace(WISH, steps=steps, init=init, refiner=Refiner(switch_at=share))
    told = caught.value.note
    assert (told.code, told.values["low"], told.values["high"]) == ("refiner_shares", low, high)
    for edge in (low, high):
        replace(WISH, steps=steps, init=init, refiner=Refiner(switch_at=edge))
    with pytest.raises(InvalidRequest) as caught:
        replace(WISH, steps=1)
    assert (caught.value.field, caught.value.note.code) == ("refiner", "refiner_one_step")


def test_on_a_card_the_two_take_turns(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The card has room for one of them: each layer's weights are there when it works."""
    from dataclasses import fields

    from tests.engines.card import CardPlacement, checked

    plain, real = made(engine), engine.manager.placement
    models = engine.manager.beside("refiner"), engine.manager.current
    sizes = [sum(4 * one.numel() for part in model.modules for one in part.parameters()) for model in models]
    placed = CardPlacement(**{item.name: getattr(real, item.name) for item in fields(real)})
    monkeypatch.setattr(engine.manager, "placement", placed)
    engine.manager.clear()
    with checked(placed.card, monkeypatch):
        again = made(engine)
    assert again.image.tobytes() == plain.image.tobytes()
    assert placed.card.peak == max(sizes)
    assert placed.card.used == sizes[1]  # the model itself, for the next picture
    engine.manager.clear()


def test_details_are_repainted_by_the_first_model(engine: Any) -> None:
    plain, result = made(engine), made(engine, detail=Detail(boxes="0,0,48,48", strength=0.6, size=128))
    assert [one["name"] for one in result.facts["passes"]] == ["first picture", "refiner", "details"]
    changed = (np.asarray(plain.image) != np.asarray(result.image)).any(axis=2)
    assert changed[:48, :48].mean() > 0.5
    assert not changed[80:].any()
    assert not changed[:, 80:].any()
    assert engine.generate(batch_of(result.request, 7), ignore)[0].image.tobytes() == result.image.tobytes()


def test_graphs_of_one_are_gone_when_the_other_works(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.engines import running
    from pipelines.engines.replay import Replays
    from tests.engines.recording import Tapes

    steps: dict[str, Any] = {"steps": 8, "refiner": Refiner(model="refiner", switch_at=0.5)}
    tapes, held = Tapes(), list[int]()
    plain = made(engine, **steps)
    replays, arrange = Replays(tapes), running.arrange
    monkeypatch.setattr(engine, "replays", replays)
    monkeypatch.setattr(running, "arrange", lambda *given: (held.append(replays.bytes), arrange(*given)))
    result = made(engine, **steps)
    assert tapes.took().count("capture") == 2
    assert set(held) == {0}
    assert [one["replayed"] for one in result.facts["passes"]] == [True, True]
    assert result.image.tobytes() == plain.image.tobytes()
