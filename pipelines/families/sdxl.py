"""SDXL and its refiner: a UNet with few large levels, told of the prompt by two CLIPs or one. Dustin Podell et al.,
arXiv:2307.01952."""

from __future__ import annotations

from pipelines.families.base import Amounts, Family, Folder
from pipelines.families.sd import CHANNELS, LATENTS, LOADS, VARIANTS

# A linear fit of the VAE's colours, from InvokeAI (Apache-2.0)
_PREVIEW = (
    (0.3816, 0.4930, 0.5320),
    (-0.3753, 0.1631, 0.1739),
    (0.1770, 0.3588, -0.2048),
    (-0.4350, -0.2644, -0.4289),
)

SDXL = Family(
    name="sdxl",
    title="SDXL",
    text_width=2048,
    adapters=(
        r"\n(?:lora_te[12]_|text_encoder_2\.|lora_unet_input_blocks_)",
        # only SDXL stacks more than two transformers at one place
        r"(?:down|up)_blocks[._]\d[._]attentions[._]\d[._]transformer_blocks[._][2-9]",
    ),
    notes=("stable-diffusion-xl", "sdxl_"),
    latents=LATENTS,
    channels=CHANNELS,
    folder=Folder(pipeline="StableDiffusionXL"),
    last_block="input_blocks.8.1.transformer_blocks.9.attn2.to_k.weight",
    loads=LOADS,
    variants=VARIANTS,
    clips=("tokenizer", "tokenizer_2"),
    refined_by=("sdxl-refiner", "sdxl"),
    # no attention at its largest level
    amounts=Amounts(unet=2567.5, vae=83.7, text=817.7, step_per_pixel=158.0, vae_in_fp32=True),
    preview=_PREVIEW,
)
REFINER = Family(
    name="sdxl-refiner",
    title="SDXL refiner",
    text_width=1280,
    notes=("stable-diffusion-xl-v1-refiner",),
    latents=LATENTS,
    channels=CHANNELS,
    loads=LOADS,
    variants=VARIANTS,
    clips=("tokenizer_2",),
    amounts=Amounts(unet=2259.5, vae=83.7, text=694.7, step_per_pixel=189.0, vae_in_fp32=True),
    preview=_PREVIEW,
)
FAMILIES = (SDXL, REFINER)
