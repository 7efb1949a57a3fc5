"""LoRAs by blocks and over the steps: what lies on every layer at every call of the UNet."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from pipelines.types import GenerationRequest
from tests.engines.conftest import batch_of, ignore
from tests.models.test_adapters import random_lora
from tests.prompts.test_loras import LISTS

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

NUMBERS = [round(0.1 + 0.05 * place, 2) for place in range(17)]
LISTED = "lbw=" + ",".join(map(str, NUMBERS))
PLAIN = GenerationRequest(prompt="a cat", model="base", width=64, height=64, steps=3, guidance=5.0, seed=7)
Weight = Callable[[str, int], float]  # of a layer of the UNet, by its original name, and a call


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from safetensors.torch import save_file

    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    RandomModel("sd15", tiny=True).write_single(folder / "base.safetensors")
    engine = LocalEngine([folder], device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    parts = engine.manager.get("base").parts
    tensors, added = random_lora(parts, 0)
    save_file(tensors, folder / "first.safetensors")
    layers = parts.unet
    diffs = {f"lora_unet_{name.replace('.', '_')}.diff": diff for name, diff in added["unet"].items()}
    diffs["lora_unet_conv_in.diff"] = torch.ones_like(layers.conv_in.weight)
    diffs["lora_unet_conv_out.diff"] = torch.ones_like(layers.conv_out.weight)
    save_file(diffs, folder / "whole.safetensors")
    yield engine
    engine.close()


def make(engine: Any, prompt: str, **changes: Any) -> Any:
    return engine.generate(batch_of(replace(PLAIN, prompt=prompt, **changes), 7), ignore)[0]


def block_of(original: str) -> str:
    side, number = original.split(".")[:2]
    return {"input_blocks": "IN", "middle_block": "M", "output_blocks": "OUT"}[side] + f"{int(number):02}"


def listed(original: str) -> float:
    """What the list of 17 says of a layer."""
    name = "M00" if original.startswith("middle_block") else block_of(original)
    names = LISTS[17].split()
    return NUMBERS[names.index(name)] if name in names else 0.0


def compare(engine: Any, prompt: str, weight: Weight, **changes: Any) -> None:
    """What lies on each layer at each call of the UNet, while it makes the picture of `prompt`."""
    from tools.make_random_checkpoint import RandomModel
    from tools.original_layout import unet_name

    config = RandomModel("sd15", tiny=True).parts["unet"]
    make(engine, "a cat")
    parts = engine.manager.current.parts
    added = random_lora(parts, 0)[1]["unet"]
    expected = {name: unet_name(f"{name}.weight", config).removesuffix(".weight") for name in added}
    calls: list[float] = []

    def look(unet: Any, given: Any) -> None:
        off = 0.0
        for name, change in added.items():
            layer = unet.get_submodule(name)
            lies = sum(layer.get_delta_weight(adapter) for adapter in layer.active_adapters)
            off = max(off, float((lies - weight(expected[name], len(calls)) * change).abs().max()))
        calls.append(off)

    hook = parts.unet.register_forward_pre_hook(look)
    try:
        make(engine, prompt, **changes)
    finally:
        hook.remove()
    assert len(calls) >= 3
    assert len(expected) > 10
    assert max(calls) < 1e-6


def test_each_block_has_its_own_weight(engine: Any) -> None:
    compare(engine, f"a cat <lora:first:1:0.8:{LISTED}>", lambda name, call: 0.8 * listed(name))


def test_a_weight_moves_over_the_steps(engine: Any) -> None:
    compare(engine, "a cat <lora:first:te=0:unet=0@0,1@1>", lambda name, call: [0, 0.5, 1][call])


def test_two_calls_of_one_step_have_one_weight(engine: Any) -> None:
    weights = [0.8, 0.8, 0, 0, 0]
    compare(engine, "a cat <lora:first:0:0.8:stop=1>", lambda name, call: weights[call], sampler="Heun")


def test_blocks_and_steps_and_twice_the_same_file(engine: Any) -> None:
    compare(
        engine,
        f"a cat <lora:first:0:0.5:{LISTED}:start=1><lora:first:0:0.2>",
        lambda name, call: 0.2 + (0.5 * listed(name) if call else 0),
    )


def test_the_picture_comes_back_bit_for_bit(engine: Any) -> None:
    plain, fixed = make(engine, "a cat"), make(engine, "a cat <lora:first:0.5>")
    moving = make(engine, f"a cat <lora:first:0.5:0@0,1@1:{LISTED}>")
    assert make(engine, "a cat <lora:first:0.5>").image.tobytes() == fixed.image.tobytes()
    again = make(engine, f"a cat <lora:first:0.5:0@0,1@1:{LISTED}>")
    assert again.image.tobytes() == moving.image.tobytes()
    assert make(engine, "a cat").image.tobytes() == plain.image.tobytes()
    assert len({one.image.tobytes() for one in (plain, fixed, moving)}) == 3
    assert "tags" not in fixed.facts["loras"][0]
    (tag,) = moving.facts["loras"][0]["tags"]
    assert make(engine, f"a cat {tag}").image.tobytes() == moving.image.tobytes()


def test_all_changes_nothing_and_none_is_none(engine: Any) -> None:
    for name in ("first", "whole"):
        without = make(engine, "a cat")
        whole = make(engine, f"a cat <lora:{name}:0.5>")
        assert make(engine, f"a cat <lora:{name}:0.5:lbw=ALL>").image.tobytes() == whole.image.tobytes()
        assert make(engine, f"a cat <lora:{name}:0.5:lbw=NONE>").image.tobytes() == without.image.tobytes()
        assert whole.image.tobytes() != without.image.tobytes()


def test_blocks_of_a_file_whose_sums_are_written_into_the_weights(engine: Any) -> None:
    make(engine, "a cat")
    parts = engine.manager.current.parts
    before = {name: weight.detach().clone() for name, weight in parts.unet.named_parameters()}
    added = random_lora(parts, 0)[1]["unet"]
    make(engine, "a cat <lora:whole:1:0.5:lbw=INALL>")
    for name, change in added.items():
        share = 0.5 if name.startswith("down_blocks") else 0
        now = parts.unet.get_submodule(name).weight
        assert torch.allclose(now, before[f"{name}.weight"] + share * change, atol=1e-6), name
    assert torch.allclose(parts.unet.conv_in.weight, before["conv_in.weight"] + 0.5)
    assert torch.equal(parts.unet.conv_out.weight, before["conv_out.weight"])


def test_a_file_whose_sums_are_written_into_the_weights_moves_over_the_steps(engine: Any) -> None:
    """Each step from the model's own weights, beside a LoRA that lies on the same layers."""
    plain = make(engine, "a cat")
    unet, added = engine.manager.current.parts.unet, random_lora(engine.manager.current.parts, 0)[1]["unet"]
    own = {name: weight.detach().clone() for name, weight in unet.named_parameters()}
    weights: list[float] = []

    def look(unet: Any, given: Any) -> None:
        weights.append(float((unet.conv_out.weight - own["conv_out.weight"]).mean()))
        for name, change in added.items():
            layer = unet.get_submodule(name)
            now = getattr(layer, "base_layer", layer).weight
            assert torch.allclose(now, own[f"{name}.weight"] + weights[-1] * change, atol=1e-6), name

    hook = unet.register_forward_pre_hook(look)
    try:
        moving = make(engine, "a cat <lora:whole:te=0:unet=0@0,1@1>")
        make(engine, "a cat <lora:whole:0:0.8:start=1><lora:first:0.5:0@0,1@1>")
        make(engine, "a cat <lora:whole:0:0.8:stop=1>", sampler="Heun")
    finally:
        hook.remove()
    assert weights == pytest.approx([0, 0.5, 1, 0, 0.8, 0.8, 0.8, 0.8, 0, 0, 0], abs=1e-6)
    again = make(engine, "a cat <lora:whole:te=0:unet=0@0,1@1>")
    assert again.image.tobytes() == moving.image.tobytes() != plain.image.tobytes()
    (tag,) = moving.facts["loras"][0]["tags"]
    assert make(engine, f"a cat {tag}").image.tobytes() == moving.image.tobytes()
    fixed = make(engine, "a cat <lora:whole:te=0:unet=0.5>")
    assert make(engine, "a cat <lora:whole:te=0:unet=0.5@0,0.5@1>").image.tobytes() == fixed.image.tobytes()
    assert make(engine, "a cat").image.tobytes() == plain.image.tobytes()
    assert all(torch.equal(weight, own[name]) for name, weight in unet.named_parameters())


@pytest.mark.parametrize("model", ["sd15", "sdxl"])
def test_every_layer_of_a_unet_has_its_block(model: str) -> None:
    from diffusers import UNet2DConditionModel

    from pipelines.models.weights.naming import Blocks
    from pipelines.prompts.loras import LISTS as PLACES
    from tools.make_random_checkpoint import RandomModel
    from tools.original_layout import unet_name

    config = RandomModel(model, tiny=True).parts["unet"]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    blocks, names = Blocks(unet), LISTS[26].split()
    seen = set()
    for key, _ in unet.named_parameters():
        original = unet_name(key, config)
        if original.split(".")[0] in ("input_blocks", "middle_block", "output_blocks"):
            found = "M00" if original.startswith("middle_block") else block_of(original)
            seen.add(found)
            assert names[PLACES[26][blocks.of(key.rpartition(".")[0])]] == found, key
    assert len(seen) > 8
