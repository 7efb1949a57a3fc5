"""The walk: every field of a request, with values of its kind and at its bounds, through every face of the program.

build → job row → worker → file → History → A1111's text → lab axis → command line → page → preset, and the same request
comes back each time. A field that is new and forgotten somewhere fails here by name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.engines import messages
from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest
from pipelines.fields import Field, build, flat, packed, switch_of, there
from pipelines.kinds import Choice, Flag, Name, Number, Ratios, Regions, Text, Whole
from pipelines.leading import AUTOMATIC, Control, Reference
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import BUILT_IN, REQUEST_FIELDS, Batch, GenerationRequest
from tests.archive.helpers import results
from tests.ui.conftest import _left_loops  # noqa: F401  what gradio leaves open is found here
from tests.ui.forms import build_form
from tools import fields_table
from webui.archive import metadata
from webui.archive.inputs import InputStore, pixels_sha256
from webui.archive.metadata import request_from_json, request_to_json
from webui.archive.readers import infotext
from webui.commands.asked import request_of
from webui.commands.main import parser
from webui.jobs.maps import PICTURES, REFERENCES, SLOTS
from webui.kept.settings import Settings
from webui.lab.axes import AXIS_FIELDS, Axis
from webui.library import presets
from webui.parts import Parts, build_parts
from webui.ui.generate.controls import Form
from webui.words import WORDS, choice_key

pytestmark = pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")  # gradio's event loops

PICTURE = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
MASK = Image.new("L", (64, 64), 255)
MASK.paste(0, (0, 0, 32, 64))
BASE: dict[str, Any] = {"prompt": "a red star", "width": 64, "height": 64, "steps": 100, "seed": 7}
SOURCES = {"init_image": PICTURE, "mask": MASK}
# of groups that go without the others
SOURCES_OF: dict[str, dict[str, Any]] = {
    "upscale": {"upscale_image": PICTURE},
    "hires": {"hires_strength": 1.0},
    "refiner": {},
    "edit": {"init_image": PICTURE, "sampler": "DDPM"},
    "detail": {"detail_strength": 1.0},
    "tiles": {},
    # at once from end to end, so that it may begin and end anywhere
    **{slot: {name: PICTURE} for slot, name in PICTURES.items()},
}
DOCS = Path(__file__).resolve().parents[1] / "docs" / "metadata.md"
NAMES = {
    "upscaler": ("lanczos", "nearest"),
    "hires_upscaler": ("latent", "nearest", "a file"),
    "detail_detector": ("none", "faces"),
    "model": BUILT_IN,
    "refiner_model": ("none", "a refiner"),
    "vae": ("automatic", "kl-f8.safetensors"),
    **{f"{slot}_model": ("builtin-outlines", "canny") for slot in SLOTS},
    **{f"{slot}_{name}": (AUTOMATIC, "a file") for slot in REFERENCES for name in ("model", "encoder")},
}
WRITTEN: dict[type, tuple[str, ...]] = {
    Regions: ("", "8,8,32,32; 0.5,0,0.25,1", "none"),
    Ratios: ("1:1", "1:2.5:1", "1:1:1:4"),
}
SETTLED_BY_THE_RUN = {"batches": 1}  # of an image as it was made
PLAIN = [one for one in REQUEST_FIELDS if not one.is_picture]


def values_of(one: Field) -> tuple[Any, ...]:
    match one.kind:
        case Whole(low=low, high=high, step=step):
            found: tuple[Any, ...] = (low, low + step, high)
        case Number(low=low, high=high):
            found = (low, low + (high - low) * 0.29, high)
        case Choice(choices=choices):
            found = choices
        case Flag():
            found = (False, True)
        case Regions() | Ratios():
            found = WRITTEN[type(one.kind)]
        case Text():
            found = ("", 'a "quoted": b, 鱼')
        case Name():
            found = NAMES[one.name]
        case _:
            raise AssertionError(f"{one.name}: a kind without values to try")
    if one.name in ("strength", "hires_strength", "detail_strength"):
        return found[1:]  # 0 runs no step, and is refused when the request is built
    if one.name in ("hires_width", "hires_height"):
        return found[::2]  # what lies between them may be no size of a picture
    return (*found, None) if one.optional else found


CASES = [pytest.param(one, value, id=f"{one.name}={value!r:.30}") for one in PLAIN for value in values_of(one)]
every = pytest.mark.parametrize(("one", "value"), CASES)


def wish(one: Field, value: Any) -> GenerationRequest:
    sources = (SOURCES_OF.get(one.group, SOURCES) | switched(one)) if one.group else {}
    extra = {"sampler": "DPM++ 2M"} if one.name == "schedule" else {}  # it takes every schedule
    return build(GenerationRequest, {**BASE, **sources, **extra, one.name: value})


def pictures_of(request: GenerationRequest) -> dict[str, Image.Image]:
    """Those that the page has beside the form."""
    own = {"init_image": PICTURE} if request.init is not None else {}
    own |= {"mask": MASK} if request.inpaint is not None else {}
    own |= {f"{slot}_map": control.map for slot, control in there(request, Control).items()}
    own |= {} if request.unclip is None else {"unclip_picture": request.unclip.picture}
    return own | {f"{slot}_picture": one.picture for slot, one in there(request, Reference).items()}


def switched(one: Field) -> dict[str, Any]:
    """What brings the field's group, where that has a switch."""
    switch = switch_of(GenerationRequest, one.group)
    return {} if switch is None else {switch.name: True}


