"""The published configurations of the Stable Diffusion families, and the same made tiny, as plain tables."""

from __future__ import annotations

from typing import Any

Config = dict[str, Any]

_UNET_SD1: Config = {
    "_class_name": "UNet2DConditionModel",
    "sample_size": 64,
    "in_channels": 4,
    "out_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [320, 640, 1280, 1280],
    "cross_attention_dim": 768,
    "attention_head_dim": 8,
    "down_block_types": ["CrossAttnDownBlock2D"] * 3 + ["DownBlock2D"],
    "up_block_types": ["UpBlock2D"] + ["CrossAttnUpBlock2D"] * 3,
}
_UNET_SD2: Config = {
    **_UNET_SD1,
    "sample_size": 96,
    "cross_attention_dim": 1024,
    "attention_head_dim": [5, 10, 20, 20],
    "use_linear_projection": True,
    "upcast_attention": True,
}
_UNET_SDXL: Config = {
    **_UNET_SD2,
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "attention_head_dim": [5, 10, 20],
    "transformer_layers_per_block": [1, 2, 10],
    "upcast_attention": None,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 256,
    "projection_class_embeddings_input_dim": 2816,  # 1280 of pooled text and 6 × 256 of sizes
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}
_UNET_REFINER: Config = {
    **_UNET_SDXL,
    "block_out_channels": [384, 768, 1536, 1536],
    "cross_attention_dim": 1280,
    "attention_head_dim": [6, 12, 24, 24],
    "transformer_layers_per_block": 4,
    "projection_class_embeddings_input_dim": 2560,  # five sizes instead of six
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"],
}
_VAE: Config = {
    "_class_name": "AutoencoderKL",
    "sample_size": 512,
    "in_channels": 3,
    "out_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
    "scaling_factor": 0.18215,
}
_VAE_SDXL: Config = {**_VAE, "sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True}
_CLIP_L: Config = {
    "model_type": "clip_text_model",
    "architectures": ["CLIPTextModel"],
    "vocab_size": 49_408,
    "hidden_size": 768,
    "intermediate_size": 3072,
    "num_hidden_layers": 12,
    "num_attention_heads": 12,
    "max_position_embeddings": 77,
    "hidden_act": "quick_gelu",
    "projection_dim": 768,
    "bos_token_id": 49_406,
    "eos_token_id": 49_407,
    "pad_token_id": 1,
}
_CLIP_H: Config = {
    **_CLIP_L,
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 23,
    "num_attention_heads": 16,
    "hidden_act": "gelu",
    "projection_dim": 512,
}
_CLIP_G: Config = {
    **_CLIP_H,
    "architectures": ["CLIPTextModelWithProjection"],
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 20,
    "projection_dim": 1280,
}
_VISION_H: Config = {
    "model_type": "clip_vision_model",
    "architectures": ["CLIPVisionModelWithProjection"],
    "hidden_size": 1280,
    "intermediate_size": 5120,
    "num_hidden_layers": 32,
    "num_attention_heads": 16,
    "image_size": 224,
    "patch_size": 14,
    "hidden_act": "gelu",
    "projection_dim": 1024,
}
_SCHEDULER: Config = {
    "_class_name": "DDIMScheduler",
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "clip_sample": False,
    "set_alpha_to_one": False,
    "prediction_type": "epsilon",
}

_SD1 = {"unet": _UNET_SD1, "vae": _VAE, "text_encoder": _CLIP_L}
_SD2 = {"unet": _UNET_SD2, "vae": {**_VAE, "sample_size": 768}, "text_encoder": _CLIP_H}
_UNCLIP = {
    **_SD2,
    # told of a picture where others are told a class: 1024 of what CLIP sees, and as many of how noisy that is
    "unet": {**_UNET_SD2, "class_embed_type": "projection", "projection_class_embeddings_input_dim": 2048},
    "image_encoder": _VISION_H,
    "image_normalizer": {"_class_name": "StableUnCLIPImageNormalizer", "embedding_dim": 1024},
}
_SDXL = {"unet": _UNET_SDXL, "vae": _VAE_SDXL, "text_encoder": _CLIP_L, "text_encoder_2": _CLIP_G}
_REFINER = {"unet": _UNET_REFINER, "vae": _VAE_SDXL, "text_encoder_2": _CLIP_G}


def _channels(parts: dict[str, Config], count: int, size: int | None = None) -> dict[str, Config]:
    unet = {**parts["unet"], "in_channels": count}
    return {**parts, "unet": unet if size is None else {**unet, "sample_size": size}}


# name -> (pipeline class, prediction type, the parts' configurations)
SPECS: dict[str, tuple[str, str, dict[str, Config]]] = {
    "sd15": ("StableDiffusionPipeline", "epsilon", _SD1),
    "sd15-inpaint": ("StableDiffusionInpaintPipeline", "epsilon", _channels(_SD1, 9)),
    "sd15-pix2pix": ("StableDiffusionInstructPix2PixPipeline", "epsilon", _channels(_SD1, 8)),
    "sd21": ("StableDiffusionPipeline", "v_prediction", _SD2),
    "sd21-base": ("StableDiffusionPipeline", "epsilon", _channels(_SD2, 4, 64)),
    "sd21-inpaint": ("StableDiffusionInpaintPipeline", "epsilon", _channels(_SD2, 9, 64)),
    "sd21-unclip": ("StableUnCLIPImg2ImgPipeline", "v_prediction", _UNCLIP),
    "sdxl": ("StableDiffusionXLPipeline", "epsilon", _SDXL),
    "sdxl-inpaint": ("StableDiffusionXLInpaintPipeline", "epsilon", _channels(_SDXL, 9)),
    "sdxl-refiner": ("StableDiffusionXLImg2ImgPipeline", "epsilon", _REFINER),
}


def parts_of(name: str, *, tiny: bool, vocabulary: int = 49_408) -> dict[str, Config]:
    """The configurations by part: unet, vae, text_encoder, text_encoder_2 (as far as there).

    Tiny: few channels and two text layers; the blocks, all tensors' names and the width of the text stay, for a
    family is known by them.
    """
    parts = {part: dict(config) for part, config in SPECS[name][2].items()}
    if not tiny:
        return parts
    levels = len(parts["unet"]["block_out_channels"])
    parts["unet"].update(block_out_channels=[32] * levels, sample_size=8)
    if isinstance(parts["unet"]["attention_head_dim"], list):
        parts["unet"]["attention_head_dim"] = [1] * levels
    parts["vae"].update(block_out_channels=[32] * 4, sample_size=64)
    for part in ("text_encoder", "text_encoder_2"):
        if part in parts:
            parts[part].update(num_hidden_layers=2, intermediate_size=32, vocab_size=vocabulary)
            parts[part].update(bos_token_id=vocabulary - 2, eos_token_id=vocabulary - 1)
    if "image_encoder" in parts:
        small = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
        parts["image_encoder"].update(small, image_size=30, patch_size=6, projection_dim=16)
        parts["image_normalizer"].update(embedding_dim=16)
        # groups of one channel alone would take away all that is told beside the words
        parts["unet"].update(projection_class_embeddings_input_dim=32, norm_num_groups=8)
    return parts


def scheduler_of(name: str) -> Config:
    return {**_SCHEDULER, "prediction_type": SPECS[name][1]}


# how an unCLIP model's folder says that noise is laid over what is seen, and how a picture is made ready for that
NOISING: Config = {"_class_name": "DDPMScheduler", "beta_schedule": "squaredcos_cap_v2", "num_train_timesteps": 1000}


def extractor_of(vision: Config) -> Config:
    side = vision["image_size"]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "size": {"shortest_edge": side},
        "crop_size": {"height": side, "width": side},
    }


