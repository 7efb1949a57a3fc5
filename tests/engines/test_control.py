"""ControlNets through the whole recipe, beside diffusers' own pipelines on the same networks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.groups import Hires, InitImage, Inpaint
from pipelines.leading import Control
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore
from tests.models.files import write_model

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from tests.conditioning import conditioned  # noqa: E402
from tests.engines.test_passes import ddim  # noqa: E402

STEPS = 5
NAMES = ("first", "second")
WISH = replace(SMALL, steps=STEPS)


def drawn(seed: int, size: tuple[int, int] = (64, 64)) -> Image.Image:
    """A map of soft shapes: every level, and no two maps alike."""
    small = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(small).resize(size, Image.Resampling.BICUBIC)


def made_for(unet: Any, seed: int, channels: tuple[int, ...] = (8, 16, 16)) -> Any:
    """A ControlNet with something to say: a fresh one ends in zeros and would prove nothing. `channels`: of the maps'
    levels, each but the first half as large as the one before."""
    from diffusers import ControlNetModel

    torch.manual_seed(seed)
    network = ControlNetModel.from_unet(unet, conditioning_embedding_out_channels=channels)
    for name, weight in network.named_parameters():
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond")) and weight.dim() > 1:
            weight.data = torch.randn_like(weight) * (0.5 / weight[0].numel()) ** 0.5
    return network.eval().requires_grad_(False)


@pytest.fixture(scope="module")
def controlled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, dict[str, Any]]]:
    """An engine on a folder of two ControlNets for the built-in model, and diffusers' own of the same weights."""
    from safetensors.torch import save_file

    from pipelines.engines.local import LocalEngine

    folder = tmp_path_factory.mktemp("control")
    engine = LocalEngine([folder], device="cpu", exact=True)
    engine.generate(batch_of(replace(SMALL, steps=1), 7), ignore)
    networks = {name: made_for(engine.manager.current.parts.unet, seed) for seed, name in enumerate(NAMES, 1)}
    for name, network in networks.items():
        save_file(network.state_dict(), folder / f"{name}.safetensors")
    yield engine, networks
    engine.close()


def theirs(engine: Any, network: Any, kind: str = "StableDiffusionControlNetPipeline", **told: Any) -> Image.Image:
    import diffusers

    parts = engine.manager.current.parts
    shared = {"vae": parts.vae, "text_encoder": parts.text_encoders[0], "tokenizer": parts.tokenizers[0]}
    shared |= {"unet": parts.unet, "scheduler": ddim(parts), "safety_checker": None, "feature_extractor": None}
    pipeline = getattr(diffusers, kind)(**shared, controlnet=network, requires_safety_checker=False)
    pipeline.set_progress_bar_config(disable=True)
    words = {"prompt": WISH.prompt, "negative_prompt": "", "guidance_scale": WISH.guidance}
    seeded = [torch.Generator().manual_seed(7)]
    size = {} if "control_image" in told else {"width": 64, "height": 64}
    return pipeline(**words, **size, num_inference_steps=STEPS, generator=seeded, **told).images[0]


def made(engine: Any, request: GenerationRequest) -> Image.Image:
    engine.check(request)
    return engine.generate(batch_of(request, 7), ignore)[0].image


def apart(ours: Image.Image, other: Image.Image) -> int:
    return int(np.abs(np.asarray(ours).astype(int) - np.asarray(other)).max())


