"""Each construct of the prompt language, with what A1111's wiki and its parser's documentation say it means."""

import pytest

from pipelines.errors import Note
from pipelines.prompts.grammar import Lora, Part, Piece, Prompt, parse, render, render_part


def pieces(text: str, step: int = 1, steps: int = 10) -> list[tuple[str, float]]:
    """The pieces of a prompt without AND and BREAK."""
    (part,) = parse(text).at(step, steps)
    (section,) = part.sections
    return [(piece.text, piece.weight) for piece in section]


def timeline(text: str, steps: int = 10) -> list[str]:
    """The text of each step, weights left out."""
    return ["".join(word for word, _ in pieces(text, step, steps)) for step in range(1, steps + 1)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("normal text", [("normal text", 1)]),
        ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
        ("(unbalanced", [("unbalanced", 1.1)]),
        ("unbalanced)", [("unbalanced)", 1)]),
        ("[unbalanced", [("unbalanced", 1 / 1.1)]),
        ("unbalanced]", [("unbalanced]", 1)]),
        (r"\(literal\]", [("(literal]", 1)]),
        (r"a \\ b", [("a \\ b", 1)]),
        (r"a\b", [("ab", 1)]),  # a backslash before anything else vanishes
        ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
        ("[less]", [("less", 1 / 1.1)]),
        ("((a))", [("a", 1.1 * 1.1)]),
        ("(a (b:2))", [("a ", 1.1), ("b", 2.2)]),
        ("(a: 1.5 )", [("a", 1.5)]),
        ("(a:-1)", [("a", -1)]),
        ("(a:.5)", [("a", 0.5)]),
        ("a:1.5", [("a:1.5", 1)]),
        ("a:1.5)", [("a:1.5)", 1)]),
        ("(a:b)", [("a:b", 1.1)]),
        ("(a:1.2.3)", [("a:1.2.3", 1.1)]),  # A1111 crashes here
        ("()", []),
        ("", []),
        ("  ", [("  ", 1)]),
        ("photo, 16:9", [("photo, 16:9", 1)]),  # A1111 takes 9 as the prompt's weight
        (
            "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
            [
                ("a ", 1),
                ("house", 1.3 * 1.1 * 1.1),
                (" ", 1.1),
                ("on", 1),
                (" a ", 1.1),
                ("hill", 0.55),
                (", sun, ", 1.1),
                ("sky", 1.1**4),
                (".", 1.1),
            ],
        ),
    ],
)
def test_weights(text: str, expected: list[tuple[str, float]]) -> None:
    found = pieces(text)
    assert [word for word, _ in found] == [word for word, _ in expected]
    assert [weight for _, weight in found] == pytest.approx([weight for _, weight in expected], rel=1e-12)


@pytest.mark.parametrize(
    ("text", "changes"),
    [
        ("test", {1: "test"}),
        ("a [b:3]", {1: "a ", 4: "a b"}),
        ("a [b: 3]", {1: "a ", 4: "a b"}),
        ("a [b: 3 ]", {1: "a ", 4: "a b"}),
        ("a [b::3] c", {1: "a b c", 4: "a  c"}),
        ("[a:b:0.3]", {1: "a", 4: "b"}),
        ("a [b:.5] c", {1: "a  c", 6: "a b c"}),
        ("[a:b:1.0]", {1: "a"}),  # with a point it is a share: all steps
        ("[a:b:1]", {1: "a", 2: "b"}),  # without, a step
        ("[a:b:0]", {1: "b"}),
        ("[a:b:-2]", {1: "b"}),
        ("[a:b:99]", {1: "a"}),
        ("[a:b:1e999]", {1: "a"}),
        ("[(a:2):3]", {1: "", 4: "a"}),
        ("a [b : c : 1] d", {1: "a b  d", 2: "a  c  d"}),
        ("a[b:[c:d:2]:1]e", {1: "abe", 2: "ace", 3: "ade"}),
        ("[a|b]", dict(enumerate("abababab", 1))),
        ("[a|b|c]", dict(enumerate("abcabc", 1))),
        ("[fe|]male", dict(enumerate(["female", "male"] * 3, 1))),
        ("[fe|||]male", dict(enumerate(["female", "male", "male", "male", "female"], 1))),
        ("[a|(b:1.1)]", dict(enumerate("ababab", 1))),
        ("[[a|b]:c:2]", {1: "a", 2: "b", 3: "c"}),
        (r"\[a:b:3\]", {1: "[a:b:3]"}),
        ("a [{b|d{:.5] c", {1: "a {b|d{:.5 c"}),  # the | outside an alternation switches the reading off
        ("[a:b:3] | c", {1: "a:b:3 | c"}),
        ("[a:b:3] \\", {1: "a:b:3 "}),
        ("[a:b:when]", {1: "a:b:when"}),
        ("[a:b:c:3]", {1: "a:b:c:3"}),
        ("a [unbalanced", {1: "a unbalanced"}),
        ("((a][:b:c [d:3]", {1: "a]:b:c ", 4: "a]:b:c d"}),
    ],
)
def test_schedules(text: str, changes: dict[int, str]) -> None:
    """`changes`: the text from each step on, up to the last step named (or the tenth)."""
    found = timeline(text)
    last = max(changes) if len(changes) > 3 else 10
    expected = [changes[max(start for start in changes if start <= step)] for step in range(1, last + 1)]
    assert found[:last] == expected


