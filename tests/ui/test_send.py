"""What is told of a form that was filled in from a picture: nothing of it comes without a word."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import Note
from pipelines.types import ModelInfo
from webui.archive import metadata
from webui.ui.again.send import Sender
from webui.ui.layout import house_of
from webui.words import LANGUAGES, say

from .conftest import Page
from .test_events import large, picture, run, value_of

pytestmark = pytest.mark.lengthy

FOREIGN = "a lighthouse <lora:seaside:0.8>\nSteps: 9, Sampler: Euler a, CFG scale: 4.5, Seed: 77, Size: 512x768, "


def saved(tmp_path: Path, text: str) -> Path:
    texts = PngInfo()
    texts.add_text("parameters", text)
    Image.new("RGB", (64, 96), "teal").save(tmp_path / "other.png", pnginfo=texts)
    return tmp_path / "other.png"


@pytest.fixture
def sender(ui: Page) -> Sender:
    space: Any = SimpleNamespace(image="image", painter="painter")  # no components: nothing is shown here
    made = object.__new__(Sender)
    made.house, made.space = house_of(ui.parts), space
    return made


def told(sender: Sender, path: Path) -> dict[str, Note]:
    notes = sender.told_of_run(path)
    for note in notes:
        assert all("{" not in say(note, language) for language in LANGUAGES)
    return {note.code: note for note in notes}


def test_a_model_that_is_not_here_is_told(sender: Sender, tmp_path: Path) -> None:
    notes = told(sender, saved(tmp_path, FOREIGN + "Model: lighthouse-v3"))
    assert set(notes) == {"sent_missing", "sent_model_kept"}
    gone = (Note("missing_model", name="lighthouse-v3"), Note("missing_lora", name="seaside"))
    assert notes["sent_missing"].values["names"] == gone
    assert "lighthouse-v3" in say(notes["sent_missing"], "zh")


def test_every_file_beside_the_model_that_is_not_here_is_told(sender: Sender, tmp_path: Path) -> None:
    """Already when a text is pasted, and not first at Generate."""
    more = "Hires upscale: 2, Hires upscaler: 4x-none, Denoising strength: 0.5, "
    more += "ADetailer model: face_none.pt, ADetailer model 2nd: hand_none.pt, Refiner: fine-none, "
    more += "Refiner switch at: 0.8, "
    more += 'ControlNet 0: "Module: canny, Model: canny-none [0123abcd], Weight: 1", '
    more += 'ControlNet 1: "Module: ip-adapter-auto, Model: adapter-none [0123abcd], Weight: 1"'
    notes = told(sender, saved(tmp_path, "a\nSteps: 9, " + more))
    names = [str(one.values["name"]) for one in notes["sent_missing"].values["names"]]
    assert sorted(names) == ["4x-none", "adapter-none", "canny-none", "face_none.pt", "fine-none"]
    assert {"sent_map_missing", "sent_reference_missing"} <= set(notes)
    sentence = say(notes["sent_missing"], "en")
    assert "detector face_none.pt" in sentence
    assert "ControlNet canny-none" in sentence
    assert "检测器 face_none.pt" in say(notes["sent_missing"], "zh")
    there = "Hires upscale: 2, Hires upscaler: Latent, Denoising strength: 0.5, ADetailer model: None"
    assert "sent_missing" not in told(sender, saved(tmp_path, f"a\nSteps: 9, {there}"))


def test_a_pasted_text_tells_so_too(ui: Page) -> None:
    text = "a star\nSteps: 9, Sampler: Euler, ADetailer model: face_none.pt, ADetailer confidence: 0.3"
    answer = ui.call("text_read", {"drop_anywhere": {"text": text}})
    assert answer["form_live"]["line"] == "Not here: detector face_none.pt."


def test_a_picture_that_names_no_model_is_told_of_too(sender: Sender, tmp_path: Path) -> None:
    assert "sent_model_kept" in told(sender, saved(tmp_path, "a\nSteps: 9, Seed: 77"))


def test_a_second_pass_is_named_and_goes_to_txt2img(ui: Page, sender: Sender, tmp_path: Path) -> None:
    """Case 15: the strength is the second pass's."""
    hires = "Denoising strength: 0.4, Hires upscale: 2, Hires steps: 10, Hires upscaler: Latent, Hires VAE: x"
    path = saved(tmp_path, FOREIGN + hires)
    notes = told(sender, path)
    assert notes["sent_not_understood"].values["names"] == ("Hires VAE: x",)
    data = BytesIO(path.read_bytes())
    file = ui.client.post("/gradio_api/upload", files={"files": ("a.png", data, "image/png")}).json()[0]
    assert ui.call("again_send", {"again_image": picture(file)})["way"] == "txt2img"


