"""The trainers of the built-in models' other parts: they stop and go on, and others read their files."""

import itertools
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.torch, pytest.mark.lengthy]
torch = pytest.importorskip("torch")

from diffusers import AutoencoderKL, ControlNetModel  # noqa: E402

from pipelines.models.listing import OWN_UPSCALER  # noqa: E402
from pipelines.upscaling.spandrel_import import spandrel  # noqa: E402
from tools import train_controlnet, train_tokens, train_upscaler  # noqa: E402
from tools.train_builtin.judge import MODEL_PATH  # noqa: E402
from tools.train_builtin.render import render  # noqa: E402
from tools.train_builtin.world import STYLES, Picture  # noqa: E402

MODEL = Path(__file__).parents[2] / MODEL_PATH
WEIGHTS = "diffusion_pytorch_model.safetensors"


@pytest.fixture(scope="module")
def vae() -> AutoencoderKL:
    return AutoencoderKL.from_pretrained(MODEL / "vae", torch_dtype=torch.float32).eval().requires_grad_(False)


@pytest.mark.parametrize("style", STYLES)
def test_a_picture_drawn_twice_as_large_is_the_same_picture(style: str) -> None:
    picture = Picture(subject="boat", colour="red", background="meadow", time="day", style=style)
    once = render(picture, random.Random(4)).image
    twice = render(picture, random.Random(4), scale=2).image
    smaller = np.asarray(twice.resize(once.size, Image.Resampling.BOX), np.float32)
    assert twice.size == (256, 256)
    assert np.abs(smaller - np.asarray(once, np.float32)).mean() < 2  # of 255; drawn at another scale: 20 and more
    if style == "pixel":
        blocks = np.asarray(twice).reshape(32, 8, 32, 8, 3)
        assert (blocks == blocks[:, :1, :, :1]).all()


def test_the_upscaler_goes_on_where_it_stopped(vae: AutoencoderKL, tmp_path: Path) -> None:
    whole = train_upscaler.train(tmp_path / "whole", vae, steps=3, tiny=True)
    train_upscaler.train(tmp_path / "parts", vae, steps=3, stop_at=1, tiny=True)
    between = (tmp_path / "parts" / train_upscaler.NAME).read_bytes()
    parts = train_upscaler.train(tmp_path / "parts", vae, steps=3, tiny=True)
    assert parts.read_bytes() == whole.read_bytes() != between


def test_spandrel_reads_the_upscaler(vae: AutoencoderKL, tmp_path: Path) -> None:
    path = train_upscaler.train(tmp_path, vae, steps=1, tiny=True)
    model = spandrel().ModelLoader("cpu").load_from_file(path)
    assert (model.architecture.id, model.scale) == ("Compact", 2)
    picture = torch.rand(1, 3, 18, 25)
    with torch.inference_mode():
        assert torch.equal(model(picture), train_upscaler.read(path)(picture).clamp(0, 1))


def test_the_full_upscaler_is_below_a_megabyte() -> None:
    assert sum(p.numel() * p.element_size() for p in train_upscaler.Compact().parameters()) < 1_000_000


def test_the_measure_knows_better_from_worse(vae: AutoencoderKL) -> None:
    class Nearest(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.interpolate(x, scale_factor=2, mode="nearest")

    figures = train_upscaler.measure(Nearest(), vae, count=6)
    assert figures["network"]["psnr"] < figures["Lanczos"]["psnr"]
    assert figures["network"]["edge error"] > figures["Lanczos"]["edge error"]


def test_the_control_net_begins_as_nothing() -> None:
    lesson = train_controlnet.Lesson(MODEL, batch=1)
    net = train_controlnet.build(lesson.unet)
    down, mid = net(torch.randn(1, 4, 32, 32), 500, None, torch.rand(1, 3, 128, 128), return_dict=False)
    assert not any(part.any() for part in (*down, mid))
    theirs = lesson.unet.state_dict()["down_blocks.2.resnets.0.conv1.weight"]
    assert torch.equal(net.state_dict()["down_blocks.2.resnets.0.conv1.weight"], theirs)


def test_the_control_net_goes_on_where_it_stopped_and_diffusers_reads_it(tmp_path: Path) -> None:
    whole = train_controlnet.train(tmp_path / "whole", MODEL, steps=3, batch=1)
    train_controlnet.train(tmp_path / "parts", MODEL, steps=3, stop_at=2, batch=1)
    parts = train_controlnet.train(tmp_path / "parts", MODEL, steps=3, batch=1)
    assert (parts / WEIGHTS).read_bytes() == (whole / WEIGHTS).read_bytes()
    assert (parts / WEIGHTS).stat().st_size < 6_000_000
    net = ControlNetModel.from_pretrained(parts, torch_dtype=torch.float32)
    down, _ = net(torch.randn(1, 4, 32, 32), 500, None, torch.rand(1, 3, 128, 128), return_dict=False)
    assert any(part.any() for part in down)  # it has learned something


def test_the_figures_of_the_measure_are_found() -> None:
    """In the drawn pictures themselves nearly all of each figure, and nothing else, is found."""
    scenes = [train_controlnet.test_scene(seed) for seed in range(20)]
    overlaps = [train_controlnet.overlap(train_controlnet.found_figure(s.pixels), s.figure) for s in scenes]
    assert min(overlaps) > 0.8
    others = [train_controlnet.overlap(a.figure, b.figure) for a, b in itertools.pairwise(scenes)]
    assert np.mean(others) < 0.5  # another figure is no match


def test_the_upscaler_that_ships_is_nearer_to_the_larger_picture_than_lanczos(vae: AutoencoderKL) -> None:
    """Of pictures that it was not trained on."""
    told = train_upscaler.measure(train_upscaler.read(OWN_UPSCALER), vae, count=12)
    assert told["network"]["psnr"] > told["Lanczos"]["psnr"] + 0.5
    assert told["network"]["edge error"] < 0.9 * told["Lanczos"]["edge error"]
    assert OWN_UPSCALER.stat().st_size < 2**20


def test_the_transformer_of_tokens_goes_on_where_it_stopped(tmp_path: Path) -> None:
    count = train_tokens.CHECKED + 20
    lesson = train_tokens.Lesson(
        latents=torch.randn(count, 4, 32, 32),
        boxes=torch.zeros(count, 2, 4, dtype=torch.long),
        ids=torch.randint(0, 1000, (count, train_tokens.CAPTIONS, 77)),
    )
    tokens = train_tokens.build_tokenizer()
    whole = train_tokens.train_transformer(tokens, lesson, tmp_path / "whole", 2, None).state_dict()
    first = train_tokens.train_transformer(tokens, lesson, tmp_path / "parts", 2, 1).state_dict()
    parts = train_tokens.train_transformer(tokens, lesson, tmp_path / "parts", 2, None).state_dict()
    assert all(torch.equal(parts[name], value) for name, value in whole.items())
    assert any(not torch.equal(first[name], value) for name, value in whole.items())


def test_the_nearest_code_is_the_sign_of_each_bit() -> None:
    net = train_tokens.build_tokenizer()
    latents = torch.randn(2, 4, 8, 8)
    with torch.no_grad():
        nearest = net.quantize(net.encode(latents).latents)[2][2]  # diffusers' own
        assert torch.equal(nearest.view(2, 4, 4), train_tokens.tokens_of(net, latents))
