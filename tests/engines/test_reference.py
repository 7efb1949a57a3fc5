"""Reference pictures through the whole recipe, beside diffusers' own pipelines on the same networks."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from PIL import Image

from pipelines.details import Detail
from pipelines.errors import InvalidRequest, OutOfMemory
from pipelines.fields import there
from pipelines.groups import Hires, InitImage, Inpaint
from pipelines.leading import Reference
from pipelines.types import GenerationRequest
from tests.engines.conftest import SMALL, batch_of, ignore
from tools import tiny_adapters
from tools.tiny_clip import SIDE, write_tiny

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from tests.conditioning import conditioned  # noqa: E402
from tests.engines.test_control import apart, drawn  # noqa: E402
from tests.engines.test_passes import ddim  # noqa: E402

STEPS = 3
KINDS = ("plain", "plus", "full face")
WISH = replace(SMALL, steps=STEPS)


class Tiny:
    """An engine on a folder of adapters, one of each kind, an encoder for all of them, and diffusers' own pipeline."""

    def __init__(self, engine: Any, folder: Path) -> None:
        self.engine, self.folder = engine, folder
        engine.generate(batch_of(replace(SMALL, steps=1), 7), ignore)
        self.parts = engine.manager.current.parts
        self.paths = {kind: tiny_adapters.write(folder / "ip", kind, self.parts.unet, kind) for kind in KINDS}
        self.encoder = write_tiny(folder / "clip")

    def made(self, request: GenerationRequest, **slots: Reference) -> Image.Image:
        return self.result(request, **slots).image

    def result(self, request: GenerationRequest, **slots: Reference) -> Any:
        request = self.engine.named(replace(request, **slots))  # type: ignore[arg-type]
        self.engine.check(request)
        return self.engine.generate(batch_of(request, 7), ignore)[0]

    def theirs(self, references: dict[str, Reference], **told: Any) -> Image.Image:
        """As `load_ip_adapter` and `set_ip_adapter_scale` have it; the UNet is as it was afterwards."""
        import diffusers
        from transformers import CLIPImageProcessorPil

        parts = self.parts
        shared = {"vae": parts.vae, "text_encoder": parts.text_encoders[0], "tokenizer": parts.tokenizers[0]}
        shared |= {"unet": parts.unet, "scheduler": ddim(parts), "image_encoder": self.encoder}
        shared |= {"feature_extractor": CLIPImageProcessorPil(size={"shortest_edge": SIDE}, crop_size=SIDE)}
        pipeline = diffusers.StableDiffusionPipeline(**shared, safety_checker=None, requires_safety_checker=False)
        pipeline.set_progress_bar_config(disable=True)
        before = dict(parts.unet.attn_processors)
        try:
            files = [f"{one.model}.safetensors" for one in references.values()]
            pipeline.load_ip_adapter(
                [str(self.folder)] * len(files), ["ip"] * len(files), files, low_cpu_mem_usage=False
            )
            pipeline.set_ip_adapter_scale([one.weight for one in references.values()])
            words = {"prompt": WISH.prompt, "negative_prompt": "", "guidance_scale": WISH.guidance}
            size = {"width": 64, "height": 64, "num_inference_steps": STEPS}
            pictures = [one.picture for one in references.values()]
            seeded = [torch.Generator().manual_seed(7)]
            return pipeline(**words | size | told, generator=seeded, ip_adapter_image=pictures).images[0]
        finally:
            parts.unet.encoder_hid_proj = None
            parts.unet.config.encoder_hid_dim_type = None
            parts.unet.set_attn_processor(before)


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tiny]:
    from pipelines.engines.local import LocalEngine

    folder = tmp_path_factory.mktemp("reference")
    engine = LocalEngine([folder], device="cpu", exact=True)
    yield Tiny(engine, folder)
    engine.close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_picture_is_looked_at_as_diffusers_looks_at_it(tiny: Tiny, kind: str) -> None:
    reference = Reference(picture=drawn(1, (80, 56)), model=kind, weight=0.8)
    found = tiny.made(WISH, reference_1=reference)
    assert apart(found, tiny.theirs({"reference_1": reference})) <= 1
    assert apart(found, tiny.made(WISH)) > 10  # it does something


def test_the_projections_do_not_magnify_rounding(tiny: Tiny) -> None:
    """An oracle must not."""
    for kind in KINDS:
        tiny.made(WISH, reference_1=Reference(picture=drawn(1), model=kind))
        (adapter,) = tiny.engine._references._held.values()
        _, seen = tiny.engine._sight._seen.values()
        conditioned(adapter.projection, seen)
    conditioned(tiny.encoder, torch.rand(1, 3, SIDE, SIDE))


