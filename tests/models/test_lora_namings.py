"""One LoRA in every naming that trainers write, with its alpha wherever they put it: the picture that the sum of the
matrices gives, each time. What cannot be placed is refused by name."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest, Note
from pipelines.types import GenerationRequest, GenerationResult
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

RANK, ALPHA, WEIGHT = 4, 2.0, 0.9
PLAIN = GenerationRequest(
    prompt="a cat", model="base", width=64, height=64, steps=2, guidance=5.0, seed=7, sampler="DDIM"
)
LAYERS = re.compile(r"attn1\.to_q$|attn2\.to_[kv]$")
TEXT_LAYERS = re.compile(r"self_attn\.[qv]_proj$")
Arrays = dict[str, tuple[Any, Any]]  # name in diffusers' words -> down, up
Lay = Callable[..., GenerationResult]


def halves(part: Any, pattern: re.Pattern[str], seed: int, before: str = "") -> Arrays:
    random = np.random.default_rng(seed)
    return {
        before + name.removeprefix("text_model."): (
            random.normal(0, 0.1, (RANK, module.in_features)).astype(np.float32),
            random.normal(0, 0.1, (module.out_features, RANK)).astype(np.float32),
        )
        for name, module in part.named_modules()
        if pattern.search(name)
    }


def written(
    arrays: Arrays, name: Callable[[str], str], down: str, up: str, alpha: str = "", alphas: float = ALPHA
) -> dict[str, Any]:
    """The tensors of a file: `name` makes the layer's own, the rest are ends."""
    found = {}
    for layer, (a, b) in arrays.items():
        found |= {name(layer) + down: torch.from_numpy(a), name(layer) + up: torch.from_numpy(b)}
        if alpha:
            found[name(layer) + alpha] = torch.tensor(alphas)
    return found


def kohya(layer: str) -> str:
    return "lora_unet_" + layer.replace(".", "_")


def dotted(layer: str) -> str:
    return f"unet.{layer}"


def original(layer: str) -> str:
    """In the numbers of the original program, counted here from how its blocks follow each other: two layers and a step
    down at each level, three layers going up."""
    if match := re.match(r"down_blocks\.(\d)\.attentions\.(\d)\.(.+)", layer):
        return f"input_blocks.{1 + 3 * int(match[1]) + int(match[2])}.1.{match[3]}"
    if match := re.match(r"up_blocks\.(\d)\.attentions\.(\d)\.(.+)", layer):
        return f"output_blocks.{3 * int(match[1]) + int(match[2])}.1.{match[3]}"
    return layer.replace("mid_block.attentions.0.", "middle_block.1.")


def first(layer: str) -> str:
    """diffusers' first names stood in the attention's processor."""
    return f"unet.{layer.replace('.to_', '.processor.to_')}_lora"


