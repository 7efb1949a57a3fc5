"""Boxes of a finished picture, repainted one by one with the built-in model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.details import Detail
from pipelines.errors import InvalidRequest, Kept
from pipelines.groups import Hires, InitImage, Inpaint, Tiles
from pipelines.types import Batch, GenerationRequest, GenerationResult, Progress
from tests.details.detectors import write_tiny
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

BOX = (16, 24, 40, 44)  # left, top, right, bottom
DETAIL = Detail(boxes="16,24,24,20", strength=0.7, prompt="a green heart", grow=2, blur=2, padding=8, size=64)
WISH = replace(SMALL, steps=3, detail=DETAIL)
REACH = 2 + 3 * 2  # pixels that growth and blur reach beyond a box


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine

    folder = tmp_path_factory.mktemp("models")
    write_tiny(folder / "finder")
    engine = LocalEngine([folder], device="cpu")
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def plain(engine: Any) -> GenerationResult:
    """The picture without its details."""
    return made(engine, replace(WISH, detail=None))[0]


@pytest.fixture(scope="module")
def detailed(engine: Any) -> GenerationResult:
    return made(engine, WISH)[0]


def made(engine: Any, request: GenerationRequest, *seeds: int) -> list[GenerationResult]:
    return engine.generate(batch_of(request, *(seeds or (7,))), ignore)


def differing(one: GenerationResult, other: GenerationResult) -> tuple[int, int, int, int]:
    """The least box round the pixels that are not the same."""
    rows, columns = np.nonzero((np.asarray(one.image) != np.asarray(other.image)).any(axis=2))
    return int(columns.min()), int(rows.min()), int(columns.max()) + 1, int(rows.max()) + 1


def around_is_as_before(plain: GenerationResult, result: GenerationResult, box: tuple[int, ...]) -> None:
    left, top, right, bottom = differing(plain, result)
    assert min(left - box[0], top - box[1], box[2] - right, box[3] - bottom) >= -REACH
    assert right - left >= (box[2] - box[0]) * 0.8
    assert bottom - top >= (box[3] - box[1]) * 0.8


def test_a_box_changes_within_and_nowhere_else(plain: GenerationResult, detailed: GenerationResult) -> None:
    around_is_as_before(plain, detailed, BOX)
    told = detailed.facts["details"]
    assert told["found"] == "16,24,24,20"
    assert [one["changed_outside_mask"] for one in told["made"]] == [0]
    assert detailed.facts["passes"][1] == {"name": "details", "steps_run": 2}


def test_it_is_inpainting_of_the_masked_part_alone(
    engine: Any, plain: GenerationResult, detailed: GenerationResult
) -> None:
    """The same by hand: the picture that was made, and a mask of the box."""
    from PIL import Image

    mask = Image.new("L", plain.image.size)
    mask.paste(255, BOX)
    width, height = detailed.facts["details"]["made"][0]["size"]
    by_hand = replace(
        WISH,
        detail=None,
        prompt="a green heart",
        width=width,
        height=height,
        init=InitImage(image=plain.image, strength=0.7),
        inpaint=Inpaint(mask=mask, mask_blur=2, mask_grow=2, only_masked=True, padding=8),
    )
    assert made(engine, by_hand)[0].image.tobytes() == detailed.image.tobytes()


def test_images_of_a_batch_are_each_its_own_and_made_again_alone(engine: Any) -> None:
    request = replace(WISH, batch_size=2, detail=replace(DETAIL, boxes="16,24,24,20; 0.5,0.5,0.25,0.25"))
    both = made(engine, request, 7, 8)
    assert [one.request.detail.found for one in both if one.request.detail] == ["16,24,24,20; 32,32,16,16"] * 2
    for place, result in enumerate(both):
        # with other boxes for its neighbour, of which nothing depends
        batch = replace(Batch.around(result.request, place), threads=1)
        again = engine.generate(batch, ignore)[place]
        assert again.image.tobytes() == result.image.tobytes()
        assert again.request == result.request


def test_what_was_found_is_kept_and_nobody_looks_again(engine: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.models.detector import Detector

    looked = Detail(detector="finder", confidence=0.0, most=2, strength=0.7, size=64)
    told: list[Progress] = []
    (result,) = engine.generate(batch_of(replace(WISH, detail=looked), 7), told.append)
    detail = result.request.detail
    assert detail is not None
    assert len(detail.found.split(";")) == 2
    assert detail.side == 64
    assert len(result.facts["details"]["seen"]) == 2
    assert result.facts["detector"]["name"] == "finder"
    assert "detecting" in [one.stage for one in told]

    monkeypatch.setattr(Detector, "find", None)  # whoever asks it fails
    again = made(engine, replace(result.request, detail=replace(detail, detector="gone")))[0]
    assert again.image.tobytes() == result.image.tobytes()


def test_nothing_found_is_told_and_kept(engine: Any, plain: GenerationResult) -> None:
    told: list[Progress] = []
    request = replace(WISH, detail=replace(DETAIL, boxes="", detector="finder", confidence=1.0))
    (result,) = engine.generate(batch_of(request, 7), told.append)
    assert [one.warning.code for one in told if one.warning is not None] == ["details_none"]
    assert [note["code"] for note in result.facts["warnings"]] == ["details_none"]
    assert result.request.detail is not None
    assert result.request.detail.found == "none"
    assert result.image.tobytes() == plain.image.tobytes()
    assert made(engine, result.request)[0].image.tobytes() == result.image.tobytes()


def test_behind_a_second_pass_and_an_inpainting(engine: Any) -> None:
    from PIL import Image

    large = replace(WISH, hires=Hires(by=1.5, strength=0.5), detail=replace(DETAIL, boxes="60,60,30,30"))
    assert large.size == (96, 96)
    (plain,), (result,) = made(engine, replace(large, detail=None)), made(engine, large)
    around_is_as_before(plain, result, (60, 60, 90, 90))

    picture, mask = Image.new("RGB", (80, 72), "navy"), Image.new("L", (80, 72))
    mask.paste(255, (0, 0, 30, 30))
    inner = {"init": InitImage(image=picture), "inpaint": Inpaint(mask=mask, only_masked=True)}
    part = replace(WISH, **inner, detail=replace(DETAIL, boxes="50,40,20,20"))
    (plain,), (result,) = made(engine, replace(part, detail=None)), made(engine, part)
    assert result.image.size == (80, 72)
    around_is_as_before(plain, result, (50, 40, 70, 60))


def test_behind_a_picture_in_tiles_a_box_is_seen_whole(engine: Any) -> None:
    tiles = Tiles(side=256, overlap=64)
    wide = replace(WISH, steps=2, width=320, tiles=tiles, detail=replace(DETAIL, boxes="150,8,40,44"))
    seen: list[tuple[int, ...]] = []
    (plain,) = made(engine, replace(wide, detail=None))
    parts = engine.manager.get("builtin").parts
    hook = parts.unet.register_forward_pre_hook(lambda _, given: seen.append(tuple(given[0].shape[-2:])))
    try:
        (result,) = made(engine, wide)
    finally:
        hook.remove()
    factor = parts.vae_factor
    width, height = result.facts["details"]["made"][0]["size"]
    assert seen == [(64 // factor, 256 // factor)] * 4 + [(height // factor, width // factor)]
    around_is_as_before(plain, result, (150, 8, 190, 52))
    assert made(engine, result.request)[0].image.tobytes() == result.image.tobytes()


def test_steps_are_counted_over_all_boxes(engine: Any) -> None:
    told: list[Progress] = []
    request = replace(WISH, detail=replace(DETAIL, boxes="0,0,20,20; 30,30,20,20"))
    engine.generate(batch_of(request, 7), told.append)
    counted = [(one.step, one.steps) for one in told if one.stage == "denoising" and one.pass_number == 2]
    assert counted == [(1, 4), (2, 4), (3, 4), (4, 4)]
    assert [one.steps for one in request.passes] == [3, 4]


@pytest.mark.parametrize(("at", "boxes"), [(1, "none"), (3, "0,0,20,20")])
def test_keep_takes_the_boxes_that_are_done(at: int, boxes: str, engine: Any) -> None:
    request = replace(WISH, detail=replace(DETAIL, boxes="0,0,20,20; 30,30,20,20"))

    def keep(progress: Progress) -> None:
        if (progress.stage, progress.pass_number, progress.step) == ("denoising", 2, at):
            raise Kept("stopped")

    (result,) = engine.generate(batch_of(request, 7), keep)
    assert result.request.detail is not None
    assert result.request.detail.found == boxes
    again = made(engine, result.request)[0]
    assert again.image.tobytes() == result.image.tobytes()


def test_ended_before_them_there_are_none(engine: Any) -> None:
    request = replace(WISH, hires=Hires(strength=0.5), detail=replace(DETAIL, boxes="100,100,20,20"), stop_after=3)
    (result,) = made(engine, request)
    assert result.image.size == (64, 64)
    assert "details" not in result.facts
    assert result.request == replace(request, seed=7)


def test_a_box_outside_the_picture_is_refused() -> None:
    with pytest.raises(InvalidRequest) as caught:
        replace(WISH, detail=Detail(boxes="50,50,20,20"))
    assert (caught.value.field, caught.value.note.code) == ("detail_boxes", "box_outside")
    replace(WISH, detail=Detail(boxes="44,44,20,20; 0,0,1,1"))


def test_a_lora_of_its_own_is_refused(engine: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        engine.check(replace(WISH, detail=replace(DETAIL, prompt="a star <lora:mine:1>")))
    assert caught.value.field == "detail_prompt"


def test_the_worker_says_what_was_settled(detailed: GenerationResult) -> None:
    from pipelines.engines import messages

    packed = messages.pack(messages.from_results([detailed], 1))
    (back,) = messages.to_results(messages.unpack(packed), batch_of(WISH, 7))
    assert back.request == detailed.request
    assert back.request.detail is not None
    assert back.request.detail.found == "16,24,24,20"


def test_the_lab_finds_a_picture_by_what_was_asked(detailed: GenerationResult) -> None:
    from pipelines.fields import packed
    from webui.jobs.choices import asked

    run, wish = packed(detailed.request, str), packed(replace(WISH, seed=7), str)
    assert run != wish
    assert asked(run) == asked(wish)
