"""`python -m tools.train_builtin.sheets`: contact sheets of the built-in model, to be looked at."""

import argparse
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline
from PIL import Image, ImageDraw
from tqdm import tqdm  # type: ignore[import-untyped]

from pipelines.prompts.encoding import PromptEncoder
from tools.train_builtin.captions import caption
from tools.train_builtin.judge import GUIDANCE, GUIDANCES, MODEL_PATH, SHAPES, STEPS, load_pipeline
from tools.train_builtin.render import render
from tools.train_builtin.world import draw_picture

STRENGTHS = (0.1, 0.3, 0.5, 0.7, 0.85, 1.0)
WEIGHTS = (0.2, 0.6, 1.0, 1.4, 1.8)
PROMPTS = (
    "a red star on a blue background",
    "a big orange cat on a purple background, cartoon",
    "a yellow moon over the sea at night",
    "a pink flower in a meadow, watercolor",
    "a white rocket in space",
    "a green tree in the mountains on a sunny day",
    "a brown boat on the sea at sunset",
    "a teal car in the city at night",
    "a small green house in a snowy field, pixel art",
    "a big blue fish in the ocean",
    "a red heart on a white background, watercolor",
    "a purple ball on the left on a beach",
    "red car, desert, sunset, pixel art",
    "a black cat on a yellow background, cartoon",
    "a cute pink house on the right, in a meadow",
    "an orange fish on a teal background, pixel art",
    "a huge golden star in space, watercolor",
    "a gray rocket in the desert, cartoon",
    "a white moon on a black background",
    "a blue flower on an orange background, flat illustration",
    "sailboat",
    "a photo of a kitten in the grass",
    "a spaceship among the stars, 8-bit",
    "a yellow tree in the snow at sunset, cartoon",
)
PAIRS = (
    "a red star and a blue heart on a white background",
    "a blue star and a red heart on a white background",
    "a cat beside a house",
    "a green tree and a yellow car in a meadow",
    "an orange fish next to a white boat on the sea",
    "a purple rocket and a yellow moon in space, cartoon",
    "a pink flower and a brown cat on a teal background, pixel art",
    "a black ball on the left and a white star on the right, gray background",
)


class Drawer:
    """The pipeline and its relatives, with fixed seeds."""

    def __init__(self, model: Path) -> None:
        self.text_to_image: StableDiffusionPipeline = load_pipeline(model)
        parts: dict[str, Any] = {**self.text_to_image.components, "requires_safety_checker": False}
        self.image_to_image = StableDiffusionImg2ImgPipeline(**parts)
        self.inpaint = StableDiffusionInpaintPipeline(**parts)
        for pipeline in (self.image_to_image, self.inpaint):
            pipeline.set_progress_bar_config(disable=True)

    def draw(self, prompt: str, seed: int = 0, **settings: Any) -> Image.Image:
        """One picture at the usual steps and guidance."""
        return self._run(self.text_to_image, prompt, seed, settings)

    def change(self, image: Image.Image, prompt: str, strength: float, seed: int = 0) -> Image.Image:
        """Image to image."""
        return self._run(self.image_to_image, prompt, seed, {"image": image, "strength": strength})

    def fill(self, image: Image.Image, mask: Image.Image, prompt: str, seed: int = 0) -> Image.Image:
        """Paint the white part of the mask anew."""
        filled = self._run(self.inpaint, prompt, seed, {"image": image, "mask_image": mask, "strength": 1.0})
        return Image.composite(filled, image, mask.convert("L"))

    def weighted(self, prompt: str, seed: int = 0) -> Image.Image:
        """A prompt with weights such as `(red:1.4)`."""
        encoder = PromptEncoder(self.text_to_image.tokenizer, self.text_to_image.text_encoder)
        positive, negative = encoder.encode_pair(prompt, "", steps=STEPS)
        embeds = {"prompt_embeds": positive.at(1)[0][0], "negative_prompt_embeds": negative.at(1)[0][0]}
        return self._run(self.text_to_image, None, seed, embeds)

    def _run(self, pipeline: Any, prompt: str | None, seed: int, settings: dict[str, Any]) -> Image.Image:
        given = {"num_inference_steps": STEPS, "guidance_scale": GUIDANCE} | settings
        generator = torch.Generator().manual_seed(seed)
        image: Image.Image = pipeline(prompt, generator=generator, **given).images[0]
        return image