PEFT_NOTES = {"r": RANK, "lora_alpha": ALPHA, "target_modules": ["to_q", "to_k", "to_v"], "peft_type": "LORA"}
Naming = tuple[Callable[[Arrays], dict[str, Any]], Mapping[str, str]]
NAMINGS: dict[str, Naming] = {
    "dotted-ab": (lambda arrays: written(arrays, dotted, ".lora_A.weight", ".lora_B.weight", ".alpha"), {}),
    "dotted-kohya": (lambda arrays: written(arrays, dotted, ".lora_down.weight", ".lora_up.weight", ".alpha"), {}),
    "dotted-original": (
        lambda arrays: written(
            arrays, lambda layer: f"unet.{original(layer)}", ".lora_down.weight", ".lora_up.weight", ".alpha"
        ),
        {},
    ),
    "kohya-original": (
        lambda arrays: written(
            arrays, lambda layer: kohya(original(layer)), ".lora_down.weight", ".lora_up.weight", ".alpha"
        ),
        {},
    ),
    "comfy": (
        lambda arrays: written(
            arrays, lambda layer: f"diffusion_model.{original(layer)}", ".lora_A.weight", ".lora_B.weight", ".alpha"
        ),
        {},
    ),
    "first": (lambda arrays: written(arrays, first, ".down.weight", ".up.weight", ".alpha"), {}),
    "first-bare": (
        lambda arrays: written(
            arrays, lambda layer: first(layer).removeprefix("unet."), ".down.weight", ".up.weight", ".alpha"
        ),
        {},
    ),
    "second": (lambda arrays: written(arrays, dotted, ".lora.down.weight", ".lora.up.weight", ".alpha"), {}),
    "linear-layer": (
        lambda arrays: written(
            arrays, dotted, ".lora_linear_layer.down.weight", ".lora_linear_layer.up.weight", ".alpha"
        ),
        {},
    ),
    "peft": (
        lambda arrays: written(
            arrays, lambda layer: f"base_model.model.{layer}", ".lora_A.weight", ".lora_B.weight", ".alpha"
        ),
        {},
    ),
    "peft-default": (
        lambda arrays: written(
            arrays, lambda layer: f"base_model.model.unet.{layer}", ".lora_A.default.weight", ".lora_B.default.weight"
        ),
        {"lora_alpha": str(ALPHA), "r": str(RANK)},
    ),
    "note-of-the-part": (
        lambda arrays: written(arrays, dotted, ".lora_A.weight", ".lora_B.weight"),
        {"unet.lora_alpha": "2"},
    ),
    "note-of-kohya": (
        lambda arrays: written(arrays, kohya, ".lora_down.weight", ".lora_up.weight"),
        {"ss_network_alpha": "2.0", "ss_network_dim": "4"},
    ),
    "note-rooted": (  # peft: alpha / sqrt(rank)
        lambda arrays: written(arrays, dotted, ".lora_A.weight", ".lora_B.weight"),
        {"unet.lora_alpha": "1", "unet.use_rslora": "true"},
    ),
    "peft-table": (
        lambda arrays: written(arrays, dotted, ".lora_A.weight", ".lora_B.weight"),
        {"lora_adapter_metadata": json.dumps({f"unet.{name}": value for name, value in PEFT_NOTES.items()})},
    ),
    "peft-table-without-part": (
        lambda arrays: written(arrays, dotted, ".lora_A.weight", ".lora_B.weight"),
        {"lora_adapter_metadata": json.dumps(PEFT_NOTES)},
    ),
    "peft-pattern": (
        lambda arrays: written(arrays, dotted, ".lora_A.weight", ".lora_B.weight"),
        {
            "lora_adapter_metadata": json.dumps(
                {"unet.r": 8, "unet.lora_alpha": 64, "unet.alpha_pattern": {"to_q": 2, "to_k": 2, "attn2.to_v": 2}}
            )
        },
    ),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def engine(folder: Path) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    RandomModel("sd15", tiny=True).write_single(folder / "base.safetensors")
    engine = LocalEngine([folder], device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def parts(engine: Any) -> Any:
    return engine.manager.get("base").parts


@pytest.fixture(scope="module")
def arrays(parts: Any) -> Arrays:
    return halves(parts.unet, LAYERS, 1)


@pytest.fixture
def lay(engine: Any, folder: Path) -> Iterator[Lay]:
    """A file with these tensors and notes, in a prompt; the file goes away again."""
    from safetensors.torch import save_file

    made: list[Path] = []

    def lay(tensors: dict[str, Any], notes: Mapping[str, str] | None = None, prompt: str = "a cat") -> GenerationResult:
        path = folder / f"laid-{len(made)}.safetensors"
        made.append(path)
        save_file(tensors, path, metadata=dict(notes or {}))
        wish = replace(PLAIN, prompt=f"{prompt} <lora:{path.stem}:{WEIGHT}>")
        result: GenerationResult = engine.generate(batch_of(wish, 7), ignore)[0]
        return result

    yield lay
    for path in made:
        path.unlink()


@pytest.fixture(scope="module")
def summed(engine: Any, arrays: Arrays) -> Any:
    """The picture of the model with weight × alpha / rank × B A added to its matrices by numpy, and the plain one."""
    plain = engine.generate(batch_of(PLAIN, 7), ignore)[0].image
    unet = engine.manager.current.parts.unet
    kept = {}
    for name, (down, up) in arrays.items():
        layer = unet.get_submodule(name)
        kept[layer] = layer.weight
        whole = layer.weight.detach().numpy().astype(np.float64) + WEIGHT * ALPHA / RANK * (
            up.astype(np.float64) @ down
        )
        layer.weight = torch.nn.Parameter(torch.from_numpy(whole.astype(np.float32)), requires_grad=False)
    try:
        return np.asarray(engine.generate(batch_of(PLAIN, 7), ignore)[0].image).astype(int), np.asarray(plain)
    finally:
        for layer, weight in kept.items():
            layer.weight = weight


@pytest.mark.parametrize("naming", NAMINGS)
def test_every_naming_is_the_sum_of_the_matrices(lay: Lay, arrays: Arrays, summed: Any, naming: str) -> None:
    write, notes = NAMINGS[naming]
    laid = np.asarray(lay(write(arrays), notes).image)
    assert np.abs(laid - summed[0]).max() <= 2
    assert np.abs(summed[1] - summed[0]).mean() > 2  # the comparison above could have failed


def test_namings_of_the_text_encoder(engine: Any, lay: Lay, parts: Any) -> None:
    """Against the encoder's own numbers with numpy's sum in its place."""
    encoder = parts.text_encoders[0]
    layers = halves(encoder, TEXT_LAYERS, 2)
    text = "text_model.encoder."

    def of_kohya(layer: str) -> str:
        return "lora_te_text_model_" + layer.replace(".", "_")

    kohyas = lay(written(layers, of_kohya, ".lora_down.weight", ".lora_up.weight", ".alpha")).image.tobytes()
    plain = engine.generate(batch_of(PLAIN, 7), ignore)[0].image.tobytes()
    assert kohyas != plain
    for name in (
        lambda layer: f"text_encoder.text_model.{layer}",
        lambda layer: f"text_encoder.{layer}",
        lambda layer: f"lora_te.text_model.{layer}",
        lambda layer: f"clip_l.text_model.{layer}",
        lambda layer: f"base_model.model.text_model.{layer}",
    ):
        dotted_ = written(layers, name, ".lora_A.weight", ".lora_B.weight", ".alpha")
        assert lay(dotted_).image.tobytes() == kohyas
    first_ = written(
        layers,
        lambda layer: "text_encoder.text_model." + layer.replace("_proj", "_lora").replace("attn.", "attn.to_"),
        ".down.weight",
        ".up.weight",
        ".alpha",
    )
    assert lay(first_).image.tobytes() == kohyas
    pattern = {f"{text}{layer.removeprefix('encoder.')}": ALPHA for layer in layers}
    noted = {"lora_adapter_metadata": json.dumps({"text_encoder.r": 4, "text_encoder.alpha_pattern": pattern})}
    picture = lay(
        written(layers, lambda layer: f"text_encoder.text_model.{layer}", ".lora_A.weight", ".lora_B.weight"), noted
    ).image
    assert picture.tobytes() == kohyas


def refused(lay: Lay, tensors: dict[str, Any], notes: Mapping[str, str] | None = None) -> Note:
    with pytest.raises(InvalidRequest) as caught:
        lay(tensors, notes)
    assert (caught.value.field, caught.value.note.code) == ("prompt", "lora_unfit")
    problem = caught.value.note.values["problem"]
    assert isinstance(problem, Note)
    return problem


def test_what_cannot_be_placed_is_refused(lay: Lay, arrays: Arrays) -> None:
    plain = written(arrays, dotted, ".lora_A.weight", ".lora_B.weight")
    layer = next(iter(arrays))
    scale = f"unet.{layer}.weight_scale"
    for more, notes, expected in (
        ({"unet.nowhere.alpha": torch.tensor(2.0)}, {}, Note("alpha_unplaced", name="unet.nowhere.alpha")),
        ({f"unet.{layer}.alpha": torch.tensor([1.0, 2.0])}, {}, Note("alpha_unread", name=f"unet.{layer}.alpha")),
        ({f"unet.{layer}.alpha": torch.tensor(float("nan"))}, {}, Note("alpha_unread", name=f"unet.{layer}.alpha")),
        ({}, {"unet.lora_alpha": "much"}, Note("alpha_unread", name="lora_alpha")),
        ({}, {"unet.alpha_pattern": '{"nowhere.to_q": 2}'}, Note("alpha_unplaced", name="nowhere.to_q")),
        ({}, {"lora_adapter_metadata": "no JSON"}, Note("notes_damaged")),
        ({"what.is.this": torch.zeros(2)}, {}, Note("tensor_unknown", name="what.is.this", count=1)),
        ({scale: torch.ones(1)}, {}, Note("tensor_unknown", name=scale, count=1)),
    ):
        assert refused(lay, plain | more, notes) == expected
    del plain[f"unet.{layer}.lora_B.weight"]
    assert refused(lay, plain) == Note("half_missing", name=f"unet.{layer}")


def test_layers_are_counted_as_they_are(lay: Lay, arrays: Arrays) -> None:
    names = list(arrays)
    strange = {name if number >= 3 else f"nowhere.{name}": arrays[name] for number, name in enumerate(names)}
    of_another = dict(arrays)
    of_another[names[0]] = (np.zeros((RANK, 7), np.float32), arrays[names[0]][1])  # another width
    for layers, missing in ((strange, 3), (of_another, 1)):
        for name in (dotted, lambda layer: f"base_model.model.{layer}"):
            problem = refused(lay, written(layers, name, ".lora_A.weight", ".lora_B.weight"))
            assert problem == Note("layers_unfit", missing=missing, total=len(names))


def test_what_a_library_raises_is_one_sentence(lay: Lay, arrays: Arrays, monkeypatch: pytest.MonkeyPatch) -> None:
    from diffusers import StableDiffusionPipeline

    for error in (IndexError("list index out of range"), AssertionError("size\nmore"), ZeroDivisionError()):

        def broken(*_: Any, error: Exception = error, **__: Any) -> None:
            raise error

        monkeypatch.setattr(StableDiffusionPipeline, "load_lora_into_unet", broken)
        problem = refused(lay, NAMINGS["dotted-ab"][0](arrays))
        assert (problem.code, problem.values["kind"]) == ("library_says", type(error).__name__)
        assert "\n" not in problem.values["text"]


def test_a_bundled_word_is_learned_with_its_lora(engine: Any, lay: Lay, arrays: Arrays, folder: Path) -> None:
    """The same picture as with the word in a file of its own."""
    from safetensors.torch import save_file

    vectors = torch.randn(2, 768, generator=torch.Generator().manual_seed(3))
    lora = NAMINGS["dotted-ab"][0](arrays)
    bundle = lora | {"bundle_emb.wword.string_to_param.*": vectors}
    lone = lay(lora).image.tobytes()
    unsaid = lay(bundle).image.tobytes()
    learned = lay(bundle, prompt="a wword cat").image.tobytes()
    assert lay(lora, prompt="a wword cat").image.tobytes() != learned
    assert unsaid == lone
    word = folder / "wwordfile.safetensors"
    save_file({"emb_params": vectors}, word)
    try:
        assert lay(lora, prompt="a wwordfile cat").image.tobytes() == learned
    finally:
        word.unlink()
    without = engine.generate(batch_of(replace(PLAIN, prompt="a wwordfile cat"), 7), ignore)[0].image.tobytes()
    assert without not in (lone, learned)
    problem = refused(lay, lora | {"bundle_emb.wwordfile.clip_l": torch.zeros(2, 5)})
    assert problem.code == "vectors_unfit"
    assert refused(lay, lora | {"bundle_emb.other": vectors}).code == "tensor_unknown"
