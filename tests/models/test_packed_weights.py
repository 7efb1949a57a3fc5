"""Weights in 8 bits, and tensors that nobody knows: right, or refused by name; what lies in many files still loads."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import ModelError, Note
from pipelines.types import GenerationRequest
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

PLAIN = GenerationRequest(
    prompt="a cat", model="base", width=64, height=64, steps=2, guidance=5.0, seed=7, sampler="DDIM"
)
UNET = "model.diffusion_model."
Tensors = dict[str, Any]
Draw = Callable[[Tensors], Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    RandomModel("sd15", tiny=True).write_single(folder / "base.safetensors")
    return folder


@pytest.fixture(scope="module")
def draw(folder: Path) -> Iterator[Draw]:
    """The picture of a checkpoint with these tensors, as numbers."""
    from safetensors.torch import save_file

    from pipelines.engines.local import LocalEngine

    engine = LocalEngine([folder], device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    made = iter(range(100))

    def draw(tensors: Tensors) -> Any:
        path = folder / f"made-{next(made)}.safetensors"
        save_file(tensors, path)
        try:
            result = engine.generate(batch_of(replace(PLAIN, model=path.stem), 7), ignore)[0]
        finally:
            engine.manager.let_go()
            path.unlink()
        return np.asarray(result.image).astype(int)

    yield draw
    engine.close()


@pytest.fixture(scope="module")
def tensors(folder: Path) -> Tensors:
    from safetensors.torch import load_file

    return {name: tensor.float() for name, tensor in load_file(folder / "base.safetensors").items()}


@pytest.fixture(scope="module")
def wide(draw: Draw, tensors: Tensors) -> Any:
    return draw(tensors)


def packed(tensors: Tensors, kind: Any, largest: float, scale_name: str, rows: bool = False) -> Tensors:
    """The UNet's matrices as `kind`, each with what it must be multiplied by: worked out by numpy."""
    found = dict(tensors)
    for name, tensor in tensors.items():
        if name.startswith(UNET) and name.endswith(".weight") and tensor.dim() == 2:
            numbers = tensor.numpy()
            scale = np.abs(numbers).max(axis=1, keepdims=True) if rows else np.abs(numbers).max(keepdims=True)
            scale = (scale / largest).astype(np.float32)
            small = torch.from_numpy(numbers / scale)
            found[name] = (small.round() if kind is torch.int8 else small).to(kind)
            found[name.removesuffix("weight") + scale_name] = torch.from_numpy(scale if rows else scale.reshape(()))
    return found


FLOAT8 = torch.float8_e4m3fn
MARK = {"scaled_fp8": torch.zeros(2).to(FLOAT8)}
DESCRIBED = {"format": "float8_e4m3fn"}


def described(tensors: Tensors, **more: Any) -> Tensors:
    text = torch.tensor(list(json.dumps(DESCRIBED | more).encode()), dtype=torch.uint8)
    scales = [name for name in tensors if name.endswith(".weight_scale")]
    return tensors | {name.replace("weight_scale", "comfy_quant"): text.clone() for name in scales}


def with_inputs(tensors: Tensors, scale: str, name: str) -> Tensors:
    return tensors | {key.replace(scale, name): torch.tensor(3.0) for key in tensors if key.endswith(f".{scale}")}


def float8(tensors: Tensors) -> Tensors:
    return packed(tensors, FLOAT8, 448, "scale_weight")


def newer(tensors: Tensors) -> Tensors:
    return described(with_inputs(packed(tensors, FLOAT8, 448, "weight_scale"), "weight_scale", "input_scale"))


RIGHT: dict[str, Callable[[Tensors], Tensors]] = {
    "float8": lambda given: float8(given) | MARK,
    "float8, mark in the part": lambda given: float8(given) | {f"{UNET}scaled_fp8": MARK["scaled_fp8"]},
    "float8, inputs": lambda given: with_inputs(float8(given), "scale_weight", "scale_input") | MARK,
    "float8, newer": newer,
    "int8": lambda given: packed(given, torch.int8, 127, "weight_scale"),
    "int8, rows": lambda given: packed(given, torch.int8, 127, "weight_scale", rows=True),
}


