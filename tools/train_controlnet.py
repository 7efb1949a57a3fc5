"""`python -m tools.train_controlnet`: a ControlNet for the built-in model, for Canny edges and drawn outlines.

python -m tools.train_controlnet --steps 8000    # trains, or goes on from the checkpoint; writes and measures
python -m tools.train_controlnet --measure       # only measures what was written

As in the paper (Zhang et al. 2023, arXiv 2302.05543) a copy of the U-Net's way down learns, through convolutions that
begin as zeros, what to add to the frozen U-Net. The copy has no cross-attention: an outline needs no words. The
pictures are drawn with figures of any place, size, tilt and stretch, most of them unlike what the model draws itself.
"""

import argparse
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import ControlNetModel, StableDiffusionControlNetPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage
from torch import Tensor

from pipelines.control.canny import canny
from tools import stepwise
from tools.train_builtin.captions import caption, plain_prompt
from tools.train_builtin.judge import GUIDANCE, MODEL_PATH, STEPS, load_pipeline
from tools.train_builtin.render import OUTLINE, SUPERSAMPLING, finish, jitter
from tools.train_builtin.scenes import draw_background
from tools.train_builtin.subjects import DRAWERS, Pen
from tools.train_builtin.text_encoder import encode_texts
from tools.train_builtin.together import images_to_tensor, mixed
from tools.train_builtin.unet import SHORT, sample_timesteps
from tools.train_builtin.world import COLOURS, RGB, Picture, draw_picture

NAME = "controlnet_canny"
HINT_WIDTHS = (
    16,
    32,
    64,
)  # of the layers that bring the map to the latents' size: two halvings, as the VAE's factor is 4
RATE = 5e-4
BATCH, SIZE = 16, 128
EMPTY = 0.25  # of the captions: the map alone must do
FIGURE_WEIGHT = 2.5  # of the loss where the figure is, against 1 outside
SEEDS = 20
FAR = 40  # levels from the background's colour: there is the figure

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Scene:
    """A drawn picture (height, width, 3), where its figures are (height, width), and what it shows."""

    pixels: NDArray[np.uint8]
    figure: Mask
    picture: Picture


@dataclass(frozen=True)
class Place:
    """Where a figure stands: centre and radius as shares of the canvas, tilt in radians."""

    x: float
    y: float
    radius: float
    tilt: float


def choose_places(two: bool, rng: random.Random) -> list[Place]:
    """Anywhere the figure stays inside, or left and right."""
    if two:
        return [
            Place(
                x + rng.uniform(-0.03, 0.03), rng.uniform(0.35, 0.65), rng.uniform(0.14, 0.23), rng.uniform(-0.5, 0.5)
            )
            for x in (0.26, 0.74)
        ]
    radius = rng.uniform(0.16, 0.42)
    reach = max(0.0, 0.5 - 0.95 * radius)
    return [Place(0.5 + rng.uniform(-reach, reach), 0.5 + rng.uniform(-reach, reach), radius, rng.uniform(-0.6, 0.6))]


def named(picture: Picture, place: Place) -> Picture:
    """The picture with the words for the size and place its figure has."""
    size = "small" if place.radius < 0.24 else "medium" if place.radius < 0.35 else "large"
    position = "left" if place.x < 0.4 else "right" if place.x > 0.6 else "center"
    return replace(picture, size=size, position=position)


def draw_scene(picture: Picture, rng: random.Random) -> Scene:
    """Draw the picture with its figures placed freely; half of the time its words tell where and how large."""
    wide = high = SIZE * SUPERSAMPLING
    if rng.random() < 0.5:  # made square afterwards: the figure is wide or narrow
        wide, high = rng.choice(((round(wide * rng.uniform(1, 1.3)), high), (wide, round(high * rng.uniform(1, 1.3)))))
    places = choose_places(picture.second is not None, rng)
    shown = [(picture.subject, picture.colour)] + ([picture.second] if picture.second else [])
    shades = [jitter(COLOURS[colour], rng) for _, colour in shown]
    image = draw_background(picture, wide, high, rng)
    black, white = (Image.new("RGB", (wide, high), colour) for colour in ("black", "white"))
    for canvas in (image, black, white):
        for (subject, _), shade, place in zip(shown, shades, places, strict=True):
            _draw(canvas, subject, shade, place, picture.style)
    same = (np.asarray(black) == np.asarray(white)).all(2)  # where both canvases were painted over
    figure = finish(Image.fromarray(same.astype(np.uint8) * 255), _shape_style(picture), SIZE, SIZE)
    if picture.second is None:
        told = named(picture, places[0]) if rng.random() < 0.5 else replace(picture, size="medium", position="center")
    else:
        told = picture
    return Scene(np.array(finish(image, picture.style, SIZE, SIZE)), np.asarray(figure) > 127, told)


