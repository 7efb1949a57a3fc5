"""Every kind of tiny network of which tests make oracles computes in float32 what it computes in float64."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import diffusers
import pytest
import torch
import transformers

from tests.conditioning import CLOSE, conditioned, rounding
from tests.models.pipeline_folders import WIDTH, write_flux, write_sd3
from tools.make_random_checkpoint import RandomModel
from tools.tiny_clip import SIDE, write_tiny

pytestmark = pytest.mark.torch


def drawn(*shape: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def words() -> torch.Tensor:
    return torch.arange(2, 79)[None]


def built(model: RandomModel, part: str) -> Any:
    values = {
        name: one
        for name, one in model.parts[part].items()
        if name not in ("_class_name", "model_type", "architectures")
    }
    if part == "unet":
        network: Any = diffusers.UNet2DConditionModel(**values)
    elif part == "vae":
        network = diffusers.AutoencoderKL(**values)
    else:
        kind = transformers.CLIPTextModelWithProjection if part.endswith("_2") else transformers.CLIPTextModel
        network = kind(transformers.CLIPTextConfig(**values))
    state = {name: model.tensor(part, name).float() for name in model.shapes[part]}
    assert not network.load_state_dict(state, strict=False).unexpected_keys
    return network


def told(config: Any, seed: int = 4) -> dict[str, Any]:
    """What SDXL's networks are told beside the words."""
    if config.addition_embed_type != "text_time":
        return {}
    sizes = 5 if config.projection_class_embeddings_input_dim == 2560 else 6
    pooled = config.projection_class_embeddings_input_dim - sizes * config.addition_time_embed_dim
    return {
        "added_cond_kwargs": {"text_embeds": drawn(1, pooled, seed=seed), "time_ids": torch.full((1, sizes), 128.0)}
    }


def unet_input(network: Any, side: int) -> dict[str, Any]:
    return {
        "sample": drawn(1, network.config.in_channels, side, side),
        "timestep": torch.tensor([500.0]),
        "encoder_hidden_states": drawn(1, 77, network.config.cross_attention_dim, seed=2),
        **told(network.config),
    }


@pytest.mark.parametrize("name", ["sd15", "sd15-pix2pix", "sd21", "sdxl", "sdxl-refiner"])
def test_models_of_our_tool_at_128_pixels(name: str) -> None:
    model = RandomModel(name, tiny=True, vocabulary=600)
    unet = built(model, "unet")
    conditioned(unet, **unet_input(unet, 16))
    vae = built(model, "vae")
    conditioned(vae, drawn(1, 4, 16, 16), call="decode")
    conditioned(vae.encoder, drawn(1, 3, 128, 128))
    for part in model.parts:
        if part.startswith("text"):
            conditioned(built(model, part), words())


@pytest.mark.parametrize("name", ["sd15", "sdxl-refiner"])
def test_at_64_pixels_they_are_no_oracles(name: str) -> None:
    """Why no comparison is made there: the lowest level is one number a group, and a norm of one number is rounding
    alone, magnified by 1 / sqrt(1e-5)."""
    unet = built(RandomModel(name, tiny=True, vocabulary=600), "unet")
    pair = {key: _twice(value) for key, value in unet_input(unet, 8).items() if key != "timestep"}
    assert rounding(unet, **pair, timestep=torch.tensor([500.0])) > CLOSE


def _twice(value: Any) -> Any:
    """A batch of two; of one, torch refuses the norm itself."""
    if isinstance(value, dict):
        return {key: _twice(one) for key, one in value.items()}
    return torch.cat([value, value])


@pytest.mark.parametrize("dual", [False, True])
def test_sd3(tmp_path: Path, dual: bool) -> None:
    folder = write_sd3(tmp_path, dual=dual)
    network = diffusers.SD3Transformer2DModel.from_pretrained(folder, subfolder="transformer", local_files_only=True)
    conditioned(
        network,
        hidden_states=drawn(1, 16, 8, 8),
        encoder_hidden_states=drawn(1, 77, 3 * WIDTH, seed=2),
        pooled_projections=drawn(1, 3 * WIDTH, seed=3),
        timestep=torch.tensor([500.0]),
    )
    common_parts(folder, ("text_encoder", "text_encoder_2"), "text_encoder_3")


def test_flux(tmp_path: Path) -> None:
    folder = write_flux(tmp_path)
    network = diffusers.FluxTransformer2DModel.from_pretrained(folder, subfolder="transformer", local_files_only=True)
    conditioned(
        network,
        hidden_states=drawn(1, 16, 64),
        encoder_hidden_states=drawn(1, 20, WIDTH, seed=2),
        pooled_projections=drawn(1, WIDTH, seed=3),
        timestep=torch.tensor([0.5]),
        img_ids=torch.zeros(16, 3),
        txt_ids=torch.zeros(20, 3),
        guidance=torch.tensor([3.5]),
    )
    common_parts(folder, ("text_encoder",), "text_encoder_2")


def common_parts(folder: Path, clips: tuple[str, ...], t5: str) -> None:
    vae = diffusers.AutoencoderKL.from_pretrained(folder, subfolder="vae", local_files_only=True)
    conditioned(vae, drawn(1, 16, 8, 8), call="decode")
    conditioned(vae.encoder, drawn(1, 3, 64, 64))
    for part in clips:
        kind = transformers.CLIPTextModelWithProjection if "sd3" in part else transformers.CLIPTextModel
        conditioned(kind.from_pretrained(folder / part, local_files_only=True), words())
    conditioned(transformers.T5EncoderModel.from_pretrained(folder / t5, local_files_only=True), words() % 60)


@pytest.mark.parametrize("whole", [False, True])
def test_image_encoders(tmp_path: Path, whole: bool) -> None:
    model = write_tiny(tmp_path, whole=whole)
    network = model.vision_model if whole else model
    conditioned(network, drawn(1, 3, SIDE, SIDE))
