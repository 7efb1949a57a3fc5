"""Reference pictures for SD 1.x and XL: tiny models of the published layouts, beside diffusers' own pipelines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.leading import Reference
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore
from tools import tiny_adapters
from tools.tiny_clip import SIDE, write_tiny

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from tests.engines.test_control import apart, drawn  # noqa: E402
from tests.engines.test_passes import ddim  # noqa: E402

STEPS = 2
WISH = replace(SMALL, steps=STEPS, model="model")
SLOTS = {
    "reference_1": Reference(picture=drawn(1), model="plus", weight=0.7),
    "reference_2": Reference(picture=drawn(2, (40, 72)), model="plain", weight=0.5),
}


@pytest.fixture(scope="module", params=["sd15", "sdxl"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Any, Any, Path]]:
    """An engine with a tiny model of the family in memory, an encoder, and the folder of both and of two adapters."""
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp(request.param)
    RandomModel(request.param, tiny=True, dtype="fp32").write_folder(folder / "model")
    engine = LocalEngine([folder], device="cpu", exact=True)
    engine.generate(batch_of(replace(WISH, steps=1), 7), ignore)
    for kind in ("plain", "plus"):
        tiny_adapters.write(folder / "ip", kind, engine.manager.current.parts.unet, kind)
    yield engine, write_tiny(folder / "clip"), folder
    engine.close()


def made(engine: Any, **slots: Any) -> Image.Image:
    request: GenerationRequest = engine.named(replace(WISH, **slots))
    engine.check(request)
    return engine.generate(batch_of(request, 7), ignore)[0].image


def told_by(engine: Any) -> dict[str, Any]:
    """What our run tells the UNet of the prompts, as diffusers' pipelines take it."""
    seen: list[Any] = []
    parts = engine.manager.current.parts
    hook = parts.unet.register_forward_pre_hook(lambda _, __, named: seen.append(named), with_kwargs=True)
    try:
        made(engine)
    finally:
        hook.remove()
    words = seen[0]["encoder_hidden_states"]
    found = {"prompt_embeds": words[1:], "negative_prompt_embeds": words[:1]}
    if parts.is_sdxl:
        pooled = seen[0]["added_cond_kwargs"]["text_embeds"]
        found |= {"pooled_prompt_embeds": pooled[1:], "negative_pooled_prompt_embeds": pooled[:1]}
    return found


def test_pictures_are_looked_at_as_diffusers_looks_at_them(model: Any) -> None:
    import diffusers
    from transformers import CLIPImageProcessorPil

    engine, encoder, folder = model
    parts, words, before = engine.manager.current.parts, told_by(engine), made(engine)
    found = made(engine, **SLOTS)
    named = {"vae": parts.vae, "unet": parts.unet, "scheduler": ddim(parts), "image_encoder": encoder}
    named |= {"feature_extractor": CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIDE)}
    named |= {"text_encoder": parts.text_encoders[0], "tokenizer": parts.tokenizers[0]}
    if parts.is_sdxl:
        named |= {"text_encoder_2": parts.text_encoders[1], "tokenizer_2": parts.tokenizers[1]}
        named["add_watermarker"] = False
    else:
        named |= {"safety_checker": None, "requires_safety_checker": False}
    pipeline = getattr(diffusers, f"StableDiffusion{'XL' if parts.is_sdxl else ''}Pipeline")(**named)
    pipeline.set_progress_bar_config(disable=True)
    kept = dict(parts.unet.attn_processors)
    files = [f"{one.model}.safetensors" for one in SLOTS.values()]
    pipeline.load_ip_adapter([str(folder)] * 2, ["ip"] * 2, files, low_cpu_mem_usage=False)
    pipeline.set_ip_adapter_scale([one.weight for one in SLOTS.values()])
    size = {"width": 64, "height": 64, "guidance_scale": WISH.guidance, "num_inference_steps": STEPS}
    pictures = [one.picture for one in SLOTS.values()]
    seeded = [torch.Generator().manual_seed(7)]
    other = pipeline(**words, **size, generator=seeded, ip_adapter_image=pictures).images[0]
    parts.unet.encoder_hid_proj = None
    parts.unet.config.encoder_hid_dim_type = None
    parts.unet.set_attn_processor(kept)
    assert apart(found, other) <= 1
    assert apart(found, before) > 5
    assert made(engine).tobytes() == before.tobytes()


def test_an_adapter_is_of_the_models_family(model: Any) -> None:
    engine, _, _ = model
    family = engine.manager.current.info.family
    assert {one.family for one in engine.references()} == {family}