def _draw(canvas: Image.Image, subject: str, shade: RGB, place: Place, style: str) -> None:
    width, height = canvas.size
    short = min(width, height)
    outline = round(0.032 * short) if style == "cartoon" else 0
    pen = Pen(
        draw=ImageDraw.Draw(canvas),
        x=place.x * width,
        y=place.y * height,
        radius=place.radius * short,
        tilt=place.tilt,
        outline=outline,
        ink=OUTLINE,
    )
    DRAWERS[subject](pen, shade)


def _shape_style(picture: Picture) -> str:
    return "pixel" if picture.style == "pixel" else "flat"


def draw_map(scene: Scene, rng: random.Random) -> Mask:
    """Edges of the whole picture, of its figures alone, or the figures' outline as a hand draws it (1 to 3 pixels)."""
    kind = rng.choices(("all", "figures", "outline"), (0.5, 0.2, 0.3))[0]
    if kind == "outline":
        return outline_of(scene.figure, rng.randint(1, 3))
    low = rng.randint(40, 140)
    edges = canny(scene.pixels, low, 2 * low)
    return edges if kind == "all" else edges & ndimage.binary_dilation(scene.figure, iterations=3)


def outline_of(figure: Mask, width: int) -> Mask:
    """A line around the figure, so many pixels wide."""
    outer = ndimage.binary_dilation(figure, iterations=width - width // 2)
    inner = ndimage.binary_erosion(figure, iterations=width // 2) if width > 1 else figure
    line: Mask = outer & ~inner
    return line


def map_tensor(maps: list[Mask]) -> Tensor:
    """(batch, 3, height, width) in 0..1."""
    return torch.from_numpy(np.stack(maps)).float()[:, None].expand(-1, 3, -1, -1).contiguous()


def build(unet: UNet2DConditionModel) -> ControlNetModel:
    """The untrained network: the U-Net's way down without its attention, 2.7 million parameters."""
    widths = unet.config["block_out_channels"]
    net = ControlNetModel(
        in_channels=unet.config["in_channels"],
        down_block_types=("DownBlock2D",) * len(widths),
        mid_block_type="UNetMidBlock2D",
        block_out_channels=widths,
        layers_per_block=unet.config["layers_per_block"],
        norm_num_groups=unet.config["norm_num_groups"],
        cross_attention_dim=unet.config["cross_attention_dim"],
        attention_head_dim=unet.config["attention_head_dim"],
        resnet_time_scale_shift=unet.config["resnet_time_scale_shift"],
        conditioning_embedding_out_channels=HINT_WIDTHS,
    )
    copied = net.state_dict()
    weights = unet.state_dict()
    net.load_state_dict({key: weights.get(key, value) for key, value in copied.items()})
    return net


class Lesson:
    """The frozen model, and the loss of the network beside it."""

    def __init__(self, model: Path, batch: int = BATCH) -> None:
        parts: dict[str, Any] = load_pipeline(model, torch.float32).components
        self.vae, self.unet, self.text = (
            parts[name].eval().requires_grad_(False).to(memory_format=torch.channels_last)
            for name in ("vae", "unet", "text_encoder")
        )
        self.unet.set_attn_processor(AttnProcessor())  # its backward is a quarter cheaper on a CPU
        self.tokenizer = parts["tokenizer"]
        self.signal = parts["scheduler"].alphas_cumprod
        self.batch = batch

    @torch.no_grad()
    def _encoded(self, scenes: list[Scene], rng: random.Random) -> tuple[Tensor, Tensor]:
        """Scaled latents (batch, 4, h, w) and hidden states of captions (batch, tokens, width)."""
        texts = ["" if rng.random() < EMPTY else caption(scene.picture, rng) for scene in scenes]
        ids = encode_texts(self.tokenizer, texts, SHORT)
        x = images_to_tensor(np.stack([scene.pixels for scene in scenes]), self.vae.device)
        with mixed(x.device):
            latents = self.vae.encode(x).latent_dist.mean.float() * self.vae.config.scaling_factor
            return latents, self.text(input_ids=ids).last_hidden_state

    def loss_at(self, net: ControlNetModel, step: int) -> Tensor:
        """Squared error of the velocity with the network's help, weighted towards the figures."""
        random_step, rng = stepwise.seeded("controlnet", step), random.Random(f"controlnet {step}")
        scenes = [draw_scene(replace(draw_picture(rng), blurred=False), rng) for _ in range(self.batch)]
        maps = map_tensor([draw_map(scene, rng) for scene in scenes])
        latents, hidden = self._encoded(scenes, rng)
        t = sample_timesteps(self.batch, random_step)
        a = self.signal[t].view(-1, 1, 1, 1)
        noise = torch.randn_like(latents)
        noisy = a.sqrt() * latents + (1 - a).sqrt() * noise
        velocity = a.sqrt() * noise - (1 - a).sqrt() * latents
        with mixed(latents.device):
            down, mid = net(noisy, t, hidden, maps, return_dict=False)
            guess = self.unet(
                noisy, t, hidden, down_block_additional_residuals=down, mid_block_additional_residual=mid
            ).sample
        weights = 1 + (FIGURE_WEIGHT - 1) * torch.nn.functional.adaptive_max_pool2d(
            torch.from_numpy(np.stack([scene.figure for scene in scenes])).float()[:, None], latents.shape[2:]
        )
        loss: Tensor = ((guess.float() - velocity).pow(2) * weights / weights.mean((1, 2, 3), keepdim=True)).mean()
        return loss


def found_figure(pixels: NDArray[np.uint8]) -> Mask:
    """Where a picture (height, width, 3) on a plain background differs from it; holes belong to the figure."""
    values = pixels.astype(np.int16)
    border = np.concatenate([values[:3].reshape(-1, 3), values[-3:].reshape(-1, 3), values[:, :3].reshape(-1, 3)])
    far = np.abs(values - np.median(border, axis=0)).max(2) > FAR
    filled: Mask = ndimage.binary_fill_holes(far)
    return filled


def overlap(one: Mask, other: Mask) -> float:
    """Intersection over union."""
    return float((one & other).sum() / max(1, (one | other).sum()))


def test_scene(seed: int) -> Scene:
    """A figure on a plain background, of a subject and colour that never met in training, at a place no words tell."""
    rng = random.Random(f"measured {seed}")
    while True:
        picture = draw_picture(rng, held_out=True, two_share=0.0)
        # The figure is found by its colour: it must differ from the background's, as its parts do.
        contrast = max(
            abs(a - b) for a, b in zip(COLOURS[picture.colour], COLOURS.get(picture.background, (0, 0, 0)), strict=True)
        )
        if picture.plain and picture.style in ("flat", "cartoon") and contrast > 2 * FAR and not picture.blurred:
            scene = draw_scene(picture, rng)
            return Scene(scene.pixels, scene.figure, replace(scene.picture, size="medium", position="center"))


def measure(folder: Path, model: Path, seeds: int = SEEDS, steps: int = STEPS) -> tuple[dict[str, Any], Image.Image]:
    """Mean overlap of drawn figure and generated one, with the network and without; a sheet of what was generated.

    Rows of the sheet: the drawn picture, its edges, generated with the network, without it (same seed).
    """
    parts = {**load_pipeline(model, torch.float32).components, "requires_safety_checker": False}
    pipeline = StableDiffusionControlNetPipeline(
        **parts, controlnet=ControlNetModel.from_pretrained(folder, torch_dtype=torch.float32)
    )
    pipeline.set_progress_bar_config(disable=True)
    met: dict[str, list[float]] = {"edges": [], "outline": [], "without": []}
    sheet = Image.new("RGB", (seeds * SIZE, 6 * SIZE))
    for seed in range(seeds):
        scene = test_scene(seed)
        edges, line = (
            Image.fromarray(m.astype(np.uint8) * 255).convert("RGB")
            for m in (canny(scene.pixels), outline_of(scene.figure, 2))
        )
        column = [Image.fromarray(scene.pixels), edges, line]
        for name, control, scale in (("edges", edges, 1.0), ("outline", line, 1.0), ("without", edges, 0.0)):
            image = pipeline(
                plain_prompt(scene.picture),
                image=control,
                controlnet_conditioning_scale=scale,
                num_inference_steps=steps,
                guidance_scale=GUIDANCE,
                generator=torch.Generator().manual_seed(seed),
            ).images[0]
            met[name].append(overlap(found_figure(np.asarray(image)), scene.figure))
            column.append(image)
        for row, picture in enumerate(column):
            sheet.paste(picture, (seed * SIZE, row * SIZE))
    figures = {name: {"mean": round(float(np.mean(v)), 3), "worst": round(min(v), 3)} for name, v in met.items()}
    return figures | {"seeds": seeds}, sheet


def train(work: Path, model: Path, *, steps: int, stop_at: int | None = None, batch: int = BATCH) -> Path:
    """Train (or go on training) and write the folder of the network in half precision; returns its path."""
    lesson = Lesson(model, batch)
    torch.manual_seed(0)
    net = build(lesson.unet).train().to(memory_format=torch.channels_last)
    course = stepwise.Course(work=work, steps=steps, rate=RATE)
    stepwise.train(net, lambda step: lesson.loss_at(net, step), course, stop_at)
    net.to(dtype=torch.float16, memory_format=torch.contiguous_format).save_pretrained(work / NAME)
    return work / NAME


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_controlnet",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--work", type=Path, default=Path(".seedprint/train_controlnet"), help="checkpoint and result")
    parser.add_argument("--model", type=Path, default=MODEL_PATH, help="the model it is for")
    parser.add_argument("--steps", type=int, default=8_000, help="in all; two or three seconds for two on one core")
    parser.add_argument("--measure", action="store_true", help="do not train")
    options = parser.parse_args()
    torch.set_num_threads(1)
    work: Path = options.work
    folder = work / NAME if options.measure else train(work, options.model, steps=options.steps)
    figures, sheet = measure(folder, options.model)
    sheet.save(work / "sheet.png")
    (work / "figures.json").write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(figures, indent=1))


if __name__ == "__main__":
    main()
