"""The plan against numbers counted tensor by tensor on the published networks (bytes in units of 10^9, fp16)."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pipelines.models import memory
from pipelines.models.memory import GB, Calibration, Means, Plan, Shape, Size, Ways, peak, plan, shape_of
from pipelines.models.peaks import Measured, Peaks
from webui.words import say

SD1 = shape_of("sd1", bytes_per_number=2)
SDXL = shape_of("sdxl", bytes_per_number=2)
SDXL_NARROW = Shape(
    unet=SDXL.unet,
    vae=SDXL.vae,
    text=SDXL.text,
    step_per_pixel=SDXL.step_per_pixel,
    decode_per_pixel=SDXL.decode_per_pixel,
)
RESIDENT, TILED, ALONE = Ways(), Ways(tiled=True), Ways(parts_alone=True)
TEXT_OFF = Ways(text_off=True, tiled=True)


def square(side: int, batch: int = 1) -> Size:
    return Size(width=side, height=side, batch=batch)


def billions(size: float) -> float:
    return size / 1e9


@pytest.mark.parametrize(
    ("shape", "size", "step", "decode"),
    [
        (SD1, square(512), 2.27, 2.53),
        (SD1, square(768), 2.44, 3.04),
        (SD1, square(1024), 2.68, 3.74),
        (SD1, square(512, 4), 2.68, 2.53),
        (SD1, square(768, 4), 3.36, 3.04),
        (SDXL_NARROW, square(512), 7.02, 7.34),
        (SDXL_NARROW, square(768), 7.13, 7.85),
        (SDXL_NARROW, square(1024), 7.27, 8.55),
        (SDXL, square(512), 7.02, 7.92),
        (SDXL, square(768), 7.13, 8.92),
        (SDXL, square(1024), 7.27, 10.3),
    ],
)
def test_all_resident(shape: Shape, size: Size, step: float, decode: float) -> None:
    assert billions(memory.step_bytes(shape, size, RESIDENT)) == pytest.approx(step, rel=0.01)
    assert billions(memory.decode_bytes(shape, size, RESIDENT)) == pytest.approx(decode, rel=0.01)
    assert billions(peak(shape, size, RESIDENT)) == pytest.approx(max(step, decode), rel=0.01)


@pytest.mark.parametrize(("side", "step"), [(512, 5.38), (768, 5.49), (1024, 5.63)])
def test_without_text_encoders_and_in_tiles_sdxl_takes_the_same_at_every_size(side: int, step: float) -> None:
    assert billions(memory.step_bytes(SDXL, square(side), TEXT_OFF)) == pytest.approx(step, rel=0.01)
    assert billions(memory.decode_bytes(SDXL, square(side), TEXT_OFF)) == pytest.approx(6.3, rel=0.01)


@pytest.mark.parametrize(("side", "step", "decode"), [(512, 5.2, 1.1), (768, 5.3, 2.1), (1024, 5.5, 3.6)])
def test_each_part_alone(side: int, step: float, decode: float) -> None:
    assert billions(memory.step_bytes(SDXL, square(side), ALONE)) == pytest.approx(step, abs=0.05)
    assert billions(memory.decode_bytes(SDXL, square(side), ALONE)) == pytest.approx(decode, abs=0.06)
    in_tiles = Ways(parts_alone=True, tiled=True)
    assert billions(memory.decode_bytes(SDXL, square(side), in_tiles)) == pytest.approx(1.1, abs=0.06)


@pytest.mark.parametrize(("shape", "side", "published"), [(SD1, 512, 2.616), (SDXL_NARROW, 1024, 8.96)])
def test_peaks_published_for_an_a100(shape: Shape, side: int, published: float) -> None:
    """By diffusers' own documentation, with the allocator's blocks counted."""
    assert billions(peak(shape, square(side), RESIDENT)) == pytest.approx(published, rel=0.05)


def test_weights_are_those_of_the_published_files() -> None:
    """v1-5-pruned-emaonly in fp16: 2.13 GB; sd_xl_base_1.0: 6.94 GB."""
    assert billions(SD1.weights) == pytest.approx(2.13, abs=0.01)
    assert billions(SDXL.weights) == pytest.approx(6.94, abs=0.01)
    assert shape_of("sd1", bytes_per_number=4).weights == 2 * SD1.weights
    assert shape_of("builtin", bytes_per_number=2, weights=5_000).weights == 5_000


def test_the_first_way_that_fits_is_taken() -> None:
    """A card of 8 GB, of which the system keeps half a gigabyte."""
    free = int(7.5 * GB)
    assert ways(SD1, square(512), free) == RESIDENT
    assert ways(SD1, square(1024), free) == RESIDENT
    assert ways(SD1, square(2048), free) == TILED
    assert ways(SDXL, square(1024), free) == TEXT_OFF
    assert ways(SDXL, square(1024, 4), free) == TEXT_OFF
    assert ways(SD1, square(1536, 8), free) == Ways(singly=True)  # 16 rows would take 9.9 GB, one decode 3.6
    assert ways(SDXL, square(1024), 6 * GB) == ALONE
    assert ways(SDXL, square(1024), 12 * GB) == RESIDENT
    assert ways(SDXL, square(1024), 5 * GB) == Ways(streamed=True)
    assert ways(SDXL, square(1024), 3 * GB) == Ways(streamed=True, tiled=True)
    assert ways(SDXL, square(1024), 2 * GB) is None


def ways(shape: Shape, size: Size, free: int) -> Ways | None:
    return plan(shape, size, free).ways


def test_a_plan_never_promises_more_than_is_free_and_its_largest_size_is_the_largest() -> None:
    for free in (2 * GB, 4 * GB, 8 * GB, 24 * GB):
        for shape in (SD1, SDXL):
            for size in (square(512), Size(width=1024, height=576, batch=2), Size(width=448, height=1344)):
                made = plan(shape, size, free)
                assert (made.ways is not None) == (made.bytes <= free)
                check_largest(made, shape, size, free)


def check_largest(made: Plan, shape: Shape, size: Size, free: int) -> None:
    width, height = made.largest
    if made.ways is not None:
        assert width >= size.width // 64 * 64 or width == 4096
    if (width, height) != (0, 0):
        assert plan(shape, Size(width=width, height=height, batch=size.batch), free).ways is not None
        assert abs(width / height - size.width / size.height) < 0.6
    step = max(width, height) + 64
    if step <= 4096:
        ratio = size.width / size.height
        larger = (step, int(step / ratio)) if ratio >= 1 else (int(step * ratio), step)
        assert plan(shape, Size(width=larger[0] + 64, height=larger[1] + 64, batch=size.batch), free).ways is None


def test_without_guidance_half_the_step() -> None:
    with_guidance = memory.step_bytes(SD1, square(512), RESIDENT) - SD1.weights
    without = memory.step_bytes(SD1, Size(width=512, height=512, rows=memory.rows_of(1.0)), RESIDENT) - SD1.weights
    assert with_guidance == pytest.approx(2 * without, abs=2)


def told(made: Plan, seconds: float | None = None) -> str:
    return say(made.told(seconds), "en")


def most(made: Plan) -> str:
    return f"at most {made.largest[0]}×{made.largest[1]}"


def test_a_model_that_edits_is_asked_three_times_an_image_and_AND_once_more_a_prompt() -> None:
    """Brooks et al. 2022, equation 3, has three predictions; Liu et al. 2022 one for each prompt and one for none."""
    assert memory.rows_of(7.5) == 2
    assert memory.rows_of(7.5, editing=True) == 3
    assert memory.rows_of(1.0, editing=True) == 1
    assert memory.rows_of(7.5, prompts=3) == 4
    work = [memory.step_bytes(SD1, Size(width=512, height=512, rows=rows), RESIDENT) - SD1.weights for rows in (2, 3)]
    assert work[1] == pytest.approx(1.5 * work[0], rel=1e-6)


def test_the_refiner_as_counted_on_its_network() -> None:
    """2,259.5 M parameters of the UNet, 694.7 M of its one text encoder (OpenCLIP bigG), 83.7 M of the VAE."""
    refiner = shape_of("sdxl-refiner", bytes_per_number=2)
    assert billions(refiner.weights) == pytest.approx(2 * (2.2595 + 0.6947 + 0.0837), rel=0.001)
    step = memory.step_bytes(refiner, square(1024), RESIDENT) - refiner.weights
    assert billions(step) == pytest.approx(2 * 189 * 1024**2 / 1e9, rel=0.01)
    assert refiner.vae_in_fp32


def test_the_sentences() -> None:
    fits = plan(SD1, square(512), 8 * GB)
    assert told(fits) == f"fits: 2.9 of 8 GB · {most(fits)}"
    assert told(fits, 3.2) == f"fits: 2.9 of 8 GB, about 3 s · {most(fits)}"
    assert "about 1 s" in told(fits, 0.2)
    tiled = plan(SD1, square(2048), int(7.5 * GB))
    assert told(tiled, 70) == f"fits with tiled decode, about 70 s · {most(tiled)}"
    off = plan(SDXL, square(1024), int(7.5 * GB))
    assert told(off) == f"fits with text encoders off the card, tiled decode · {most(off)}"
    too_large = plan(SD1, square(4096), 4 * GB)
    side = too_large.largest[0]
    assert told(too_large) == f"too large: the most that fits is {side}×{side}"
    assert 1024 <= side < 4096
    assert told(plan(SDXL, square(512), 2 * GB)) == "too large: the model alone takes 2.1 of 2 GB"
    assert told(plan(SDXL, square(1024), 3 * GB)).startswith("fits with layer by layer, tiled decode · at most ")


FAMILY_OF_ROW = {"SD 1.5": "sd1", "SD 2.1": "sd2", "SDXL": "sdxl", "SDXL's refiner": "sdxl-refiner"}


def test_the_table_for_people_is_what_the_plan_does() -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    head, *lines = page[page.index("| | 4 GB |") :].split("\n\n")[0].splitlines()
    cards = [float(gigabytes) for gigabytes in re.findall(r"(\d+) GB", head)]
    rows = [line.strip("| ").split(" | ") for line in lines[1:]]
    assert len(rows) == 7
    for name, *cells in rows:
        title, _, what = name.partition(", ")
        shape = shape_of(FAMILY_OF_ROW[title], bytes_per_number=2)
        side = 512 if what == "largest" else int(what.removesuffix("²"))
        for gigabytes, cell in zip(cards, cells, strict=True):
            made = plan(shape, square(side), int((gigabytes - 0.5) * GB))
            assert made.ways is not None
            expected = f"{made.largest[0]}²" if what == "largest" else ", ".join(made.ways.names) or "as it is"
            assert cell == expected, f"{name} on {gigabytes} GB"


def test_a_measured_peak_corrects_the_next_plan() -> None:
    free = peak(SD1, square(1024), RESIDENT) + memory.OVERHEAD
    assert plan(SD1, square(1024), free).ways == RESIDENT
    assert plan(SD1, square(1024), free, calibration=Calibration(decode=1.1)).ways == TILED
    assert plan(SD1, square(1024), free, calibration=Calibration(step=1.1)).ways == RESIDENT  # the decode decides


def test_what_a_device_cannot_do_is_not_planned() -> None:
    """A processor has nowhere to move weights to, a machine with little main memory neither: then 8 bits, last."""
    free = int(7.5 * GB)
    assert plan(SDXL, square(1024), free, means=Means(moving=False)).ways == Ways(narrow=True, tiled=True)
    fixed = Means(moving=False, narrowing=False)
    assert plan(SDXL, square(1024), free, means=fixed).ways is None
    assert plan(SDXL, square(1024), 9 * GB, means=fixed).ways == TILED
    for way in memory.from_cheapest(square(512, 2), fixed):
        assert way in (Ways(), TILED, Ways(singly=True), Ways(singly=True, tiled=True))


def test_peaks_are_remembered_by_device_and_family_and_the_largest_counts(tmp_path: Path) -> None:
    path = tmp_path / "data" / "peaks.json"
    peaks = Peaks(path)
    for taken in (3e8, 4.5e8, 3.3e8):
        peaks.learn("card", "sd1", Measured(stage="decode", predicted=3e8, taken=taken))
    peaks.learn("card", "sd1", Measured(stage="step", predicted=1e6, taken=9e6))  # too little to say anything
    peaks.learn("card", "sdxl", Measured(stage="step", predicted=2e8, taken=1e12))
    again = Peaks(path)
    assert again.calibration("card", "sd1") == Calibration(decode=1.5)
    assert again.calibration("card", "sdxl") == Calibration(step=4.0)
    assert again.calibration("other", "sd1") == Calibration()
    assert again.calibration("card", "sd1", Calibration(step=1.8, decode=1.1)) == Calibration(step=1.8, decode=1.5)
    for _ in range(8):
        again.learn("card", "sd1", Measured(stage="decode", predicted=3e8, taken=3e8))
    assert Peaks(path).calibration("card", "sd1") == Calibration()  # the last eight


def test_two_processes_that_remember_peaks_keep_what_the_other_learned(tmp_path: Path) -> None:
    path = tmp_path / "peaks.json"
    first, second = Peaks(path), Peaks(path)
    first.learn("card", "sd1", Measured(stage="step", predicted=2e8, taken=3e8))
    second.learn("card", "sd1", Measured(stage="decode", predicted=2e8, taken=4e8))
    assert Peaks(path).calibration("card", "sd1") == Calibration(step=1.5, decode=2.0)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"a": {"step": ["x"]}}', '{"a": {"step": [null]}}'])
def test_a_damaged_memory_of_peaks_is_forgotten(tmp_path: Path, text: str) -> None:
    path = tmp_path / "peaks.json"
    path.write_text(text)
    peaks = Peaks(path)
    assert peaks.calibration("card", "sd1") == Calibration()
    peaks.learn("card", "sd1", Measured(stage="step", predicted=2e8, taken=3e8))
    assert Peaks(path).calibration("card", "sd1") == Calibration(step=1.5)
