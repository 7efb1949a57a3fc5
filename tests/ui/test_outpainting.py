"""The fold of Inpaint that lets a picture go on beyond its sides."""

from __future__ import annotations

from PIL import Image

from .conftest import Page


def test_the_painter_has_the_larger_picture_and_its_mask(ui: Page) -> None:
    inputs = ui.parts.store.inputs
    painted = {"source": inputs.put(Image.new("RGB", (128, 128), "red"))}
    told = ui.call("form_outpaint", {"form_painter": painted, "form_outpaint_left": 32, "form_outpaint_fill": "noise"})
    assert (told["form_width"], told["form_height"]) == (160, 128)
    value = told["form_painter"]
    assert inputs.get(value["source"]).size == (160, 128)
    assert value["source"] in value["url"]
    mask = next(file for file in inputs.folder.glob("*.png") if file.stem in value["mask_url"])
    with Image.open(mask) as drawn:
        assert [drawn.getpixel((x, 64)) for x in (0, 31, 48, 159)] == [255, 255, 0, 0]
    told = ui.call("form_outpaint", {"form_painter": painted, "form_outpaint_shape": "16:9"})
    assert inputs.get(told["form_painter"]["source"]).size == (228, 128)


def test_what_is_missing_is_told_beside_its_part(ui: Page) -> None:
    inputs = ui.parts.store.inputs
    painted = {"source": inputs.put(Image.new("RGB", (128, 128), "red"))}
    for given, field in (
        ({"form_painter": painted}, "outpaint_left"),
        ({"form_painter": painted, "form_outpaint_top": -1}, "outpaint_top"),
        ({"form_painter": painted, "form_outpaint_left": 8, "form_outpaint_fill": "x"}, "outpaint_fill"),
        ({"form_painter": None, "form_outpaint_left": 8}, "init_image"),
    ):
        told = ui.call("form_outpaint", given)
        assert list(told["form_live"]["faults"]) == [field]
