"""What tests/test_every_field.py does not ask: what each face does while the group is off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from pipelines import types
from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest
from pipelines.fields import build, flat
from tests.refusals import refused
from tests.switched.plugin import GenerationRequest, Second
from tests.ui.conftest import _left_loops  # noqa: F401  what gradio leaves open is found here
from tests.ui.forms import build_form, values
from tools import fields_table
from webui.archive import metadata
from webui.archive.readers import infotext
from webui.commands.asked import request_of
from webui.commands.main import parser
from webui.jobs.defaults import form_defaults
from webui.kept.models import ModelSettings
from webui.kept.settings import Settings
from webui.lab.axes import Axis
from webui.lab.experiments import canonical
from webui.library import presets
from webui.parts import Parts, build_parts
from webui.ui.generate import controls
from webui.ui.generate.controls import Form, shown_in
from webui.ui.generate.handlers import refused as said
from webui.ui.models.tab import _build_form

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # gradio's event loops

MODEL = FakeEngine().models()[0]
IMAGE = Image.new("RGB", (64, 64), "red")
BASE = {"prompt": "a red star", "width": 64, "height": 64, "steps": 4, "seed": 7}
OFF = GenerationRequest(**BASE)
ON = GenerationRequest(**BASE, second=Second(scale=3.0))


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    folder = tmp_path_factory.mktemp("switched")
    settings = Settings(output_dir=folder / "outputs", models_dirs=(folder,), data_dir=folder, engine="fake")
    settings.output_dir.mkdir()
    with build_parts(settings, FakeEngine(), folder) as built:
        yield built


@pytest.fixture(scope="module")
def form() -> Form:
    return build_form(MODEL)


def test_every_tab_has_it_beside_its_fields_and_no_place_names_it() -> None:
    for task in ("txt2img", "img2img", "inpaint"):
        own = [one.name for one in shown_in(task) if one.group == "second"]
        assert own == ["second", "scale", "second_steps", "method"]


def test_the_page_switches_it(form: Form) -> None:
    assert isinstance(form["second"], gr.Checkbox)
    assert form["second"].value is False
    assert form.request(values(form, scale=3), "txt2img").second is None
    assert form.request(values(form, scale=3, second=True), "txt2img").second == Second(scale=3)


def test_a_task_that_does_not_have_it_leaves_it_out_though_it_is_on(
    form: Form, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The form is one for all tasks: what another one switched on stays as it is, and is not asked for."""
    without = tuple(one for one in shown_in("txt2img") if one.group != "second")
    monkeypatch.setattr(controls, "shown_in", lambda task: without if task == "inpaint" else shown_in(task))
    assert form.request(values(form, scale=3, second=True), "txt2img").second == Second(scale=3)
    assert (
        form.request(
            values(form, scale=3, second=True), "inpaint", {"init_image": IMAGE, "mask": IMAGE.convert("L")}
        ).second
        is None
    )


def test_a_picture_without_it_switches_the_form_off(form: Form, parts: Parts) -> None:
    for request, there in ((OFF, False), (ON, True)):
        result = next(iter(FakeEngine().generate(types.Batch(request=request, seeds=(7,)), lambda _progress: None)))
        back = metadata.read(parts.store.save(result).path)
        assert form.apply(back.fields)[form["second"]]["value"] is there


def test_a_broken_rule_stands_at_the_switch() -> None:
    assert list(said(InvalidRequest("second", "switched_off"), "en")["faults"]) == ["second"]


def test_a1111s_text_says_it_by_the_keys_of_its_fields() -> None:
    off, on = (infotext.write({k: v for k, v in flat(one).items() if v is not None}) for one in (OFF, ON))
    assert "Second" not in off
    assert "Second scale: 3" in on
    assert infotext.read(off)[0]["second"] is False
    fields, unknown = infotext.read(on)
    assert {name: fields[name] for name in ("second", "scale", "second_steps", "method")} == {
        "second": True,
        "scale": 3.0,
        "second_steps": 0,  # the text leaves them out at their defaults
        "method": "latent",
    }
    assert unknown == []


def test_words_without_settings_say_nothing_of_it() -> None:
    assert "second" not in infotext.read("a red star")[0]


def test_the_command_line_switches_it_both_ways(parts: Parts) -> None:
    def asked(*options: str) -> Any:
        return request_of(parser().parse_args(["generate", "a red star", *options]), parts).second  # type: ignore[attr-defined]

    assert asked() is None
    assert asked("--second") == Second()
    assert asked("--second", "--scale=3", "--method=lanczos") == Second(scale=3.0, method="lanczos")
    assert asked("--no-second") is None
    for options in (("--scale=3",), ("--no-second", "--scale=3")):
        with refused("second", "option_needs", option="scale", needed="second"):
            asked(*options)


def test_the_command_lines_help_tells_of_it() -> None:
    generate = parser()._subparsers._group_actions[0].choices["generate"].format_help()  # type: ignore[union-attr,index,call-overload]
    assert "--second, --no-second" in generate
    assert "\nSecond:\n" in generate  # the heading of its options is the switch's own label


def test_an_axis_of_the_lab_brings_it_and_takes_it_away() -> None:
    axis = Axis.read("second", "true, false")
    assert [axis.apply(OFF, value) for value in axis.values] == [build(GenerationRequest, BASE | {"second": True}), OFF]
    assert axis.apply(ON, True) == ON
    with refused("second", "switched_off"):
        Axis.read("scale", "1-3").apply(OFF, 2.0)


def test_a_picture_from_before_there_was_such_a_group_is_still_found() -> None:
    data = {"prompt": "a red star", "steps": 4}
    assert canonical(data) == canonical(data | {"second": None})
    assert canonical(data) != canonical(data | {"second": {}})
    assert canonical(data | {"second": {"scale": 2.0}}) == canonical(data | {"second": {"scale": 2, "steps": 0}})


def test_a_preset_switches_it() -> None:
    data = {"name": "mine", "name_zh": "我的", "second": True, "scale": 3}
    assert dict(presets.make(data, "mine.yaml:1").fields) == {"second": True, "scale": 3}
    for wrong in ({"second": "yes"}, {"second": False, "scale": 99}, {"scale": 99}):
        with pytest.raises(presets.PresetError):
            presets.make(data | wrong, "mine.yaml:1")


def test_it_is_settled_for_a_model(tmp_path: Path) -> None:
    settings = ModelSettings(tmp_path / "models.json")
    assert form_defaults(MODEL, settings)["second"] is False
    settings.put(MODEL, {"second": True, "scale": 3.0, "second_exact": True})
    begun = form_defaults(MODEL, settings)
    assert (begun["second"], begun["scale"]) == (True, 3.0)
    assert settings.completed(ON, MODEL).second == Second(scale=3.0, exact=True)  # type: ignore[attr-defined]
    said = GenerationRequest(**BASE, second=Second(exact=False))
    assert settings.completed(said, MODEL) == said
    assert settings.completed(OFF, MODEL) == OFF
    with refused("scale", "number"):
        settings.put(MODEL, {"second": False, "scale": 99.0})


def test_the_models_tab_has_a_control_for_it() -> None:
    with gr.Blocks():
        assert {"second", "scale", "second_exact"} <= set(_build_form().named)


def test_the_table_of_the_docs_tells_what_stands_in_json() -> None:
    rows = {line.split(" | ")[0]: line for line in fields_table.table().splitlines()}
    assert rows["| `second`"] == "| `second` | request | an object of its fields, or null: off | off |  | Second |"
    assert rows["| `scale`"].startswith("| `scale` | second | 1 to 4 | `2.0` | `Second scale` |")
