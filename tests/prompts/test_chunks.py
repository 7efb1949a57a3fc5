"""How tokens are cut into chunks, with a tokenizer of whole words: word number n has the id n."""

import re
from typing import ClassVar

import pytest

from pipelines.prompts.chunks import chunks_of, token_map
from pipelines.prompts.compel_parsing import compel_map, parts_of
from pipelines.prompts.grammar import parse


class WordTokenizer:
    """Ids: 0 padding, 1 begin, 2 end, 3 comma, then 1000 + n for "wn"."""

    model_max_length = 77
    pad_token_id, bos_token_id, eos_token_id = 0, 1, 2

    def __call__(self, texts: list[str], **options: object) -> dict[str, list[list[int]]]:
        assert options["add_special_tokens"] is False
        words = [re.findall(r"w\d+|,", text) for text in texts]
        return {"input_ids": [[3 if word == "," else 1000 + int(word[1:]) for word in row] for row in words]}

    def __len__(self) -> int:
        return 2000

    def convert_tokens_to_ids(self, token: str) -> int:
        return {",</w>": 3}[token]

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        return [",</w>" if token == 3 else f"w{token - 1000}</w>" for token in ids]


def words(first: int, last: int) -> str:
    return " ".join(f"w{n}" for n in range(first, last + 1))


def ids(first: int, last: int) -> list[int]:
    return list(range(1000 + first, 1001 + last))


def cut(text: str) -> list[list[int]]:
    """The chunks without marks and padding."""
    (part,) = parse(text).at(1, 1)
    chunks = chunks_of(WordTokenizer(), part.sections)
    for chunk in chunks:
        assert len(chunk.ids) == len(chunk.weights) == 77
        assert chunk.ids[0] == 1
    return [list(chunk.ids[1 : chunk.ids.index(2)]) for chunk in chunks]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", [[]]),
        (words(1, 75), [ids(1, 75)]),
        (words(1, 76), [ids(1, 75), ids(76, 76)]),
        (words(1, 200), [ids(1, 75), ids(76, 150), ids(151, 200)]),
        # a comma within the last 20 tokens: what follows it moves
        (f"{words(1, 60)}, {words(61, 80)}", [[*ids(1, 60), 3], ids(61, 80)]),
        (f"{words(1, 55)}, {words(56, 80)}", [[*ids(1, 55), 3], ids(56, 80)]),
        (f"{words(1, 54)}, {words(55, 80)}", [[*ids(1, 54), 3, *ids(55, 74)], ids(75, 80)]),
        # the comma is the last that fits, or the first that does not
        (f"{words(1, 74)}, {words(75, 80)}", [[*ids(1, 74), 3], ids(75, 80)]),
        (f"{words(1, 75)}, {words(76, 80)}", [ids(1, 75), [3, *ids(76, 80)]]),
        (f"{words(1, 60)}, {words(61, 74)}, w75", [[*ids(1, 60), 3, *ids(61, 74)], [3, 1075]]),
        # commas far back do not count, and a text that fits moves nothing
        (f"w1, {words(2, 80)}", [[1001, 3, *ids(2, 74)], ids(75, 80)]),
        (f"{words(1, 60)}, {words(61, 74)}", [[*ids(1, 60), 3, *ids(61, 74)]]),
        ("w1 BREAK w2", [[1001], [1002]]),
        ("BREAK w2", [[], [1002]]),
        ("w1 BREAK", [[1001]]),
        ("BREAK", [[]]),
        (f"{words(1, 75)} BREAK w2", [ids(1, 75), [1002]]),
        (f"{words(1, 60)}, w61 BREAK {words(62, 80)}", [[*ids(1, 60), 3, 1061], ids(62, 80)]),
    ],
)
def test_cutting(text: str, expected: list[list[int]]) -> None:
    assert cut(text) == expected


@pytest.mark.parametrize("count", [1, 74, 75, 76, 150, 151, 300])
def test_nothing_is_lost(count: int) -> None:
    commas = ", ".join(f"w{n}" for n in range(1, count + 1))
    assert [token for chunk in cut(commas) for token in chunk if token != 3] == ids(1, count)


def test_weights_stay_with_their_tokens() -> None:
    (part,) = parse(f"w1 (w2 w3:1.5) {words(4, 60)}, (w61:0.5) {words(62, 80)}").at(1, 1)
    weights = {}
    for chunk in chunks_of(WordTokenizer(), part.sections):
        weights.update(zip(chunk.ids, chunk.weights, strict=True))
    assert {token: weight for token, weight in weights.items() if weight != 1} == {1002: 1.5, 1003: 1.5, 1061: 0.5}