def labelled(images: Sequence[Image.Image], texts: Sequence[str], columns: int) -> Image.Image:
    """A sheet of pictures, doubled in size, each with its text below."""
    cells = []
    wide = max(image.width for image in images) * 2
    high = max(image.height for image in images) * 2
    for image, text in zip(images, texts, strict=True):
        cell = Image.new("RGB", (wide + 8, high + 34), (255, 255, 255))
        cell.paste(image.resize((image.width * 2, image.height * 2), Image.Resampling.NEAREST), (4, 4))
        pen = ImageDraw.Draw(cell)
        letters = wide // 6
        for line in range(2):
            pen.text((4, high + 6 + 12 * line), text[line * letters : (line + 1) * letters], fill=(0, 0, 0))
        cells.append(cell)
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * (wide + 8), rows * (high + 34)), (255, 255, 255))
    for index, cell in enumerate(cells):
        sheet.paste(cell, (index % columns * cell.width, index // columns * cell.height))
    return sheet


def data(_: Drawer) -> Image.Image:
    """What the model was trained on, each picture with one of its captions."""
    rng = random.Random("sheet")
    pictures = [draw_picture(rng) for _ in range(36)]
    images = [render(picture, rng).image for picture in pictures]
    return labelled(images, [caption(picture, rng) for picture in pictures], 9)


def prompts(drawer: Drawer) -> Image.Image:
    return labelled([drawer.draw(prompt, seed) for seed, prompt in enumerate(PROMPTS)], PROMPTS, 6)


def two_subjects(drawer: Drawer) -> Image.Image:
    images = [drawer.draw(prompt, seed) for prompt in PAIRS for seed in (1, 2)]
    return labelled(images, [prompt for prompt in PAIRS for _ in (1, 2)], 4)


def guidance(drawer: Drawer) -> Image.Image:
    wanted = ("a red car in the city at night", "a white cat on a green background, cartoon")
    images = [drawer.draw(prompt, 5, guidance_scale=scale) for prompt in wanted for scale in GUIDANCES]
    return labelled(images, [f"{scale:g}: {prompt}" for prompt in wanted for scale in GUIDANCES], len(GUIDANCES))


def negative(drawer: Drawer) -> Image.Image:
    rows = [
        ("a star", ""),
        ("a star", "yellow"),
        ("a heart", ""),
        ("a heart", "red"),
        ("a house in a meadow", ""),
        ("a house in a meadow", "day, blue sky"),
        ("a boat on the sea", ""),
        ("a boat on the sea", "cartoon, bold outlines"),
    ]
    images = [drawer.draw(prompt, seed, negative_prompt=without) for prompt, without in rows for seed in (3, 4)]
    return labelled(images, [f"{prompt}  minus: {without}" for prompt, without in rows for _ in (3, 4)], 4)


def image_to_image(drawer: Drawer) -> Image.Image:
    start = drawer.draw("a red ball on a white background", 2)
    images, texts = [start], ["start: a red ball on a white background"]
    for strength in STRENGTHS:
        images.append(drawer.change(start, "a blue star on a yellow background", strength, 2))
        texts.append(f"{strength:g}: a blue star on a yellow background")
    return labelled(images, texts, len(images))


def inpaint(drawer: Drawer) -> Image.Image:
    start = drawer.draw("a red star and a blue heart on a white background", 1)
    mask = Image.new("L", start.size, 0)
    ImageDraw.Draw(mask).rectangle((64, 16, 127, 112), fill=255)
    wanted = ("a red star and a green tree on a white background", "a red star and a yellow moon on a white background")
    images = [start, mask.convert("RGB"), *(drawer.fill(start, mask, prompt, 1) for prompt in wanted)]
    return labelled(images, ["start", "mask", *wanted], 4)


def sizes(drawer: Drawer) -> Image.Image:
    prompt = "a red boat on the sea at sunset"
    images = [drawer.draw(prompt, 7, width=width, height=height) for width, height in SHAPES]
    return labelled(images, [f"{width}x{height}: {prompt}" for width, height in SHAPES], 4)


def weights(drawer: Drawer) -> Image.Image:
    wanted = ("a (red:{}) ball on a beach", "a cat in the city (at night:{})")
    texts = [prompt.format(weight) for prompt in wanted for weight in WEIGHTS]
    return labelled([drawer.weighted(text, 3) for text in texts], texts, len(WEIGHTS))


SHEETS: dict[str, Callable[[Drawer], Image.Image]] = {
    "data": data,
    "prompts": prompts,
    "two-subjects": two_subjects,
    "guidance": guidance,
    "negative-prompt": negative,
    "image-to-image": image_to_image,
    "inpaint": inpaint,
    "sizes": sizes,
    "weights": weights,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.train_builtin.sheets", description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL_PATH)
    parser.add_argument("--out", type=Path, default=Path("docs/builtin"))
    parser.add_argument("--only", choices=list(SHEETS))
    options = parser.parse_args()
    torch.set_num_threads(1)
    options.out.mkdir(parents=True, exist_ok=True)
    drawer = Drawer(options.model)
    for name in tqdm([options.only] if options.only else list(SHEETS)):
        sheet = SHEETS[name](drawer)
        sheet.save(options.out / f"{name}.png", optimize=True)


if __name__ == "__main__":
    main()
