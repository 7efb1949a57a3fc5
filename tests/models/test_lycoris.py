"""LyCORIS adapters: their sums against numpy's, their names against the original layout's, and a picture that changes
and comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest, ModelError
from pipelines.models.extras import WantedLora
from pipelines.models.families import find_family
from pipelines.types import GenerationRequest, ModelInfo
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
lycoris = pytest.importorskip("pipelines.models.lycoris")
merging = pytest.importorskip("pipelines.models.merging")

Layer = dict[str, Any]
PLAIN = GenerationRequest(prompt="a red fox", model="builtin", width=64, height=64, steps=1, seed=7, sampler="DDIM")


def random_layer(shapes: Mapping[str, tuple[int, ...]], alpha: float | None = None) -> Layer:
    generator = torch.Generator().manual_seed(len(shapes))
    layer = {name: torch.randn(shape, generator=generator) for name, shape in shapes.items()}
    return layer if alpha is None else layer | {"alpha": torch.tensor(alpha)}


def change_of(layer: Layer, shape: tuple[int, ...]) -> Any:
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    return lycoris.changes(layer, {"weight": weight})["weight"].numpy(), weight.numpy()


def test_loha_is_the_product_of_two_products() -> None:
    """FedPara, proposition 1: W = (X₁Y₁ᵀ) ⊙ (X₂Y₂ᵀ); times alpha / rank, 2 / 4."""
    shapes = {"hada_w1_a": (6, 4), "hada_w1_b": (4, 5), "hada_w2_a": (6, 4), "hada_w2_b": (4, 5)}
    layer = random_layer(shapes, alpha=2.0)
    a1, b1, a2, b2 = (layer[name].numpy() for name in shapes)
    expected = np.empty((6, 5))
    for row in range(6):
        for column in range(5):
            expected[row, column] = (a1[row] @ b1[:, column]) * (a2[row] @ b2[:, column]) * 0.5
    found, _ = change_of(layer, (6, 5))
    assert np.allclose(found, expected, atol=1e-5)
    assert np.allclose(change_of(layer, (6, 5, 1, 1))[0][..., 0, 0], expected, atol=1e-5)  # a convolution of one pixel


def mode_products(core: Any, out: Any, into: Any) -> Any:
    """FedPara, proposition 3: T ×₁ X ×₂ Y, pixel by pixel of the kernel; the files keep X and Y transposed."""
    pixels = [out.T @ core[:, :, y, x] @ into for y in range(core.shape[2]) for x in range(core.shape[3])]
    return np.stack(pixels, axis=-1).reshape(out.shape[1], into.shape[1], *core.shape[2:])


def test_loha_of_a_convolution_has_cores() -> None:
    shapes: dict[str, tuple[int, ...]] = {}
    for number in (1, 2):
        shapes |= {f"hada_t{number}": (4, 4, 3, 3), f"hada_w{number}_a": (4, 6), f"hada_w{number}_b": (4, 5)}
    layer = random_layer(shapes, alpha=1.0)
    factors = [
        mode_products(
            *(layer[f"hada_{name}{number}{end}"].numpy() for name, end in (("t", ""), ("w", "_a"), ("w", "_b")))
        )
        for number in (1, 2)
    ]
    assert np.allclose(change_of(layer, (6, 5, 3, 3))[0], factors[0] * factors[1] / 4, atol=1e-4)


def test_loha_of_a_convolution_without_cores_is_flat() -> None:
    shapes = {"hada_w1_a": (6, 4), "hada_w1_b": (4, 45), "hada_w2_a": (6, 4), "hada_w2_b": (4, 45)}
    layer = random_layer(shapes)
    a1, b1, a2, b2 = (layer[name].numpy() for name in shapes)
    expected = ((a1 @ b1) * (a2 @ b2)).reshape(6, 5, 3, 3)  # no alpha: the scale is 1
    assert np.allclose(change_of(layer, (6, 5, 3, 3))[0], expected, atol=1e-4)


@pytest.mark.parametrize(
    ("first", "second", "scale"),
    [("whole", "whole", 1.0), ("whole", "factors", 0.5), ("factors", "whole", 0.5), ("factors", "factors", 0.5)],
)
def test_lokr_is_a_kronecker_product(first: str, second: str, scale: float) -> None:
    """Against numpy's. Two whole factors have no rank, so alpha says nothing: LyCORIS writes it all the same."""
    shapes: dict[str, tuple[int, ...]] = {}
    for number, kind, (rows, columns) in ((1, first, (2, 3)), (2, second, (5, 7))):
        if kind == "whole":
            shapes[f"lokr_w{number}"] = (rows, columns)
        else:
            shapes |= {f"lokr_w{number}_a": (rows, 4), f"lokr_w{number}_b": (4, columns)}
    layer = random_layer(shapes, alpha=2.0)
    one, two = (
        layer[f"lokr_w{number}"].numpy()
        if f"lokr_w{number}" in layer
        else layer[f"lokr_w{number}_a"].numpy() @ layer[f"lokr_w{number}_b"].numpy()
        for number in (1, 2)
    )
    assert np.allclose(change_of(layer, (10, 21))[0], np.kron(one, two) * scale, atol=1e-5)