def test_of_our_own_picture_alone_there_is_nothing_to_tell(ui: Page, sender: Sender) -> None:
    assert told(sender, run(ui, "txt2img", seed=3).saved[0].path) == {}
    assert told(sender, run(ui, "img2img", seed=3).saved[0].path) == {}


def test_one_of_a_batch_and_a_start_picture_that_is_gone_are_told(ui: Page, sender: Sender) -> None:
    status = run(ui, "img2img", seed=9, batch_size=3)
    path = status.saved[2].path
    assert set(told(sender, path)) == {"sent_from_batch"}
    for kept in ui.parts.store.inputs.folder.glob("*.png"):
        kept.unlink()
    assert set(told(sender, path)) == {"sent_from_batch", "sent_start_missing"}
    answer = ui.call("form_send", {"canvas": large(ui, status, "run", 2)})
    assert answer["way"] == "img2img"
    assert (value_of(answer["form_seed"]), value_of(answer["form_batch_size"])) == (11, 1)
    assert "picture that it was made from is not here" in answer["form_live"]["line"]


def test_detail_makes_it_once_more_and_refines(ui: Page, monkeypatch: pytest.MonkeyPatch) -> None:
    status = run(ui, "txt2img", prompt="a cat", seed=31, steps=4, batch_size=2)
    sent = {"place": large(ui, status, "detail", 1)["place"], "send": "detail"}
    answer = ui.call("form_send", {"canvas": sent})
    assert answer["way"] == "txt2img"
    assert answer["form_live"]["at"] == "detail_boxes"
    assert "say where" in answer["form_live"]["line"]
    assert "computed together with others" in answer["form_live"]["line"]
    fields = {f"form_{name}" for name in ("prompt", "seed", "steps", "batch_size", "detail", "width", "height")}
    shown = {name: value_of(answer[name]) for name in fields}
    assert (shown["form_seed"], shown["form_batch_size"], shown["form_detail"]) == (32, 1, True)
    again = ui.generate("txt2img", {**shown, "form_detail_boxes": "0,0,32,32"}).saved[0]
    before, after = (metadata.read(one.path).record for one in (status.saved[1], again))
    assert before is not None
    assert after is not None
    same = {name: one for name, one in before.settings.items() if name not in ("detail", "batch_size")}
    assert same.items() <= after.settings.items()
    assert after.settings["detail"]["boxes"] == "0,0,32,32"

    finder = ModelInfo(name="finder", family="unknown", path="x", kind="detector")
    monkeypatch.setattr(ui.parts.service, "detectors", lambda: (finder,))
    answer = ui.call("history_send", {"history_view": sent})
    assert value_of(answer["form_detail_detector"]) == "finder"
    assert "finder looks for them" in answer["form_live"]["line"]
    place = again.path.relative_to(ui.outputs).as_posix()
    answer = ui.call("form_send", {"canvas": {"place": place, "send": "detail"}})  # one that has details keeps its own
    assert value_of(answer["form_detail_boxes"]) == "0,0,32,32"
    assert value_of(answer["form_detail_detector"]) == "none"


def test_details_of_a_picture_that_does_not_say_how_it_was_made_are_painted(ui: Page) -> None:
    Image.new("RGB", (64, 64)).save(ui.outputs / "plain.png")
    made = run(ui, "txt2img", seed=3).saved[0].path
    larger = ui.finished(ui.parts.service.submit_upscale(made, by=1.5)).saved[0].path
    for path in (ui.outputs / "plain.png", larger):
        place = path.relative_to(ui.outputs).as_posix()
        answer = ui.call("form_send", {"canvas": {"place": place, "send": "detail"}})
        assert answer["way"] == "inpaint"
        assert set(answer["form_painter"]) == {"source", "url"}
        assert value_of(answer["form_only_masked"]) is True
        assert "Paint what is to be refined" in answer["form_live"]["line"]


def test_a_picture_without_settings_says_so(sender: Sender, tmp_path: Path) -> None:
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    assert sender.told_of_run(tmp_path / "plain.png") == (Note("sent_nothing"),)
