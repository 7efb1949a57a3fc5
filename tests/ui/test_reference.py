"""Reference pictures on the page: given, run, kept beside the inputs, brought back and made again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.models.clip import write_header_only
from tests.models.files import write_model
from tests.models.test_referred import adapter
from webui.archive import metadata

from .conftest import Page, opened
from .test_events import faults, large, picture, small, uploaded, value_of
from .test_lab import run, text

pytestmark = pytest.mark.lengthy

NAMES = ("light", "plain")


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    """Beside two adapters whose family nobody knows, so that the built-in model takes them, and their encoder."""
    folder = tmp_path_factory.mktemp("page")
    for name in NAMES:
        write_model(folder / "models" / f"{name}.safetensors", adapter("", 96))
    write_header_only(folder / "models" / "clip")
    with opened(folder, folder / "outputs", [folder / "models"]) as page:
        yield page


def like() -> Image.Image:
    image = Image.new("RGB", (90, 120), "orange")
    image.paste("navy", (20, 30, 70, 80))
    return image


def test_a_reference_goes_into_the_run_as_it_is_and_its_files_by_name(ui: Page) -> None:
    given = picture(uploaded(ui, like()))
    asked = {"form_reference_2_picture": given, "form_reference_2_weight": 0.4}
    status = ui.generate("txt2img", small("txt2img") | asked)
    request = ui.engine.batches[-1].request
    assert request.reference_1 is None
    assert request.reference_2 is not None
    assert (request.reference_2.model, request.reference_2.encoder) == ("light", "clip")
    assert request.reference_2.weight == 0.4
    assert request.reference_2.picture.tobytes() == like().tobytes()
    record = metadata.read(status.saved[0].path).record
    assert record is not None
    assert ui.parts.store.inputs.get(record.settings["reference_2"]["picture"]).tobytes() == like().tobytes()


def test_a_picture_brings_its_references_back_and_is_made_again(ui: Page) -> None:
    given = picture(uploaded(ui, like()))
    asked = {"form_reference_3_picture": given, "form_reference_3_model": "plain", "form_reference_3_end": 0.5}
    status = ui.generate("txt2img", small("txt2img") | asked)
    sent = ui.call("form_send", {"canvas": large(ui, status, "run")})
    assert value_of(sent["form_reference_3_model"]) == "plain"
    assert value_of(sent["form_reference_3_encoder"]) == "clip"
    assert value_of(sent["form_reference_3_end"]) == 0.5
    assert value_of(sent["form_reference_1_picture"]) is None
    path = value_of(sent["form_reference_3_picture"])["path"]
    ui.generate("txt2img", small("txt2img") | {"form_reference_3_picture": picture(path)})
    after = ui.engine.batches[-1].request.reference_3
    assert after is not None
    assert after.picture.tobytes() == like().tobytes()
    report = ui.finished(ui.parts.service.submit_again(status.saved[0].path)).again
    assert report is not None
    assert report.identical


def test_one_that_is_gone_is_told(ui: Page) -> None:
    status = ui.generate("txt2img", small("txt2img") | {"form_reference_1_picture": picture(uploaded(ui, like()))})
    record = metadata.read(status.saved[0].path).record
    assert record is not None
    kept = ui.parts.store.inputs.file(record.settings["reference_1"]["picture"])
    assert kept is not None
    kept.unlink()
    sent = ui.call("form_send", {"canvas": large(ui, status, "run")})
    assert "reference picture" in value_of(sent["form_live"])["line"]
    assert value_of(sent["form_reference_1_picture"]) is None


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"form_reference_1_model": "gone"}, "reference_1_model"),
        ({"form_reference_1_encoder": "gone"}, "reference_1_encoder"),
        ({"form_reference_1_weight": 7}, "reference_1_weight"),
        ({"form_reference_1_start": 0.8, "form_reference_1_end": 0.2}, "reference_1_end"),
    ],
)
def test_what_is_wrong_is_told_at_its_field(ui: Page, wrong: dict[str, Any], field: str) -> None:
    given = {"form_reference_1_picture": picture(uploaded(ui, like()))}
    answer = ui.call("form_submit", {"task": "txt2img", **small("txt2img"), **given, **wrong})
    assert list(faults(answer)) == [field]


def test_a_damaged_picture_is_told(ui: Page) -> None:
    path = uploaded(ui, like())
    Path(path).write_bytes(Path(path).read_bytes()[:60])
    answer = ui.call("form_submit", {"task": "txt2img", **small("txt2img"), "form_reference_1_picture": picture(path)})
    told = answer["form_live"]
    assert told["state"] == "refused"
    assert told.get("faults") or told.get("error")


def test_without_a_picture_its_fields_count_nothing(ui: Page) -> None:
    ui.generate("txt2img", small("txt2img", reference_1_weight=0.2))
    assert ui.engine.batches[-1].request.reference_1 is None


GRID = {"lab_kind": "grid", "lab_prompt": "a red star", "lab_seeds": "1-2", "lab_y_field": "", "lab_z_field": ""}
GRID |= {"lab_x_field": "reference_1_weight", "lab_x_values": "0.2, 0.6, 1"}
GRID |= {"lab_steps": 3, "lab_width": 64, "lab_height": 64}  # type: ignore[dict-item]


def test_its_weight_is_an_axis_of_the_lab(ui: Page) -> None:
    """Which makes nothing twice, and whose form shows the picture again."""
    given = {**GRID, "lab_reference_1_picture": picture(uploaded(ui, like())), "lab_reference_1_end": 0.9}
    identity = run(ui, given)
    experiment = ui.parts.lab.experiment(identity)
    assert experiment is not None
    asked = [cell.request.reference_1 for cell in experiment.cells()]
    assert [one.weight for one in asked if one is not None] == [0.2, 0.6, 1.0] * 2
    assert {one.picture.tobytes() for one in asked if one is not None} == {like().tobytes()}
    made = [batch.request.reference_1 for batch in ui.engine.batches[-6:]]
    assert {(one.model, one.encoder, one.end) for one in made if one is not None} == {("light", "clip", 0.9)}
    shown = ui.call("lab_choose", {"lab_chosen": identity})
    assert shown["lab_reference_1_end"]["value"] == 0.9
    back = {**given, "lab_reference_1_picture": picture(value_of(shown["lab_reference_1_picture"])["path"])}
    assert text(ui.call("lab_plan", back)["lab_estimate"]).startswith("6 pictures, 6 of them there already")
    assert "reference picture" in text(ui.call("lab_plan", GRID)["lab_fault"])
    assert value_of(ui.call("lab_ready_0")["lab_reference_1_picture"]) is None


def test_the_form_hands_it_to_the_lab(ui: Page) -> None:
    path = uploaded(ui, like())
    shown = {"form_reference_1_picture": picture(path), "form_reference_1_model": "plain", "task": "txt2img"}
    sent = ui.call("form_to_lab", {**shown, "form_reference_1_weight": 0.3})
    assert value_of(sent["lab_reference_1_picture"])["path"] == path
    assert value_of(sent["lab_reference_1_model"]) == "plain"
    assert value_of(sent["lab_reference_1_weight"]) == 0.3


@pytest.mark.parametrize("value", ["gone", [{"items": [{"path": "/etc/passwd"}]}], {"a": 1}, None, 7], ids=repr)
def test_the_lab_is_handed_no_file_that_is_not_here(ui: Page, value: Any) -> None:
    sent = ui.call("form_to_lab", {"task": "txt2img", "form_reference_1_model": value})
    assert value_of(sent["lab_reference_1_model"]) == "automatic"
