"""Families are known by the names and shapes of their makers' files, in every naming, alone and as LoRAs.

The shapes are those that diffusers' networks have with the published configurations (written down here, and held to
diffusers itself below), and those of the makers' layouts.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pipelines import families
from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from pipelines.families.base import Tensors
from pipelines.models.checkpoints import identify
from pipelines.models.listing import Listing
from tests.models.files import write_json, write_model
from webui.words import say

Shapes = dict[str, tuple[int, ...]]


def flux_like(width: int, text: int, first: int) -> Shapes:
    """In the names of Black Forest Labs."""
    return {
        "img_in.weight": (width, first),
        "txt_in.weight": (width, text),
        "double_blocks.0.img_attn.qkv.weight": (3 * width, width),
        "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
        "single_blocks.0.linear2.weight": (width, 5 * width),
    }


def flux2(width: int, text: int) -> Shapes:
    modulation: Shapes = {
        "double_stream_modulation_img.lin.weight": (6 * width, width),
        "single_stream_modulation.lin.weight": (3 * width, width),
    }
    return flux_like(width, text, 128) | modulation


MAKERS: dict[str, tuple[Shapes, str, str]] = {
    "flux dev": (
        flux_like(3072, 4096, 64)
        | {"vector_in.in_layer.weight": (3072, 768), "guidance_in.in_layer.weight": (3072, 256)},
        "flux",
        "dev",
    ),
    "flux fill": (
        flux_like(3072, 4096, 384)
        | {"vector_in.in_layer.weight": (3072, 768), "guidance_in.in_layer.weight": (3072, 256)},
        "flux",
        "fill",
    ),
    "flux schnell": (flux_like(3072, 4096, 64) | {"vector_in.in_layer.weight": (3072, 768)}, "flux", "schnell"),
    "flux2 4B": (flux2(3072, 7680), "flux2", "klein 4B"),
    "flux2 9B": (flux2(4096, 12288), "flux2", "klein 9B"),
    "flux2 dev": (flux2(6144, 15360) | {"guidance_in.in_layer.weight": (6144, 256)}, "flux2", "dev"),
    "chroma": (
        flux_like(3072, 4096, 64)
        | {
            "distilled_guidance_layer.in_proj.weight": (5120, 64),
            "distilled_guidance_layer.out_proj.weight": (3072, 5120),
            "distilled_guidance_layer.norms.0.scale": (5120,),
        },
        "chroma",
        "",
    ),
    "z-image": (
        {
            "cap_pad_token": (1, 3840),
            "cap_embedder.1.weight": (3840, 2560),
            "layers.0.adaLN_modulation.0.weight": (15360, 256),
            "layers.0.attention.qkv.weight": (11520, 3840),
        },
        "z-image",
        "",
    ),
    "lumina 2": (
        {
            "cap_embedder.1.weight": (2304, 2304),
            "layers.0.adaLN_modulation.1.weight": (9216, 1024),
            "noise_refiner.0.attention.k_norm.weight": (96,),
        },
        "lumina2",
        "",
    ),
    "qwen-image": (
        {
            "txt_norm.weight": (3584,),
            "txt_in.weight": (3072, 3584),
            "transformer_blocks.0.img_mod.1.weight": (18432, 3072),
            "transformer_blocks.0.attn.add_q_proj.weight": (3072, 3072),
        },
        "qwen-image",
        "",
    ),
    "anima": (
        {
            "blocks.0.mlp.layer1.weight": (8192, 2048),
            "x_embedder.proj.1.weight": (2048, 68),
            "llm_adapter.blocks.0.cross_attn.q_proj.weight": (1024, 1024),
        },
        "anima",
        "",
    ),
    "cosmos 2": (
        {"blocks.0.mlp.layer1.weight": (8192, 2048), "x_embedder.proj.1.weight": (2048, 68)},
        "cosmos2",
        "",
    ),
    "sd 3.5 medium": (
        {
            "joint_blocks.0.context_block.adaLN_modulation.1.bias": (9216,),
            "joint_blocks.0.x_block.attn2.qkv.weight": (4608, 1536),
        },
        "sd3.5-medium",
        "",
    ),
    "auraflow": (
        {"double_layers.0.attn.w1q.weight": (3072, 3072), "cond_seq_linear.weight": (3072, 2048)},
        "auraflow",
        "",
    ),
    "hidream": (
        {
            "caption_projection.0.linear.weight": (2560, 4096),
            "double_stream_blocks.0.block.attn1.to_q.weight": (2560, 2560),
            "x_embedder.proj.weight": (2560, 64),
        },
        "hidream",
        "",
    ),
    "hunyuan dit": (
        {
            "mlp_t5.0.weight": (8192, 2048),
            "blocks.0.attn1.Wqkv.weight": (4224, 1408),
            "x_embedder.proj.weight": (1408, 4, 2, 2),
        },
        "hunyuan-dit",
        "",
    ),
    "hunyuan video": (
        {
            "txt_in.individual_token_refiner.blocks.0.norm1.weight": (3072,),
            "double_blocks.0.img_attn_qkv.weight": (9216, 3072),
            "img_in.proj.weight": (3072, 16, 1, 2, 2),
        },
        "hunyuan-video",
        "",
    ),
    "wan": (
        {
            "head.modulation": (1, 2, 5120),
            "blocks.0.self_attn.q.weight": (5120, 5120),
            "patch_embedding.weight": (5120, 16, 1, 2, 2),
        },
        "wan",
        "",
    ),
    "ltx video": (
        {
            "adaln_single.emb.timestep_embedder.linear_1.bias": (2048,),
            "patchify_proj.weight": (2048, 128),
            "transformer_blocks.0.attn1.to_q.weight": (2048, 2048),
        },
        "ltx-video",
        "",
    ),
    "pixart": (
        {
            "t_block.1.weight": (6912, 1152),
            "blocks.0.attn.qkv.weight": (3456, 1152),
            "y_embedder.y_proj.fc1.weight": (1152, 4096),
        },
        "pixart",
        "",
    ),
    "stable cascade": (
        {"clf.1.weight": (16, 2048, 1, 1), "clip_txt_mapper.weight": (2048, 1280)},
        "stable-cascade",
        "",
    ),
    "kolors": (
        {
            "input_blocks.0.0.weight": (320, 4, 3, 3),
            "label_emb.0.0.weight": (1280, 5632),
            "encoder_hid_proj.weight": (2048, 4096),
        },
        "kolors",
        "",
    ),
    "karlo": (
        {"conv_in.weight": (320, 3, 3, 3), "down_blocks.1.attentions.0.add_k_proj.weight": (640, 1536)},
        "karlo",
        "",
    ),
}
UNETS = {"karlo", "kolors", "stable cascade"}  # the others are transformers
PREFIXES = ("", "model.diffusion_model.")


def test_every_family_that_is_only_recognised_is_known_by_its_makers_names() -> None:
    shown = {family for _, family, _ in MAKERS.values()}
    assert {name for name, family in families.ALL.items() if not family.runs} - shown == set()


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("name", MAKERS)
def test_a_network_in_its_makers_names(name: str, prefix: str, tmp_path: Path) -> None:
    shapes, family, variant = MAKERS[name]
    named = {prefix + one: shape for one, shape in shapes.items()}
    info = identify(write_model(tmp_path / "x.safetensors", named, dtype="F8_E4M3"))
    assert (info.kind, info.family, info.variant) == ("unet" if name in UNETS else "transformer", family, variant)
    assert info.problem is not None
    told = say(info.problem, "en")
    assert families.of(family).title in told
    if not families.of(family).runs:
        assert info.problem.code == "not_run_yet"
        assert "cannot be run yet" in told


def test_anima_under_its_own_prefix(tmp_path: Path) -> None:
    named = {f"net.{one}": shape for one, shape in MAKERS["anima"][0].items()}
    assert identify(write_model(tmp_path / "x.safetensors", named)).family == "anima"


def test_a_whole_checkpoint_of_a_family_that_does_not_run_says_so(tmp_path: Path) -> None:
    shapes = {f"model.diffusion_model.{one}": shape for one, shape in MAKERS["z-image"][0].items()}
    shapes |= {
        "text_encoders.qwen3_4b.transformer.model.embed_tokens.weight": (151936, 2560),
        "vae.decoder.conv_in.weight": (512, 16, 3, 3),
    }
    info = identify(write_model(tmp_path / "z.safetensors", shapes))
    assert (info.kind, info.problem) == (
        "checkpoint",
        Note("not_run_yet", what=Note("noun_checkpoint"), family="Z-Image"),
    )
    assert [one.name for one in FakeEngine(folders=[tmp_path]).models()] == ["builtin", "builtin-tokens"]


# Classes of diffusers, the configurations that were published where they are not the class's own, and what they are
DIFFUSERS: tuple[tuple[str, dict[str, Any], str, str], ...] = (
    ("FluxTransformer2DModel", {"num_layers": 1, "num_single_layers": 1, "guidance_embeds": True}, "flux", "dev"),
    ("FluxTransformer2DModel", {"num_layers": 1, "num_single_layers": 1}, "flux", "schnell"),
    (
        "Flux2Transformer2DModel",
        {"num_layers": 1, "num_single_layers": 1, "num_attention_heads": 24, "joint_attention_dim": 7680},
        "flux2",
        "klein 4B",
    ),
    ("Flux2Transformer2DModel", {"num_layers": 1, "num_single_layers": 1}, "flux2", "dev"),
    ("ChromaTransformer2DModel", {"num_layers": 1, "num_single_layers": 1}, "chroma", ""),
    ("ZImageTransformer2DModel", {"n_layers": 1}, "z-image", ""),
    ("Lumina2Transformer2DModel", {"num_layers": 1, "cap_feat_dim": 2304}, "lumina2", ""),
    ("QwenImageTransformer2DModel", {"num_layers": 1}, "qwen-image", ""),
    ("AuraFlowTransformer2DModel", {"num_mmdit_layers": 1, "num_single_dit_layers": 1}, "auraflow", ""),
    ("WanTransformer3DModel", {"num_layers": 1}, "wan", ""),
    ("LTXVideoTransformer3DModel", {"num_layers": 1}, "ltx-video", ""),
    ("HunyuanVideoTransformer3DModel", {"num_layers": 1, "num_single_layers": 1}, "hunyuan-video", ""),
    ("PixArtTransformer2DModel", {"num_layers": 1}, "pixart", ""),
    ("UVit2DModel", {"num_hidden_layers": 1}, "amused", ""),
    ("SD3Transformer2DModel", {"num_layers": 2}, "sd3", ""),
    ("SD3Transformer2DModel", {"num_layers": 2, "dual_attention_layers": (0,)}, "sd3.5-medium", ""),
    ("SD3Transformer2DModel", {"num_layers": 38}, "sd3.5-large", ""),
)


@pytest.mark.torch
@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize(("kind", "config", "family", "variant"), DIFFUSERS, ids=[f"{d[2]} {d[3]}" for d in DIFFUSERS])
def test_a_network_in_diffusers_names(
    kind: str, config: dict[str, Any], family: str, variant: str, tmp_path: Path
) -> None:
    torch, diffusers = pytest.importorskip("torch"), pytest.importorskip("diffusers")
    with torch.device("meta"):
        network = getattr(diffusers, kind)(**config)
    shapes = {name: tuple(one.shape) for name, one in network.state_dict().items()}
    info = identify(write_model(tmp_path / "x.safetensors", shapes))
    assert (info.kind, info.family, info.variant) == ("transformer", family, variant)
    assert borne(shapes) == {family}


@pytest.mark.parametrize("name", MAKERS)
def test_no_two_families_claim_a_file(name: str) -> None:
    assert borne(MAKERS[name][0]) == {MAKERS[name][1]}


def borne(shapes: Mapping[str, tuple[int, ...]]) -> set[str]:
    tensors = Tensors(shapes)
    everyone = families.ALL.values()
    return {one.name for one in everyone if any(mark.prefix_in(tensors) is not None for mark in one.marks)}


def pair(module: str, width: int, out: int, naming: str) -> Shapes:
    """A LoRA's two halves, as kohya's programs, PEFT and ComfyUI's users write them."""
    if naming == "kohya":
        stem = f"lora_unet_{module.replace('.', '_')}"
        return {f"{stem}.lora_down.weight": (4, width), f"{stem}.lora_up.weight": (out, 4), f"{stem}.alpha": ()}
    prefix = {"diffusers": "transformer.", "comfyui": "diffusion_model."}[naming]
    return {f"{prefix}{module}.lora_A.weight": (4, width), f"{prefix}{module}.lora_B.weight": (out, 4)}


