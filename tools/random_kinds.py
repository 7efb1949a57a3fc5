"""Small files of every other kind, as the programs that write them name their tensors."""

from __future__ import annotations

from tools.original_layout import Shape


def _kohya(module: str, width: int, inner: int, rank: int = 4) -> dict[str, Shape]:
    return {
        f"{module}.alpha": (),
        f"{module}.lora_down.weight": (rank, width),
        f"{module}.lora_up.weight": (inner, rank),
    }


def _attention(block: str, text: int, inner: int) -> dict[str, Shape]:
    return {**_kohya(f"{block}_attn1_to_q", inner, inner), **_kohya(f"{block}_attn2_to_k", text, inner)}


def _loha(module: str, width: int, inner: int) -> dict[str, Shape]:
    return {
        f"{module}.alpha": (),
        f"{module}.hada_w1_a": (inner, 4),
        f"{module}.hada_w1_b": (4, width),
        f"{module}.hada_w2_a": (inner, 4),
        f"{module}.hada_w2_b": (4, width),
    }


# widths of the layers that look at words, in the order of diffusers' UNet: down, up, middle
_WIDTHS_SD15 = (*[320] * 2, *[640] * 2, *[1280] * 5, *[640] * 3, *[320] * 3, 1280)
_WIDTHS_SDXL = (*[640] * 4, *[1280] * 50, *[640] * 6, *[1280] * 10)


def _ip_adapter(text: int, widths: tuple[int, ...], projection: dict[str, Shape]) -> dict[str, Shape]:
    found = {f"image_proj.{name}": shape for name, shape in projection.items()}
    for place, width in enumerate(widths):
        found |= {f"ip_adapter.{2 * place + 1}.to_{letter}_ip.weight": (width, text) for letter in "kv"}
    return found


def _resampler(seen: int, inner: int, words: int, text: int) -> dict[str, Shape]:
    """Of "plus"."""
    found: dict[str, Shape] = {"latents": (1, words, inner)}
    for name, shape in {"proj_in": (inner, seen), "proj_out": (text, inner), "norm_out": (text,)}.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    layers = {"0.to_q": (inner, inner), "0.to_kv": (2 * inner, inner), "0.to_out": (inner, inner)}
    layers |= {"1.1": (4 * inner, inner), "1.3": (inner, 4 * inner)}
    for layer in range(4):
        found |= {f"layers.{layer}.{name}.weight": shape for name, shape in layers.items()}
        for norm in ("0.norm1", "0.norm2", "1.0"):
            found |= {f"layers.{layer}.{norm}.{end}": (inner,) for end in ("weight", "bias")}
    return found


def _clip_vision(width: int, inner: int, layers: int, projected: int) -> dict[str, Shape]:
    """As one file, of patches of 14 and pictures of 224 pixels."""
    start = "vision_model.embeddings."
    found: dict[str, Shape] = {f"{start}class_embedding": (width,), "visual_projection.weight": (projected, width)}
    found |= {f"{start}patch_embedding.weight": (width, 3, 14, 14), f"{start}position_embedding.weight": (257, width)}
    weights: dict[str, Shape] = {"vision_model.pre_layrnorm": (width,), "vision_model.post_layernorm": (width,)}
    for layer in range(layers):
        place = f"vision_model.encoder.layers.{layer}."
        weights |= {f"{place}self_attn.{name}_proj": (width, width) for name in ("q", "k", "v", "out")}
        weights |= {f"{place}layer_norm{number}": (width,) for number in (1, 2)}
        weights |= {f"{place}mlp.fc1": (inner, width), f"{place}mlp.fc2": (width, inner)}
    for name, shape in weights.items():
        found |= {f"{name}.weight": shape, f"{name}.bias": shape[:1]}
    return found


_FIRST = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0"
_SECOND = "lora_unet_down_blocks_1_attentions_0_transformer_blocks_0"
_TEXT = "text_model_encoder_layers_0_self_attn_q_proj"
_PEFT = "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k"

