"""Tiny SD 3, Flux and aMUSEd folders with random weights, written by diffusers' own pipelines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from diffusers import (
    AmusedPipeline,
    AmusedScheduler,
    AutoencoderKL,
    FlowMatchEulerDiscreteScheduler,
    FluxPipeline,
    FluxTransformer2DModel,
    SD3Transformer2DModel,
    StableDiffusion3Pipeline,
    UVit2DModel,
    VQModel,
)
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import (
    CLIPTextConfig,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    T5Config,
    T5EncoderModel,
    T5TokenizerFast,
)

from pipelines.models.weights.tokenizer import clip_tokenizer
from tools.original_layout import vae_name

WIDTH = 32  # of every text encoder but SD 3's second


def write_sd3(folder: Path, *, t5: bool = True, dual: bool = False) -> Path:
    """`dual`: with layers that attend to the picture twice, as SD 3.5 medium has them."""
    torch.manual_seed(1)
    transformer = SD3Transformer2DModel(
        sample_size=32,
        patch_size=2,
        in_channels=16,
        out_channels=16,
        num_layers=2,
        attention_head_dim=64,
        num_attention_heads=1,
        joint_attention_dim=3 * WIDTH,
        caption_projection_dim=64,
        pooled_projection_dim=3 * WIDTH,
        pos_embed_max_size=32,
        dual_attention_layers=(0,) if dual else (),
        qk_norm="rms_norm" if dual else None,
    )
    first = _clip(CLIPTextModelWithProjection)
    with torch.no_grad():
        first.text_projection.weight.copy_(torch.eye(WIDTH))  # as published: the single files leave it out
    StableDiffusion3Pipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(shift=3.0),
        vae=_vae(),
        text_encoder=first,
        tokenizer=clip_tokenizer(),
        text_encoder_2=_clip(CLIPTextModelWithProjection, 2 * WIDTH, "gelu"),
        tokenizer_2=clip_tokenizer("!"),
        text_encoder_3=_t5(3 * WIDTH) if t5 else None,
        tokenizer_3=_t5_tokenizer() if t5 else None,
    ).save_pretrained(folder)
    return folder


def write_flux(folder: Path, *, guided: bool = True) -> Path:
    """dev, or schnell where not `guided`."""
    torch.manual_seed(2)
    transformer = FluxTransformer2DModel(
        patch_size=1,
        in_channels=64,
        num_layers=1,
        num_single_layers=1,
        attention_head_dim=16,
        num_attention_heads=2,
        joint_attention_dim=WIDTH,
        pooled_projection_dim=WIDTH,
        axes_dims_rope=(4, 4, 8),
        guidance_embeds=guided,
    )
    FluxPipeline(
        transformer=transformer,
        scheduler=FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=guided, shift=3.0 if guided else 1.0),
        vae=_vae(),
        text_encoder=_clip(CLIPTextModel),
        tokenizer=clip_tokenizer(),
        text_encoder_2=_t5(WIDTH),
        tokenizer_2=_t5_tokenizer(),
    ).save_pretrained(folder)
    return folder


def write_amused(folder: Path, *, larger: bool = False) -> Path:
    """`larger`: its transformer takes tokens two by two, as that for 512 pixels does."""
    torch.manual_seed(3)
    transformer = UVit2DModel(
        hidden_size=32,
        cond_embed_dim=WIDTH,
        micro_cond_encode_dim=8,
        micro_cond_embed_dim=40,
        encoder_hidden_size=WIDTH,
        vocab_size=65,
        codebook_size=64,
        in_channels=32,
        block_out_channels=32,
        num_res_blocks=1,
        downsample=larger,
        upsample=larger,
        block_num_heads=1,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        sample_size=8,
    )
    levels = 5
    vqvae = VQModel(
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=[8] * levels,
        layers_per_block=1,
        latent_channels=8,
        num_vq_embeddings=64,
        norm_num_groups=4,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
    )
    torch.nn.init.normal_(vqvae.quantize.embedding.weight)
    AmusedPipeline(
        vqvae=vqvae,
        tokenizer=clip_tokenizer(),
        text_encoder=_clip(CLIPTextModelWithProjection),
        transformer=transformer,
        scheduler=AmusedScheduler(mask_token_id=64),
    ).save_pretrained(folder)
    return folder


_STREAMS = {"x_block": ("", "norm1"), "context_block": ("_context", "norm1_context")}
_TOP = {
    "x_embedder.proj": "pos_embed.proj",
    "t_embedder.mlp.0": "time_text_embed.timestep_embedder.linear_1",
    "t_embedder.mlp.2": "time_text_embed.timestep_embedder.linear_2",
    "y_embedder.mlp.0": "time_text_embed.text_embedder.linear_1",
    "y_embedder.mlp.2": "time_text_embed.text_embedder.linear_2",
    "context_embedder": "context_embedder",
    "final_layer.linear": "proj_out",
}


def write_sd3_file(folder: Path, path: Path, **more: torch.Tensor) -> Path:
    """The weights of an SD 3 folder as one file in the layout of its makers (`mmdit.py` of Stability's SD 3
    reference), without T5. `more`: further tensors."""
    parts = {part: load_file(next((folder / part).glob("*.safetensors"))) for part in ("transformer", "vae")}
    tensors = {f"model.diffusion_model.{name}": one for name, one in _mmdit(parts["transformer"]).items()}
    for name, one in parts["vae"].items():
        name = f"first_stage_model.{vae_name(name, 4)}"
        convolved = "attn_1" in name and one.dim() == 2
        tensors[name] = one[:, :, None, None] if convolved else one
    for part, ours in (("text_encoder", "clip_l"), ("text_encoder_2", "clip_g")):
        for name, one in load_file(folder / part / "model.safetensors").items():
            if (part, name) != ("text_encoder", "text_projection.weight"):
                tensors[f"text_encoders.{ours}.transformer.{name}"] = one
    save_file({name: one.contiguous() for name, one in (tensors | more).items()}, path)
    return path


def _mmdit(theirs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    found = {"pos_embed": theirs["pos_embed.pos_embed"]}
    layers = 1 + max(int(name.split(".")[1]) for name in theirs if name.startswith("transformer_blocks."))
    for end in ("weight", "bias"):
        for ours, name in _TOP.items():
            found[f"{ours}.{end}"] = theirs[f"{name}.{end}"]
        found[f"final_layer.adaLN_modulation.1.{end}"] = _swapped(theirs[f"norm_out.linear.{end}"])
        for layer in range(layers):
            block = f"transformer_blocks.{layer}."
            last = layer == layers - 1
            for stream, names in (
                ("x_block", ("to_q", "to_k", "to_v")),
                ("context_block", ("add_q_proj", "add_k_proj", "add_v_proj")),
            ):
                ours, (kind, norm) = f"joint_blocks.{layer}.{stream}.", _STREAMS[stream]
                found[f"{ours}attn.qkv.{end}"] = torch.cat([theirs[f"{block}attn.{name}.{end}"] for name in names])
                modulation = theirs[f"{block}{norm}.linear.{end}"]
                # the text of the last layer is read and not written: it is scaled and shifted, in diffusers' order
                ends = last and stream == "context_block"
                found[f"{ours}adaLN_modulation.1.{end}"] = _swapped(modulation) if ends else modulation
                if ends:
                    continue
                found[f"{ours}mlp.fc1.{end}"] = theirs[f"{block}ff{kind}.net.0.proj.{end}"]
                found[f"{ours}mlp.fc2.{end}"] = theirs[f"{block}ff{kind}.net.2.{end}"]
                out = "to_add_out" if kind else "to_out.0"
                found[f"{ours}attn.proj.{end}"] = theirs[f"{block}attn.{out}.{end}"]
            if f"{block}attn2.to_q.{end}" in theirs:
                ours = f"joint_blocks.{layer}.x_block.attn2."
                found[f"{ours}qkv.{end}"] = torch.cat([theirs[f"{block}attn2.to_{one}.{end}"] for one in "qkv"])
                found[f"{ours}proj.{end}"] = theirs[f"{block}attn2.to_out.0.{end}"]
    for layer in range(layers):
        for ours, name in (
            ("x_block.attn.ln_q", "attn.norm_q"),
            ("x_block.attn.ln_k", "attn.norm_k"),
            ("context_block.attn.ln_q", "attn.norm_added_q"),
            ("context_block.attn.ln_k", "attn.norm_added_k"),
            ("x_block.attn2.ln_q", "attn2.norm_q"),
            ("x_block.attn2.ln_k", "attn2.norm_k"),
        ):
            if f"transformer_blocks.{layer}.{name}.weight" in theirs:
                found[f"joint_blocks.{layer}.{ours}.weight"] = theirs[f"transformer_blocks.{layer}.{name}.weight"]
    return found


def _swapped(modulation: torch.Tensor) -> torch.Tensor:
    """Shift before scale, as the makers have it."""
    scale, shift = modulation.chunk(2)
    return torch.cat([shift, scale])


def _vae() -> AutoencoderKL:
    levels = 4
    return AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        block_out_channels=[8] * levels,
        layers_per_block=2,
        latent_channels=16,
        norm_num_groups=8,
        sample_size=256,
        use_quant_conv=False,
        use_post_quant_conv=False,
        scaling_factor=1.5305,
        shift_factor=0.0609,
    )


def _clip(kind: Any, width: int = WIDTH, activation: str = "quick_gelu") -> Any:
    config = CLIPTextConfig(
        vocab_size=49408,
        hidden_size=width,
        intermediate_size=width,
        projection_dim=width,
        num_hidden_layers=2,
        num_attention_heads=1,
        hidden_act=activation,
        bos_token_id=49406,
        eos_token_id=49407,
        pad_token_id=49407,
    )
    return kind(config)


def _t5(width: int) -> T5EncoderModel:
    config = T5Config(vocab_size=64, d_model=width, d_kv=8, d_ff=16, num_layers=2, num_heads=2, is_gated_act=True)
    return T5EncoderModel(config)


def _t5_tokenizer() -> T5TokenizerFast:
    """Single letters and a few words, as SentencePiece writes them."""
    pieces = [("<pad>", 0.0), ("</s>", 0.0), ("<unk>", -20.0), ("▁", -5.0)]
    pieces += [(letter, -8.0) for letter in "abcdefghijklmnopqrstuvwxyz,."]
    pieces += [(f"▁{word}", -3.0) for word in ("a", "red", "star", "on", "blue", "tree", "green")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=2))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return T5TokenizerFast(tokenizer_object=tokenizer, model_max_length=512, extra_ids=0, vocab=pieces)