LORAS: tuple[tuple[str, str, tuple[tuple[str, int, int], ...]], ...] = (
    ("flux", "kohya", (("double_blocks.0.img_attn.qkv", 3072, 9216), ("single_blocks.37.linear2", 15360, 3072))),
    ("flux", "comfyui", (("double_blocks.0.img_attn.qkv", 3072, 9216), ("double_blocks.18.img_mlp.2", 12288, 3072))),
    (
        "flux",
        "diffusers",
        (("transformer_blocks.0.attn.to_q", 3072, 3072), ("single_transformer_blocks.37.proj_mlp", 3072, 12288)),
    ),
    ("flux2", "kohya", (("double_blocks.0.img_attn.qkv", 4096, 12288),)),
    ("flux2", "comfyui", (("single_blocks.0.linear2", 12288, 3072), ("double_blocks.0.img_attn.qkv", 3072, 9216))),
    ("flux2", "diffusers", (("single_transformer_blocks.0.attn.to_qkv_mlp_proj", 3072, 27648),)),
    ("flux2", "diffusers", (("transformer_blocks.0.attn.to_q", 6144, 6144),)),
    (
        "chroma",
        "kohya",
        (("distilled_guidance_layer.layers.0.in_layer", 5120, 5120), ("double_blocks.0.img_attn.qkv", 3072, 9216)),
    ),
    ("z-image", "kohya", (("layers.0.attention.qkv", 3840, 11520),)),
    ("z-image", "comfyui", (("layers.0.attention.to_q", 3840, 3840),)),
    ("z-image", "diffusers", (("layers.29.feed_forward.w1", 3840, 10240),)),
    ("lumina2", "kohya", (("layers.0.attention.qkv", 2304, 3840),)),
    ("lumina2", "diffusers", (("layers.0.attn.to_q", 2304, 2304),)),
    ("qwen-image", "kohya", (("transformer_blocks.0.img_mod.1", 3072, 18432),)),
    ("qwen-image", "comfyui", (("transformer_blocks.0.img_mlp.net.0.proj", 3072, 12288),)),
    (
        "qwen-image",
        "diffusers",
        (("transformer_blocks.0.attn.to_q", 3072, 3072), ("transformer_blocks.59.attn.add_q_proj", 3072, 3072)),
    ),
    ("anima", "kohya", (("blocks.0.cross_attn.q_proj", 2048, 2048),)),
    ("anima", "comfyui", (("llm_adapter.blocks.0.cross_attn.q_proj", 1024, 1024),)),
    ("wan", "comfyui", (("blocks.0.self_attn.q", 5120, 5120),)),
    ("sd3", "diffusers", (("transformer_blocks.0.attn.add_q_proj", 1536, 1536),)),
    ("sd3", "kohya", (("joint_blocks.0.x_block.attn.qkv", 1536, 4608),)),
)


