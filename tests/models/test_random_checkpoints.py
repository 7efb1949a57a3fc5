"""One model written as folder, single file and old pickle: diffusers reads the very same weights from each, offline."""

from __future__ import annotations

import socket
import sys
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import Note
from pipelines.models.checkpoints import identify
from pipelines.models.conversion import convert
from tools.random_specs import SPECS

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

VOCABULARY = 600  # words; a real one is 49,408 and makes the file 80 MB larger


@pytest.fixture(autouse=True)
def offline(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever would go online fails at once."""

    def refuse(*arguments: Any, **named: Any) -> None:
        raise AssertionError("went online")

    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


def model(name: str) -> Any:
    from tools.make_random_checkpoint import RandomModel

    return RandomModel(name, tiny=True, vocabulary=VOCABULARY)


def from_folder(folder: Path, part: str) -> dict[str, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    kinds = {
        "unet": UNet2DConditionModel,
        "vae": AutoencoderKL,
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
    }
    kind: Any = kinds[part]
    number_format = {"dtype" if part.startswith("text") else "torch_dtype": torch.float16}
    return dict(kind.from_pretrained(folder, subfolder=part, local_files_only=True, **number_format).state_dict())


def from_single(path: Path, configs: Path, part: str) -> dict[str, Any]:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.loaders.single_file_utils import create_diffusers_clip_model_from_ldm
    from safetensors.torch import load_file
    from transformers import CLIPTextModel, CLIPTextModelWithProjection

    options = {"config": str(configs), "subfolder": part, "torch_dtype": torch.float16, "local_files_only": True}
    weights = load_file(path)
    if part == "unet":
        found: Any = UNet2DConditionModel.from_single_file(weights, **options)
    elif part == "vae":
        found = AutoencoderKL.from_single_file(weights, **options)
    else:
        kind = CLIPTextModelWithProjection if part.endswith("_2") else CLIPTextModel
        found = create_diffusers_clip_model_from_ldm(kind, weights, **options)
    return dict(found.state_dict())


@pytest.mark.parametrize("name", ["sd15", "sd21", "sdxl", "sdxl-refiner", "sd15-inpaint"])
def test_every_layout_holds_the_same_weights(name: str, tmp_path: Path) -> None:
    made = model(name)
    folder, single, pickle = tmp_path / name, tmp_path / "single.safetensors", tmp_path / "old.ckpt"
    made.write_folder(folder)
    made.write_single(single)
    paths = [single]
    if name == "sd15":
        made.write_pickle(pickle)
        paths.append(convert(pickle))
    for part in made.parts:
        expected = from_folder(folder, part)
        assert {key: tuple(value.shape) for key, value in expected.items() if "position_ids" not in key} == made.shapes[
            part
        ]
        for path in paths:
            found = from_single(path, folder, part)
            assert found.keys() == expected.keys()
            for key, tensor in expected.items():
                assert not found[key].is_meta, (part, key)
                assert torch.equal(found[key], tensor), (path.name, part, key)


FAMILIES = {
    "sd15": ("sd1", "", "epsilon"),
    "sd15-inpaint": ("sd1", "inpaint", "epsilon"),
    "sd15-pix2pix": ("sd1", "pix2pix", "epsilon"),
    "sd21": ("sd2", "", None),
    "sd21-base": ("sd2", "", None),
    "sd21-inpaint": ("sd2", "inpaint", "epsilon"),
    "sdxl": ("sdxl", "", "epsilon"),
    "sd21-unclip": ("sd2", "unCLIP", "epsilon"),
    "sdxl-inpaint": ("sdxl", "inpaint", "epsilon"),
    "sdxl-refiner": ("sdxl-refiner", "", "epsilon"),
}
# Of the published fp16 files: v1-5-pruned-emaonly, v2-1_768-ema-pruned (half of its 5.21 GB), sd_xl_base_1.0, refiner
GIGABYTES = {"sd15": 2.13, "sd21": 2.60, "sdxl": 6.94, "sdxl-refiner": 6.08}


@pytest.mark.skipif(sys.platform == "win32", reason="a hole in a file takes room there")
@pytest.mark.parametrize("name", SPECS)
def test_full_size_headers(name: str, tmp_path: Path) -> None:
    """Every name and shape of the real thing; the weights are a hole."""
    from tools.make_random_checkpoint import RandomModel

    path = tmp_path / f"{name}.safetensors"
    RandomModel(name, tiny=False).write_single(path, header_only=True)
    info = identify(path)
    assert (info.kind, info.problem, info.dtype) == ("checkpoint", None, "float16")
    assert (info.family, info.variant, info.prediction_type) == FAMILIES[name]
    if name in GIGABYTES:
        assert info.bytes / 1e9 == pytest.approx(GIGABYTES[name], abs=0.011)


def test_folders_are_known_by_their_configurations(tmp_path: Path) -> None:
    made = model("sd21")
    made.write_folder(tmp_path / "m")
    info = identify(tmp_path / "m")
    assert (info.family, info.prediction_type, info.problem) == ("sd2", "v_prediction", None)


def test_seeds() -> None:
    from tools.make_random_checkpoint import RandomModel

    def drawn(seed: int, block: int) -> Any:
        return RandomModel("sd15", tiny=True, seed=seed).tensor("unet", f"mid_block.resnets.{block}.conv1.weight")

    first = drawn(1, 0)
    assert torch.equal(first, drawn(1, 0))
    for other in (drawn(2, 0), drawn(1, 1)):
        assert other.shape == first.shape
        assert not torch.equal(first, other)


def test_a_tiny_model_draws_finite_pictures(tmp_path: Path) -> None:
    from diffusers import StableDiffusionPipeline

    folder = tmp_path / "m"
    model("sd15").write_folder(folder)
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    pipeline.set_progress_bar_config(disable=True)
    generator = torch.Generator().manual_seed(1)
    size = {"height": 64, "width": 64}
    pictures = pipeline("a cat", num_inference_steps=2, generator=generator, output_type="np", **size).images
    assert pictures.shape == (1, 64, 64, 3)
    assert 0.001 < float(pictures.std()) < 1


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["lora-sdxl"], "lora-sdxl.safetensors"),
        (["sd15", "--tiny", "--vocabulary", "600", "--header-only"], "tiny-sd15.safetensors"),
        (["sd15", "--tiny", "--vocabulary", "600", "--ckpt"], "tiny-sd15.ckpt"),
    ],
)
def test_the_command(arguments: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from tools.make_random_checkpoint import main

    assert main([*arguments, "--out", str(tmp_path / "out")]) == 0
    path = tmp_path / "out" / expected
    assert capsys.readouterr().out.strip() == str(path)
    assert identify(path).problem == (
        None if "lora" not in expected else Note("no_checkpoint_for", what=Note("noun_lora"), families=("SDXL",))
    )
