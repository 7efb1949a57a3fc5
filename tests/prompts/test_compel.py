"""Compel's dialect: held to our own encoder where both languages say the same, and to its rules where they do not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest, GenerationResult

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.local import LocalEngine  # noqa: E402
from pipelines.models.vocabulary import Words  # noqa: E402
from pipelines.prompts.compel_dialect import _conjunction  # noqa: E402
from pipelines.prompts.compel_parsing import read_compel  # noqa: E402
from pipelines.prompts.encoding import PromptEncoder  # noqa: E402
from pipelines.prompts.wish import read  # noqa: E402
from tests.engines.conftest import batch_of, ignore  # noqa: E402
from webui.archive.inputs import InputStore  # noqa: E402
from webui.archive.metadata import request_from_json, request_to_json  # noqa: E402

LONG = ". ".join(["a red star on the blue boat"] * 20)


@pytest.fixture(scope="module")
def encoder(pipelines_by_dtype: dict[str, Any]) -> PromptEncoder:
    pipeline = pipelines_by_dtype["float32"]
    return PromptEncoder(Words(pipeline.tokenizer), pipeline.text_encoder)


def compel(encoder: PromptEncoder, text: str, **options: Any) -> Any:
    return encoder.encode_compel(text, **options).at(1)[0][0]


def a1111(encoder: PromptEncoder, text: str, **options: Any) -> Any:
    return encoder.encode(text, steps=1, **options).at(1)[0][0]


@pytest.mark.parametrize("clip_skip", [1, 2])
def test_a_plain_prompt_is_the_same_in_both(encoder: PromptEncoder, clip_skip: int) -> None:
    for text in ("", "a red star", "a red star <lora:none:1>"):
        found, expected = (encoded(encoder, text, clip_skip=clip_skip) for encoded in (compel, a1111))
        torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_and_is_break(encoder: PromptEncoder) -> None:
    found = compel(encoder, '("a red star", "a blue boat").and()')
    torch.testing.assert_close(found, a1111(encoder, "a red star BREAK a blue boat"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("text", "weight"), [("a red++ star", 1.21), ("a (red)1.3 star", 1.3), ("a red+ star", 1.1)])
def test_a_weight_moves_away_from_the_empty_prompt(encoder: PromptEncoder, text: str, weight: float) -> None:
    plain, empty = (a1111(encoder, one).double() for one in ("a red star", ""))
    expected = plain.clone()
    expected[0, 2] = empty[0, 2] + (plain[0, 2] - empty[0, 2]) * weight  # begin mark, a, red
    torch.testing.assert_close(compel(encoder, text).double(), expected, rtol=1e-4, atol=1e-4)


def test_blend_is_the_weighted_mean(encoder: PromptEncoder) -> None:
    star, boat = (a1111(encoder, text) for text in ("a red star", "a boat"))
    found = compel(encoder, '("a red star", "a boat").blend(0.25, 0.75)')
    torch.testing.assert_close(found, 0.25 * star + 0.75 * boat, rtol=1e-4, atol=1e-4)


def test_nothing_of_a_long_prompt_is_cut(encoder: PromptEncoder) -> None:
    assert compel(encoder, LONG).shape[1] == 77 * 3  # 20 sentences of 8 tokens, 9 in a chunk
    changed = compel(encoder, LONG[:-4] + "house")
    assert not torch.equal(changed[:, 154:], compel(encoder, LONG)[:, 154:])


def test_a_learned_word_is_all_its_vectors(pipelines_by_dtype: dict[str, Any]) -> None:
    pipeline = pipelines_by_dtype["float32"]
    star = pipeline.tokenizer.convert_tokens_to_ids("star</w>")
    words = Words(pipeline.tokenizer)
    words.learn({"mine": [star, star]})
    encoder = PromptEncoder(words, pipeline.text_encoder)
    torch.testing.assert_close(compel(encoder, "a red mine"), a1111(encoder, "a red star star"), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ('a "cat".swap("dog")', "compel_swap"),
        ("withLora(x, 1) a", "compel_lora"),
        ("(" * 5000 + "a" + ")" * 5000, "compel_unreadable"),
    ],
)
def test_what_compel_leaves_out_or_cannot_read_is_refused(encoder: PromptEncoder, text: str, rule: str) -> None:
    with pytest.raises(InvalidRequest, match=f"^prompt: {rule}"):
        compel(encoder, text)
    with pytest.raises(InvalidRequest, match=f"^negative_prompt: {rule}"):
        read(text, "compel", "negative_prompt")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a red star",
        "a red++ star, a- b- (c d)0.8 e",
        r"a \(red\) st\\\(ar\)",
        '("a red+ star", "a boat").and()',
        '("a red+ star", "a boat", "c").blend(0.7, 0.3, 1)',
        '("a", "b").blend(1, 1, no_normalize)',
        '("a", "b").and(0.5, 2)',
        "(a (b)1.2 c)0.5, d.",
    ],
)
def test_what_is_handed_on_is_what_compels_own_parser_makes(text: str) -> None:
    from compel.prompt_parser import PromptParser

    assert repr(_conjunction(read_compel(text))) == repr(PromptParser().parse_conjunction(text))


def test_nested_brackets_multiply_and_do_not_take_forever(encoder: PromptEncoder) -> None:
    deep = "a " + "(" * 7 + "red" + ")1.1" * 7 + " star"
    torch.testing.assert_close(compel(encoder, deep), compel(encoder, f"a (red){1.1**7} star"), rtol=1e-3, atol=1e-3)


def test_clip_skip_goes_as_far_as_compel_does(encoder: PromptEncoder) -> None:
    with pytest.raises(InvalidRequest, match="clip_skip_compel"):
        compel(encoder, "a", clip_skip=3)


def test_it_is_computed_once(encoder: PromptEncoder) -> None:
    assert compel(encoder, "a red+ boat") is compel(encoder, "a red+ boat")


@pytest.fixture(scope="module")
def engine() -> Iterator[LocalEngine]:
    engine = LocalEngine(device="cpu")
    yield engine
    engine.close()


def test_a_picture_is_made_again_from_its_record(engine: LocalEngine, tmp_path: Path) -> None:
    def made(request: GenerationRequest) -> GenerationResult:
        (result,) = engine.generate(batch_of(request, 5), ignore)
        return result

    request = GenerationRequest(
        prompt='("a red++ star", "a boat").blend(0.7, 0.3)',
        negative_prompt="blue++",
        dialect="compel",
        steps=2,
        width=64,
        height=64,
        seed=5,
    )
    first = made(request)
    inputs = InputStore(tmp_path)
    again = made(request_from_json(request_to_json(first.request, inputs), inputs))
    assert np.array_equal(np.asarray(first.image), np.asarray(again.image))
    assert first.facts["prompt_weighting"].startswith("compel ")
    other = made(replace(request, dialect="a1111"))
    assert not np.array_equal(np.asarray(first.image), np.asarray(other.image))
    assert other.facts["prompt_weighting"] == "a1111 mean"
