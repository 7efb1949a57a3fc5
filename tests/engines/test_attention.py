"""Where words look: maps held to diffusers' own attention scores; asking for them changes no pixel."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.engines import messages
from pipelines.errors import InvalidRequest, Note
from pipelines.prompts.wish import wish_of
from pipelines.types import GenerationRequest, GenerationResult
from pipelines.watching import Attention

from .conftest import Run, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.conditioning import NEGATIVE, POSITIVE, Rows  # noqa: E402
from pipelines.engines.local import LocalEngine  # noqa: E402
from pipelines.engines.modifiers.attention import Watcher  # noqa: E402
from pipelines.engines.modifiers.base import Call  # noqa: E402

WISH = GenerationRequest(
    prompt="a (red:1.2) star and a blue boat", steps=3, width=128, height=64, seed=3, sampler="Euler", guidance=3.0
)


def made(
    engine: LocalEngine, request: GenerationRequest, *seeds: int, attention: bool = True
) -> list[GenerationResult]:
    return engine.generate(replace(batch_of(request, *seeds), attention=attention), ignore)


def maps(look: Attention | None) -> dict[str, Any]:
    assert look is not None
    data = np.frombuffer(look.maps, "<f4").reshape(len(look.words), look.height, look.width)
    return dict(zip(look.words, data, strict=True))


@pytest.mark.parametrize(
    "changes",
    [{}, {"guidance": 1.0}, {"prompt": "[a star|a boat] AND a fish:0.5"}, {"sampler": "Heun"}],
    ids=["plain", "no guidance", "AND and schedule", "two calls a step"],
)
def test_watching_changes_no_pixel(engine: LocalEngine, changes: dict[str, Any]) -> None:
    request = replace(WISH, **changes)
    plain, watched = (made(engine, request, 3, 4, attention=asked) for asked in (False, True))
    for one, other in zip(plain, watched, strict=True):
        assert one.attention is None
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))
        assert other.attention is not None
        data = np.frombuffer(other.attention.maps, "<f4")
        assert data.size == len(other.attention.words) * other.attention.width * other.attention.height
        assert np.isfinite(data).all()
        assert 0 <= data.min() < data.max() <= 1


def test_the_words_are_those_of_the_prompt(engine: LocalEngine) -> None:
    (result,) = made(engine, WISH, 3)
    assert result.attention is not None
    assert result.attention.words == ("a", "red", "star", "and", "a", "blue", "boat")
    assert (result.attention.width, result.attention.height) == (32, 16)  # latents: a quarter
    (other,) = made(engine, replace(WISH, prompt="[a star:a fish:2] AND boat BREAK moon"), 3)
    assert other.attention is not None
    assert sorted(other.attention.words) == ["a", "boat", "fish", "moon", "star"]


@pytest.fixture
def scores(engine: LocalEngine) -> Iterator[list[Any]]:
    """The softmaxed scores of every cross-attention as diffusers' plain processor works them out."""
    from diffusers.models.attention_processor import Attention as Layer
    from diffusers.models.attention_processor import AttnProcessor

    engine.warm_up()
    unet = engine.manager.get("builtin").parts.unet
    found: list[Any] = []
    original, before = Layer.get_attention_scores, dict(unet.attn_processors)

    def kept(self: Any, query: Any, key: Any, mask: Any = None) -> Any:
        result = original(self, query, key, mask)
        if key.shape[1] == 77:
            found.append((self.heads, result.clone()))
        return result

    Layer.get_attention_scores = kept
    unet.set_attn_processor(AttnProcessor())
    yield found
    Layer.get_attention_scores = original
    unet.set_attn_processor(before)