def test_padding_follows_the_end_mark_and_weighs_one() -> None:
    (part,) = parse("(w1:2)").at(1, 1)
    (chunk,) = chunks_of(WordTokenizer(), part.sections)
    assert chunk.ids == (1, 1001, 2, *[0] * 74)
    assert chunk.weights == (1, 2, *[1] * 75)


class LearnedTokenizer(WordTokenizer):
    """Words of several vectors: "e3" is 2000, 2001, 2002, "f2" 2003, 2004, "g80" 80 ids from 2005 on."""

    LEARNED: ClassVar = {"e3": range(2000, 2003), "f2": range(2003, 2005), "g80": range(2005, 2085)}

    def __call__(self, texts: list[str], **options: object) -> dict[str, list[list[int]]]:
        words = [re.findall(r"[a-z]\d+|,", text) for text in texts]
        known = super().__call__
        return {
            "input_ids": [
                [one for word in row for one in self.LEARNED.get(word) or known([word], **options)["input_ids"][0]]
                for row in words
            ]
        }

    def convert_ids_to_tokens(self, ids: list[int]) -> list[str]:
        names = {one: word + "</w>" * (one == own[-1]) for word, own in self.LEARNED.items() for one in own}
        return [names.get(one) or super(LearnedTokenizer, self).convert_ids_to_tokens([one])[0] for one in ids]


@pytest.mark.parametrize(
    ("text", "sizes"),
    [
        (f"{words(1, 72)} e3", [75]),
        (f"{words(1, 73)} e3", [73, 3]),
        (f"{words(1, 74)} (e3:1.3) w75", [74, 4]),
        (f"{words(1, 73)} [e3:e3:0.5]", [73, 3]),
        (f"{words(1, 72)} e3 f2 w73", [75, 3]),
        (f"{words(1, 70)} e3 f2 f2", [75, 2]),
        (f"{words(1, 71)} e3 f2 w73", [74, 3]),
        # A1111 moves what follows a comma only when the chunk is full
        (f"{words(1, 60)}, {words(61, 73)} e3", [74, 3]),
        (f"{words(1, 60)}, {words(61, 74)} e3", [61, 17]),
        (f"{words(1, 73)} BREAK e3", [73, 3]),
        (f"w1 BREAK {words(2, 75)} e3 BREAK w2", [1, 74, 3, 1]),
        ("w1 g80 w2", [1, 75, 6]),  # longer than a chunk: cut where it must be
    ],
)
def test_the_vectors_of_a_learned_word_stay_together(text: str, sizes: list[int]) -> None:
    tokenizer = LearnedTokenizer()
    shown = token_map(tokenizer, parse(text))
    (part,) = parse(text).at(1, 10**6)
    encoded = chunks_of(tokenizer, part.sections)
    assert [len(chunk.tokens) for chunk in shown] == [chunk.ids.index(2) - 1 for chunk in encoded] == sizes
    for chunk, ids in zip(shown, encoded, strict=True):
        assert [(one.id, one.weight) for one in chunk.tokens] == list(
            zip(ids.ids[1 : 1 + len(chunk.tokens)], ids.weights[1 : 1 + len(chunk.tokens)], strict=True)
        )


def test_compel_does_not_cut_a_learned_word_either() -> None:
    tokenizer = LearnedTokenizer()
    sizes = [len(chunk.tokens) for chunk in compel_map(tokenizer, parts_of(f"{words(1, 73)} e3"))]
    assert sizes == [73, 3]


def test_token_map() -> None:
    chunks = token_map(WordTokenizer(), parse("w1 (w2:1.5), BREAK [w3:w4:0.5] AND w5:0.3"))
    assert [[(one.text, one.id, one.weight) for one in chunk.tokens] for chunk in chunks] == [
        [("w1", 1001, 1.0), ("w2", 1002, 1.5), (",", 3, 1.0)],
        [("w3", 1003, 1.0)],
        [("w5", 1005, 1.0)],
    ]
    assert [(chunk.part, chunk.room) for chunk in chunks] == [(0, 75), (0, 75), (1, 75)]
    assert all(one.ends_word and not one.learned for chunk in chunks for one in chunk.tokens)
