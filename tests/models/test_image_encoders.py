"""CLIP vision models are known by their headers and the config.json beside them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import ModelError
from pipelines.models.checkpoints import identify, scan
from pipelines.models.files.anatomy import parts_of
from pipelines.models.files.vision import published
from pipelines.types import ModelInfo
from webui.words import say

from .clip import SHAPES, VISION, write_header_only
from .files import header_of, write_header, write_model


def identified(tmp_path: Path, config: Any = None, shapes: dict[str, tuple[int, ...]] | None = None) -> ModelInfo:
    write_header_only(tmp_path / "ip-adapter" / "image_encoder", config, shapes)
    (info,) = scan([tmp_path])
    return info


@pytest.mark.parametrize(
    "config",
    [{"model_type": "clip_vision_model", **VISION}, {"model_type": "clip", "vision_config": VISION}],
    ids=["the half that sees", "whole"],
)
def test_an_image_encoder(config: dict[str, Any], tmp_path: Path) -> None:
    text = {"text_model.embeddings.token_embedding.weight": (8, 16), "text_projection.weight": (16, 16)}
    info = identified(tmp_path, config, SHAPES | text if config["model_type"] == "clip" else SHAPES)
    parts = ("image_encoder", "text_encoder") if config["model_type"] == "clip" else ("image_encoder",)
    assert (info.kind, info.problem, info.name, info.parts) == ("image-encoder", None, "image_encoder", parts)


def test_it_is_no_model_and_nothing_that_a_prompt_names(tmp_path: Path) -> None:
    identified(tmp_path)
    engine = FakeEngine(folders=[tmp_path])
    assert [info.name for info in engine.image_encoders()] == ["image_encoder"]
    assert [info.name for info in engine.models()] == ["builtin", "builtin-tokens"]
    assert engine.adapters() == ()
    assert [(info.name, info.problem) for info in engine.shelf()] == [
        ("image_encoder", None),
        ("builtin-2x", None),
        ("builtin-outlines", None),
        ("builtin", None),
        ("builtin-tokens", None),
    ]
    with pytest.raises(ModelError, match=r"image_encoder_missing.*'other'"):
        engine.embed("other", [], lambda _: None)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("", "Its image_encoder/config.json is missing."),
        ("{", "Its image_encoder/config.json is damaged: it is no JSON."),
        ("[]", "Its image_encoder/config.json is damaged: it holds no table."),
        ({"model_type": "clip", "vision_config": 1}, "Its config.json: vision_config is damaged: it holds no table."),
        (
            {"model_type": "siglip", **VISION},
            "Its config.json says model_type siglip, which is not supported:"
            " it must be one of clip, clip_vision_model.",
        ),
        (
            {"model_type": "clip_vision_model", **VISION, "hidden_size": 64},
            "Its config.json belongs to other weights: it says width 64 and patches of 6 pixels.",
        ),
        (
            {"model_type": "clip", "vision_config": {"hidden_size": 32}},  # transformers' patches are 32 then
            "Its config.json belongs to other weights: it says width 32 and patches of 32 pixels.",
        ),
    ],
)
def test_what_is_wrong_is_one_sentence_and_it_is_not_offered(config: Any, said: str, tmp_path: Path) -> None:
    info = identified(tmp_path, config)
    assert info.kind == "image-encoder"
    assert info.problem is not None
    assert say(info.problem, "en") == said
    engine = FakeEngine(folders=[tmp_path])
    assert engine.image_encoders() == ()
    assert [one.problem for one in engine.shelf() if one.kind == "image-encoder"] == [info.problem]


def test_a_config_that_is_mended_is_noticed(tmp_path: Path) -> None:
    engine = FakeEngine(folders=[tmp_path])
    folder = write_header_only(tmp_path / "clip", "")
    assert engine.image_encoders() == ()
    config = folder / "config.json"
    config.write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    os.utime(config, ns=(1, 1))
    assert engine.image_encoders() == ()
    write_header_only(folder)
    assert [info.name for info in engine.image_encoders()] == ["clip"]


def test_a_network_that_sees_without_clips_projection_is_none(tmp_path: Path) -> None:
    shapes = {name: shape for name, shape in SHAPES.items() if name.startswith("vision_model.")}
    assert identified(tmp_path, None, shapes).kind == "unknown"


@pytest.mark.torch
def test_the_published_count_of_vit_l_14(tmp_path: Path) -> None:
    """OpenAI's ViT-L/14 has 427,616,513 numbers, 123,650,304 of them in the half that reads."""
    torch = pytest.importorskip("torch")
    from transformers import CLIPConfig, CLIPModel

    text = {"hidden_size": 768, "intermediate_size": 3072, "num_attention_heads": 12, "projection_dim": 768}
    vision = {
        "hidden_size": 1024,
        "intermediate_size": 4096,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "patch_size": 14,
        "projection_dim": 768,
    }
    with torch.device("meta"):
        model = CLIPModel(CLIPConfig(text_config=text, vision_config=vision, projection_dim=768))
    model.config.save_pretrained(tmp_path)
    weights = {name: tuple(weight.shape) for name, weight in model.named_parameters()}
    write_header(tmp_path / "model.safetensors", header_of(weights))
    info = identify(tmp_path / "model.safetensors")
    assert (info.kind, info.problem) == ("image-encoder", None)
    counted = {part.name: part.parameters for part in parts_of(info)}
    assert counted == {"text_encoder": 123_650_304, "image_encoder": 427_616_513 - 123_650_304}