@pytest.mark.parametrize("kind", ["whole", "flat", "core"])
def test_lokr_of_a_convolution(kind: str) -> None:
    """A convolution's kernel belongs to the second factor: each of its pixels is a Kronecker product of its own."""
    kinds: dict[str, dict[str, tuple[int, ...]]] = {
        "whole": {"lokr_w2": (3, 5, 3, 3)},
        "flat": {"lokr_w2_a": (3, 4), "lokr_w2_b": (4, 45)},
        "core": {"lokr_t2": (4, 4, 3, 3), "lokr_w2_a": (4, 3), "lokr_w2_b": (4, 5)},
    }
    layer = random_layer({"lokr_w1": (2, 2), **kinds[kind]}, alpha=4.0)
    parts = {name: tensor.numpy() for name, tensor in layer.items()}
    if kind == "whole":
        second = parts["lokr_w2"]
    elif kind == "flat":
        second = (parts["lokr_w2_a"] @ parts["lokr_w2_b"]).reshape(3, 5, 3, 3)
    else:
        second = mode_products(parts["lokr_t2"], parts["lokr_w2_a"], parts["lokr_w2_b"])
    found, _ = change_of(layer, (6, 10, 3, 3))
    for y in range(3):
        for x in range(3):
            assert np.allclose(found[:, :, y, x], np.kron(parts["lokr_w1"], second[:, :, y, x]), atol=1e-4)


def test_a_lora_with_a_core() -> None:
    shapes = {"lora_up.weight": (6, 4, 1, 1), "lora_mid.weight": (4, 4, 3, 3), "lora_down.weight": (4, 5, 1, 1)}
    layer = random_layer(shapes, alpha=1.0)
    up, core, down = (layer[name].numpy() for name in shapes)
    expected = mode_products(core, up[:, :, 0, 0].T, down[:, :, 0, 0]) / 4
    assert np.allclose(change_of(layer, (6, 5, 3, 3))[0], expected, atol=1e-4)


def test_whole_differences_and_shares() -> None:
    layer = random_layer({"diff": (6, 5), "diff_b": (6,)})
    found = lycoris.changes(layer, {"weight": torch.zeros(6, 5), "bias": torch.zeros(6)})
    assert torch.equal(found["weight"], layer["diff"])
    assert torch.equal(found["bias"], layer["diff_b"])
    for on_input, sides in ((True, (5,)), (False, (6, 1))):
        layer = random_layer({"weight": (max(sides),)}) | {"on_input": torch.tensor(on_input)}
        change, weight = change_of(layer, (6, 5))
        assert np.allclose(change, weight * layer["weight"].numpy().reshape(sides), atol=1e-6)


