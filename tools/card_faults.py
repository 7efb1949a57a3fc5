"""The faults of `tests/faults.py` that happen on a graphics card, provoked on one.

no memory     the allocator's limit is set, once the memory plan is made, between what the plan needs and what a rung of
              the ladder needs: torch raises its own error, and the same picture must come by that rung
spill         the plan is told of a smaller card and the allocator held to it: a picture stays within it, or is refused.
              A driver that moves memory elsewhere (Windows) never has to
not finite    weights that are large, but finite, run over in fp16: made again in float32, or refused, never black
lost          a kernel's assertion ends the worker's CUDA context, a signal its process: a new one makes the picture
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

from pipelines.errors import EngineLost, NotFinite, OutOfMemory, SeedprintError
from pipelines.models import memory
from pipelines.models.memory import Size, Ways
from pipelines.types import GenerationRequest, GenerationResult, Progress
from tools import failing_worker
from tools.card_sections import Bench, Found, Section, made, once_at, same

if TYPE_CHECKING:
    from pipelines.engines.local import LocalEngine

SIDE, LARGE_SIDE = 512, 1024  # pixels; a decode in tiles takes less only from the second on
SPILL_SIDES = (512, 1024, 1536)
BEYOND = 8192  # no card that is pretended has room for a picture so large
LARGEST = 6e4  # of an fp16 number that is still finite: 65,504
NEVER = 2**24  # bytes: not enough for a single layer
ALONE = Ways(parts_alone=True)
FITS = Ways()


def _shape(engine: LocalEngine) -> memory.Shape:
    from pipelines.engines import planning

    return planning.shape_of(engine.manager.current.parts)  # type: ignore[union-attr]


def _between(least: int, most: int) -> int:
    if least >= most:
        raise ValueError(f"nothing lies between {least} and {most} bytes: this model is too small for that rung")
    return (least + most) // 2


def _rungs(results: list[GenerationResult]) -> list[str]:
    return list(results[0].facts.get("memory_rungs", []))


# -- no memory --------------------------------------------------------------------------------------------------------


def denoising(bench: Bench) -> Iterator[Found]:
    """Fault 1."""
    with bench.engine() as engine:
        one, four = bench.request(SIDE), bench.request(SIDE, batch_size=4)
        alone = [made(engine, bench.request(SIDE, seed=seed))[0] for seed in range(7, 11)]
        shape, size = _shape(engine), Size(width=SIDE, height=SIDE)
        batch = Size(width=SIDE, height=SIDE, batch=4)
        limit = _between(memory.step_bytes(shape, size, ALONE), memory.step_bytes(shape, size, FITS))
        yield _squeezed(bench, engine, one, limit, "offload", alone[:1])
        singly = Ways(parts_alone=True, singly=True)
        limit = _between(memory.step_bytes(shape, batch, singly), memory.step_bytes(shape, batch, ALONE))
        yield _squeezed(bench, engine, four, limit, "one at a time", alone)
        yield _refused(bench, engine, one, alone[:1])


def _squeezed(
    bench: Bench,
    engine: LocalEngine,
    request: GenerationRequest,
    limit: int,
    rung: str,
    expected: list[GenerationResult],
) -> Found:
    """Between the first step and the second."""
    try:
        results = made(engine, request, once_at("denoising", lambda: bench.card.squeeze(limit)))
    finally:
        bench.card.relax()
    rungs, identical = _rungs(results), same(results, expected)
    told = f"{' → '.join(rungs) or 'no rung'}, the same pixels: {'yes' if identical else 'NO'}"
    case = f"{request.batch_size} of {request.width}², {rung}"
    return Found(case=case, held=identical and rung in rungs, told=told, facts={"rungs": rungs, "limit": limit})


def _refused(bench: Bench, engine: LocalEngine, request: GenerationRequest, expected: list[GenerationResult]) -> Found:
    """No rung helps: one sentence, and the next picture is as if nothing had been."""
    squeeze = once_at("denoising", lambda: bench.card.squeeze(NEVER))
    try:
        code = _refusal(OutOfMemory, lambda: made(engine, request, squeeze))
    finally:
        bench.card.relax()
    after = made(engine, request)
    fine = same(after, expected) and not _rungs(after)
    held = fine and code.startswith("too_little_memory")
    return Found(case="nothing fits", held=held, told=f"{code or 'a picture'}; {_afterwards(fine)}")


def _refusal(kind: type[SeedprintError], act: Callable[[], object]) -> str:
    """The code of the error; nothing when there is none."""
    try:
        act()
    except kind as error:
        return error.note.code
    return ""


def _afterwards(fine: bool) -> str:
    return f"the next picture is {'as before' if fine else 'NOT as before'}"


def decoding(bench: Bench) -> Iterator[Found]:
    """Fault 2."""
    with bench.engine() as engine:
        request, heard = bench.request(LARGE_SIDE), list[Progress]()
        before = made(engine, request)
        shape, size = _shape(engine), Size(width=LARGE_SIDE, height=LARGE_SIDE)
        tiled = Ways(parts_alone=True, tiled=True)
        limit = _between(memory.decode_bytes(shape, size, tiled), memory.decode_bytes(shape, size, ALONE))
        try:
            results = made(engine, request, once_at("decoding", lambda: bench.card.squeeze(limit), heard))
        finally:
            bench.card.relax()
        rungs, steps = _rungs(results), sum(one.stage == "denoising" for one in heard)
        fine = same(made(engine, request), before)
    told = f"{' → '.join(rungs) or 'no rung'}; {steps} steps for {request.steps}; {_afterwards(fine)}"
    held = fine and "tile" in rungs and steps == request.steps
    yield Found(case=f"{LARGE_SIDE}², tile", held=held, told=told, facts={"rungs": rungs, "limit": limit})


# -- a card that would spill ------------------------------------------------------------------------------------------


def spill(bench: Bench) -> Iterator[Found]:
    """Fault 3."""
    own = bench.limit - memory.OVERHEAD  # for what torch allocates; the context has the rest
    with bench.engine(bench.limit) as engine:
        for side in SPILL_SIDES:
            bench.card.squeeze(own)
            bench.card.forget_peak()
            results = made(engine, bench.request(side))
            peak, facts = bench.card.peak(), results[0].facts
            plan = ", ".join(facts.get("memory_plan", ["whole"]))
            told = f"{plan}; peak {peak / 2**30:.2f} of {own / 2**30:.2f} GiB"
            told += "".join(
                f", {name}" for name in (*_rungs(results), *(["a slow step"] if "warnings" in facts else []))
            )
            held = peak <= own and "warnings" not in facts
            yield Found(case=f"{side}²", held=held, told=told, facts={"peak": peak, "plan": plan})
        planner, parts = engine._planner, engine.manager.current.parts  # type: ignore[union-attr]
        plan_made = planner.plan(parts, Size(width=BEYOND, height=BEYOND))
        code = plan_made.told().code
        held = plan_made.ways is None and code in ("size_too_large", "model_too_large")
        yield Found(case=f"{BEYOND}²", held=held, told=f"refused before it runs: {code}")


# -- numbers that are not finite --------------------------------------------------------------------------------------


def not_finite(bench: Bench) -> Iterator[Found]:
    """Fault 4."""
    with bench.engine() as engine:
        request = bench.request(SIDE)
        before = made(engine, request)
        parts = engine.manager.current.parts  # type: ignore[union-attr]
        for case, layer, fact in (
            ("the UNet runs over", parts.unet.conv_in, "denoised_in"),
            ("the decoder runs over", parts.vae.decoder.conv_in, "vae_dtype"),
        ):
            with _large(layer, LARGEST):
                results = made(engine, request)
            wide = results[0].facts.get(fact) == "float32"
            told = "made in float32" if wide else "NOT made in float32"
            yield Found(case=case, held=wide and not _is_flat(results), told=told)
        with _large(parts.unet.conv_in, float("inf")):
            code = _refusal(NotFinite, lambda: made(engine, request))
        fine = same(made(engine, request), before)
        told = f"{code or 'a picture'}; {_afterwards(fine)}"
        yield Found(case="not finite in float32 either", held=fine and bool(code), told=told)


@contextlib.contextmanager
def _large(layer: Any, largest: float) -> Iterator[None]:
    """The layer's weights so that the largest is `largest`."""
    weight = layer.weight.data
    kept = weight.clone()
    weight.mul_(largest / float(weight.abs().max()))
    try:
        yield
    finally:
        layer.weight.data.copy_(kept)