@pytest.mark.parametrize(("family", "naming", "modules"), LORAS, ids=[f"{lora[0]}-{n}" for n, lora in enumerate(LORAS)])
def test_a_lora(family: str, naming: str, modules: tuple[tuple[str, int, int], ...], tmp_path: Path) -> None:
    shapes: Shapes = {}
    for module, width, out in modules:
        shapes |= pair(module, width, out, naming)
    info = identify(write_model(tmp_path / "x.safetensors", shapes))
    assert (info.kind, info.family) == ("lora", family)
    listed, *_ = Listing([tmp_path]).shelf()
    assert (listed.problem is None) == families.of(family).runs  # one for a model that runs can be named by a prompt


@pytest.mark.parametrize(
    ("base", "family"), [("", "flux"), ("chroma", "chroma"), ("flux2_klein_4b", "flux2"), ("sdxl_base_v1-0", "flux")]
)
def test_the_trainers_notes_decide_between_families_whose_loras_look_alike(
    base: str, family: str, tmp_path: Path
) -> None:
    shapes = pair("double_blocks.0.img_attn.qkv", 3072, 9216, "kohya")
    notes = {"ss_base_model_version": base} if base else None
    assert identify(write_model(tmp_path / "x.safetensors", shapes, notes)).family == family


ENCODERS: dict[str, Shapes] = {
    "Qwen3 4B": {
        "model.embed_tokens.weight": (151936, 2560),
        "model.layers.0.self_attn.q_norm.weight": (128,),
        "model.layers.0.self_attn.k_proj.weight": (1024, 2560),
        "model.layers.0.mlp.gate_proj.weight": (9728, 2560),
    },
    "Qwen3 8B": {
        "embed_tokens.weight": (151936, 4096),
        "layers.0.self_attn.q_norm.weight": (128,),
        "layers.0.self_attn.k_proj.weight": (1024, 4096),
        "layers.0.mlp.gate_proj.weight": (12288, 4096),
    },
    "T5-XXL": {
        "shared.weight": (32128, 4096),
        "encoder.block.0.layer.0.SelfAttention.k.weight": (4096, 4096),
        "encoder.block.0.layer.1.DenseReluDense.wi_1.weight": (10240, 4096),
    },
    "Gemma 2": {
        "model.embed_tokens.weight": (256000, 2304),
        "model.layers.0.self_attn.k_proj.weight": (1024, 2304),
        "model.layers.0.mlp.gate_proj.weight": (9216, 2304),
        "model.layers.0.pre_feedforward_layernorm.weight": (2304,),
    },
}