def test_the_maps_are_the_mean_of_diffusers_own_scores(engine: LocalEngine, scores: list[Any]) -> None:
    (result,) = made(engine, replace(WISH, guidance=1.0), 3)
    assert len(scores) % WISH.steps == 0
    layers = [weights.view(1, heads, *weights.shape[1:])[0] for heads, weights in scores]  # (heads, places, tokens)
    for word, token in (("red", 2), ("boat", 7)):
        expected = np.mean([float(layer[..., token].mean()) for layer in layers for _ in range(len(layer))])
        weighted = [float(head[..., token].mean()) for layer in layers for head in layer]
        assert expected == pytest.approx(np.mean(weighted), rel=0.2)
        assert float(maps(result.attention)[word].mean()) == pytest.approx(np.mean(weighted), rel=0.05)
    # the finest layer's place of most attention is near the map's
    finest = max(layer.shape[1] for layer in layers)
    total = sum(layer[..., 3].sum(0) for layer in layers if layer.shape[1] == finest)
    height = round((finest / 2) ** 0.5)
    row, column = divmod(int(total.argmax()), finest // height)
    far = np.abs(
        np.array(np.unravel_index(maps(result.attention)["star"].argmax(), (16, 32))) * height / 16 - (row, column)
    )
    assert far.max() <= 2.5


def test_each_image_of_a_batch_has_its_own(engine: LocalEngine) -> None:
    first, second = made(engine, WISH, 3, 4)
    (alone,) = made(engine, WISH, 4)
    one, other, single = (maps(result.attention)["star"] for result in (first, second, alone))
    assert not np.allclose(one, other, atol=1e-5)
    np.testing.assert_allclose(other, single, atol=1e-4)


def test_hooks_are_gone_afterwards(engine: LocalEngine) -> None:
    made(engine, WISH, 3)
    unet = engine.manager.get("builtin").parts.unet
    assert not any(module._forward_pre_hooks for name, module in unet.named_modules() if name.endswith("attn2"))


def test_compels_words_cannot_be_told_apart(engine: LocalEngine) -> None:
    with pytest.raises(InvalidRequest) as caught:
        made(engine, replace(WISH, dialect="compel"), 3)
    assert caught.value.field == "dialect"
    assert caught.value.note == Note("attention_dialect", dialect="a1111", value="compel")


def test_maps_travel_between_the_processes(run: Run) -> None:
    (result,) = run(steps=1)
    look = Attention(words=("a", "猫"), width=2, height=1, maps=np.arange(4, dtype="<f4").tobytes())
    results = [replace(result, attention=look), replace(result, position=1)]
    batch = batch_of(result.request, 1, 2)
    back = messages.to_results(messages.unpack(messages.pack(messages.from_results(results, 1))), batch)
    assert [one.attention for one in back] == [look, None]
    assert messages.to_batch(messages.from_batch(replace(batch, attention=True), 1)).attention


@pytest.mark.parametrize(("places", "size"), [(4096, (64, 64)), (1024, (32, 32)), (70, (7, 10)), (20, (4, 5))])
def test_levels_halve_and_round_up(places: int, size: tuple[int, int]) -> None:
    from pipelines.engines.modifiers.attention import grid_of

    latents = (64, 64) if places > 100 else (13, 20)
    assert grid_of(places, *latents) == size


def test_it_needs_no_more_than_one_head_at_a_time(engine: LocalEngine) -> None:
    parts = engine.manager.get("builtin").parts
    watcher, unet = Watcher(parts.tokenizers[0], wish_of(WISH), WISH.steps), parts.unet
    words = torch.zeros(1, 77, unet.config.cross_attention_dim, dtype=unet.dtype)
    latents = torch.zeros(1, 4, 16, 32, dtype=unet.dtype)
    call = Call(
        number=0,
        calls=1,
        step=1,
        timestep=torch.tensor(1),
        latents=latents,
        sample=latents.expand(2, -1, -1, -1),
        rows=(Rows(role=NEGATIVE, words=words), Rows(role=POSITIVE, words=words)),
        words=words.expand(2, -1, -1),
        conditions=None,
    )
    watcher.call(call)
    with watcher.applied_to(unet):
        unet(call.sample, 1, encoder_hidden_states=call.words)
    kept = sum(total.numel() for sums in watcher._sums.values() for total in sums.values())
    assert 0 < kept <= 7 * 2 * 16 * 32  # words × levels × places, whatever the steps, heads and layers