class Middle(torch.nn.Module):
    """What a ControlNet adds to the middle, which everything before it has gone into."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.network = network

    def forward(self, *given: Any) -> Any:
        return self.network(*given, return_dict=False)[1]


def test_the_networks_do_not_magnify_rounding(controlled: Any) -> None:
    engine, networks = controlled
    words = torch.randn(1, 77, engine.manager.current.parts.unet.config.cross_attention_dim)
    given = torch.randn(1, 4, 16, 16), torch.tensor([500]), words, torch.rand(1, 3, 64, 64)
    for network in networks.values():
        down, _ = network(*given, return_dict=False)
        assert all(float(one.abs().max()) > 0.01 for one in down)
        conditioned(Middle(network), *given)


@pytest.mark.parametrize(
    ("own", "told"),
    [
        ({}, {}),
        ({"weight": 0.6}, {"controlnet_conditioning_scale": 0.6}),
        ({"start": 0.3, "end": 0.85}, {"control_guidance_start": 0.3, "control_guidance_end": 0.85}),
        ({"balance": "control"}, {"guess_mode": True}),
    ],
)
def test_one_is_followed_as_diffusers_follows_it(controlled: Any, own: Any, told: Any) -> None:
    engine, networks = controlled
    request = replace(WISH, control_1=Control(map=drawn(1), model="first", **own))
    found = made(engine, request)
    assert apart(found, theirs(engine, networks["first"], image=drawn(1), **told)) <= 1
    assert apart(found, made(engine, WISH)) > 10  # it does something


def test_where_the_prompt_counts_for_more_the_negative_half_is_led_too(controlled: Any) -> None:
    """The weights of diffusers' guess mode, for all rows."""
    engine, networks = controlled
    found = made(engine, replace(WISH, control_2=Control(map=drawn(1), model="first", balance="prompt")))

    from diffusers import ControlNetModel

    plain = ControlNetModel.forward

    def softer(*given: Any, **named: Any) -> Any:
        return plain(*given, **named | {"guess_mode": True})

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ControlNetModel, "forward", softer)
        assert apart(found, theirs(engine, networks["first"], image=drawn(1))) <= 1


def test_two_at_once_each_with_its_own(controlled: Any) -> None:
    from diffusers import MultiControlNetModel

    engine, networks = controlled
    first = Control(map=drawn(1), model="first", weight=0.7)
    second = Control(map=drawn(2), model="second", weight=0.4, end=0.5)
    found = made(engine, replace(WISH, control_1=first, control_3=second))
    told = {"control_guidance_start": [0.0, 0.0], "control_guidance_end": [1.0, 0.5]}
    both = MultiControlNetModel([networks[name] for name in NAMES])
    other = theirs(engine, both, image=[drawn(1), drawn(2)], controlnet_conditioning_scale=[0.7, 0.4], **told)
    assert apart(found, other) <= 1
    assert apart(found, made(engine, replace(WISH, control_1=first))) > 2


def test_beside_a_picture_to_start_from(controlled: Any) -> None:
    engine, networks = controlled
    start = drawn(3)
    init = InitImage(image=start, strength=0.8)
    found = made(engine, replace(WISH, init=init, control_1=Control(map=drawn(1), model="first")))
    kind = "StableDiffusionControlNetImg2ImgPipeline"
    told = {"image": start, "control_image": drawn(1), "strength": 0.8, "controlnet_conditioning_scale": 1.0}
    assert apart(found, theirs(engine, networks["first"], kind, **told)) <= 1


def test_both_passes_follow_the_map_each_at_its_size(controlled: Any) -> None:
    engine, _ = controlled
    seen: list[Any] = []
    request = replace(WISH, hires=Hires(strength=0.5), control_1=Control(map=drawn(1), model="first"))
    made(engine, request)
    (network,) = engine._controls._held.values()
    hook = network.controlnet_cond_embedding.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    try:
        result = engine.generate(batch_of(request, 7), ignore)[0]
    finally:
        hook.remove()
    assert [one.shape[-1] for one in seen] == [64] * STEPS + [128] * 2
    assert result.image.size == (128, 128)
    doubled = np.asarray(drawn(1).resize((128, 128), Image.Resampling.LANCZOS), np.float32) / 255
    assert torch.equal(seen[-1][0], torch.from_numpy(doubled).permute(2, 0, 1))


def shown(engine: Any, request: GenerationRequest) -> Any:
    """The map as the network is given it, (height, width, 3)."""
    made(engine, request)
    (network,) = engine._controls._held.values()
    seen: list[Any] = []
    hook = network.controlnet_cond_embedding.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    try:
        engine.generate(batch_of(request, 7), ignore)
    finally:
        hook.remove()
    return seen[0][0].permute(1, 2, 0).numpy()