@pytest.mark.parametrize("name", ENCODERS)
def test_a_text_encoder_says_which(name: str, tmp_path: Path) -> None:
    info = identify(write_model(tmp_path / "x.safetensors", ENCODERS[name], dtype="BF16"))
    assert (info.kind, info.variant, info.parts) == ("text-encoder", name, ("text_encoder",))


@pytest.mark.parametrize(
    ("pipeline", "title"),
    [
        ("Flux2KleinPipeline", "Flux.2"),
        ("ChromaPipeline", "Chroma"),
        ("ZImagePipeline", "Z-Image"),
        ("QwenImagePipeline", "Qwen-Image"),
        ("Lumina2Pipeline", "Lumina 2"),
        ("StableCascadeCombinedPipeline", "Stable Cascade"),
    ],
)
def test_a_folder_of_a_family_that_does_not_run_says_so(pipeline: str, title: str, tmp_path: Path) -> None:
    write_json(tmp_path / "model/model_index.json", {"_class_name": pipeline})
    info, *_ = Listing([tmp_path]).shelf()
    assert info.problem == Note("not_run_yet", what=Note("noun_checkpoint"), family=title)


@pytest.mark.torch
def test_every_family_that_runs_names_what_loads_it() -> None:
    pytest.importorskip("torch")
    from pkgutil import resolve_name

    running = [family for family in families.ALL.values() if family.runs]
    assert len(running) >= 9
    assert all(callable(resolve_name(family.loads)) for family in running)


def test_every_pattern_is_one() -> None:
    for family in families.ALL.values():
        for pattern in (*family.adapters, *(pattern for pattern, _ in family.widths)):
            re.compile(pattern)