def told(request: GenerationRequest) -> dict[str, Any]:
    """All of a request, to be compared: two pictures are the same when their pixels are."""
    return packed(request, pixels_sha256)


def held(request: GenerationRequest, one: Field) -> Any:
    return flat(request)[one.name]


@every
def test_the_job_row_and_the_worker(one: Field, value: Any, tmp_path: Path) -> None:
    request, inputs = wish(one, value), InputStore(tmp_path / "inputs")
    assert held(request, one) == value
    row = json.loads(json.dumps(request_to_json(request, inputs), allow_nan=False))
    assert told(request_from_json(row, inputs)) == told(request)
    message = messages.from_batch(Batch(request=request, seeds=(7,)), 1)
    assert told(messages.to_batch(messages.unpack(messages.pack(message))).request) == told(request)


@pytest.mark.parametrize("one", PLAIN, ids=lambda one: one.name)
def test_a_value_of_no_kind_is_refused_when_the_request_is_built(one: Field) -> None:
    with pytest.raises(InvalidRequest) as caught:
        wish(one, object())
    assert caught.value.field == one.name


@pytest.fixture(scope="module")
def parts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Parts]:
    folder = tmp_path_factory.mktemp("every")
    settings = Settings(output_dir=folder / "outputs", models_dirs=(folder,), data_dir=folder, engine="fake")
    settings.output_dir.mkdir()
    with build_parts(settings, FakeEngine(), folder) as built:
        yield built


@every
def test_the_file_and_history(one: Field, value: Any, parts: Parts) -> None:
    request = replace(wish(one, value), **({} if one.name == "seed" and value is not None else {"seed": 7}))
    result = results(request)[0]
    saved = parts.store.save(result)
    back = metadata.read(saved.path)
    assert back.record is not None
    assert told(back.record.request(parts.store.inputs)) == told(result.request)
    assert back.record.unknown == back.unknown == ()
    if one.name not in ("seed",) and (one.setting.page or one.setting.per_model) and value is not None:
        assert back.fields[one.name] == SETTLED_BY_THE_RUN.get(one.name, value)
    parts.history.add(saved)
    assert parts.history.find(saved.id) is not None
    assert parts.history.entries([saved.id])[0].saved.path == saved.path


@every
def test_a1111s_text(one: Field, value: Any) -> None:
    spoken = {other.group for other in REQUEST_FIELDS if other.setting.infotext}
    if not (one.group in spoken if one.switch else one.setting.infotext) or value is None:
        pytest.skip("that text has no word for it")
    # what only counts with another field is only written with it
    request = wish(one, value)
    if one.setting.needs:
        request = build(GenerationRequest, flat(request) | {one.setting.needs: True})
    fields, unknown = infotext.read(infotext.write(flat_of(request)))
    assert fields[one.name] == value if one.name in fields else value == one.default
    assert unknown == []


def flat_of(request: GenerationRequest) -> dict[str, Any]:
    return {
        name: value
        for name, value in flat(request).items()
        if value is not None and name not in (*SOURCES, "upscale_image")
    }