def test_schedule_of_the_wiki() -> None:
    text = (
        "fantasy landscape with a [mountain:lake:0.25] and [an oak:a christmas tree:0.75][ in foreground::0.6]"
        "[: in background:0.25] [shoddy:masterful:0.5]"
    )
    found = timeline(text, steps=100)
    assert found[24] == "fantasy landscape with a mountain and an oak in foreground shoddy"
    assert found[49] == "fantasy landscape with a lake and an oak in foreground in background shoddy"
    assert found[59] == "fantasy landscape with a lake and an oak in foreground in background masterful"
    assert found[74] == "fantasy landscape with a lake and an oak in background masterful"
    assert found[99] == "fantasy landscape with a lake and a christmas tree in background masterful"
    assert len(set(found)) == 5


def test_weights_reach_into_schedules() -> None:
    assert pieces("(a [b:c:5]:1.5)", step=1) == [("a b", 1.5)]
    assert pieces("(a [b:c:5]:1.5)", step=6) == [("a c", 1.5)]
    assert pieces("[a:(b:1.3):5]", step=6) == [("b", 1.3)]


@pytest.mark.parametrize(
    ("text", "sections"),
    [
        ("a BREAK b", ["a", "b"]),
        ("a  BREAK\n b", ["a", "b"]),
        ("BREAK a", ["", "a"]),
        ("a BREAK", ["a", ""]),
        ("a BREAK BREAK b", ["a", "", "b"]),
        ("aBREAK b", ["aBREAK b"]),
        ("break", ["break"]),
        ("(a BREAK b)", ["a", "b"]),
    ],
)
def test_break(text: str, sections: list[str]) -> None:
    (part,) = parse(text).at(1, 1)
    assert ["".join(piece.text for piece in section) for section in part.sections] == sections


def test_break_in_brackets_keeps_the_weight_on_both_sides() -> None:
    (part,) = parse("(a BREAK b:1.3)").at(1, 1)
    assert part.sections == ((Piece(text="a", weight=1.3),), (Piece(text="b", weight=1.3),))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a cat", [("a cat", 1)]),
        ("a cat AND a dog", [("a cat", 1), ("a dog", 1)]),
        ("a cat :1.2 AND a dog AND a penguin :2.2", [("a cat", 1.2), ("a dog", 1), ("a penguin", 2.2)]),
        ("a AND b:-0.5", [("a", 1), ("b", -0.5)]),
        ("a AND b:c", [("a", 1), ("b:c", 1)]),
        ("a:0.5:0.7 AND b", [("a:0.5", 0.7), ("b", 1)]),
        ("ANDROID AND b", [("ANDROID", 1), ("b", 1)]),
        ("a and b", [("a and b", 1)]),
        ("AND", [("", 1), ("", 1)]),
    ],
)
def test_and(text: str, expected: list[tuple[str, float]]) -> None:
    parts = parse(text).at(1, 1)
    found = [("".join(piece.text for section in part.sections for piece in section), part.weight) for part in parts]
    assert found == expected


def test_and_is_a_word_when_not_composed() -> None:
    (part,) = parse("a AND b:0.5", composed=False).at(1, 1)
    assert part == Part(sections=((Piece(text="a AND b:0.5"),),))


