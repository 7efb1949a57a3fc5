"""The built-in model of masked tokens: what it draws is what was asked for, and its tokens say what a picture shows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipelines.types import BUILTIN_TOKENS, GenerationRequest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
numpy = pytest.importorskip("numpy")

REQUEST = GenerationRequest(model=BUILTIN_TOKENS, sampler="MaskGIT", steps=8, guidance=3.0, width=128, height=128)
COLOURS = {"blue": (40, 85, 220), "green": (45, 160, 65), "black": (28, 28, 33), "purple": (130, 55, 190)}


@pytest.fixture(scope="module")
def engine() -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine(device="cpu")
    yield engine
    engine.close()


def made(engine: Any, prompt: str, seed: int = 7) -> Any:
    request = replace(REQUEST, prompt=prompt, seed=seed)
    batch = replace(next(request.batches_from(seed)), threads=1)
    return engine.generate(batch, lambda _: None)[0]


@pytest.mark.parametrize("colour", COLOURS)
def test_the_background_has_the_colour_that_was_asked_for(engine: Any, colour: str) -> None:
    pixels = numpy.asarray(made(engine, f"a yellow moon on a {colour} background").image, dtype=int)
    edges = numpy.concatenate([pixels[:6].reshape(-1, 3), pixels[-6:].reshape(-1, 3)])
    distances = {name: float(numpy.abs(edges - one).sum(1).mean()) for name, one in COLOURS.items()}
    assert min(distances, key=lambda name: distances[name]) == colour
    middle = pixels[32:96, 24:104].reshape(-1, 3)
    assert (numpy.abs(middle - (250, 215, 45)).sum(1) < 120).mean() > 0.1  # and something yellow stands on it


def test_the_record_names_the_model_that_it_shares_parts_with(engine: Any) -> None:
    facts = made(engine, "a red star").facts
    assert facts["shared_parts"] == {"name": "builtin", "sha256": engine._hash(engine._listing.find("builtin"))}
    assert facts["shared_parts"]["sha256"] != facts["model"]["sha256"]


def test_a_picture_of_the_world_comes_back_out_of_its_tokens(engine: Any) -> None:
    """16 x 16 tokens of ten bits for 128 x 128 pixels."""
    import random

    from pipelines.engines.tokens import decoded, encoded
    from tools.train_builtin.render import render
    from tools.train_builtin.world import draw_picture

    parts = engine._load(BUILTIN_TOKENS).parts
    chance, errors = random.Random("held out"), list[float]()
    with torch.no_grad():
        for _ in range(8):
            image = render(draw_picture(chance, held_out=True), chance).image
            tokens = encoded(parts, image)
            assert tokens.shape == (1, 16, 16)
            back = decoded(parts, tokens)
            errors.append(float(((numpy.asarray(back, float) - numpy.asarray(image, float)) ** 2).mean()))
    assert -10 * numpy.log10(numpy.mean(errors) / 255**2) > 24  # dB