@pytest.mark.parametrize("name", RIGHT)
def test_scaled_weights_come_close_to_the_wide_ones(draw: Draw, tensors: Tensors, wide: Any, name: str) -> None:
    ours = draw(RIGHT[name](tensors))
    assert np.abs(ours - wide).max() <= 60
    assert np.abs(ours - wide).mean() <= 6


def test_a_wrong_scale_would_be_seen(draw: Draw, tensors: Tensors, wide: Any) -> None:
    made = packed(tensors, torch.int8, 127, "weight_scale")
    wrong = {name: tensor * 3 if name.endswith("_scale") else tensor for name, tensor in made.items()}
    assert np.abs(draw(wrong) - wide).mean() > 6


def first_matrix(tensors: Tensors) -> str:
    return next(name.removesuffix("weight") for name in tensors if name.endswith("attn1.to_q.weight"))


def refused(draw: Draw, tensors: Tensors) -> Note:
    with pytest.raises(ModelError) as caught:
        draw(tensors)
    problem = caught.value.note.values["problem"]
    assert caught.value.note.code == "of_model"
    assert isinstance(problem, Note)
    return problem


@pytest.mark.parametrize(
    "end",
    [
        *("input_scale", "weight_scale_2", "weight_zero_point", "comfy_quant", "qzeros", "g_idx", "scales", "SCB"),
        *("weight.quant_map", "weight.nested_absmax", "wscales", "smooth_factor"),
    ],
)
def test_other_packings_are_refused_by_name(draw: Draw, tensors: Tensors, end: str) -> None:
    name = first_matrix(tensors) + end
    assert refused(draw, tensors | {name: torch.zeros(4, dtype=torch.uint8)}) == Note("quantized", name=name)


def test_what_is_described_otherwise_is_refused(draw: Draw, tensors: Tensors) -> None:
    made = packed(tensors, FLOAT8, 448, "weight_scale")
    for more in ({"format": "nvfp4"}, {"convrot": True}, {"group_size": 64}):
        assert refused(draw, described(made, **more)).code == "quantized"
    first = first_matrix(tensors)
    for scale in (torch.ones(3), torch.tensor(float("nan"))):
        assert refused(draw, made | {f"{first}weight_scale": scale}).code == "quantized"
    bare = tensors | {f"{first}weight": tensors[f"{first}weight"].to(torch.int8)}
    assert refused(draw, bare).code == "quantized"  # whole numbers without a scale


@pytest.mark.parametrize(
    "name",
    [
        f"{UNET}input_blocks.1.1.transformer_blocks.0.attn1.to_q.lora_gate",
        f"{UNET}input_blocks.1.0.strange",
        f"{UNET}time_embed.cond_proj.weight",
        f"{UNET}whatever",
        "first_stage_model.decoder.strange.weight",
        "first_stage_model.decoder.mid.block_1.conv1.strange",
        "cond_stage_model.transformer.text_model.encoder.layers.0.self_attn.q_proj.strange",
        "cond_stage_model.transformer.text_model.strange.weight",
    ],
)
def test_what_is_not_known_in_a_part_is_refused_by_name(draw: Draw, tensors: Tensors, name: str) -> None:
    problem = refused(draw, tensors | {name: torch.zeros(4)})
    assert problem.code == "tensor_unknown"
    assert problem.values["count"] == 1
    assert name.endswith(problem.values["name"].rpartition(".")[2])


def test_what_lies_in_many_files_still_loads(draw: Draw, tensors: Tensors, wide: Any) -> None:
    clip = "cond_stage_model.transformer."
    more = {
        **dict.fromkeys(("alphas_cumprod", "betas", "model_ema.decay", "optimizer.state.0.exp_avg", "logit_scale")),
        **dict.fromkeys((f"{clip}text_model.embeddings.position_ids", f"{clip}logit_scale")),
        **dict.fromkeys(
            (f"{clip}text_projection.weight", f"{clip}text_model.text_projection", f"{clip}vision_model.x")
        ),
        **dict.fromkeys(("first_stage_model.loss.logvar", "first_stage_model.model_ema.decay")),
        "model_ema.diffusion_modelinput_blocks00weight": None,
    }
    ours = draw(tensors | {name: torch.zeros(3) for name in more})
    assert np.abs(ours - wide).max() <= 1  # mapped weights lie otherwise in memory: other last bits