def test_several_pictures_each_with_its_weight_and_its_adapter(tiny: Tiny) -> None:
    """Those of one adapter share its weights; diffusers is given it twice."""
    slots = {
        "reference_1": Reference(picture=drawn(1), model="plain", weight=0.5),
        "reference_2": Reference(picture=drawn(2), model="plus", weight=0.7),
        "reference_3": Reference(picture=drawn(3), model="plain", weight=0.3),
    }
    found = tiny.made(WISH, **slots)
    assert len(tiny.engine._references._held) == 2
    assert apart(found, tiny.theirs(slots)) <= 1
    assert apart(found, tiny.made(WISH, reference_1=slots["reference_1"], reference_2=slots["reference_2"])) > 1


def test_without_guidance_there_is_only_the_picture(tiny: Tiny) -> None:
    reference = Reference(picture=drawn(1), model="plus")
    found = tiny.made(replace(WISH, guidance=1.0), reference_1=reference)
    assert apart(found, tiny.theirs({"reference_1": reference}, guidance_scale=1.0)) <= 1


@pytest.mark.parametrize(("start", "end"), [(0.0, 0.4), (0.3, 1.0)])
def test_it_counts_between_its_start_and_its_end_alone(tiny: Tiny, start: float, end: float) -> None:
    """What diffusers' pipelines have no word for: their scale is set at each step."""
    reference = Reference(picture=drawn(1), model="plain", start=start, end=end)
    found = tiny.made(WISH, reference_1=reference)

    def on_step(pipeline: Any, step: int, _: Any, kept: Any) -> Any:
        pipeline.set_ip_adapter_scale(scale_at(step + 1))
        return kept

    def scale_at(step: int) -> float:
        return 0.6 if step / STEPS >= start and (step + 1) / STEPS <= end else 0.0

    first = replace(reference, weight=scale_at(0))
    assert apart(found, tiny.theirs({"reference_1": first}, callback_on_step_end=on_step)) <= 1
    assert apart(found, tiny.made(WISH)) > 1
    assert apart(found, tiny.made(WISH, reference_1=Reference(picture=drawn(1), model="plain"))) > 1


def test_a_run_without_it_is_what_it_was_before_and_after(tiny: Tiny) -> None:
    unet = tiny.parts.unet
    before, processors = tiny.made(WISH), dict(unet.attn_processors)
    held, names = {name: weight.data_ptr() for name, weight in unet.named_parameters()}, set(unet.state_dict())
    hooks = [(len(one._forward_hooks), len(one._forward_pre_hooks)) for one in unet.modules()]
    tiny.made(WISH, reference_1=Reference(picture=drawn(1), model="plus"))
    assert all(unet.attn_processors[name] is one for name, one in processors.items())
    assert unet.encoder_hid_proj is None
    assert set(unet.state_dict()) == names
    assert {name: weight.data_ptr() for name, weight in unet.named_parameters()} == held
    assert [(len(one._forward_hooks), len(one._forward_pre_hooks)) for one in unet.modules()] == hooks
    assert tiny.made(WISH).tobytes() == before.tobytes()
    assert tiny.engine._references._held == {}
    off = tiny.made(WISH, reference_1=Reference(picture=drawn(1), model="plus", weight=0.0))
    assert off.tobytes() == before.tobytes()


def test_hooks_go_whatever_ends_the_run(tiny: Tiny) -> None:
    from pipelines.errors import Cancelled

    def stop(progress: Any) -> None:
        if progress.stage == "denoising" and progress.step == 2:
            raise Cancelled("stopped")

    before = tiny.made(WISH)
    request = replace(WISH, reference_1=Reference(picture=drawn(1), model="plain"))
    with pytest.raises(Cancelled):
        tiny.engine.generate(batch_of(tiny.engine.named(request), 7), stop)
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in tiny.parts.unet.modules())
    assert tiny.made(WISH).tobytes() == before.tobytes()


def test_it_is_made_again_and_its_files_are_named_by_their_hashes(tiny: Tiny) -> None:
    slots = {f"reference_{n}": Reference(picture=drawn(n), model=kind) for n, kind in enumerate(KINDS, 1)}
    result = tiny.result(WISH, **slots)
    asked = there(result.request, Reference)
    assert [(one.model, one.encoder) for one in asked.values()] == [(kind, "clip") for kind in KINDS]

    def named(path: Path, name: str) -> dict[str, str]:
        return {"name": name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}

    assert result.facts["references"] == [named(tiny.paths[kind], kind) for kind in KINDS]
    encoder = named(tiny.folder / "clip" / "model.safetensors", "clip")
    assert result.facts["image_encoders"] == [encoder] * len(KINDS)
    tiny.engine._sight._seen.clear()
    again = tiny.engine.generate(batch_of(result.request, 7), ignore)[0]
    assert again.image.tobytes() == result.image.tobytes()


def test_both_passes_look_at_it(tiny: Tiny) -> None:
    request = replace(WISH, hires=Hires(strength=0.5))
    reference = Reference(picture=drawn(1), model="plain")
    result = tiny.result(request, reference_1=reference)
    assert result.image.size == (128, 128)
    assert apart(result.image, tiny.made(request)) > 5


