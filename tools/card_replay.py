"""Calls of the network that a card replays, beside the same calls made one by one (`pipelines/engines/replay.py`): the
same pictures, bit for bit, in how much less time, with how much more memory; and no more than the memory plan leaves.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pipelines.groups import Hires
from pipelines.leading import Control, Guiding
from pipelines.models import memory
from pipelines.types import GenerationRequest, GenerationResult
from tools.card_sections import Bench, Found, Section, made, same

if TYPE_CHECKING:
    from pipelines.engines.local import LocalEngine

STEPS, SIDE, LARGE_SIDE = 20, 512, 1024  # pixels
LORA, CONTROLNET = "ink", "lines"
FAMILIES = {"sd15": "lora-sd15", "sdxl": "lora-sdxl"}


def replayed(bench: Bench) -> Iterator[Found]:
    """Twice each: while it is captured, and from the first step on by the graph that is there then."""
    with bench.engine(replay=True) as engine:
        for case, request in _cases(bench, engine):
            engine.replays.drop()
            with _as_usual(engine):
                made(engine, replace(request, steps=2))  # what is set up by the first call of a size
                usual, seconds = _timed(engine, request)
            first, _ = _timed(engine, request)
            second, quicker = _timed(engine, request)
            ways = [bool(_replays(one)) for one in (first, second)]
            identical = [same(usual, one) for one in (first, second)]
            facts = {"seconds": seconds, "replayed": quicker, "bytes": engine.replays.bytes, "steps": request.steps}
            told = f"the same pixels: {_yes(all(identical))}, {seconds:.2f} s → {quicker:.2f} s"
            told += f", graphs of {engine.replays.bytes / 2**20:.0f} MiB" if all(ways) else "; NOT replayed"
            yield Found(case=case, held=all(identical) and all(ways), told=told, facts=facts)
        yield _changed(bench, engine)
    yield _within(bench)


def _cases(bench: Bench, engine: LocalEngine) -> Iterator[tuple[str, GenerationRequest]]:
    """Each as much as one thing else than the first."""
    plain = bench.request(SIDE, steps=STEPS, sampler="DPM++ 2M")
    yield f"{SIDE}²", plain
    yield f"4 of {SIDE}²", replace(plain, batch_size=4)
    yield f"{LARGE_SIDE}²", replace(plain, width=LARGE_SIDE, height=LARGE_SIDE)
    yield f"{SIDE} × {SIDE + 64}", replace(plain, width=SIDE + 64)
    yield "no guidance", replace(plain, guidance=1.0, width=LARGE_SIDE)
    yield "Heun", replace(plain, sampler="Heun")
    yield "noise drawn", replace(plain, sampler="Euler a")
    yield "half of it guided", replace(plain, width=LARGE_SIDE, guiding=Guiding(stop=0.5))
    yield "FreeU", replace(plain, guiding=Guiding(freeu=True))
    yield "edges meet", replace(plain, tiling="both")
    yield "second pass", replace(plain, hires=Hires(by=1.5, strength=0.5))
    if bench.model in FAMILIES:
        from tools.make_random_checkpoint import write_kind

        write_kind(FAMILIES[bench.model], bench.folder / f"{LORA}.safetensors")
        yield "a LoRA", replace(plain, prompt=f"a red star <lora:{LORA}:0.5>")
        yield "another strength", replace(plain, prompt=f"a red star <lora:{LORA}:1>")
    _write_controlnet(bench, engine)
    yield "a ControlNet", replace(plain, control_1=Control(map=_map(), model=CONTROLNET, end=0.5))


def _map() -> Any:
    from PIL import Image

    return Image.effect_mandelbrot((256, 256), (-2, -1.5, 1, 1.5), 40).convert("RGB")


def _write_controlnet(bench: Bench, engine: LocalEngine) -> None:
    """Of the model's own weights; what a fresh one ends in, zeros, is drawn."""
    import torch
    from diffusers import ControlNetModel
    from safetensors.torch import save_file

    parts = engine.manager.get(bench.model).parts  # type: ignore[attr-defined]
    levels = parts.vae_factor.bit_length()
    torch.manual_seed(0)
    network = ControlNetModel.from_unet(parts.unet, conditioning_embedding_out_channels=(16, 32, 96, 256)[:levels])
    for name, weight in network.named_parameters():
        if name.startswith(("controlnet_down", "controlnet_mid", "controlnet_cond")) and weight.dim() > 1:
            weight.data = torch.randn_like(weight, device="cpu") * (0.1 / weight[0].numel()) ** 0.5
    weights = {name: weight.contiguous().to("cpu", torch.float16) for name, weight in network.state_dict().items()}
    save_file(weights, bench.folder / f"{CONTROLNET}.safetensors")


def _changed(bench: Bench, engine: LocalEngine) -> Found:
    """A graph of a model that went and came back would read what lies there now."""
    request = bench.request(SIDE, steps=STEPS)
    before = made(engine, request)
    engine.manager.current.leave()  # type: ignore[union-attr]
    after, again = made(engine, request), made(engine, request)
    fine = same(before, after) and same(before, again)
    return Found(case="the weights left and came back", held=fine, told=f"the same pixels: {_yes(fine)}")


def _within(bench: Bench) -> Found:
    """On a smaller card: what replays take is within what the plan leaves."""
    own = bench.limit - memory.OVERHEAD  # for what torch allocates; the context has the rest
    with bench.engine(bench.limit, replay=True) as engine:
        bench.card.squeeze(own)
        bench.card.forget_peak()
        results = [made(engine, bench.request(SIDE, steps=STEPS)) for _ in range(2)]
        peak, graphs = bench.card.peak(), engine.replays.bytes
    rungs = [one[0].facts.get("memory_rungs", []) for one in results]
    held = peak <= own and same(*results) and not any(rungs)
    told = f"peak {peak / 2**30:.2f} of {own / 2**30:.2f} GiB, graphs of {graphs / 2**20:.0f} MiB"
    return Found(case="a smaller card", held=held, told=told, facts={"peak": peak, "bytes": graphs, "rungs": rungs})


@contextmanager
def _as_usual(engine: LocalEngine) -> Iterator[None]:
    from pipelines.engines.replay import Replays

    replays, engine.replays = engine.replays, Replays(None)
    try:
        yield
    finally:
        engine.replays = replays


def _timed(engine: LocalEngine, request: GenerationRequest) -> tuple[list[GenerationResult], float]:
    start = time.perf_counter()
    results = made(engine, request)
    return results, time.perf_counter() - start


def _replays(results: list[GenerationResult]) -> bool:
    facts = results[0].facts
    return all(one.get("replayed") for one in facts.get("passes", [facts]))


def _yes(fine: bool) -> str:
    return "yes" if fine else "NO"


SECTIONS = (Section("replay", None, replayed),)
