"""What LyCORIS' tensors add to a weight: every formula against numpy's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from pipelines.errors import ModelError, Note

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
lycoris = pytest.importorskip("pipelines.models.weights.lycoris")

Layer = dict[str, Any]


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


@pytest.mark.parametrize("side", [0, 1])
@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3)])
def test_dora_gives_each_row_or_column_a_length(shape: tuple[int, ...], side: int) -> None:
    """DoRA, equation 5: W' = m · (W + BA) / ‖W + BA‖, the norm over columns in the paper, over rows by a later option
    of LyCORIS; what is left when W is taken off is the change."""
    into = int(np.prod(shape[1:]))
    layer = random_layer({"lora_up.weight": (6, 4), "lora_down.weight": (4, into)}, alpha=2.0)
    lengths = [1.0 if place != side else shape[side] for place in range(len(shape))]
    layer["dora_scale"] = torch.rand(tuple(map(int, lengths))) + 0.5
    found, weight = change_of(layer, shape)
    product = (layer["lora_up.weight"].numpy() @ layer["lora_down.weight"].numpy()).reshape(shape) / 2
    after = weight + found
    for number in range(shape[side]):
        whole = np.take(weight + product, number, side).ravel()
        length = float(layer["dora_scale"].flatten()[number])
        assert np.allclose(np.take(after, number, side).ravel(), length * whole / np.sqrt(whole @ whole), atol=1e-5)


@pytest.mark.parametrize(("shape", "core"), [((6, 5), False), ((6, 5, 3, 3), False), ((6, 5, 3, 3), True)])
def test_glora_reads_other_columns_and_adds_a_lora(shape: tuple[int, ...], core: bool) -> None:
    """GLoRA as LyCORIS writes it: W A₁A₂ + B₁B₂, times alpha / rank, 1 / 2; with a core for a kernel of many pixels."""
    kernel = shape[2:]
    ones = tuple(1 for _ in kernel)
    shapes: dict[str, tuple[int, ...]] = {"a1.weight": (5, 2, *ones), "a2.weight": (2, 5, *ones)}
    shapes |= {"b1.weight": (6, 2, *ones), "b2.weight": (2, 5, *(ones if core else kernel))}
    if core:
        shapes["bm.weight"] = (2, 2, *kernel)
    layer = random_layer(shapes, alpha=1.0)
    a1, a2, b1, b2 = (layer[f"{name}.weight"].numpy() for name in ("a1", "a2", "b1", "b2"))
    found, weight = change_of(layer, shape)
    columns = a1.reshape(5, 2) @ a2.reshape(2, 5)
    if core:
        added = mode_products(layer["bm.weight"].numpy(), b1.reshape(6, 2).T, b2.reshape(2, 5))
    else:
        added = (b1.reshape(6, 2) @ b2.reshape(2, -1)).reshape(shape)
    read = np.stack([pixel @ columns for pixel in np.moveaxis(weight.reshape(6, 5, -1), 2, 0)], axis=2).reshape(shape)
    assert np.allclose(found, (read + added) / 2, atol=1e-4)


@pytest.mark.parametrize("shape", [(6, 5), (6, 5, 3, 3)])
@pytest.mark.parametrize("limit", [0.0, 0.01])
def test_oft_turns_blocks_of_rows(shape: tuple[int, ...], limit: float) -> None:
    """OFT, section 3: R is block-diagonal, by Cayley's transform, Q held to a norm of alpha times the rows; rows keep
    their lengths and angles within a block. `rescale` multiplies each row in the end."""
    layer = random_layer({"oft_blocks": (3, 2, 2)}, alpha=limit)
    skew = layer["oft_blocks"].numpy().astype(np.float64)
    skew = skew - skew.transpose(0, 2, 1)
    if limit:
        skew *= limit * 6 / np.sqrt((skew**2).sum())
    turn = np.zeros((6, 6))
    for number, block in enumerate(skew):
        place = slice(2 * number, 2 * number + 2)
        turn[place, place] = (np.eye(2) + block) @ np.linalg.inv(np.eye(2) - block)
    found, weight = change_of(layer, shape)
    rows = weight.reshape(6, -1)
    assert np.allclose((weight + found).reshape(6, -1), turn.T @ rows, atol=1e-5)
    assert np.allclose(((weight + found) ** 2).sum(), (rows**2).sum(), rtol=1e-5)
    scales = torch.rand(6, *[1] * (len(shape) - 1)) + 0.5
    rescaled, _ = change_of(layer | {"rescale": scales}, shape)
    expected = (turn.T @ rows) * scales.numpy().reshape(6, 1)
    assert np.allclose((weight + rescaled).reshape(6, -1), expected, atol=1e-5)


def differs(name: str, found: str, wanted: str) -> Note:
    return Note("shape_differs", name=name, found=found, wanted=wanted)


@pytest.mark.parametrize(
    ("shapes", "told"),
    [
        ({"x.hada_w1_a": (6, 4), "x.hada_w1_b": (4, 5), "x.hada_w2_a": (6, 4)}, Note("layer_lacks", name="hada_w2_b")),
        (
            {"x.lokr_w1": (2, 2), "x.lokr_w2": (3, 3)},
            differs("weight", "6 × 6", "6 × 5"),
        ),
        ({"x.diff": (6, 5), "x.diff_b": (6,)}, differs("bias", "6", "1")),
        ({"x.diff": (6, 5), "x.lokr_w1": (2, 2), "x.lokr_w2": (3, 3)}, Note("layer_has_more", name="diff")),
        ({"x.diff": (6, 5), "x.oft_diag": (6, 1)}, Note("tensor_unknown", name="x.oft_diag", count=1)),
        (
            {"x.diff": (6, 5), "x.dora_scale": (7, 1)},
            differs("dora_scale", "7 × 1", "6 × 5"),
        ),
        ({"x.dora_scale": (6, 1)}, Note("layer_empty")),
        ({"x.b1.weight": (6, 2), "x.b2.weight": (2, 5)}, Note("layer_lacks", name="a1.weight")),
        ({"x.alpha": ()}, Note("layer_empty")),
    ],
)
def test_what_is_not_understood_is_said(shapes: dict[str, tuple[int, ...]], told: Note) -> None:
    def read() -> None:
        for layer in lycoris.by_layer(random_layer(shapes)).values():
            lycoris.changes(layer, {"weight": torch.zeros(6, 5)})

    with pytest.raises(ModelError) as caught:
        read()
    assert caught.value.note == told
