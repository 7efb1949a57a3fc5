"""What happens when memory runs out: a device whose memory is a number, and one that fails at a chosen moment."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from PIL import Image

from pipelines.errors import Note, OutOfMemory
from pipelines.groups import InitImage
from pipelines.models.memory import Ways
from tests.engines.conftest import SMALL, Run, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
ladder = pytest.importorskip("pipelines.engines.ladder")

PICTURE = Image.effect_mandelbrot((64, 64), (-2, -1.5, 1, 1.5), 40).convert("RGB")
WISH = {"init": InitImage(image=PICTURE, strength=1.0)}
FREED, TILED = ["free cache"], ["free cache", "tile"]


@contextmanager
def failing(module: Any, *calls: int) -> Iterator[list[int]]:
    """Has too little memory in these calls of the module, counted from 1."""
    made: list[int] = []

    def fail(module: Any, inputs: Any) -> None:
        made.append(len(made) + 1)
        if made[-1] in calls:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")

    hook = module.register_forward_pre_hook(fail)
    try:
        yield made
    finally:
        hook.remove()


@contextmanager
def device_of(parts: Any, capacity: float) -> Iterator[None]:
    """A device on which a call of UNet or VAE takes as many units as its input has images times latents."""

    def allocate(module: Any, inputs: Any) -> None:
        if inputs[0].shape[0] * inputs[0].shape[-1] * inputs[0].shape[-2] > capacity:
            raise torch.OutOfMemoryError("CUDA out of memory")

    hooks = [part.register_forward_pre_hook(allocate) for part in (parts.unet, parts.vae.decoder)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


@pytest.mark.fault(1, 2)
@pytest.mark.parametrize(
    ("part", "calls", "rungs"),
    [
        (lambda parts: parts.text_encoders[0], (1,), FREED),
        (lambda parts: parts.vae.encoder, (1,), FREED),
        (lambda parts: parts.vae.encoder, (1, 2), TILED),
        (lambda parts: parts.unet, (1,), FREED),
        (lambda parts: parts.unet, (SMALL.steps,), FREED),
        (lambda parts: parts.vae.decoder, (1,), FREED),
        (lambda parts: parts.vae.decoder, (1, 2), TILED),
    ],
    ids=["text", "encoder", "encoder-twice", "first-step", "last-step", "decoder", "decoder-twice"],
)
def test_one_image_is_the_same_by_every_rung(
    engine: Any, run: Run, part: Callable[[Any], Any], calls: tuple[int, ...], rungs: list[str]
) -> None:
    before = run(**WISH)[0]
    assert "memory_rungs" not in before.facts
    engine.manager.current.prompts.forget()
    with failing(part(engine.manager.current.parts), *calls) as made:
        after = run(**WISH)[0]
    assert len(made) > len(calls)
    assert after.facts["memory_rungs"] == rungs
    assert after.image.tobytes() == before.image.tobytes()  # 64 pixels are less than a tile


@pytest.mark.fault(2)
def test_denoising_is_not_repeated_for_the_decoder(engine: Any, run: Run) -> None:
    run()
    parts = engine.manager.current.parts
    with failing(parts.unet) as steps, failing(parts.vae.decoder, 1, 2):
        run()
    assert len(steps) == SMALL.steps


@pytest.mark.fault(1)
def test_a_batch_that_is_too_large_is_made_one_at_a_time(engine: Any, run: Run) -> None:
    """Then each picture is the one that a batch of one makes, and its record says so."""
    run()
    parts = engine.manager.current.parts
    one = (64 // parts.vae_factor) ** 2 * 2  # an image, twice for guidance
    alone = [engine.generate(batch_of(SMALL, seed), ignore)[0] for seed in (7, 8, 9)]
    with device_of(parts, capacity=one):
        together = engine.generate(batch_of(replace(SMALL, batch_size=3), 7, 8, 9), ignore)
    assert [result.position for result in together] == [0, 1, 2]
    assert [result.request.seed for result in together] == [7, 8, 9]
    assert {tuple(result.facts["memory_rungs"]) for result in together} == {("free cache", "one at a time")}
    assert [result.image.tobytes() for result in together] == [result.image.tobytes() for result in alone]


@pytest.mark.fault(1)
def test_after_the_last_rung_one_sentence_and_the_next_job_works(engine: Any, run: Run) -> None:
    before = run(batch_size=2)
    with device_of(engine.manager.current.parts, capacity=10):
        with pytest.raises(OutOfMemory) as caught:
            engine.generate(batch_of(replace(SMALL, batch_size=2), 7, 8), ignore)
        assert caught.value.note == Note("too_little_memory")
    after = run(batch_size=2)
    assert [result.image.tobytes() for result in after] == [result.image.tobytes() for result in before]
    assert "memory_rungs" not in after[0].facts


def test_the_sentence_names_a_size_that_fits_when_the_family_is_known(
    engine: Any, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pipelines.engines import planning
    from pipelines.models import memory

    run()
    current = engine.manager.current
    parts = replace(current.parts, info=replace(current.parts.info, family="sd1"))
    monkeypatch.setattr(type(engine.manager), "current", property(lambda self: replace(current, parts=parts)))
    monkeypatch.setattr(planning, "free_for", lambda *_: 2 * memory.GB)
    wide = batch_of(replace(SMALL, width=2048, height=1024), 7)
    width, height = engine._most(engine._work(wide, ignore))
    assert 1024 <= width <= 4096
    assert 0 <= width - 2 * height <= 128  # in steps of 64
    shape = planning.shape_of(parts)
    fixed = memory.Means(moving=False, narrowing=False)
    for side, fits in ((width, True), (width + 128, False)):
        size = memory.Size(width=side, height=side // 2)
        made = memory.plan(shape, size, 2 * memory.GB, calibration=memory.ON_A_PROCESSOR, means=fixed)
        assert (made.ways is not None) == fits


@pytest.mark.parametrize(
    ("error", "is_one"),
    [
        (torch.OutOfMemoryError("CUDA out of memory"), True),
        (MemoryError(), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:124] DefaultCPUAllocator: can't allocate memory"), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 18 GB)"), True),
        (RuntimeError("The size of tensor a (9) must match"), False),
        (ValueError("memory"), False),
    ],
)
def test_climbing_stops_at_what_is_no_lack_of_memory(error: Exception, is_one: bool) -> None:
    tried: list[Any] = []
    attempts = ladder.tries(Ways(), "unet", moves=False, images=2)

    def work(attempt: Any) -> str:
        tried.append(attempt)
        if len(tried) == 1:
            raise error
        return "done"

    if is_one:
        assert ladder.climb(work, attempts, "cpu") == ("done", attempts[1])
    else:
        with pytest.raises(type(error)):
            ladder.climb(work, attempts, "cpu")
    assert len(tried) == (2 if is_one else 1)


def test_the_ladder_leaves_out_what_the_plan_has_taken_and_what_does_not_help() -> None:
    def rungs(ways: Ways, stage: Any, **options: Any) -> tuple[str, ...]:
        last = ladder.tries(ways, stage, **options)[-1]
        return tuple(last.rungs)

    assert rungs(Ways(), "text", moves=False) == ("free cache",)
    assert rungs(Ways(), "text", moves=True) == ("free cache", "offload")
    assert rungs(Ways(), "vae", moves=True) == ("free cache", "offload", "tile")
    assert rungs(Ways(tiled=True, parts_alone=True), "vae", moves=True) == ("free cache",)
    whole = ("free cache", "offload", "one at a time", "sequential")
    assert rungs(Ways(text_off=True), "unet", moves=True, images=2) == whole
    assert rungs(Ways(parts_alone=True, singly=True), "unet", moves=True, images=2) == ("free cache", "sequential")
    assert rungs(Ways(), "unet", moves=False, images=2) == ("free cache", "one at a time")
    for attempt in ladder.tries(Ways(text_off=True), "unet", moves=True, images=2):
        assert attempt.ways.text_off + attempt.ways.parts_alone + attempt.ways.streamed == 1