@pytest.mark.parametrize(
    ("shapes", "rule"),
    [
        ({"x.hada_w1_a": (6, 4), "x.hada_w1_b": (4, 5), "x.hada_w2_a": (6, 4)}, "no hada_w2_b"),
        ({"x.lokr_w1": (2, 2), "x.lokr_w2": (3, 3)}, r"\(6, 6\) is not \(6, 5\)"),
        ({"x.diff": (6, 5), "x.diff_b": (6,)}, r"bias of the shape \(6,\)"),
        ({"x.diff": (6, 5), "x.lokr_w1": (2, 2), "x.lokr_w2": (3, 3)}, "has diff too"),
        ({"x.diff": (6, 5), "x.dora_scale": (6, 1)}, r"the first is x\.dora_scale"),
        ({"x.alpha": ()}, "nothing else"),
    ],
)
def test_what_is_not_understood_is_said(shapes: dict[str, tuple[int, ...]], rule: str) -> None:
    def read() -> None:
        for layer in lycoris.by_layer(random_layer(shapes)).values():
            lycoris.changes(layer, {"weight": torch.zeros(6, 5)})

    with pytest.raises(ModelError, match=rule):
        read()


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_every_layer_of_a_unet_has_its_original_name(name: str) -> None:
    """As the writer of single files numbers them, which diffusers reads back in another test."""
    from diffusers import UNet2DConditionModel

    from tools.make_random_checkpoint import RandomModel
    from tools.original_layout import unet_name

    config = RandomModel(name, tiny=True).parts["unet"]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    known = dict(merging.named_layers(SimpleNamespace(unet=unet, text_encoders=())))
    modules = {key.removesuffix(".weight") for key, _ in unet.named_parameters() if key.endswith(".weight")}
    assert len(modules) > 50
    for module in modules:
        original = unet_name(f"{module}.weight", config).removesuffix(".weight")
        for key in (f"lora_unet_{original}", f"lora_unet_{module}", f"unet.{module}"):
            assert known[key.replace(".", "_")] == (unet.get_submodule(module), True), key


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl")])
def test_the_width_of_the_text_tells_the_family_of_a_lokr(width: int, family: str) -> None:
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    whole = {f"{layer}.lokr_w1": (16, 16), f"{layer}.lokr_w2": (20, width // 16)}
    factors = {f"{layer}.lokr_w1_a": (16, 2), f"{layer}.lokr_w1_b": (2, 16)}
    factors |= {f"{layer}.lokr_w2_a": (20, 2), f"{layer}.lokr_w2_b": (2, width // 16)}
    for shapes in (whole, factors):
        found = find_family(shapes)
        assert (found.kind, found.variant, found.family) == ("lycoris", "LoKr", family)


def small_parts() -> Any:
    """A UNet of two layers, in bfloat16, and no text encoder."""
    torch.manual_seed(0)
    unet = torch.nn.Module()
    unet.conv_in = torch.nn.Conv2d(4, 8, 3)
    unet.down_blocks, unet.up_blocks = torch.nn.ModuleList(), torch.nn.ModuleList()
    unet.to(torch.bfloat16, memory_format=torch.channels_last)
    return SimpleNamespace(unet=unet, text_encoders=())


def test_two_at_once_are_added_before_rounding_and_taken_off_whole(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    parts = small_parts()
    own, bits = parts.unet.conv_in.weight, parts.unet.conv_in.weight.detach().clone()
    wanted, expected = [], bits.float()
    for number, strength in enumerate((0.7, -0.3)):
        diff = torch.randn(8, 4, 3, 3) * 0.01
        path = tmp_path / f"{number}.safetensors"
        save_file({"lora_unet_conv_in.diff": diff}, path)
        info = ModelInfo(name=path.stem, kind="lycoris", family="sd1", path=str(path))
        wanted.append(WantedLora(info=info, text_weight=0, unet_weight=strength))
        expected = expected + strength * diff
    merged = merging.Merged(parts)
    merged.lay(wanted)
    now = parts.unet.conv_in.weight
    assert torch.equal(now, expected.to(torch.bfloat16))
    assert (now.dtype, now.stride(), now.requires_grad) == (own.dtype, own.stride(), False)
    merged.take_off()
    assert parts.unet.conv_in.weight is own
    assert torch.equal(own, bits)
    assert not merged


Make = Callable[..., Any]
LAYERS = ("attn1.to_q", "attn2.to_k", "ff.net.2", "conv1", "conv_in")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The built-in model, which is quick, and two adapters for it."""
    from safetensors.torch import save_file

    from pipelines.engines.local import LocalEngine

    folder = tmp_path_factory.mktemp("models")
    engine = LocalEngine([folder], device="cpu")
    parts = engine.manager.get("builtin").parts
    generator = torch.Generator().manual_seed(0)

    def randn(*shape: int) -> Any:
        return torch.randn(shape, generator=generator) * 0.3

    loha, lokr, lora = Layer(), Layer(), Layer()
    for name, module in parts.unet.named_modules():
        key = f"lora_unet_{name}".replace(".", "_")
        if name.endswith(LAYERS):
            out, into = module.weight.shape[0], module.weight[0].numel()
            for number in (1, 2):
                loha |= {f"{key}.hada_w{number}_a": randn(out, 4), f"{key}.hada_w{number}_b": randn(4, into)}
            loha[f"{key}.alpha"] = torch.tensor(2.0)
            lokr |= {f"{key}.lokr_w1": randn(2, 1) * 0.2, f"{key}.lokr_w2": randn(out // 2, *module.weight.shape[1:])}
        if name.endswith("attn1.to_v"):
            lora |= {f"{key}.lora_up.weight": randn(module.weight.shape[0], 2)}
            lora |= {f"{key}.lora_down.weight": randn(2, module.weight.shape[1]), f"{key}.alpha": torch.tensor(1.0)}
    for name, module in parts.text_encoders[0].named_modules():
        if name.endswith("q_proj"):
            key = f"lora_te_text_model_{name.removeprefix('text_model.')}".replace(".", "_")
            loha |= {f"{key}.diff": randn(*module.weight.shape)}
    save_file(loha, folder / "loha.safetensors")
    save_file(lokr, folder / "lokr.safetensors")
    save_file(lora, folder / "plain.safetensors")
    save_file(lokr | {"lora_unet_conv_between.diff": randn(4, 4)}, folder / "strange.safetensors")
    wide = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    save_file({f"{wide}.lokr_w1": randn(16, 16), f"{wide}.lokr_w2": randn(20, 48)}, folder / "other.safetensors")
    save_file({"lora_unet_conv_in.oft_blocks": randn(4, 4, 4)}, folder / "oft.safetensors")
    yield engine
    engine.close()


@pytest.fixture
def make(engine: Any) -> Make:
    def make(prompt: str) -> Any:
        return engine.generate(batch_of(replace(PLAIN, prompt=prompt), 7), ignore)[0]

    return make


def test_a_picture_changes_and_comes_back(make: Make, engine: Any) -> None:
    """With LyCORIS alone, with two, with an ordinary LoRA; another weight; none; and all of it in the record."""
    listed = {info.name: info.kind for info in engine.adapters()}
    assert {"loha": "lycoris", "lokr": "lycoris", "plain": "lora"}.items() <= listed.items()
    assert "oft" not in listed
    base = make("a red fox").image.tobytes()
    prompts: tuple[str, ...] = (
        "<lora:loha:0.5>",
        "<lora:lokr:0.5>",
        "<lora:loha:0.5><lora:lokr:0.5>",
        "<lora:loha:0.5:0>",
    )
    prompts += ("<lora:loha:0.5><lora:plain:1>", "<lora:plain:1>", "<lora:loha:0:0.5>")
    pictures = {prompt: make(f"a red fox {prompt}").image.tobytes() for prompt in prompts}
    assert len({base, *pictures.values()}) == 8
    assert make("a red fox").image.tobytes() == base
    assert make("a red fox <lora:loha:0><lora:lokr:0>").image.tobytes() == base
    both = make("a red fox <lora:loha:0.5><lora:plain:1>")
    assert both.image.tobytes() == pictures["<lora:loha:0.5><lora:plain:1>"]
    assert make("a red fox <lora:plain:1>").image.tobytes() == pictures["<lora:plain:1>"]
    path = next(Path(info.path) for info in engine.adapters() if info.name == "loha")
    assert both.facts["loras"][0] == {
        "name": "loha",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "text_weight": 0.5,
        "unet_weight": 0.5,
    }


@pytest.mark.parametrize(
    ("prompt", "rule"),
    [
        ("<lora:other:1>", r"the built-in model, got 'other', a LyCORIS adapter for SD 1\.x"),
        ("<lora:loha:1><lora:strange:1>", r"'strange': 1 of its \d+ layers do not fit this model"),
        ("<lora:oft:1>", "'oft', a LyCORIS of the kind OFT"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_the_model_stays_clean(make: Make, prompt: str, rule: str) -> None:
    base = make("a red fox").image.tobytes()
    make("a red fox <lora:loha:1>")
    with pytest.raises(InvalidRequest, match=rf"^prompt: must .*{rule}$"):
        make(f"a red fox {prompt}")
    assert make("a red fox").image.tobytes() == base
