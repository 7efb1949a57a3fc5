"""Reference pictures in A1111's text, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from pipelines.fields import flat
from pipelines.leading import Control, Reference
from pipelines.types import GenerationRequest
from webui.archive.readers import infotext

PICTURE = Image.new("RGB", (64, 64))
# as sd-webui-controlnet 1.1.455 writes it
THEIRS = (
    "a cat\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, "
    'ControlNet 0: "Module: ip-adapter_clip_sd15, Model: ip-adapter-plus_sd15 [c817b455], Weight: 0.7, '
    "Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: 0.5, Threshold B: 0.5, Guidance Start: 0.1, "
    'Guidance End: 0.9, Pixel Perfect: True, Control Mode: Balanced", '
    'ControlNet 1: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 1.0", '
    'ControlNet 2: "Module: ip-adapter-auto, Model: ip-adapter_sd15 [6a3f6166], Weight: 1.0, Guidance Start: 0.0, '
    'Guidance End: 1.0, Control Mode: My prompt is more important", Version: v1.10.1'
)


def test_theirs_is_read() -> None:
    fields, unknown = infotext.read(THEIRS)
    assert {name: value for name, value in fields.items() if name.startswith("reference_")} == {
        "reference_1_model": "ip-adapter-plus_sd15",
        "reference_1_weight": 0.7,
        "reference_1_start": 0.1,
        "reference_1_end": 0.9,
        "reference_2_model": "ip-adapter_sd15",
        "reference_2_weight": 1.0,
        "reference_2_start": 0.0,
        "reference_2_end": 1.0,
    }
    assert {name for name in fields if name.startswith("control_")} == {
        *("control_2_preprocessor", "control_2_model", "control_2_weight")
    }
    assert unknown == ["ControlNet 2 Control Mode: My prompt is more important"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Module: ip-adapter_face_id_plus, Model: x", "ControlNet 0 Module: ip-adapter_face_id_plus"),
        ("Module: ip-adapter-auto, Weight: heavy", "ControlNet 0 Weight: heavy"),
        ("Module: ip-adapter-auto, Weight: 7", "ControlNet 0 Weight: 7"),
    ],
)
def test_what_cannot_be_used_is_told(text: str, told: str) -> None:
    fields, unknown = infotext.read(f'a\nSteps: 20, Sampler: Euler, ControlNet 0: "{text}", Seed: 1')
    assert not any(name.startswith("reference_") for name in fields)
    assert unknown == [told]


def test_more_than_there_are_places_for_are_told() -> None:
    pairs = ", ".join(f'ControlNet {place}: "Module: ip-adapter-auto, Model: m{place}"' for place in (0, 1, 2, 3, 7))
    fields, unknown = infotext.read(f"a\nSteps: 20, Sampler: Euler, {pairs}, Seed: 1")
    assert [fields[f"reference_{n}_model"] for n in (1, 2, 3)] == ["m0", "m1", "m2"]
    assert unknown == [f"ControlNet {place} Module: ip-adapter-auto" for place in (3, 7)]


@pytest.mark.parametrize("own", [{}, {"weight": 0.35, "start": 0.2, "end": 0.95, "model": "mine, with: commas (2)"}])
def test_ours_comes_back(own: dict[str, Any]) -> None:
    references = {f"reference_{n}": Reference(picture=PICTURE, **own) for n in (1, 3)}
    request = GenerationRequest(prompt="a", seed=1, control_1=Control(map=PICTURE), **references)  # type: ignore[arg-type]
    settings = {name: value for name, value in flat(request).items() if value is not None and value is not PICTURE}
    fields, unknown = infotext.read(infotext.write(settings))
    assert unknown == []
    told = {name: value for name, value in fields.items() if name.startswith("reference_")}
    wanted = {name: value for name, value in settings.items() if name.startswith("reference_")}
    assert told == {name: value for name, value in wanted.items() if not name.endswith("_encoder")}
    assert fields["control_1_model"] == settings["control_1_model"]


def test_no_pair_where_there_is_none() -> None:
    settings = {name: value for name, value in flat(GenerationRequest(prompt="a", seed=1)).items() if value is not None}
    assert "ControlNet" not in infotext.write(settings)