def test_a_box_that_is_repainted_looks_at_it_too(tiny: Tiny) -> None:
    """As inpainting of the masked part alone does, with the same picture to be like."""
    reference = Reference(picture=drawn(1), model="plain")
    detail = Detail(boxes="16,16,32,32", strength=0.7, size=64)
    result = tiny.result(replace(WISH, detail=detail), reference_1=reference)
    plain = tiny.made(WISH, reference_1=reference)
    mask = Image.new("L", plain.size)
    mask.paste(255, (16, 16, 48, 48))
    width, height = result.facts["details"]["made"][0]["size"]
    by_hand = replace(
        WISH,
        width=width,
        height=height,
        init=InitImage(image=plain, strength=0.7),
        inpaint=Inpaint(mask=mask, mask_grow=detail.grow, only_masked=True),
    )
    assert tiny.made(by_hand, reference_1=reference).tobytes() == result.image.tobytes()
    assert apart(tiny.made(by_hand), result.image) > 5
    again = tiny.engine.generate(batch_of(result.request, 7), ignore)[0]
    assert again.image.tobytes() == result.image.tobytes()


def test_the_plan_has_it_with_the_text_and_not_at_every_step(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    planned: list[Any] = []
    plain = tiny.engine._planner.ways
    monkeypatch.setattr(
        tiny.engine._planner, "ways", lambda parts, size: (planned.append(parts), plain(parts, size))[1]
    )
    reference = Reference(picture=drawn(1), model="plain")
    tiny.made(WISH, reference_1=reference, reference_2=reference)
    tiny.made(WISH)
    assert [[one.stage for one in parts.beside] for parts in planned] == [["text"], []]
    assert len(planned[0].at_work("unet")) == 1


def test_beside_where_words_look_nothing_changes(tiny: Tiny) -> None:
    """That looks on at the same layers, and asks them again."""
    request = tiny.engine.named(replace(WISH, reference_1=Reference(picture=drawn(1), model="plain")))
    first = tiny.engine.generate(batch_of(request, 7), ignore)[0]
    watched = tiny.engine.generate(replace(batch_of(request, 7), attention=True), ignore)[0]
    assert watched.attention is not None
    assert watched.image.tobytes() == first.image.tobytes()


@pytest.mark.parametrize("change", ["lost", "other shape", "left over", "resampler"])
def test_a_file_that_is_not_whole_is_one_sentence(tiny: Tiny, change: str) -> None:
    tensors = tiny_adapters.tensors(tiny.parts.unet, "plus")
    if change == "lost":
        del tensors["ip_adapter.3.to_v_ip.weight"]
    elif change == "other shape":
        tensors["ip_adapter.3.to_k_ip.weight"] = torch.zeros(3, tiny.parts.unet.config.cross_attention_dim)
    elif change == "left over":
        tensors["ip_adapter.77.to_k_ip.weight"] = torch.zeros(3, 3)
    else:
        del tensors["image_proj.layers.2.1.1.weight"]
    save_file(tensors, tiny.folder / "ip" / "broken.safetensors")
    try:
        with pytest.raises(InvalidRequest) as caught:
            tiny.made(WISH, reference_2=Reference(picture=drawn(1), model="broken"))
    finally:
        (tiny.folder / "ip" / "broken.safetensors").unlink()
    assert (caught.value.field, caught.value.note.code) == ("reference_2_model", "reference_unfit")


def test_an_encoder_that_main_memory_has_no_room_for_is_one_sentence(
    tiny: Tiny, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.models import image_encoder

    monkeypatch.setattr(image_encoder.psutil, "virtual_memory", lambda: SimpleNamespace(available=1000))
    tiny.engine._sight._seen.clear()
    with pytest.raises(OutOfMemory, match="encoder_memory"):
        tiny.made(WISH, reference_1=Reference(picture=drawn(1), model="plain"))


def test_a_picture_is_seen_once_and_nothing_once_for_all(tiny: Tiny, monkeypatch: pytest.MonkeyPatch) -> None:
    from pipelines.models.image_encoder import ImageEncoder

    tiny.engine._sight._seen.clear()
    seen: list[Any] = []
    plain = ImageEncoder.look
    monkeypatch.setattr(
        ImageEncoder, "look", lambda self, image, **told: (seen.append(image), plain(self, image, **told))[1]
    )
    slots = {f"reference_{n}": Reference(picture=drawn(n), model="plus") for n in (1, 2)}
    tiny.made(WISH, **slots)
    assert len(seen) == 3
    tiny.made(replace(WISH, seed=8), reference_1=replace(slots["reference_1"], weight=0.2))
    assert len(seen) == 3
    tiny.made(WISH, reference_1=Reference(picture=drawn(3), model="plus"))
    assert len(seen) == 4
