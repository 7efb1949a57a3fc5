"""The whole product on its own model: from the command line to files, and from each file to the same pixels again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFilter

pytestmark = pytest.mark.torch

ROOT = Path(__file__).parent.parent
MASK_BLUR = 2


@dataclass(frozen=True)
class Program:
    """`python app.py …` over one outputs folder."""

    folder: Path

    def run(self, command: str, *arguments: str, status: int = 0) -> list[dict[str, Any]]:
        places = ["--output-dir", str(self.folder / "outputs"), "--data-dir", str(self.folder / "data")]
        line = [sys.executable, str(ROOT / "app.py"), "--no-bootstrap", command, *arguments, "--json", *places]
        done = subprocess.run(line, capture_output=True, text=True, timeout=240, cwd=self.folder, check=False)
        assert done.returncode == status, done.stderr
        return [json.loads(text) for text in done.stdout.splitlines()]

    def generate(self, prompt: str, *arguments: str) -> list[dict[str, Any]]:
        return self.run("generate", prompt, "--steps", "6", "--seed", "7", *arguments)


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Program:
    return Program(tmp_path_factory.mktemp("product"))


@pytest.fixture(scope="module")
def first(program: Program) -> list[dict[str, Any]]:
    """Three images of one run of the built-in model, and their grid."""
    return program.generate("a red star on a blue background", "--batch-size", "3")


@pytest.fixture(scope="module")
def changed(program: Program, first: list[dict[str, Any]]) -> list[Path]:
    """[img2img of the first image, inpainting of its middle], the second batched and with an ancestral sampler."""
    picture = first[0]["path"]
    mask = program.folder / "mask.png"
    drawn = Image.new("L", (128, 128))
    drawn.paste(255, (40, 40, 88, 88))
    drawn.save(mask)
    (img2img,) = program.generate("a green tree", "--init-image", picture, "--strength", "0.6", "--sampler", "Euler a")
    inpaint = program.generate(
        *("a yellow moon", "--init-image", picture, "--mask", str(mask), "--mask-blur", str(MASK_BLUR)),
        *("--masked-content", "latent noise", "--strength", "1", "--batch-size", "2"),
    )
    return [Path(img2img["path"]), *(Path(line["path"]) for line in inpaint if line.get("kind") != "grid")]


def pixels(path: str | Path) -> np.ndarray[Any, np.dtype[np.uint8]]:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"))


def test_a_run_gives_its_images_and_their_grid(first: list[dict[str, Any]]) -> None:
    assert [line["seed"] for line in first] == [7, 8, 9, 7]
    assert [line.get("kind") for line in first] == [None, None, None, "grid"]
    names = [Path(line["path"]).name for line in first]
    assert names[0] == "00001-7_a_red_star_on_a_blue_background.png"
    assert names[3].startswith("grid-00001-7_")
    assert len({pixels(line["path"]).tobytes() for line in first}) == 4


def test_the_blue_background_is_blue(first: list[dict[str, Any]]) -> None:
    for line in first[:3]:
        red, _, blue = np.median(pixels(line["path"])[4:16, 4:124].reshape(-1, 3), axis=0)
        assert blue > red + 60


def test_inpainting_leaves_every_pixel_outside_the_blurred_mask(
    first: list[dict[str, Any]], changed: list[Path], program: Program
) -> None:
    original = pixels(first[0]["path"])
    with Image.open(program.folder / "mask.png") as mask:
        # three radii hold all of a Gaussian that 8 bits can show; two pixels more for the filter's own rounding
        reach = mask.convert("L").filter(ImageFilter.MaxFilter(2 * (3 * MASK_BLUR + 2) + 1))
    outside = np.asarray(reach) == 0
    for path in changed[1:]:
        result = pixels(path)
        assert np.array_equal(result[outside], original[outside])
        assert not np.array_equal(result[~outside], original[~outside])


def test_every_image_is_made_again_pixel_for_pixel(
    first: list[dict[str, Any]], changed: list[Path], program: Program
) -> None:
    files = [line["path"] for line in first[:3]] + [str(path) for path in changed]
    lines = program.run("again", *files)
    assert [line["path"] for line in lines] == files
    assert [line["identical"] for line in lines] == [True] * 6
    assert {line["max_difference"] for line in lines} == {0}


def test_an_edited_file_is_not_called_identical(first: list[dict[str, Any]], program: Program) -> None:
    from PIL.PngImagePlugin import PngInfo

    with Image.open(first[1]["path"]) as image:
        texts, edited = dict(image.text), image.convert("RGB")  # type: ignore[attr-defined]
    for x in range(5):
        red, green, blue = edited.getpixel((x, 0))  # type: ignore[misc]
        edited.putpixel((x, 0), (red ^ 128, green, blue))
    info = PngInfo()
    for key, text in texts.items():
        info.add_itxt(key, text)
    copy = program.folder / "edited.png"
    edited.save(copy, pnginfo=info)
    (line,) = program.run("again", str(copy))
    assert (line["identical"], line["different_pixels"], line["max_difference"]) == (False, 5, 128)
    assert "changed after it was saved" in line["because"][0]