KINDS: dict[str, dict[str, Shape]] = {
    "lora-sd15": {**_attention(_FIRST, 768, 320), **_kohya(f"lora_te_{_TEXT}", 768, 768)},
    "lora-sd21": {**_attention(_FIRST, 1024, 320), **_kohya(f"lora_te_{_TEXT}", 1024, 1024)},
    "lora-sdxl": {
        **_attention(_SECOND, 2048, 640),
        **_kohya(f"lora_te1_{_TEXT}", 768, 768),
        **_kohya(f"lora_te2_{_TEXT}", 1280, 1280),
    },
    "lora-flux": _kohya("lora_unet_double_blocks_0_img_attn_qkv", 3072, 9216),
    "lora-peft-sd15": {f"{_PEFT}.lora_A.weight": (4, 768), f"{_PEFT}.lora_B.weight": (320, 4)},
    # a LoRA of the text encoder alone, or of unfamiliar names: only the trainer's notes tell the family
    "lora-notes": _kohya("lora_unet_something_new", 64, 64),
    "lycoris-sd15": _loha(f"{_FIRST}_attn2_to_k", 768, 320),
    "lycoris-lokr-sdxl": {
        "lora_te2_x.alpha": (),
        "lora_te2_x.lokr_w1": (4, 4),
        "lora_te2_x.lokr_w2": (32, 32),
    },
    "vae": {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 4, 3, 3)},
    "vae-flux": {"encoder.conv_in.weight": (128, 3, 3, 3), "decoder.conv_in.weight": (512, 16, 3, 3)},
    "vae-original": {
        "first_stage_model.encoder.conv_in.weight": (128, 3, 3, 3),
        "first_stage_model.decoder.conv_in.weight": (512, 4, 3, 3),
    },
    "tiny-vae": {"encoder.layers.0.weight": (64, 3, 3, 3), "decoder.layers.1.weight": (64, 4, 3, 3)},
    "embedding-sd15": {"emb_params": (3, 768)},
    "embedding-sd21": {"emb_params": (3, 1024)},
    "embedding-sdxl": {"clip_l": (2, 768), "clip_g": (2, 1280)},
    "embedding-diffusers": {"<cat-toy>": (768,)},
    "controlnet-sd15": {
        "control_model.input_blocks.0.0.weight": (320, 4, 3, 3),
        "control_model.input_hint_block.0.weight": (16, 3, 3, 3),
        "control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    },
    "controlnet-sdxl": {
        "controlnet_cond_embedding.conv_in.weight": (16, 3, 3, 3),
        "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
        "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k.weight": (640, 2048),
    },
    "t2i-adapter": {"adapter.body.0.in_conv.weight": (320, 192, 3, 3)},
    "ip-adapter": {"image_proj.proj.weight": (3072, 1024), "ip_adapter.1.to_k_ip.weight": (320, 768)},
    # the published sizes of those that reference pictures are looked at with
    "ip-adapter-plus-sd15": _ip_adapter(768, _WIDTHS_SD15, _resampler(1280, 768, 16, 768)),
    "ip-adapter-sdxl": _ip_adapter(
        2048,
        _WIDTHS_SDXL,
        {"proj.weight": (8192, 1280), "proj.bias": (8192,), "norm.weight": (2048,), "norm.bias": (2048,)},
    ),
    "image-encoder-h": _clip_vision(1280, 5120, 32, 1024),
    "image-encoder-g": _clip_vision(1664, 8192, 48, 1280),
    "motion-module": {"down_blocks.0.motion_modules.0.temporal_transformer.proj_in.weight": (320, 320)},
    "upscaler": {"model.0.weight": (64, 3, 3, 3), "model.1.sub.0.RDB1.conv1.0.weight": (32, 64, 3, 3)},
    "upscaler-new": {"conv_first.weight": (64, 3, 3, 3), "body.0.rdb1.conv1.weight": (32, 64, 3, 3)},
    "text-encoder": {"text_model.embeddings.token_embedding.weight": (64, 768)},
    "unet-diffusers": {
        "conv_in.weight": (320, 4, 3, 3),
        "down_blocks.0.resnets.0.conv1.weight": (320, 320, 3, 3),
        "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight": (320, 768),
    },
    "sd3": {
        "model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias": (96,),
        "model.diffusion_model.joint_blocks.23.x_block.attn.qkv.weight": (48, 16),
        "text_encoders.clip_l.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
        "first_stage_model.decoder.conv_in.weight": (64, 16, 3, 3),
    },
    "sd35-large": {
        "joint_blocks.0.context_block.adaLN_modulation.1.bias": (96,),
        "joint_blocks.37.x_block.attn.qkv.weight": (48, 16),
    },
    "sd35-medium": {
        "joint_blocks.0.context_block.adaLN_modulation.1.bias": (96,),
        "joint_blocks.0.x_block.attn2.qkv.weight": (48, 16),
    },
    "flux-dev": {
        "double_blocks.0.img_attn.norm.key_norm.scale": (128,),
        "vector_in.in_layer.weight": (32, 768),
        "guidance_in.in_layer.weight": (32, 256),
    },
    "flux-schnell": {
        "model.diffusion_model.double_blocks.0.img_attn.norm.key_norm.scale": (128,),
        "model.diffusion_model.vector_in.in_layer.weight": (32, 768),
        "text_encoders.clip_l.transformer.text_model.embeddings.position_embedding.weight": (77, 768),
        "vae.decoder.conv_in.weight": (64, 16, 3, 3),
    },
    "quantized": {
        "model.diffusion_model.x.weight": (64, 1),
        "model.diffusion_model.x.weight.absmax": (4,),
    },
    "nothing-known": {"linear.weight": (4, 4), "linear.bias": (4,)},
}

METADATA: dict[str, dict[str, str]] = {
    "lora-notes": {"ss_base_model_version": "sdxl_base_v1-0", "ss_network_module": "networks.lora"},
}