def vit(width: int, projected: int, layers: int, inner: int) -> dict[str, tuple[int, ...]]:
    """What tells the published shapes of OpenCLIP's large encoders."""
    found = {
        "vision_model.embeddings.patch_embedding.weight": (width, 3, 14, 14),
        "vision_model.embeddings.position_embedding.weight": (257, width),
        "visual_projection.weight": (projected, width),
    }
    return found | {f"vision_model.encoder.layers.{n}.mlp.fc1.weight": (inner, width) for n in range(layers)}


H, G = vit(1280, 1024, 32, 5120), vit(1664, 1280, 48, 8192)


@pytest.mark.parametrize("shapes", [H, G], ids=["ViT-H/14", "ViT-bigG/14"])
def test_one_of_the_published_large_ones_needs_no_config(shapes: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    """As one file in a folder with others, which is how other programs have it."""
    info = identify(write_model(tmp_path / "clip_vision" / "CLIP-ViT.safetensors", shapes))
    assert (info.kind, info.name, info.problem) == ("image-encoder", "CLIP-ViT", None)
    config = published(tmp_path / "clip_vision", shapes)
    assert config is not None
    assert (config["image_size"], config["hidden_act"]) == (224, "gelu")
    (tmp_path / "clip_vision" / "config.json").write_text('{"model_type": "t5"}', encoding="utf-8")
    assert identify(tmp_path / "clip_vision" / "CLIP-ViT.safetensors").problem is not None  # what stands there counts


@pytest.mark.parametrize("shapes", [vit(1280, 768, 32, 5120), {**H, "visual_projection.weight": (1025, 1280)}])
def test_of_any_other_the_config_is_missing(shapes: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", shapes))
    assert info.problem is not None
    assert info.problem.code == "part_missing"


@pytest.mark.torch
@pytest.mark.parametrize(("shapes", "parameters"), [(H, 632_076_800), (G, 1_844_908_800)])
def test_their_published_count(shapes: dict[str, tuple[int, ...]], parameters: int, tmp_path: Path) -> None:
    """Of the halves that see, as their model cards count them: 632.08 million and 1844.91 million."""
    torch = pytest.importorskip("torch")
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    config = published(tmp_path, shapes)
    assert config is not None
    with torch.device("meta"):
        model = CLIPVisionModelWithProjection(CLIPVisionConfig(**config, projection_dim=len_of(shapes)))
    assert round(sum(one.numel() for one in model.parameters()) / 1e4) == round(parameters / 1e4)


def len_of(shapes: dict[str, tuple[int, ...]]) -> int:
    return shapes["visual_projection.weight"][0]