def index_of(name: str) -> Config:
    """The model_index.json."""
    pipeline, _, parts = SPECS[name]
    index: Config = {
        "_class_name": pipeline,
        "_diffusers_version": "0.42.1",
        "scheduler": ["diffusers", "DDIMScheduler"],
    }
    index["unet"] = ["diffusers", "UNet2DConditionModel"]
    index["vae"] = ["diffusers", "AutoencoderKL"]
    for suffix in ("", "_2") if name.startswith("sdxl") else ("",):
        there = f"text_encoder{suffix}" in parts
        model = "CLIPTextModelWithProjection" if suffix else "CLIPTextModel"
        index[f"text_encoder{suffix}"] = ["transformers", model] if there else [None, None]
        index[f"tokenizer{suffix}"] = ["transformers", "CLIPTokenizer"] if there else [None, None]
    if "image_encoder" in parts:
        index["image_encoder"] = ["transformers", "CLIPVisionModelWithProjection"]
        index["image_normalizer"] = ["stable_diffusion", "StableUnCLIPImageNormalizer"]
        index["image_noising_scheduler"] = ["diffusers", "DDPMScheduler"]
        index["feature_extractor"] = ["transformers", "CLIPImageProcessor"]
    elif name.startswith("sdxl"):
        index["force_zeros_for_empty_prompt"] = name != "sdxl-refiner"
        if name == "sdxl-refiner":
            index["requires_aesthetics_score"] = True
    else:
        index.update(safety_checker=[None, None], feature_extractor=[None, None], requires_safety_checker=False)
    return index
