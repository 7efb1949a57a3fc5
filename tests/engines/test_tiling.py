"""Edges that meet: the networks cannot tell where one is, the pictures go on there, and nothing is left behind."""

from __future__ import annotations

import copy
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import Cancelled
from pipelines.groups import Hires
from pipelines.types import Batch, Progress
from tests.engines.conftest import SMALL, Run, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

AXES = {"x": (-1,), "y": (-2,), "both": (-1, -2)}  # of (…, height, width): along which a picture may be moved


def drawn(*shape: int) -> Any:
    return torch.randn(shape, generator=torch.Generator().manual_seed(3))


def moved(values: Any, axes: tuple[int, ...], by: int) -> Any:
    return torch.roll(values, [by] * len(axes), axes)


@pytest.fixture
def parts(engine: Any, run: Run) -> Any:
    run()
    return engine.manager.current.parts


def networks(parts: Any) -> tuple[tuple[Any, Any, int], ...]:
    """Each in single precision, with what calls it on latents, and how many times larger its answer is."""
    unet, vae = copy.deepcopy(parts.unet).float(), copy.deepcopy(parts.vae).float()
    words = drawn(1, 77, unet.config.cross_attention_dim)
    return (
        (unet, lambda latents: unet(latents, 500, encoder_hidden_states=words).sample, 1),
        (vae.decoder, lambda latents: vae.decode(latents).sample, parts.vae_factor),
    )


@pytest.mark.parametrize("tiling", AXES)
def test_a_moved_picture_is_the_picture_moved(parts: Any, tiling: str) -> None:
    from pipelines.engines.modifiers.tiling import edges_of, wrapped

    latents, axes, by = drawn(1, parts.latent_channels, 16, 16), AXES[tiling], 8
    for network, call, times in networks(parts):

        def off(tiled: bool, network: Any = network, call: Any = call, times: int = times) -> float:
            with torch.no_grad(), wrapped(network, edges_of(tiling)) if tiled else nullcontext():
                here, there = call(latents), call(moved(latents, axes, by))
            return float((moved(here, axes, by * times) - there).abs().max() / here.abs().max())

        assert off(True) < 1e-4
        assert off(False) > 0.01  # else the network knows no edge anyway, and nothing was shown


TREES = replace(SMALL, prompt="a yellow tree in a green meadow", steps=8, batch_size=8)
SEEDS = tuple(range(1, 9))


def seam(made: list[Any], axis: int, cell: int) -> float:
    """How far apart two neighbours are over the edge, along that axis, in times of those within the picture where two
    latents meet: within one the picture is smoother."""
    shares = []
    for image in made:
        lines = np.moveaxis(np.asarray(image).astype(float), axis - 1, 0)
        apart = np.abs(lines - np.roll(lines, 1, axis=0)).mean(axis=(1, 2))
        shares.append((apart[0], apart[cell::cell].mean()))
    over, within = np.mean(shares, axis=0)
    return float(over / within)


@pytest.mark.parametrize("tiling", ["none", *AXES])
def test_pictures_go_on_over_their_edges(engine: Any, parts: Any, tiling: str) -> None:
    made = engine.generate(batch_of(replace(TREES, tiling=tiling), *SEEDS), ignore)
    for axis in (-1, -2):
        found = seam([one.image for one in made], axis, parts.vae_factor)
        assert found < 1.5 if axis in AXES.get(tiling, ()) else found > 3, axis


@pytest.mark.parametrize("upscaler", ["latent", "lanczos"])
def test_both_passes_keep_the_edges(engine: Any, parts: Any, upscaler: str) -> None:
    wish = replace(TREES, tiling="both", hires=Hires(upscaler=upscaler))
    made = engine.generate(batch_of(wish, *SEEDS), ignore)
    for axis in AXES["both"]:
        # the VAE's encoder knows the edges; without any of it: 14
        assert seam([one.image for one in made], axis, parts.vae_factor) < 2


def test_a_picture_that_is_decoded_in_tiles_keeps_the_edges(parts: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.engines import decoding
    from pipelines.models.memory import Ways

    monkeypatch.setattr(decoding, "TILE", 64)
    latents = drawn(1, parts.latent_channels, 32, 32).to(parts.placement.dtype)
    with torch.no_grad():
        whole, tiled, plain = (
            decoding.decode(parts, latents, Ways(tiled=tiled), tiling)[0]
            for tiled, tiling in ((False, "both"), (True, "both"), (True, "none"))
        )
    assert tiled.size == plain.size == whole.size
    for axis in AXES["both"]:
        close, apart, wanted = (seam([one], axis, parts.vae_factor) for one in (tiled, plain, whole))
        assert abs(close - wanted) < 0.2 * abs(apart - wanted)


def test_nothing_is_left_behind(engine: Any, run: Run) -> None:
    def stopped(progress: Progress) -> None:
        if progress.stage == "denoising":
            raise Cancelled("stopped")

    before = run()[0].image.tobytes()
    tiled = run(tiling="both")[0]
    assert tiled.image.tobytes() != before
    assert run()[0].image.tobytes() == before
    with pytest.raises(Cancelled):
        engine.generate(batch_of(replace(SMALL, tiling="both"), 7), stopped)
    assert run()[0].image.tobytes() == before
    again = engine.generate(Batch.around(tiled.request, tiled.position, threads=1), ignore)[0]
    assert again.request.tiling == "both"
    assert again.image.tobytes() == tiled.image.tobytes()
