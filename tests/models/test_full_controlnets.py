"""ControlNets of their published sizes, without any weights: what their files are taken for, what they are read as, and
that plans for them exist on a card of 8 GiB."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.models import memory
from pipelines.models.listing import Listing
from pipelines.models.memory import GB, Plan, Size, Ways, plan, shape_of

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

# millions of numbers, as the published files have them: 1.45, 1.46, 2.5 and 2.5 GB in 32, 32, 16 and 16 bits
PUBLISHED = {
    "full-controlnet-sd15": ("sd1", 361),
    "full-controlnet-sd21": ("sd2", 364),
    "full-controlnet-sdxl": ("sdxl", 1251),
    "full-controlnet-union-sdxl": ("sdxl", 1256),
}
every = pytest.mark.parametrize("name", PUBLISHED)
CARD = 8 * GB


def counted(name: str) -> int:
    from tools.random_controlnets import shapes_of

    return sum(math.prod(shape) for shape in shapes_of(name).values())


@every
@pytest.mark.parametrize("layout", ["folder", "single"])
def test_it_is_known_by_its_header_alone(tmp_path: Path, name: str, layout: str) -> None:
    from tools.make_random_checkpoint import write_control

    write_control(name, tmp_path / ("net.safetensors" if layout == "single" else "net"), header_only=True)
    (info,) = Listing([tmp_path]).everything()[-1:]
    family, millions = PUBLISHED[name]
    assert (info.kind, info.family) == ("controlnet", family)
    assert info.bytes == pytest.approx(2e6 * millions, rel=0.005)
    assert info.variant == ("union" if "union" in name else "")


@every
def test_both_layouts_are_read_as_the_network_that_they_are(name: str) -> None:
    """Names and sizes alone tell its shape: diffusers' own network of that config has the same tensors."""
    from diffusers import ControlNetModel, ControlNetUnionModel, UNet2DConditionModel

    from pipelines.models.weights import controlnet
    from tools import random_controlnets as full
    from tools.random_specs import SPECS

    unet = {key: value for key, value in SPECS[full.CONTROLNETS[name][0]][2]["unet"].items() if key != "_class_name"}
    with torch.device("meta"):
        shared = {key: value for key, value in UNet2DConditionModel(**unet).config.items() if key in controlnet._SHARED}
    known = full.shapes_of(name)
    for shapes in (known, {own: known[key] for own, key in full.original_names(name).items()}):
        tensors = {key: torch.empty(shape, device="meta") for key, shape in shapes.items()}
        named = controlnet._as_diffusers_names(tensors, shared)
        config = shared | controlnet._told_by(named, shared)
        kind: Any = ControlNetUnionModel if "union" in name else ControlNetModel
        with torch.device("meta"):
            network = kind.from_config(config)
        assert {key: tuple(one.shape) for key, one in network.state_dict().items()} == full.shapes_of(name)
        assert {key: tuple(one.shape) for key, one in named.items()} == full.shapes_of(name)


def planned(family: str, names: tuple[str, ...], side: int, free: int = CARD) -> Plan:
    shape = replace(shape_of(family, bytes_per_number=2), beside=2 * sum(map(counted, names)))
    return plan(shape, Size(width=side, height=side), free)


def test_sd15_with_two_at_768_stays_on_a_card_of_8_gib() -> None:
    made = planned("sd1", ("full-controlnet-sd15",) * 2, 768)
    assert made.ways == Ways()
    assert made.bytes <= CARD
    alone = planned("sd1", (), 768)
    assert made.bytes - alone.bytes == 2 * 2 * counted("full-controlnet-sd15")


@pytest.mark.parametrize("name", ["full-controlnet-sdxl", "full-controlnet-union-sdxl"])
def test_sdxl_with_one_at_1024_fits_on_a_card_of_8_gib_each_part_alone(name: str) -> None:
    made = planned("sdxl", (name,), 1024)
    assert made.ways is not None
    assert made.bytes <= CARD
    assert made.ways.parts_alone
    assert not made.ways.narrow  # the pixels stay
    # the UNet and the ControlNet are on the card together, and a step's work beside them
    shape = shape_of("sdxl", bytes_per_number=2)
    least = shape.unet + 2 * counted(name) + memory.OVERHEAD
    assert least < made.bytes < least + 0.5e9
    assert planned("sdxl", (name,), 1024, 16 * GB).ways == Ways()


ROWS = {
    "SD 1.5, two, 768²": ("sd1", ("full-controlnet-sd15",) * 2, 768),
    "SD 2.1, one, 768²": ("sd2", ("full-controlnet-sd21",), 768),
    "SDXL, one, 1024²": ("sdxl", ("full-controlnet-sdxl",), 1024),
    "SDXL, two, 1024²": ("sdxl", ("full-controlnet-sdxl",) * 2, 1024),
}


@pytest.mark.parametrize("row", ROWS)
def test_the_table_of_the_page_about_models_is_the_plan(row: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / "models.md").read_text(encoding="utf-8")
    (told,) = (line for line in page.splitlines() if line.startswith(f"| {row} |"))
    made = [planned(*ROWS[row], free * GB) for free in (6, 8, 12, 16)]
    ways = [", ".join(one.ways.names) or "as it is" for one in made if one.ways is not None]
    assert [cell.strip() for cell in told.strip("|").split("|")[1:]] == ways


def test_with_a_desktop_beside_it_sdxl_with_one_goes_layer_by_layer() -> None:
    made = planned("sdxl", ("full-controlnet-sdxl",), 1024, CARD - 500_000_000)
    assert made.ways is not None
    assert made.ways.streamed


def test_what_does_not_fit_is_told() -> None:
    """Where nothing may leave the card, so many are too many."""
    shape = shape_of("sdxl", bytes_per_number=2)
    shape = replace(shape, beside=2 * 3 * counted("full-controlnet-sdxl"))
    made = plan(shape, Size(width=1024, height=1024), CARD, means=memory.Means(moving=False, narrowing=False))
    assert made.ways is None
    assert made.bytes > CARD
