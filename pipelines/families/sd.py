"""Stable Diffusion 1 and 2: one UNet, told of the prompt by one CLIP. Robin Rombach et al., arXiv:2112.10752."""

from __future__ import annotations

from pipelines.families.base import Amounts, Family, Folder

LOADS = "pipelines.engines.unet:load"
VARIANTS = ("", "inpaint", "pix2pix")
UNCLIP = "unCLIP"  # told of a picture by what CLIP sees in it: Aditya Ramesh et al., arXiv:2204.06125
LATENTS, CHANNELS = "sd", 4
STEP_PER_PIXEL = 263.0
# A linear fit of the VAE's colours, from InvokeAI (Apache-2.0)
_PREVIEW = (
    (0.3444, 0.1385, 0.0670),
    (0.1247, 0.4027, 0.1494),
    (-0.3192, 0.2513, 0.2103),
    (-0.1307, -0.1874, -0.7445),
)

SD1 = Family(
    name="sd1",
    title="SD 1.x",
    text_width=768,
    adapters=(r"down_blocks[._]0[._]attentions",),  # SDXL has none there, and SD 2 shows itself by its width
    notes=("stable-diffusion-v1", "sd_v1"),
    latents=LATENTS,
    channels=CHANNELS,
    folder=Folder(pipeline="StableDiffusion"),
    native_size=512,
    loads=LOADS,
    variants=VARIANTS,
    amounts=Amounts(unet=859.5, vae=83.7, text=123.1, step_per_pixel=STEP_PER_PIXEL),
    preview=_PREVIEW,
)
SD2 = Family(
    name="sd2",
    title="SD 2.x",
    text_width=1024,
    notes=("stable-diffusion-v2", "sd_v2"),
    latents=LATENTS,
    channels=CHANNELS,
    folder=Folder(pipeline="StableUnCLIP"),
    both_predictions=True,
    native_size=768,
    sizes={"epsilon": 512},
    loads=LOADS,
    variants=(*VARIANTS, UNCLIP),
    amounts=Amounts(unet=865.9, vae=83.7, text=340.4, step_per_pixel=STEP_PER_PIXEL),
    preview=_PREVIEW,
)
FAMILIES = (SD1, SD2)