@every
def test_an_axis_of_the_lab(one: Field, value: Any) -> None:
    if not one.setting.axis:
        assert one.name not in AXIS_FIELDS
        pytest.skip("the lab does not vary it")
    if value is None:
        pytest.skip("an axis has values")
    start = wish(one, next(other for other in values_of(one) if other != value)) if len(values_of(one)) > 1 else None
    quoted = '"' + str(value).replace('"', '""') + '"'
    text = quoted if isinstance(one.kind, Text) else one.kind.write(value)
    axis = Axis.read(one.name, text)
    assert axis.values == (value,)
    assert held(axis.apply(start or wish(one, value), value), one) == value
    assert Axis.from_json(json.loads(json.dumps(axis.to_json()))) == axis


@every
def test_the_command_line(one: Field, value: Any, parts: Parts, tmp_path: Path) -> None:
    if not one.setting.page:
        pytest.skip("nobody types it")
    if value is None or (isinstance(one.kind, Flag) and not value):
        pytest.skip("left out")
    PICTURE.save(tmp_path / "a.png")
    MASK.save(tmp_path / "m.png")
    typed = {name: told for name, told in BASE.items() if name not in ("prompt", one.name)}
    line = ["generate", str(value) if one.name == "prompt" else "a red star"]
    line += [f"--{name}={told}" for name, told in typed.items()]
    besides = SOURCES_OF.get(one.group, {}) if one.group in SOURCES_OF or not one.group else None
    pictures = [f"--init-image={tmp_path / 'a.png'}", f"--mask={tmp_path / 'm.png'}"]
    given = {name: tmp_path / "a.png" if told is PICTURE else told for name, told in (besides or {}).items()}
    line += pictures if besides is None else [f"--{name.replace('_', '-')}={told}" for name, told in given.items()]
    line += [f"--{switch.option}"] if (switch := switch_of(GenerationRequest, one.group)) is not None else []
    line += [] if one.name == "prompt" else [f"--{one.option}"] if value is True else [f"--{one.option}={value}"]
    line += ["--sampler=DPM++ 2M"] if one.name == "schedule" else []
    assert held(request_of(parser().parse_args(line), parts), one) == value


@pytest.fixture(scope="module")
def form() -> Form:
    return build_form(FakeEngine().models()[0])


@every
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
def test_the_page(one: Field, value: Any, form: Form) -> None:
    if not one.setting.page:
        assert one.name not in form
        pytest.skip("no tab shows it")
    request = wish(one, value)
    shown = form.apply({name: given for name, given in flat(request).items() if name not in SOURCES})
    typed = {
        component: shown[component]["value"] if component in shown else component.value
        for component in form.components()
    }
    again = form.request(typed, request.task, pictures_of(request))
    assert held(again, one) == value
    assert told(again) == told(request)


@every
def test_a_preset(one: Field, value: Any) -> None:
    data = {"name": "mine", "name_zh": "我的", one.name: value}
    if not one.setting.page:
        with pytest.raises(presets.PresetError):
            presets.make(data, "mine.yaml:1")
        return
    if value == "" or (value is None and one.name != "seed"):
        pytest.skip("nothing to set")
    assert presets.make(data, "mine.yaml:1").apply("")[one.name] == (
        value if not isinstance(value, str) else value.strip()
    )


@pytest.mark.parametrize("one", REQUEST_FIELDS, ids=lambda one: one.name)
def test_it_is_called_something_in_both_languages_and_told_in_the_docs(one: Field) -> None:
    if one.setting.page or one.setting.per_model:
        english, chinese = WORDS[one.name]
        assert english
        assert chinese
    if isinstance(one.kind, Choice) and one.name != "sampler":
        own = [choice for choice in one.kind.choices if choice not in SAMPLERS]
        assert [choice for choice in own if choice_key(one.name, choice) is None] == []
    assert re.search(rf"`{one.attribute}`", DOCS.read_text(encoding="utf-8")), "docs/metadata.md does not name it"


def test_the_table_of_the_docs_is_that_of_the_fields() -> None:
    text = DOCS.read_text(encoding="utf-8")
    assert fields_table.written(text) == text, "python -m tools.fields_table writes it"
