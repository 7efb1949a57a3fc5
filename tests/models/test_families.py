"""Kind and family of every sort of file, from names and shapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import Note
from pipelines.models.checkpoints import identify
from pipelines.models.files.kinds import find
from tests.models.files import checkpoint, write_model
from tools.random_kinds import KINDS, METADATA
from webui.words import say

EXPECTED = {
    "lora-sd15": ("lora", "sd1"),
    "lora-sd21": ("lora", "sd2"),
    "lora-sdxl": ("lora", "sdxl"),
    "lora-flux": ("lora", "flux"),
    "lora-peft-sd15": ("lora", "sd1"),
    "lora-notes": ("lora", "sdxl"),
    "lycoris-sd15": ("lycoris", "sd1"),
    "lycoris-lokr-sdxl": ("lycoris", "sdxl"),
    "vae": ("vae", "unknown"),
    "vae-flux": ("vae", "unknown"),
    "vae-original": ("vae", "unknown"),
    "tiny-vae": ("tiny-vae", "unknown"),
    "embedding-sd15": ("embedding", "sd1"),
    "embedding-sd21": ("embedding", "sd2"),
    "embedding-sdxl": ("embedding", "sdxl"),
    "embedding-diffusers": ("embedding", "sd1"),
    "controlnet-sd15": ("controlnet", "sd1"),
    "controlnet-sdxl": ("controlnet", "sdxl"),
    "t2i-adapter": ("t2i-adapter", "unknown"),
    "ip-adapter": ("ip-adapter", "sd1"),
    "ip-adapter-plus-sd15": ("ip-adapter", "sd1"),
    "ip-adapter-sdxl": ("ip-adapter", "sdxl"),
    "image-encoder-h": ("image-encoder", "unknown"),
    "image-encoder-g": ("image-encoder", "unknown"),
    "motion-module": ("motion-module", "unknown"),
    "upscaler": ("upscaler", "unknown"),
    "upscaler-new": ("upscaler", "unknown"),
    "text-encoder": ("text-encoder", "unknown"),
    "unet-diffusers": ("unet", "sd1"),
    "sd3": ("checkpoint", "sd3"),
    "sd35-large": ("transformer", "sd3.5-large"),
    "sd35-medium": ("transformer", "sd3.5-medium"),
    "flux-dev": ("transformer", "flux"),
    "flux-schnell": ("checkpoint", "flux"),
    "quantized": ("quantized", "unknown"),
    "nothing-known": ("unknown", "unknown"),
}


def test_every_kind_the_tool_writes_is_expected_here() -> None:
    assert EXPECTED.keys() == KINDS.keys()


@pytest.mark.parametrize("name", KINDS)
def test_kind_and_family(name: str, tmp_path: Path) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", KINDS[name], METADATA.get(name)))
    assert (info.kind, info.family) == EXPECTED[name]
    if info.kind in ("checkpoint", "upscaler", "image-encoder"):
        assert info.problem is None
    else:
        assert info.problem is not None
        told = say(info.problem, "en")
        assert told.startswith("It is ")
        assert told.endswith(".")


@pytest.mark.parametrize(
    ("width", "channels", "family", "variant", "prediction", "native"),
    [
        (768, 4, "sd1", "", "epsilon", 512),
        (768, 9, "sd1", "inpaint", "epsilon", 512),
        (768, 8, "sd1", "pix2pix", "epsilon", 512),
        (1024, 4, "sd2", "", None, 768),
        (1024, 9, "sd2", "inpaint", "epsilon", 512),
        (1024, 5, "sd2", "depth", "epsilon", 512),
        (2048, 4, "sdxl", "", "epsilon", 1024),
        (2048, 9, "sdxl", "inpaint", "epsilon", 1024),
        (1280, 4, "sdxl-refiner", "", "epsilon", 1024),
    ],
)
def test_checkpoints(
    width: int, channels: int, family: str, variant: str, prediction: str | None, native: int, tmp_path: Path
) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", checkpoint(width, channels, refiner=width == 1280)))
    assert (info.kind, info.family, info.variant, info.problem) == ("checkpoint", family, variant, None)
    assert (info.prediction_type, info.native_size) == (prediction, native)
    assert info.inpainting == (channels == 9)
    assert set(info.parts) == {"unet", "vae", "text_encoder"}
    assert (info.dtype, info.layout) == ("float16", "single")


def test_sdxl_with_fewer_blocks_is_told_apart(tmp_path: Path) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", checkpoint(2048, refiner=True)))
    assert (info.family, info.variant) == ("sdxl", "distilled")


def test_a_width_nobody_knows_is_named(tmp_path: Path) -> None:
    shapes = checkpoint(768)
    shapes["model.diffusion_model.input_blocks.2.1.transformer_blocks.0.attn2.to_k.weight"] = (320, 555)
    info = identify(write_model(tmp_path / "x.safetensors", shapes))
    assert info.kind == "unknown"
    assert info.problem == Note("no_known_model", reason=Note("no_known_width", width=555))


@pytest.mark.parametrize(
    ("gone", "words"),
    [
        (("first_stage_model.",), "lacks: VAE."),
        (("cond_stage_model.",), "lacks: text encoder."),
        (("first_stage_model.", "cond_stage_model."), "UNet alone"),
    ],
)
def test_a_missing_part_is_named(gone: tuple[str, ...], words: str, tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in checkpoint().items() if not name.startswith(gone)}
    info = identify(write_model(tmp_path / "x.safetensors", shapes))
    assert info.problem is not None
    assert words in say(info.problem, "en")


def test_an_ema_copy_is_noticed() -> None:
    found = find({**checkpoint(), "model_ema.diffusion_modelinput_blocks00weight": (320, 4, 3, 3)})
    assert "ema" in found.parts


@pytest.mark.parametrize(
    ("key", "prediction", "zero_snr"),
    [("v_pred", "v_prediction", False), ("ztsnr", "epsilon", True), ("edm_mean", "edm", False)],
)
def test_marks_among_the_tensors(key: str, prediction: str, zero_snr: bool, tmp_path: Path) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", {**checkpoint(2048), key: ()}))
    assert (info.prediction_type, info.zero_terminal_snr) == (prediction, zero_snr)


@pytest.mark.parametrize(
    ("metadata", "prediction", "zero_snr"),
    [
        ({"modelspec.prediction_type": "v"}, "v_prediction", False),
        ({"modelspec.prediction_type": "epsilon"}, "epsilon", False),
        ({"modelspec.architecture": "stable-diffusion-v2-768-v"}, "v_prediction", False),
        ({"modelspec.architecture": "stable-diffusion-v2-512"}, "epsilon", False),
        ({"ztsnr": "true", "v_pred": "true"}, "v_prediction", True),
        ({"ss_zero_terminal_snr": "True"}, None, True),
        ({"modelspec.prediction_type": "nonsense"}, None, False),
    ],
)
def test_authors_notes(metadata: dict[str, str], prediction: str | None, zero_snr: bool, tmp_path: Path) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", checkpoint(1024), metadata))
    assert (info.prediction_type, info.zero_terminal_snr) == (prediction, zero_snr)


def test_size_follows_the_prediction_type(tmp_path: Path) -> None:
    notes = {"modelspec.prediction_type": "epsilon"}
    assert identify(write_model(tmp_path / "a.safetensors", checkpoint(1024), notes)).native_size == 512
    notes = {"modelspec.prediction_type": "v"}
    assert identify(write_model(tmp_path / "b.safetensors", checkpoint(1024), notes)).native_size == 768


@pytest.mark.parametrize(
    ("text", "prediction", "zero_snr"),
    [
        ('model:\n  target: x\n  params:\n    parameterization: "v"\n', "v_prediction", False),
        ("model:\n  params:\n    parameterization: v # said so\n", "v_prediction", False),
        ("model:\n  params:\n    linear_start: 0.00085\n", "epsilon", False),
        ("model:\n  params:\n    # parameterization: v\n    linear_start: 0.00085\n", "epsilon", False),
        ("model:\n  params:\n    parameterization: v\n    use_zero_terminal_snr: True\n", "v_prediction", True),
        ("model:\n  params:\n    scaling_config:\n      target: sgm.modules.x.VScaling\n", "v_prediction", False),
        ("prompt: a cat\n", None, False),  # some other program's .yaml
    ],
)
def test_sidecar(text: str, prediction: str | None, zero_snr: bool, tmp_path: Path) -> None:
    path = write_model(tmp_path / "model.v1.safetensors", checkpoint(1024))
    (tmp_path / "model.v1.yaml").write_text(text, encoding="utf-8")
    info = identify(path)
    assert (info.prediction_type, info.zero_terminal_snr) == (prediction, zero_snr)


def test_what_people_put_beside_a_file_outweighs_its_notes(tmp_path: Path) -> None:
    path = write_model(tmp_path / "m.safetensors", checkpoint(1024), {"modelspec.prediction_type": "epsilon"})
    path.with_suffix(".yaml").write_text('model:\n  params:\n    parameterization: "v"\n', encoding="utf-8")
    assert identify(path).prediction_type == "v_prediction"


def test_text_encoder_parts_are_no_notes_of_a_lora(tmp_path: Path) -> None:
    """The trainer's notes fill in only what the shapes leave open."""
    path = write_model(tmp_path / "x.safetensors", KINDS["lora-sd15"], {"ss_base_model_version": "sdxl_base_v1-0"})
    assert identify(path).family == "sd1"