def test_what_is_to_be_repainted_is_hidden_from_a_network_that_fills_in(controlled: Any) -> None:
    engine, _ = controlled
    mask = Image.new("L", (64, 64))
    mask.paste(255, (8, 16, 40, 48))
    init, inpaint = InitImage(image=drawn(3)), Inpaint(mask=mask, mask_blur=0)
    request = replace(WISH, init=init, inpaint=inpaint)
    found = shown(engine, replace(request, control_1=Control(map=drawn(3), model="first", kind="repaint")))
    wanted = np.asarray(drawn(3), np.float32) / 255
    wanted[16:48, 8:40] = -1  # as `make_inpaint_condition` of diffusers' pages
    assert (found == wanted).all()
    plain = shown(engine, replace(request, control_1=Control(map=drawn(3), model="first")))
    assert (plain == np.asarray(drawn(3), np.float32) / 255).all()


def test_where_only_the_masked_part_is_worked_on_so_is_the_map(controlled: Any) -> None:
    engine, _ = controlled
    start = drawn(3, (128, 96))
    mask = Image.new("L", (128, 96))
    mask.paste(255, (64, 32, 128, 96))
    inpaint = Inpaint(mask=mask, mask_blur=0, only_masked=True, padding=0)
    request = replace(WISH, init=InitImage(image=start), inpaint=inpaint)
    found = shown(engine, replace(request, control_1=Control(map=drawn(1, (128, 96)), model="first")))
    part = drawn(1, (128, 96)).crop((64, 32, 128, 96))
    assert (found == np.asarray(part, np.float32) / 255).all()
    with pytest.raises(InvalidRequest):
        engine.check(replace(request, control_1=Control(map=drawn(1), model="first")))


def test_it_is_in_the_memory_plan_and_gone_when_nobody_asks(controlled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    engine, _ = controlled
    planned: list[Any] = []
    plain = engine._planner.ways
    monkeypatch.setattr(engine._planner, "ways", lambda parts, size: (planned.append(parts), plain(parts, size))[1])
    made(engine, replace(WISH, control_1=Control(map=drawn(1), model="first")))
    made(engine, WISH)
    assert [len(parts.beside) for parts in planned] == [1, 0]
    assert engine._controls._held == {}


def test_the_record_names_each_file_by_its_hash_and_the_picture_is_made_again(controlled: Any) -> None:
    import hashlib

    engine, _ = controlled
    request = replace(WISH, **{f"control_{n}": Control(map=drawn(n), model=name) for n, name in enumerate(NAMES, 1)})
    result, again = (engine.generate(batch_of(request, 7), ignore)[0] for _ in range(2))
    folder = Path(next(info.path for info in engine.controls() if info.name == "first")).parent
    assert result.facts["controls"] == [
        {"name": name, "sha256": hashlib.sha256((folder / f"{name}.safetensors").read_bytes()).hexdigest()}
        for name in NAMES
    ]
    assert result.image.tobytes() == again.image.tobytes()


SD1 = {"control_model.input_hint_block.0.weight": (16, 3, 3, 3), "zero_convs.0.0.weight": (320, 320, 1, 1)}
ATTENTION = {"control_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight": (320, 768)}


@pytest.mark.parametrize(
    ("control", "field", "code"),
    [
        ({"model": "of sd1"}, "control_1_model", "file_family"),
        ({"model": "gone"}, "control_1_model", "choice"),
        ({"model": "low rank"}, "control_1_model", "control_kind"),
        ({"map": drawn(1, (64, 96))}, "control_1_map", "map_shape"),
    ],
)
def test_what_cannot_be_followed_is_told_before_the_queue(tmp_path: Path, control: Any, field: str, code: str) -> None:
    from pipelines.engines.fake import FakeEngine

    write_model(tmp_path / "of sd1.safetensors", SD1 | ATTENTION)
    write_model(tmp_path / "low rank.safetensors", SD1 | {"lora_controlnet": (1,)})
    engine = FakeEngine(folders=[tmp_path])
    try:
        with pytest.raises(InvalidRequest) as caught:
            engine.check(replace(WISH, control_1=Control(**{"map": drawn(1), **control})))
        engine.check(replace(WISH, control_1=Control(map=drawn(1, (128, 128)))))  # of the same shape
    finally:
        engine.close()
    assert (caught.value.field, caught.value.note.code) == (field, code)
