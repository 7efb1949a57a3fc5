"""ControlNets for SD 1.x, 2.x and XL, and union networks: tiny ones of the published layouts, beside diffusers' own."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.leading import CONTROL_KINDS, Control
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore
from tests.engines.test_control import apart, drawn

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from tests.engines.test_passes import ddim  # noqa: E402

STEPS = 3
WISH = replace(SMALL, steps=STEPS, control_1=Control(map=drawn(1), model="control"))
KIND = "depth"


def spoken(network: Any, seed: int = 3) -> Any:
    """With something to say: what begins as zeros is random."""
    generator = torch.Generator().manual_seed(seed)
    for weight in network.parameters():
        if float(weight.detach().abs().max()) == 0 and weight.dim() > 1:
            weight.data = torch.randn(weight.shape, generator=generator) * (0.3 / weight[0].numel()) ** 0.5
    return network.eval().requires_grad_(False)


def union_for(unet: Any) -> Any:
    from diffusers import ControlNetUnionModel

    width = unet.config.block_out_channels[0]
    own = {"num_trans_channel": width, "num_proj_channel": width, "num_trans_head": 8}
    shared = dict(plain_for(unet).config)
    torch.manual_seed(5)
    return ControlNetUnionModel.from_config({**shared, **own})


def plain_for(unet: Any) -> Any:
    from diffusers import ControlNetModel

    torch.manual_seed(5)
    return ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=(8, 16, 16, 32))


@pytest.fixture(params=["sd15", "sd21", "sdxl"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Any]]:
    """An engine with a tiny model of the family in memory, and its parts."""
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    RandomModel(request.param, tiny=True, dtype="fp32").write_folder(tmp_path / "model")
    (tmp_path / "ControlNet").mkdir()
    engine = LocalEngine([tmp_path], device="cpu", exact=True)
    engine.generate(batch_of(replace(SMALL, steps=1, model="model"), 7), ignore)
    yield engine, engine.manager.current.parts
    engine.close()


def kept(network: Any, engine: Any, name: str = "control") -> None:
    from safetensors.torch import save_file

    folder = Path(engine.manager.current.info.path).parent / "ControlNet"
    save_file({key: one.contiguous() for key, one in network.state_dict().items()}, folder / f"{name}.safetensors")


def made(engine: Any, request: GenerationRequest = WISH) -> Image.Image:
    request = replace(request, model="model")
    engine.check(request)
    return engine.generate(batch_of(request, 7), ignore)[0].image


def told_by(engine: Any) -> dict[str, Any]:
    """What our run tells the UNet of the prompts, as diffusers' pipelines take it."""
    seen: list[Any] = []
    parts = engine.manager.current.parts
    hook = parts.unet.register_forward_pre_hook(lambda _, __, named: seen.append(named), with_kwargs=True)
    try:
        made(engine, replace(WISH, control_1=None))
    finally:
        hook.remove()
    words = seen[0]["encoder_hidden_states"]
    found = {"prompt_embeds": words[1:], "negative_prompt_embeds": words[:1]}
    if parts.is_sdxl:
        pooled = seen[0]["added_cond_kwargs"]["text_embeds"]
        found |= {"pooled_prompt_embeds": pooled[1:], "negative_pooled_prompt_embeds": pooled[:1]}
    return found


def theirs(engine: Any, network: Any, kind: str = "ControlNetPipeline", **told: Any) -> Image.Image:
    import diffusers

    parts, words = engine.manager.current.parts, told_by(engine)
    named = {"vae": parts.vae, "unet": parts.unet, "scheduler": ddim(parts), "controlnet": network}
    named |= {"text_encoder": parts.text_encoders[0], "tokenizer": parts.tokenizers[0], "feature_extractor": None}
    if parts.is_sdxl:
        named |= {"text_encoder_2": parts.text_encoders[1], "tokenizer_2": parts.tokenizers[1]}
        named["add_watermarker"] = False
    else:
        named |= {"safety_checker": None, "requires_safety_checker": False}
    pipeline = getattr(diffusers, f"StableDiffusion{'XL' if parts.is_sdxl else ''}{kind}")(**named)
    pipeline.set_progress_bar_config(disable=True)
    size = {"width": 64, "height": 64, "guidance_scale": WISH.guidance, "num_inference_steps": STEPS}
    return pipeline(**words, **size, generator=[torch.Generator().manual_seed(7)], **told).images[0]


