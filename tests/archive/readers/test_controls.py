"""ControlNets in A1111's text, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image

from pipelines.control.preprocessing import PREPROCESSORS
from pipelines.fields import flat
from pipelines.leading import BALANCES, Control
from pipelines.types import GenerationRequest
from webui.archive.readers import infotext

MAP = Image.new("RGB", (64, 64))
# as sd-webui-controlnet 1.1.455 writes it
THEIRS = (
    "a cat\nNegative prompt: dog\nSteps: 20, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 512x512, "
    'ControlNet 0: "Module: canny, Model: control_v11p_sd15_canny [d14c016b], Weight: 0.8, '
    "Resize Mode: Crop and Resize, Processor Res: 512, Threshold A: 90.0, Threshold B: 180.0, "
    "Guidance Start: 0.1, Guidance End: 0.9, "
    'Pixel Perfect: True, Control Mode: My prompt is more important", '
    'ControlNet 1: "Module: depth_midas, Model: control_v11f1p_sd15_depth [cfd03158], Weight: 1.0, '
    'Guidance Start: 0.0, Guidance End: 1.0, Control Mode: ControlNet is more important", Version: v1.10.1'
)


def test_theirs_is_read() -> None:
    fields, unknown = infotext.read(THEIRS)
    found = {name: value for name, value in fields.items() if name.startswith("control_")}
    assert found == {
        "control_1_preprocessor": "canny",
        "control_1_model": "control_v11p_sd15_canny",
        "control_1_weight": 0.8,
        "control_1_low": 90,
        "control_1_high": 180,
        "control_1_start": 0.1,
        "control_1_end": 0.9,
        "control_1_balance": "prompt",
        "control_2_model": "control_v11f1p_sd15_depth",
        "control_2_weight": 1.0,
        "control_2_start": 0.0,
        "control_2_end": 1.0,
        "control_2_balance": "control",
    }
    assert unknown == ["ControlNet 1 Module: depth_midas"]


@pytest.mark.parametrize(
    "own",
    [
        *({"preprocessor": name} for name in PREPROCESSORS),
        *({"balance": name} for name in BALANCES),
        {"preprocessor": "canny", "low": 3, "high": 255},
        {"weight": 0.35, "start": 0.2, "end": 0.95, "model": "mine, with: commas (2)"},
    ],
)
def test_ours_comes_back(own: dict[str, Any]) -> None:
    request = GenerationRequest(prompt="a", seed=1, control_2=Control(map=MAP, **own))
    settings = {name: value for name, value in flat(request).items() if value is not None and name != "control_2_map"}
    fields, unknown = infotext.read(infotext.write(settings))
    assert unknown == []
    default = flat(Control(map=MAP))
    told = {name.removeprefix("control_2_"): value for name, value in fields.items() if name.startswith("control_")}
    assert default | told | {"map": MAP} == flat(request.control_2) | {"map": MAP}


def test_no_pair_where_there_is_none() -> None:
    settings = {name: value for name, value in flat(GenerationRequest(prompt="a", seed=1)).items() if value is not None}
    assert "ControlNet" not in infotext.write(settings)
    assert infotext.read('a\nSteps: 20, Sampler: Euler, Seed: 1, ControlNet 7: "Module: canny"')[1] == [
        "ControlNet 7: Module: canny"
    ]


@pytest.mark.parametrize(
    "text", ["", "Weight: heavy", "Weight: 1e999", "Threshold A: nan, Module: canny", ": : ,", "Model: "]
)
def test_whatever_stands_there_is_read_or_told(text: str) -> None:
    fields, _ = infotext.read(f'a\nSteps: 20, Sampler: Euler, ControlNet 0: "{text}", Seed: 1')
    assert all(value is not None for value in fields.values())