@pytest.mark.parametrize(
    ("text", "rest", "loras"),
    [
        ("a <lora:x:0.8> b", "a  b", [Lora(name="x", text_weight=0.8, unet_weight=0.8)]),
        ("<lora:x>", "", [Lora(name="x")]),
        ("<lora:x:0.8:0.5>", "", [Lora(name="x", text_weight=0.8, unet_weight=0.5)]),
        ("<lora:x:te=0.2:unet=0.5>", "", [Lora(name="x", text_weight=0.2, unet_weight=0.5)]),
        ("<lora:x:1><lora:y z:2>", "", [Lora(name="x"), Lora(name="y z", text_weight=2, unet_weight=2)]),
        ("<lyco:x:0.8>", "", [Lora(name="x", text_weight=0.8, unet_weight=0.8)]),
        ("< LoRA : x : 0.8 : unet = .5 >", "", [Lora(name="x", text_weight=0.8, unet_weight=0.5)]),
        ("<lora:x::0.5>", "", [Lora(name="x", unet_weight=0.5)]),
        ("<lora:a=b (1) [v1.2]+:1>", "", [Lora(name="a=b (1) [v1.2]+")]),
        ("<lo<lora:x:1>ra:y:1>", "", [Lora(name="x"), Lora(name="y")]),
        ("<b> <loras>", "<b> <loras>", []),
    ],
)
def test_loras_are_taken_out(text: str, rest: str, loras: list[Lora]) -> None:
    prompt = parse(text)
    assert prompt.loras == tuple(loras)
    assert timeline(text, steps=1) == [rest]
    assert prompt.fault(1) is None


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("<lora:x:1:lbwe=ALL>", Note("tag_parameter", tag="<lora:x:1:lbwe=ALL>", name="lbwe")),
        ("<lora:x:1:1:8>", Note("tag_parameter", tag="<lora:x:1:1:8>", name="dyn")),
        ("<lyco:x:dyn=8>", Note("tag_parameter", tag="<lyco:x:dyn=8>", name="dyn")),
        ("<lora:x:1:1:1:more>", Note("tag_parameter", tag="<lora:x:1:1:1:more>", name="dyn")),
        ("<lora:x:0,8>", Note("tag_comma", tag="<lora:x:0,8>", value="0,8", right="0.8")),
        ("<lora:x:te=,5>", Note("tag_comma", tag="<lora:x:te=,5>", value=",5", right=".5")),
        ("<lora:x:much>", Note("tag_number", tag="<lora:x:much>", value="much")),
        ("<lora:x:nan>", Note("tag_number", tag="<lora:x:nan>", value="nan")),
        ("<hypernet:x:1>", Note("tag_hypernet", tag="<hypernet:x:1>")),
        ("<lora:>", Note("tag_without_name", tag="<lora:>")),
        ("<lora>", Note("tag_without_name", tag="<lora>")),
        ("<lora: :1>", Note("tag_without_name", tag="<lora: :1>")),
        ("<lora：x：1>", Note("tag_without_name", tag="<lora：x：1>")),
        ("<lora\\:x:1>", Note("tag_without_name", tag="<lora\\:x:1>")),
        ("<lora:x", Note("tag_unclosed", tag="<lora:x")),
        ("<LYCO:x <b>", Note("tag_unclosed", tag="<LYCO:x")),
        ("<lo\\ra:x:1>", Note("tag_assembled", tag="<lora:x:1>")),
        ("<(lora:x:1)>", Note("tag_assembled", tag="<lora:x>")),
    ],
)
def test_a_tag_that_cannot_be_read_is_told_and_never_words(text: str, fault: Note) -> None:
    prompt = parse(f"a {text} cat")
    assert prompt.loras == ()
    found = prompt.fault(1)
    assert found is not None
    # an unclosed tag ends where the text or the next sign does
    assert (found.code, found.values["tag"].split(" cat")[0].strip()) == (fault.code, fault.values["tag"])
    assert {**found.values, "tag": ""} == {**fault.values, "tag": ""}
    if fault.code != "tag_assembled":
        assert "lo" not in timeline(f"a {text} dog", steps=1)[0]


def test_a_tag_that_the_steps_put_together_is_found_at_its_step() -> None:
    prompt = parse("[a|a|<]lora:x> cat")
    assert (prompt.fault(2), prompt.fault(3)) == (None, Note("tag_assembled", tag="<lora:x>"))
    assert parse("a <BREAK lora cat").fault(1) is None


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("# a comment\na cat", "\na cat"),
        ("a cat # the black one\na dog", "a cat \na dog"),
        ("a cat # <lora:x:1> (", "a cat "),
        ("#", ""),
    ],
)
def test_comments(text: str, rest: str) -> None:
    assert timeline(text, steps=1) == [rest]
    assert parse(text).loras == ()


@pytest.mark.parametrize(
    ("text", "changes"), [("a [b] (c:2) \\[d:e:3\\]", False), ("[a:b:3]", True), ("a AND [b|c]", True)]
)
def test_changes(text: str, changes: bool) -> None:
    assert parse(text).changes is changes


def test_render_writes_the_language() -> None:
    written = render(parse("a [b:c: 3 ] AND [d|e]:.50 <lora:x:1># bye"))
    assert written == "a [b:c:3]:1.0 AND [d|e]:0.5<lora:x:1.0:1.0>"


def test_render_part_writes_weights_out() -> None:
    (part,) = parse(r"a ((b)) \(c\) BREAK [d]").at(1, 1)
    assert render_part(part) == r"a (b:1.2100000000000002) \(c\) BREAK (d:0.9090909090909091)"


def test_deep_nesting_is_plain_text() -> None:
    deep = "[" * 200 + ":1]" * 200
    assert parse(deep).changes is False
    assert isinstance(parse("(" * 20_000), Prompt)