def test_it_is_followed_as_diffusers_follows_it(model: Any) -> None:
    engine, parts = model
    kept(spoken(network := plain_for(parts.unet)), engine)
    found = made(engine)
    assert apart(found, theirs(engine, network, image=drawn(1))) <= 1
    assert apart(found, made(engine, replace(WISH, control_1=None))) > 5
    assert [(one.family, one.problem) for one in engine.shelf() if one.name == "control"] == [
        (engine.manager.current.info.family, None)
    ]


@pytest.mark.parametrize("model", ["sd15"], indirect=True)
@pytest.mark.parametrize("prefix", ["control_model.", ""])
def test_the_original_layout_makes_the_same_picture(model: Any, prefix: str) -> None:
    from safetensors.torch import save_file

    engine, parts = model
    kept(spoken(network := plain_for(parts.unet)), engine)
    first = made(engine)
    config = {**parts.unet.config}
    original = {f"{prefix}{original_name(key, config)}": one for key, one in network.state_dict().items()}
    folder = Path(engine.manager.current.info.path).parent / "ControlNet"
    tensors = {
        key: one[..., None, None] if key.endswith(("proj_in.weight", "proj_out.weight")) and one.dim() == 2 else one
        for key, one in original.items()
    }
    save_file({key: one.contiguous() for key, one in tensors.items()}, folder / "old.safetensors")
    again = made(engine, replace(WISH, control_1=Control(map=drawn(1), model="old")))
    assert apart(first, again) <= 1  # the same weights, elsewhere in memory


def original_name(key: str, config: Any) -> str:
    """As lllyasviel/ControlNet calls it: the hint's convolutions are every second layer of a sequence."""
    from tools.original_layout import unet_name

    part, _, end = key.partition(".")
    if part == "controlnet_down_blocks":
        number, _, last = end.partition(".")
        return f"zero_convs.{number}.0.{last}"
    if part == "controlnet_mid_block":
        return f"middle_block_out.0.{end}"
    if part == "controlnet_cond_embedding":
        layer, _, last = end.rpartition(".")
        place = {"conv_in": 0, "conv_out": 14}.get(layer)
        return f"input_hint_block.{2 * (int(layer.rpartition('.')[2]) + 1) if place is None else place}.{last}"
    return unet_name(key, config)


@pytest.mark.parametrize("model", ["sdxl"], indirect=True)
def test_a_union_network_is_told_what_the_map_shows(model: Any) -> None:
    engine, parts = model
    kept(spoken(network := union_for(parts.unet)), engine)
    told = {"control_mode": [CONTROL_KINDS.index(KIND)], "controlnet_conditioning_scale": 0.8}
    wish = replace(WISH, control_1=Control(map=drawn(1), model="control", weight=0.8, kind=KIND))
    found = made(engine, wish)
    assert apart(found, theirs(engine, network, "ControlNetUnionPipeline", control_image=[drawn(1)], **told)) <= 1
    other = made(engine, replace(WISH, control_1=Control(map=drawn(1), model="control", weight=0.8, kind="pose")))
    assert apart(found, other) > 1
    with pytest.raises(InvalidRequest) as caught:
        made(engine, replace(WISH, control_1=Control(map=drawn(1), model="control", kind="repaint")))
    assert (caught.value.field, caught.value.note.code) == ("control_1_kind", "choice")


@pytest.mark.parametrize("model", ["sd15"], indirect=True)
def test_a_network_without_some_of_its_attention_is_built_as_it_is(model: Any) -> None:
    """Small ones leave it out where it counts least."""
    from diffusers import ControlNetModel

    engine, parts = model
    config = dict(plain_for(parts.unet).config)
    shape = {"down_block_types": ("DownBlock2D",) * len(config["down_block_types"]), "mid_block_type": "UNetMidBlock2D"}
    torch.manual_seed(5)
    network = spoken(ControlNetModel.from_config({**config, **shape}))
    kept(network, engine)
    found = made(engine)
    assert apart(found, theirs(engine, network, image=drawn(1))) <= 1


@pytest.mark.parametrize("model", ["sd15"], indirect=True)
def test_one_of_another_size_is_one_sentence(model: Any) -> None:
    engine, parts = model
    network = spoken(plain_for(parts.unet))
    weights = network.state_dict()
    weights["conv_in.weight"] = torch.zeros(5, 4, 3, 3)
    from safetensors.torch import save_file

    folder = Path(engine.manager.current.info.path).parent / "ControlNet"
    save_file({key: one.contiguous() for key, one in weights.items()}, folder / "control.safetensors")
    with pytest.raises(InvalidRequest) as caught:
        made(engine)
    assert (caught.value.field, caught.value.note.code) == ("control_1_model", "control_unfit")
