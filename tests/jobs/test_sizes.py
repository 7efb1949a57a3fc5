"""The size follows the picture, what becomes of the picture is told, and what is said of it holds for it."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pytest
from PIL import Image

from pipelines import families, images
from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from pipelines.groups import InitImage, Inpaint
from pipelines.types import GenerationRequest, ModelInfo
from webui.archive import metadata
from webui.archive.store import ImageStore
from webui.jobs.sizes import Size, fitting, other_side, outside, size_for
from webui.words import LANGUAGES, say

SD15 = ModelInfo(name="a", family="sd1", path="")
SDXL = ModelInfo(name="a", family="sdxl", path="", native_size=1024)
FLUX = ModelInfo(name="a", family="flux", path="", native_size=1024)
SMALL = ModelInfo(name="a", family="builtin", path="", native_size=128)
MODELS = {
    "SD 1.5": SD15,
    "SDXL": SDXL,
    "Flux": FLUX,
    "built-in": SMALL,
    "unknown": ModelInfo(name="a", family="x", path=""),
}
PICTURES = [
    (512, 512), (512, 768), (1024, 1024), (1920, 1080), (1080, 1920), (4032, 3024), (3000, 2000), (500, 333), (64, 64),
    (65, 63), (1, 1), (8192, 8192), (2560, 1080), (833, 1217), (640, 641), (1000, 300),
]  # fmt: skip


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("picture", PICTURES, ids=str)
def test_it_has_the_pictures_shape_and_the_models_area(picture: Size, name: str) -> None:
    model = MODELS[name]
    width, height = size_for(picture, model)
    GenerationRequest(width=width, height=height)
    step = 16 if name == "Flux" else 8
    assert width % step == height % step == 0
    # rounding moves each side by less than a step
    assert abs(math.log(width * picture[1] / (height * picture[0]))) < step / min(width, height)
    assert model.native_size**2 / 1.8 < width * height < model.native_size**2 * 1.8


@pytest.mark.parametrize(
    ("picture", "model", "wanted"),
    [
        ((512, 768), SD15, (512, 768)),  # near enough to its area: as it is
        ((832, 1216), SDXL, (832, 1216)),
        ((1024, 1024), SD15, (512, 512)),
        ((1024, 1024), SMALL, (128, 128)),
        ((64, 64), SD15, (512, 512)),
        ((3000, 2000), SD15, (624, 416)),  # 3:2 exactly
    ],
    ids=str,
)
def test_sizes_that_people_know(picture: Size, model: ModelInfo, wanted: Size) -> None:
    assert size_for(picture, model) == wanted


def test_a_shape_that_no_request_has_comes_as_near_as_can_be() -> None:
    for picture in ((100_000, 10), (10, 100_000), (5000, 70)):
        width, height = size_for(picture, SD15)
        GenerationRequest(width=width, height=height)
        assert min(width, height) == 64
        assert (width > height) == (picture[0] > picture[1])


def test_what_the_form_shows_stays_where_it_has_the_pictures_shape() -> None:
    assert size_for((1024, 1024), SD15, (640, 640)) == (640, 640)
    assert size_for((3000, 2000), SD15, (768, 512)) == (768, 512)
    assert size_for((3000, 2000), SD15, (512, 512)) == (624, 416)  # another shape
    assert size_for((1024, 1024), SD15, (2048, 2048)) == (512, 512)  # far from what the model is good at
    assert size_for((1024, 1024), FLUX, (1000, 1000)) == (1024, 1024)  # not its step


@pytest.mark.parametrize("name", MODELS)
def test_the_other_side_keeps_the_shape_by_the_familys_step(name: str) -> None:
    model = MODELS[name]
    step = families.of(model.family).side_step
    for side in range(step * 16, step * 64, step):
        other = other_side(side, (3, 2), model)
        assert other % step == 0
        assert abs(other - side * 2 / 3) <= step / 2
    assert other_side(4096, (1, 4), model) == 4096  # within what a request takes
    assert other_side(64, (4, 1), model) == 64


def test_each_family_that_runs_says_its_step() -> None:
    steps = {name: family.side_step for name, family in families.ALL.items() if family.runs}
    assert {name for name, step in steps.items() if step == 16} == {
        *("sd3", "sd3.5-medium", "sd3.5-large", "flux", "builtin-tokens")
    }
    assert {name for name, step in steps.items() if step not in (8, 16)} == {"amused"}
    assert steps["amused"] == 32


# -- what becomes of the picture


@pytest.mark.parametrize(
    ("picture", "size", "mode", "code", "percent"),
    [
        ((512, 512), (512, 512), "crop", None, None),
        ((1024, 768), (512, 384), "crop", "start_scaled", None),
        ((800, 600), (512, 512), "crop", "start_crop", 25),
        ((800, 600), (512, 512), "pad", "start_pad", 25),
        ((800, 600), (512, 512), "stretch", "start_stretch", 33),
        ((400, 100), (128, 128), "crop", "start_crop", 75),
    ],
)
def test_what_becomes_of_it_is_told(
    picture: Size, size: Size, mode: str, code: str | None, percent: int | None
) -> None:
    told = fitting(picture, size, mode)
    if code is None:
        assert told is None
        return
    assert told is not None
    assert (told.code, told.values.get("percent")) == (code, percent)
    for language in LANGUAGES:
        assert "{} × {}".format(*picture) in say(told, language)


def test_the_share_that_is_cut_away_is_what_the_fitting_cuts_away() -> None:
    """Counted: of 100 columns with a level each, those that are left."""
    picture = Image.new("L", (100, 50))
    for column in range(100):
        picture.paste(column * 2, (column, 0, column + 1, 50))
    left = images.fit(picture.convert("RGB"), (50, 50), "crop").convert("L")
    low, high = left.getextrema()
    assert round((high - low) / 2) == pytest.approx(49, abs=2)
    told = fitting((100, 50), (50, 50), "crop")
    assert told is not None
    assert told.values["percent"] == 50


def inpainted(folder: Path, size: Size, **more: bool) -> tuple[ImageStore, metadata.Record]:
    store = ImageStore(folder)
    store.prepare()
    image, mask = Image.new("RGB", (128, 96), "red"), Image.new("L", (128, 96))
    mask.paste(255, (40, 30, 80, 60))
    request = GenerationRequest(
        width=size[0], height=size[1], steps=2, seed=1, init=InitImage(image=image), inpaint=Inpaint(mask=mask, **more)
    )
    (result,) = FakeEngine().generate(next(request.batches_from(1)), lambda _: None)
    saved = store.save(result.__class__(
        image=result.image, request=result.request, position=0, seconds=1.0, facts={"changed_outside_mask": 0},
    ))  # fmt: skip
    record = metadata.read(saved.path).record
    assert record is not None
    return store, record


def test_nothing_changed_is_said_of_the_picture_that_was_given(tmp_path: Path) -> None:
    store, record = inpainted(tmp_path, (128, 96))
    assert outside([record, record], store.inputs) == Note("outside", count=0)
    store, record = inpainted(tmp_path, (64, 64), only_masked=True)  # laid into the picture as it was given
    assert outside([record], store.inputs) == Note("outside", count=0)


def test_of_a_picture_that_was_cropped_first_it_is_not_said_that_nothing_changed(tmp_path: Path) -> None:
    store, record = inpainted(tmp_path, (64, 64))
    told = outside([record], store.inputs)
    assert told is not None
    assert told.code == "outside_of_fitted"
    assert told.values["how"] == fitting((128, 96), (64, 64), "crop")
    assert say(told, "en").startswith("The picture is cropped from 128 × 96 to the shape of 64 × 64: 25 %")
    assert "裁剪" in say(told, "zh")
    assert outside([None], store.inputs) is None


def test_the_size_of_a_kept_picture(tmp_path: Path) -> None:
    store = ImageStore(tmp_path)
    store.prepare()
    kept = store.inputs.put(Image.new("RGB", (30, 20)))
    assert store.inputs.size(kept) == (30, 20)
    assert store.inputs.size("0" * 64) is None
    assert store.inputs.size("../x") is None
    store.inputs._path(kept).write_bytes(io.BytesIO(b"no picture").getvalue())
    assert store.inputs.size(kept) is None
