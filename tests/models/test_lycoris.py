"""LyCORIS adapters: their names against the original layout's, and a picture that changes and comes back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pipelines.errors import InvalidRequest
from pipelines.models.extras import WantedLora
from pipelines.models.files.kinds import find
from pipelines.prompts.loras import Lora
from pipelines.types import GenerationRequest, ModelInfo
from tests.engines.conftest import batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
lycoris = pytest.importorskip("pipelines.models.weights.lycoris")
merging = pytest.importorskip("pipelines.models.weights.merging")
naming = pytest.importorskip("pipelines.models.weights.naming")

Layer = dict[str, Any]
PLAIN = GenerationRequest(prompt="a red fox", model="builtin", width=64, height=64, steps=1, seed=7, sampler="DDIM")


@pytest.mark.parametrize("name", ["sd15", "sdxl"])
def test_every_layer_of_a_unet_has_its_original_name(name: str) -> None:
    """As the writer of single files numbers them, which diffusers reads back in another test."""
    from diffusers import UNet2DConditionModel

    from tools.make_random_checkpoint import RandomModel
    from tools.original_layout import unet_name

    config = RandomModel(name, tiny=True).parts["unet"]
    with torch.device("meta"):
        unet = UNet2DConditionModel.from_config(config)
    known = dict(naming.named_layers(SimpleNamespace(unet=unet, text_encoders=())))
    modules = {key.removesuffix(".weight") for key, _ in unet.named_parameters() if key.endswith(".weight")}
    assert len(modules) > 50
    for module in modules:
        original = unet_name(f"{module}.weight", config).removesuffix(".weight")
        for key in (f"lora_unet_{original}", f"lora_unet_{module}", f"unet.{module}"):
            assert known[key.replace(".", "_")] == (unet.get_submodule(module), "unet", module), key


@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl")])
def test_the_width_of_the_text_tells_the_family_of_a_lokr(width: int, family: str) -> None:
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    whole = {f"{layer}.lokr_w1": (16, 16), f"{layer}.lokr_w2": (20, width // 16)}
    factors = {f"{layer}.lokr_w1_a": (16, 2), f"{layer}.lokr_w1_b": (2, 16)}
    factors |= {f"{layer}.lokr_w2_a": (20, 2), f"{layer}.lokr_w2_b": (2, width // 16)}
    for shapes in (whole, factors):
        found = find(shapes)
        assert (found.kind, found.variant, found.family) == ("lycoris", "LoKr", family)


def test_kinds_are_told_by_their_tensors() -> None:
    layer = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k"
    lora = {f"{layer}.lora_up.weight": (320, 4), f"{layer}.lora_down.weight": (4, 1024), f"{layer}.alpha": ()}
    glora = {f"{layer}.{name}.weight": (4, 1024) for name in ("a1", "a2", "b1", "b2")}
    for shapes, kind, variant, family in (
        (lora, "lora", "", "sd2"),
        ({**lora, f"{layer}.dora_scale": (1, 1024)}, "lycoris", "DoRA", "sd2"),
        ({**lora, f"{layer}.lora_mid.weight": (4, 4, 3, 3)}, "lycoris", "LoCon", "sd2"),
        (glora, "lycoris", "GLoRA", "sd2"),
        ({f"{layer}.oft_blocks": (8, 40, 40)}, "lycoris", "OFT", "unknown"),
        ({f"{layer}.oft_blocks": (3, 8, 40, 40)}, "lycoris", "BOFT", "unknown"),
        ({f"{layer}.oft_diag": (8, 40, 40)}, "lycoris", "old OFT", "unknown"),
    ):
        found = find(shapes)
        assert (found.kind, found.variant, found.family) == (kind, variant, family)


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
        asked = (Lora(name=path.stem, text_weight=0, unet_weight=strength),)
        wanted.append(WantedLora(info=info, asked=asked))
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


def test_over_the_steps_it_is_written_anew_while_layers_are_streamed(tmp_path: Path) -> None:
    from safetensors.torch import save_file

    from pipelines.models.device import choose
    from pipelines.models.weights.arranging import is_streamed

    parts = small_parts()
    parts.placement = choose("cpu")
    own, diff = parts.unet.conv_in.weight, torch.randn(8, 4, 3, 3) * 0.01
    save_file({"lora_unet_conv_in.diff": diff}, tmp_path / "a.safetensors")
    info = ModelInfo(name="a", kind="lycoris", family="sd1", path=str(tmp_path / "a.safetensors"))
    merged = merging.Merged(parts)
    merged.lay([WantedLora(info=info, asked=(Lora(name="a", text_weight=0, points=((0.0, 0.0), (1.0, 1.0))),))])
    parts.placement.stream(parts.unet)
    for step in (1, 2, 3, 3):
        merged.weigh(step, 3)
        assert is_streamed(parts.unet)
        expected = own.float() + (step - 1) / 2 * diff
        assert torch.equal(parts.unet.conv_in.weight, expected.to(torch.bfloat16))
    merged.take_off()
    assert parts.unet.conv_in.weight is own


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
    save_file({"lora_unet_conv_in.oft_blocks": randn(2, 4, 4, 4)}, folder / "boft.safetensors")
    key, rows = "lora_unet_conv_in", parts.unet.conv_in.weight.shape[0]
    save_file({f"{key}.oft_blocks": randn(4, rows // 4, rows // 4)}, folder / "oft.safetensors")
    dora = {f"{name}.dora_scale": torch.ones(tensor.shape[0], 1) for name, tensor in lora.items() if "up." in name}
    dora = {name.replace(".lora_up.weight", ""): tensor for name, tensor in dora.items()}
    save_file(lora | dora, folder / "dora.safetensors")
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
    assert "boft" not in listed
    base = make("a red fox").image.tobytes()
    prompts: tuple[str, ...] = (
        "<lora:loha:0.5>",
        "<lora:lokr:0.5>",
        "<lora:loha:0.5><lora:lokr:0.5>",
        "<lora:loha:0.5:0>",
    )
    prompts += ("<lora:oft:1>", "<lora:dora:1>")
    prompts += ("<lora:loha:0.5><lora:plain:1>", "<lora:plain:1>", "<lora:loha:0:0.5>")
    pictures = {prompt: make(f"a red fox {prompt}").image.tobytes() for prompt in prompts}
    assert len({base, *pictures.values()}) == 10
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
    ("prompt", "code"),
    [
        ("<lora:other:1>", "file_family"),
        ("<lora:loha:1><lora:strange:1>", "lora_unfit"),
        ("<lora:boft:1>", "lora_kind"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_the_model_stays_clean(make: Make, prompt: str, code: str) -> None:
    base = make("a red fox").image.tobytes()
    make("a red fox <lora:loha:1>")
    with pytest.raises(InvalidRequest) as caught:
        make(f"a red fox {prompt}")
    assert (caught.value.field, caught.value.note.code) == ("prompt", code)
    if code == "lora_unfit":
        problem = caught.value.note.values["problem"]
        assert (problem.code, problem.values["missing"]) == ("layers_unfit", 1)
    assert make("a red fox").image.tobytes() == base
