"""What a tag asks of a LoRA: blocks as sd-webui-lora-block-weight lists them, weights over the steps as loractl
writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import Note
from pipelines.prompts.grammar import parse
from pipelines.prompts.loras import IN, MIDDLE, OUT, Lora, render

# as its README names the places of a list
LISTS = {
    12: "BASE IN04 IN05 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05",
    17: "BASE IN01 IN02 IN04 IN05 IN07 IN08 M00 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
    20: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 M00 OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08",
    26: "BASE IN00 IN01 IN02 IN03 IN04 IN05 IN06 IN07 IN08 IN09 IN10 IN11 M00 "
    "OUT00 OUT01 OUT02 OUT03 OUT04 OUT05 OUT06 OUT07 OUT08 OUT09 OUT10 OUT11",
}
# its presets, lists of 17
PRESETS = {
    "NONE": "0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "ALL": "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1",
    "INS": "1,1,1,1,0,0,0,0,0,0,0,0,0,0,0,0,0",
    "IND": "1,0,0,0,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "INALL": "1,1,1,1,1,1,1,0,0,0,0,0,0,0,0,0,0",
    "MIDD": "1,0,0,0,1,1,1,1,1,1,1,1,0,0,0,0,0",
    "OUTD": "1,0,0,0,0,0,0,0,1,1,1,1,0,0,0,0,0",
    "OUTS": "1,0,0,0,0,0,0,0,0,0,0,0,1,1,1,1,1",
    "OUTALL": "1,0,0,0,0,0,0,0,1,1,1,1,1,1,1,1,1",
    "ALL0.5": ",".join(["0.5"] * 17),
}


def block(name: str) -> int:
    if name == "BASE":
        return 0
    side, number = name.rstrip("0123456789"), int(name.lstrip("INMOUT"))
    return {"IN": IN, "M": MIDDLE, "OUT": OUT}[side] + number


def tag(text: str) -> Lora:
    (lora,) = parse(text).loras
    return lora


@pytest.mark.parametrize("count", LISTS)
def test_a_list_gives_each_block_its_number_and_the_others_nothing(count: int) -> None:
    names, every = LISTS[count].split(), LISTS[26].split()
    lora = tag(f"<lora:x:0.5:2:lbw={','.join(str(place + 1) for place in range(count))}>")
    for name in every[1:]:
        assert lora.in_unet(block(name)) == 2 * (names.index(name) + 1 if name in names else 0), name
    assert lora.in_text() == 0.5


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_its_list_where_a_lora_has_layers(name: str) -> None:
    preset, listed = tag(f"<lora:x:1:lbw={name}>"), tag(f"<lora:x:1:lbw={PRESETS[name]}>")
    for place in LISTS[17].split()[1:]:
        assert preset.in_unet(block(place)) == listed.in_unet(block(place)), place
    assert preset.in_text() == listed.in_text()


def test_all_is_every_block() -> None:
    lora = tag("<lora:x:0.7:lbw=ALL>")
    assert {lora.in_unet(block(name)) for name in LISTS[26].split()} == {0.7}


@pytest.mark.parametrize(
    ("text", "steps", "weights"),
    [
        ("<lora:x:0@0,1@0.5>", 5, [0, 0.5, 1, 1, 1]),
        ("<lora:x:1@1;0@0>", 3, [0, 0.5, 1]),  # in any order
        ("<lora:x:1:0@2,1@3>", 4, [0, 0, 1, 1]),  # numbers of steps
        ("<lora:x:0.2@0.5,0.6@1>", 3, [0.2, 0.2, 0.6]),
        ("<lora:x:0.8:start=2>", 4, [0, 0, 0.8, 0.8]),
        ("<lora:x:0.8:stop=0.5>", 4, [0.8, 0.8, 0, 0]),
        ("<lora:x:0.8:step=1-3>", 4, [0, 0.8, 0.8, 0]),
        ("<lora:x:0@0,1@1>", 1, [0]),
        ("<lora:x:0.8>", 2, [0.8, 0.8]),
    ],
)
def test_a_weight_over_the_steps(text: str, steps: int, weights: list[float]) -> None:
    lora = tag(text)
    found = [lora.in_unet(MIDDLE, step, steps) for step in range(1, steps + 1)]
    assert found == pytest.approx(weights)
    assert lora.changes == (text != "<lora:x:0.8>")


def test_the_text_encoder_works_before_the_first_step() -> None:
    assert tag("<lora:x:0.3@0,1@1>").in_text() == 0.3
    assert tag("<lora:x:te=0.5:unet=0@0,1@1>").in_text() == 0.5
    assert tag("<lora:x:0.8:start=5>").in_text() == 0.8


NUMBERS = st.floats(-9, 9).map(lambda value: round(value, 3))
WHEN = st.floats(0, 40).map(lambda value: round(value, 2))


@given(
    st.builds(
        Lora,
        name=st.just("x"),
        text_weight=NUMBERS,
        unet_weight=NUMBERS,
        blocks=st.sampled_from([0, 12, 17, 20, 26]).flatmap(
            lambda count: st.lists(NUMBERS, min_size=count, max_size=count).map(tuple)
        ),
        start=WHEN,
        stop=st.none() | WHEN,
    )
)
def test_a_rendered_tag_reads_back(lora: Lora) -> None:
    assert tag(render(lora)) == lora


@given(st.lists(st.tuples(NUMBERS, WHEN), min_size=1, max_size=5))
def test_rendered_points_read_back(points: list[tuple[float, float]]) -> None:
    lora = tag("<lora:x:" + ",".join(f"{weight}@{when}" for weight, when in points) + ">")
    assert tag(render(lora)) == lora
    assert sorted(lora.points) == sorted(points)


@pytest.mark.parametrize(
    ("item", "code", "value"),
    [
        ("lbw=1,1", "tag_blocks", "1,1"),
        ("lbw=1,1,1,1,1,1,1,1,1,1,1,x", "tag_blocks", "1,1,1,1,1,1,1,1,1,1,1,x"),
        ("lbw=outall", "tag_blocks", "outall"),
        ("0@0,1", "tag_points", "0@0,1"),
        ("0@-1", "tag_points", "0@-1"),
        ("start=soon", "tag_steps", "soon"),
        ("step=5", "tag_steps", "5"),
        ("stop=-1", "tag_steps", "-1"),
    ],
)
def test_what_cannot_be_read_is_told(item: str, code: str, value: str) -> None:
    prompt = parse(f"a cat <lora:x:1:{item}>")
    assert prompt.fault(1) == Note(code, tag=f"<lora:x:1:{item}>", value=value)
