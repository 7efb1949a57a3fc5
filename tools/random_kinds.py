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
