"""How a prompt is shown while it is typed: the ids that the encoder will get, without torch."""

import json
import shutil
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.errors import ModelError, Note
from pipelines.families.builtin import FOLDER as BUILTIN
from pipelines.models.listing import Listing
from pipelines.models.reading import PromptReader
from pipelines.models.vocabulary import Vocabulary, Words, clip_vocabulary, folder_vocabulary
from pipelines.tokens import PromptReading
from pipelines.types import BUILT_IN
from tests.counting import at_most
from tests.models.files import checkpoint, write_folder, write_model
from tests.refusals import failing

HARD = (
    "A big Blue, boat; at night!! 中文 😀",
    "don't we'll 123 café CAFE\u0301",
    "<|endoftext|> x",
    "\u00a0a\tb\n",
    "",
)


@pytest.fixture(scope="module")
def clip() -> Vocabulary:
    return Vocabulary(*clip_vocabulary())


def read(folder: Path, model: str, text: str) -> PromptReading:
    return PromptReader(Listing([folder])).read(model, text)


@pytest.mark.torch
@pytest.mark.parametrize("which", ["clip", "built-in"])
def test_it_cuts_as_transformers_does(clip: Vocabulary, which: str) -> None:
    from transformers import CLIPTokenizer

    if which == "clip":
        vocabulary, merges = clip_vocabulary()
        ours, theirs = clip, CLIPTokenizer(vocab=vocabulary, merges=merges, model_max_length=77)
    else:
        folder = BUILTIN / "tokenizer"
        ours, theirs = folder_vocabulary(folder), CLIPTokenizer.from_pretrained(folder, local_files_only=True)

    @settings(max_examples=150, deadline=None)
    @given(st.text(max_size=60))
    def same(text: str) -> None:
        expected = theirs([text], add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
        assert ours([text])["input_ids"] == expected

    for text in HARD:
        same.hypothesis.inner_test(text)
    same()
    assert len(ours) == len(theirs)
    assert ours.convert_ids_to_tokens([5, 300]) == theirs.convert_ids_to_tokens([5, 300])


def test_the_older_form_of_a_folder_reads_the_same(tmp_path: Path) -> None:
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(BUILTIN / "tokenizer" / name, tmp_path)
    text = "a red star, 中文 on the beach"
    assert folder_vocabulary(tmp_path)([text]) == folder_vocabulary(BUILTIN / "tokenizer")([text])


@pytest.mark.parametrize("broken", ["{", "{}", json.dumps({"model": {"vocab": {}, "merges": ["a b"]}})])
def test_a_damaged_one_is_told(tmp_path: Path, broken: str) -> None:
    (tmp_path / "tokenizer.json").write_text(broken)
    with pytest.raises(ModelError, match="tokenizer_damaged"):
        folder_vocabulary(tmp_path)
    with pytest.raises(ModelError, match="tokenizer_unreadable"):
        folder_vocabulary(tmp_path / "none")


def test_words_weights_chunks_and_parts(tmp_path: Path) -> None:
    reading = read(tmp_path, "builtin", "a (star:1.5) BREAK [a|star] AND b:0.5")
    (chunks,) = reading.encoders
    assert [[(one.text, one.weight) for one in chunk.tokens] for chunk in chunks] == [
        [("a", 1.0), ("star", 1.5)],
        [("a", 1.0)],
        [("b", 1.0)],
    ]
    assert (reading.changes, reading.weights, [chunk.part for chunk in chunks]) == (True, (1.0, 0.5), [0, 0, 1])
    negative = PromptReader(Listing([])).read("builtin", "a AND b:0.5", negative=True)
    assert [one.text for one in negative.encoders[0][0].tokens] == ["a", "and", "b", ":", "0", ".", "5"]


def test_letters_it_does_not_know_are_shown_as_their_bytes(tmp_path: Path) -> None:
    tokens = read(tmp_path, "builtin", "星").encoders[0][0].tokens
    assert bytes.fromhex("".join(one.text for one in tokens)) == "星".encode()
    assert [one.ends_word for one in tokens] == [False] * (len(tokens) - 1) + [True]


def test_sdxl_has_two_encoders(tmp_path: Path) -> None:
    write_model(tmp_path / "xl.safetensors", checkpoint(2048))
    first, second = read(tmp_path, "xl", "a cat").encoders
    assert first == second
    assert [one.id for one in first[0].tokens] == [320, 2368]  # "a" and "cat" in OpenAI's vocabulary


def test_a_folder_brings_its_own_words(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "mine")
    shutil.copytree(BUILTIN / "tokenizer", folder / "tokenizer")
    assert read(tmp_path, "mine", "a red star").encoders == read(tmp_path, "builtin", "a red star").encoders
    (folder / "tokenizer" / "tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match="tokenizer_damaged"):
        read(tmp_path, "mine", "a red star")


def test_a_learned_word_is_its_vectors(tmp_path: Path, clip: Vocabulary) -> None:
    write_model(tmp_path / "base.safetensors", checkpoint())
    header = json.dumps({"emb_params": {"dtype": "F32", "shape": [3, 768], "data_offsets": [0, 9216]}}).encode()
    (tmp_path / "CoolWord.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(9216))
    (chunk,) = read(tmp_path, "base", "a (coolword:1.2) cat").encoders[0]
    end = len(clip)
    assert [(one.text, one.id, one.weight, one.learned, one.ends_word) for one in chunk.tokens] == [
        ("a", 320, 1.0, False, True),
        ("coolword", end, 1.2, True, False),
        ("coolword", end + 1, 1.2, True, False),
        ("coolword", end + 2, 1.2, True, True),
        ("cat", 2368, 1.0, False, True),
    ]
    assert not any(one.learned for one in read(tmp_path, "builtin", "a coolword cat").encoders[0][0].tokens)


@pytest.mark.parametrize("dialect", ["a1111", "compel"])
@pytest.mark.parametrize("text", ["GoodHands (1) cat", r"GoodHands \(1\) cat"])
def test_a_learned_word_with_brackets_is_read_as_under_a_plain_name(tmp_path: Path, text: str, dialect: str) -> None:
    write_model(tmp_path / "base.safetensors", checkpoint())
    case = Path(__file__).parents[1] / "data" / "cases" / "10" / "GoodHands (1).safetensors"
    shutil.copy(case, tmp_path)
    shutil.copy(case, tmp_path / "plain.safetensors")
    reader = PromptReader(Listing([tmp_path]))

    def ids(words: str) -> list[tuple[int, float]]:
        ((chunk,),) = reader.read("base", words, dialect=dialect).encoders
        return [(one.id, one.weight) for one in chunk.tokens]

    assert ids(text) == ids("plain cat")
    assert len(ids(text)) == 4


def test_learned_words_have_names_among_others(clip: Vocabulary) -> None:
    words = Words(clip)
    words.learn({"Mine": range(len(clip), len(clip) + 2)})
    ids = words(["a mine cat"])["input_ids"][0]
    assert words.convert_ids_to_tokens(ids) == ["a</w>", "mine", "mine</w>", "cat</w>"]


def test_a_folder_without_a_tokenizer_is_told(tmp_path: Path) -> None:
    write_folder(tmp_path / "bare")
    with failing(ModelError, "of_model", name="bare", problem=Note("no_tokenizer")):
        read(tmp_path, "bare", "a")


def test_both_built_in_models_read_alike(tmp_path: Path) -> None:
    one, other = (read(tmp_path, name, "a red star") for name in BUILT_IN)
    assert one.encoders == other.encoders


def test_an_unknown_model_is_told(tmp_path: Path) -> None:
    with failing(ModelError, "model_missing", name="nobody"):
        read(tmp_path, "nobody", "a")


def test_a_long_prompt_is_little_work_at_every_key(tmp_path: Path) -> None:
    reader = PromptReader(Listing([tmp_path]))
    text = ", ".join(["a (red:1.2) star on the beach"] * 60)
    reader.read("builtin", text)
    with at_most(50_000):  # 16,000 were counted
        (chunks,) = reader.read("builtin", text).encoders
    assert sum(len(chunk.tokens) for chunk in chunks) == 60 * 6 + 59