def _is_flat(results: list[GenerationResult]) -> bool:
    return any(low == high for one in results for low, high in one.image.getextrema())


# -- the device or its process lost -----------------------------------------------------------------------------------


def lost(bench: Bench) -> Iterator[Found]:
    """Fault 34. The built-in model: what is judged is the worker."""
    from pipelines.engines import child
    from pipelines.engines.worker import WorkerEngine

    with TemporaryDirectory() as folder, patch.object(child, "run", failing_worker.run):
        data, request = Path(folder), GenerationRequest(prompt="a red star", seed=7, width=128, height=128, steps=8)
        with contextlib.closing(WorkerEngine([], device=bench.card.device, data_dir=data)) as engine:
            before = made(engine, request)

            def end() -> None:
                os.kill(engine.pid or 0, signal.SIGKILL if hasattr(signal, "SIGKILL") else signal.SIGTERM)

            for case, expected, on_progress in (
                ("a kernel's assertion", "device_failed", once_at("encoding", lambda: _arm(data))),
                ("the worker is killed", "worker_ended", once_at("denoising", end)),
            ):
                pid = engine.pid
                code = _refusal(EngineLost, lambda heard=on_progress: made(engine, request, heard))  # type: ignore[misc]
                after = made(engine, request)
                fine, new = same(after, before), engine.pid != pid
                told = f"{code or 'a picture'}; {'a new worker' if new else 'the SAME worker'}; {_afterwards(fine)}"
                yield Found(case=case, held=fine and new and code == expected, told=told)


def _arm(data: Path) -> None:
    (data / failing_worker.FILE).write_text("1")


SECTIONS = (
    Section("denoising", 1, denoising),
    Section("decoding", 2, decoding),
    Section("spill", 3, spill),
    Section("not-finite", 4, not_finite),
    Section("lost", 34, lost),
)