# -- plain float8: cast, without scales ------------------------------------------------------------------------------

# what programs cast: the linear layers, the convolutions too, or all, norms and biases included
CAST: dict[str, Callable[[Any], bool]] = {
    "matrices": lambda tensor: tensor.dim() == 2,
    "kernels": lambda tensor: tensor.dim() >= 2,
    "all": lambda _: True,
}


def cast(tensors: Tensors, recipe: str) -> Tensors:
    return {
        name: tensor.to(FLOAT8) if name.startswith(UNET) and CAST[recipe](tensor) else tensor
        for name, tensor in tensors.items()
    }


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Any]:
    """The picture that diffusers draws with its own network, whose weights torch rounded to float8 and back."""
    from diffusers import DDIMScheduler, StableDiffusionPipeline

    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("theirs")
    RandomModel("sd15", tiny=True).write_folder(folder)

    def drawn(recipe: str) -> Any:
        made = StableDiffusionPipeline.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
        made.scheduler = DDIMScheduler.from_config(made.scheduler.config)
        made.set_progress_bar_config(disable=True)
        for weight in made.unet.parameters():
            if CAST[recipe](weight):
                weight.data = weight.data.to(FLOAT8).to(torch.float32)
        size = {"width": PLAIN.width, "height": PLAIN.height, "num_inference_steps": PLAIN.steps}
        generator = torch.Generator().manual_seed(7)
        image = made(PLAIN.prompt, guidance_scale=PLAIN.guidance, generator=generator, **size).images[0]
        return np.asarray(image).astype(int)

    return drawn


@pytest.mark.parametrize("recipe", CAST)
def test_plain_float8_draws_what_diffusers_draws_with_the_rounded_weights(
    draw: Draw, tensors: Tensors, theirs: Callable[[str], Any], recipe: str
) -> None:
    assert np.abs(draw(cast(tensors, recipe)) - theirs(recipe)).max() <= 1  # weights lie otherwise in memory


def test_plain_float8_matrices_come_close_to_the_wide_ones(draw: Draw, tensors: Tensors, wide: Any) -> None:
    """Rounding kernels too takes this tiny network further off, and diffusers' just as far."""
    assert 0 < np.abs(draw(cast(tensors, "matrices")) - wide).max() <= 30


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("layout", ["single", "folder"])
def test_plain_float8_is_loaded_as_it_stands(tmp_path: Path, dtype: str, layout: str) -> None:
    """Every tensor of every part: what torch widens, and nothing else."""
    from safetensors.torch import load_file, save_file

    from pipelines.engines.local import LocalEngine
    from pipelines.models.weights.loading import load
    from tools.make_random_checkpoint import RandomModel

    model, place = RandomModel("sd15", tiny=True), tmp_path / "m"
    if layout == "single":
        place = tmp_path / "m.safetensors"
        model.write_single(place)
    else:
        model.write_folder(place)
    for file in [place] if layout == "single" else sorted(place.rglob("*.safetensors")):
        save_file({name: tensor.to(FLOAT8) for name, tensor in load_file(file).items()}, file)
    engine = LocalEngine([tmp_path], device="cpu")
    (info,) = (one for one in engine.models() if one.name == "m")
    wanted = getattr(torch, dtype)
    parts = load(info, replace(engine.manager.placement, dtype=wanted))
    engine.close()
    for name, part in (("unet", parts.unet), ("vae", parts.vae), ("text_encoder", parts.text_encoders[0])):
        found = dict(part.named_parameters())
        assert len(found) == len([key for key in model.shapes[name] if "position_ids" not in key])
        for key, weight in found.items():
            drawn = model.tensor(name, key if key in model.shapes[name] else f"text_model.{key}")
            assert weight.dtype == wanted
            assert torch.equal(weight, drawn.to(FLOAT8).to(wanted)), (name, key)
