"""The token map of Compel's dialect: what compel's own parser and provider make of a text, told without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import InvalidRequest
from pipelines.families.builtin import FOLDER as BUILTIN
from pipelines.models.listing import Listing
from pipelines.models.reading import PromptReader
from pipelines.models.vocabulary import MARKS, Words, folder_vocabulary
from pipelines.prompts.compel_parsing import compel_map, parts_of
from pipelines.tokens import PromptReading
from tests.counting import calls_of

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def reader() -> PromptReader:
    return PromptReader(Listing([]))


def read(reader: PromptReader, text: str) -> PromptReading:
    return reader.read("builtin", text, dialect="compel")


def shown(reading: PromptReading) -> list[list[tuple[str, float]]]:
    return [[(one.text, round(one.weight, 4)) for one in chunk.tokens] for chunk in reading.encoders[0]]


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("a red++ star", [("a", 1.0), ("red", 1.21), ("star", 1.0)]),  # a plus is 1.1
        ("a red- star", [("a", 1.0), ("red", 0.9), ("star", 1.0)]),  # a minus is 0.9
        ("a (red star)1.3, sea", [("a", 1.0), ("red", 1.3), ("star", 1.3), (",", 1.0), ("sea", 1.0)]),
        ("((red)1.5 star)0.5", [("red", 0.75), ("star", 0.5)]),
        ("red <lora:x:1>", [("red", 1.0)]),
        ("a (red", [("a", 1.0), ("(", 1.0), ("red", 1.0)]),
        ("", []),
    ],
)
def test_tokens_have_the_weights_of_the_language(
    reader: PromptReader, text: str, tokens: list[tuple[str, float]]
) -> None:
    reading = read(reader, text)
    assert shown(reading) == [tokens]
    assert (reading.weights, reading.changes) == ((1.0,), False)


def test_parts_of_and_and_blend(reader: PromptReader) -> None:
    joined = read(reader, '("a red++ star", "a boat").and(1, 0.5)')
    assert shown(joined) == [[("a", 1.0), ("red", 1.21), ("star", 1.0)], [("a", 1.0), ("boat", 1.0)]]
    assert (joined.weights, [chunk.part for chunk in joined.encoders[0]]) == ((1.0, 0.5), [0, 1])
    assert read(reader, '("a star", "a boat").blend(0.7, 0.3)').weights == (0.7, 0.3)


def test_what_it_cannot_read_is_told(reader: PromptReader) -> None:
    with pytest.raises(InvalidRequest, match=r"^prompt: compel_swap"):
        read(reader, '"cat".swap("dog") a')
    with pytest.raises(InvalidRequest, match=r"^negative_prompt: compel_lora"):
        reader.read("builtin", "withLora(x, 1) a", negative=True, dialect="compel")


SYNTAX = st.lists(
    st.sampled_from(
        ["red", "star", "a", " ", " ", ",", ".", "+", "-", "(", ")", "1.2", "0.5", "\\(", "\\)", "3", "!!"]
    ),
    max_size=14,
).map("".join)


@pytest.mark.torch
def test_it_reads_as_compel_does() -> None:
    """Words that were parsed one by one, against the whole text by compel's own function; chunks, ids and weights
    against those that compel encodes."""
    compel = pytest.importorskip("compel")
    torch = pytest.importorskip("torch")
    from pipelines.prompts.compel_dialect import _Marked

    tokenizer: Any = Words(folder_vocabulary(BUILTIN / "tokenizer"))
    tokenizer.bos_token_id, tokenizer.eos_token_id = map(tokenizer.convert_tokens_to_ids, MARKS)
    tokenizer.pad_token_id = tokenizer.eos_token_id
    provider = compel.EmbeddingsProvider(_Marked(tokenizer), torch.nn.Identity(), truncate=False, device="cpu")

    def same(text: str) -> None:
        (prompt,) = compel.Compel.parse_prompt_string(text).prompts
        words, weights = [one.text for one in prompt.children], [one.weight for one in prompt.children]
        ids, expected, _ = provider.get_token_ids_and_expand_weights(words, weights, device="cpu")
        chunks = compel_map(tokenizer, parts_of(text))
        end = tokenizer.eos_token_id
        framed = [(tokenizer.bos_token_id, *(one.id for one in chunk.tokens), end) for chunk in chunks]
        assert [one for row in framed for one in (*row, *[end] * (77 - len(row)))] == ids.tolist()
        ours = [(1.0, *(one.weight for one in chunk.tokens), 1.0) for chunk in chunks]
        padded = [one for row in ours for one in (*row, *[1.0] * (77 - len(row)))]
        assert padded == pytest.approx(expected.tolist(), rel=1e-5)

    for text in (
        ". ".join(["a red star on the (blue)1.2 boat"] * 20),
        ", ".join(["a red star on the blue boat"] * 20),
        " ".join(["a red++ star on the blue boat"] * 20),
        "a,b ,, c,,,d .attend(1.2) (x).attend(+) , (a, (b)0.5 c)1.5-",
        "星" * 90,
    ):
        same(text)
    settings(max_examples=120, deadline=None)(given(SYNTAX)(same))()


def test_no_torch_is_loaded() -> None:
    program = (
        "import sys; from pipelines.prompts.compel_parsing import parts_of;"
        "assert parts_of('a red++ star')[0].fragments[1][0] == 'red';"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


def test_a_key_costs_no_more_than_the_word_it_adds(reader: PromptReader) -> None:
    """What stood there before is remembered; one more word is all there is to parse."""
    text = ", ".join([f"a (red)1.{number} star on the beach++" for number in range(20)])
    whole = calls_of(lambda: read(reader, text))
    for word in ("sea+", "boat+", "cat+"):
        key = calls_of(lambda word=word: read(reader, f"{text}, {word}"))
        assert key < whole / 4
