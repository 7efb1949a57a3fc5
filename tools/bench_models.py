"""Scan, load, switch and memory of checkpoints against diffusers' `from_single_file`: `python -m tools.bench models`.

Each load runs in a process of its own, ours and theirs in turns, after the file was read once, so that both find it in
the system's cache. Loading ends when every weight was touched: a mapped file is not read before. Memory beside the
libraries': `anonymous` is what the process has for itself, `resident` counts the pages of the mapped file too, which
the system may drop at any time.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psutil

from pipelines.models import memory
from pipelines.models.checkpoints import identify, scan
from pipelines.models.files.remembering import Memory
from tools.random_kinds import KINDS

BLOCK = 2**22  # bytes
SCANNED = 1000  # files


def bench_models(arguments: argparse.Namespace) -> dict[str, Any]:
    files: list[Path] = arguments.files
    rounds: dict[str, list[dict[str, float]]] = {"ours": [], "from_single_file": []}
    reading: list[dict[str, float]] = []
    for _ in range(arguments.rounds):
        reading.append(read_through(files[0]))
        for side, results in rounds.items():
            results.append(in_child(side, arguments.dtype, 0, files))
    found: dict[str, Any] = {
        "file_bytes": files[0].stat().st_size,
        "files": len(files),
        "scan": bench_scan(),
        "reading_the_file": medians(reading) if reading else {},
        **{side: medians(results) for side, results in rounds.items() if results},
    }
    if arguments.switches:
        found["switches"] = in_child("switches", arguments.dtype, arguments.switches, files)
    for size in arguments.sizes:
        found[f"picture {size}"] = in_child("picture", arguments.dtype, size, files)
    return found


def bench_scan() -> dict[str, float]:
    """A thousand files of every kind, true headers without data."""
    from tools.make_random_checkpoint import write_safetensors

    with tempfile.TemporaryDirectory() as folder:
        for number in range(SCANNED):
            name = list(KINDS)[number % len(KINDS)]
            write_safetensors(Path(folder) / f"{name}-{number}.safetensors", KINDS[name], "F16", None)
        memory = Memory()
        times = []
        for _ in range(2):
            started, cpu = time.perf_counter(), time.process_time()
            assert len(scan([Path(folder)], memory)) == SCANNED
            times.append((time.perf_counter() - started, time.process_time() - cpu))
    (cold, cold_cpu), (unchanged, unchanged_cpu) = times
    found = {"cold_seconds": cold, "cold_cpu_seconds": cold_cpu}
    found |= {"unchanged_seconds": unchanged, "unchanged_cpu_seconds": unchanged_cpu}
    return {"files": SCANNED, **{name: round(value, 3) for name, value in found.items()}}


def read_through(path: Path) -> dict[str, float]:
    started, cpu = time.perf_counter(), time.process_time()
    with path.open("rb") as file:
        while file.read(BLOCK):
            pass
    return {"seconds": time.perf_counter() - started, "cpu_seconds": time.process_time() - cpu}


def in_child(side: str, dtype: str, number: int, files: list[Path]) -> dict[str, float]:
    command = [sys.executable, "-m", "tools.bench_models", side, dtype, str(number), *map(str, files)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return result


# -- in the child ----------------------------------------------------------------------------------------------------


def memory_now() -> tuple[int, int]:
    """(resident, anonymous) bytes; where the system does not tell them apart, the same twice."""
    resident = int(psutil.Process().memory_info().rss)
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
    except OSError:
        return resident, resident
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return resident, int(found[1]) * 1024 if found else resident


def measured(work: Callable[[], object], prefix: str) -> dict[str, float]:
    before, most, over = memory_now(), list(memory_now()), threading.Event()

    def look() -> None:
        while not over.wait(0.005):
            for place, size in enumerate(memory_now()):
                most[place] = max(most[place], size)

    watcher = threading.Thread(target=look, daemon=True)
    watcher.start()
    started, cpu = time.perf_counter(), time.process_time()
    kept = work()
    seconds, cpu = time.perf_counter() - started, time.process_time() - cpu
    over.set()
    watcher.join()
    after = memory_now()
    del kept
    return {
        f"{prefix}_seconds": seconds,
        f"{prefix}_cpu_seconds": cpu,
        f"{prefix}_peak_resident_bytes": most[0] - before[0],
        f"{prefix}_peak_anonymous_bytes": most[1] - before[1],
        f"{prefix}_end_anonymous_bytes": after[1] - before[1],
    }


def placement_of(dtype: str) -> Any:
    """The processor's own, or in another number format; then without a layout of its own, as mapping wants it."""
    import torch

    from pipelines.models.device import choose

    placement = choose("cpu")
    return placement if dtype == "own" else replace(placement, dtype=getattr(torch, dtype), channels_last=False)


def touched(*parts: Any) -> None:
    """Reads a number of every page of all weights."""
    for part in parts:
        for weight in part.parameters():
            weight.detach().flatten()[:: 4096 // weight.element_size()].sum()


def manager_of(files: list[Path], dtype: str) -> tuple[Any, list[str]]:
    from pipelines.models.listing import Listing
    from pipelines.models.manager import PipelineManager

    manager = PipelineManager(Listing(sorted({file.parent for file in files})), placement_of(dtype))
    manager.get("builtin")  # the libraries' first use
    named = {info.path: info.name for info in manager._listing.usable()}
    return manager, [named[str(file.resolve())] for file in files]


def ours(files: list[Path], dtype: str, _: int) -> dict[str, float]:
    """Loading the first; a switch through all and back."""
    manager, names = manager_of(files, dtype)

    def load() -> object:
        model = manager.get(names[0])
        touched(*model.parts.modules)
        return model

    result = measured(load, "load")
    for name in names[1:]:
        manager.get(name)
    if len(names) > 1:
        result |= measured(lambda: manager.get(names[0]), "switch_back")
    return result


def from_single_file(files: list[Path], dtype: str, _: int) -> dict[str, float]:
    """In the same number format and layout as ours."""
    import torch
    from diffusers import StableDiffusionPipeline

    from pipelines.models.weights.tokenizer import clip_tokenizer
    from tools.make_random_checkpoint import RandomModel, write_configs

    placement = placement_of(dtype)
    tokenizer = clip_tokenizer()
    assert identify(files[0]).family == "sd1"

    with tempfile.TemporaryDirectory() as folder:
        write_configs(RandomModel("sd15", tiny=False), Path(folder))
        options = {"config": folder, "torch_dtype": placement.dtype, "tokenizer": tokenizer, "local_files_only": True}

        def load() -> object:
            pipeline = StableDiffusionPipeline.from_single_file(str(files[0]), safety_checker=None, **options)
            if placement.channels_last:
                pipeline.unet.to(memory_format=torch.channels_last)
                pipeline.vae.to(memory_format=torch.channels_last)
            touched(pipeline.unet, pipeline.vae, pipeline.text_encoder)
            return pipeline

        return measured(load, "load")


def switches(files: list[Path], dtype: str, count: int) -> dict[str, float]:
    """From one to the next, round and round; what the process holds after each whole round."""
    manager, names = manager_of(files, dtype)
    sizes, times = [], []
    for number in range(count):
        started = time.perf_counter()
        model = manager.get(names[number % len(names)])
        times.append(time.perf_counter() - started)
        model.prompts.encode("a cat", steps=1)
        if (number + 1) % len(names) == 0:
            sizes.append(memory_now())
    first, last = sizes[0], sizes[-1]
    return {
        "count": count,
        "seconds_median": statistics.median(times),
        "resident_after_the_first_round": first[0],
        "resident_at_the_end": last[0],
        "anonymous_after_the_first_round": first[1],
        "anonymous_at_the_end": last[1],
        "most_growth_of_resident": max(size[0] for size in sizes[1:]) / first[0] - 1,
        "most_growth_of_anonymous": max(size[1] for size in sizes[1:]) / first[1] - 1,
    }


def picture(files: list[Path], dtype: str, side: int) -> dict[str, float]:
    """One step and the decode of a loaded model: the peak of the whole process, and what was predicted."""
    import torch

    from pipelines.engines import planning
    from pipelines.engines.local import LocalEngine
    from pipelines.types import Batch, GenerationRequest

    engine = LocalEngine(sorted({file.parent for file in files}), device="cpu")
    engine.manager.placement = placement_of(dtype)
    name = next(info.name for info in engine.models() if info.path == str(files[0].resolve()))
    parts = engine.manager.get(name).parts
    batch = Batch(request=GenerationRequest(model=name, width=side, height=side, steps=1, prompt="a cat"), seeds=(1,))
    shape = memory.calibrated(planning.shape_of(parts), engine._planner.calibration(parts.placement, parts.info.family))
    size = planning.size_of(parts, batch.request, 1)
    ways = engine._planner.ways(parts, size)
    stages: dict[str, int] = {}

    def learn(*given: Any) -> None:
        stages[given[3]] = given[4] + memory.OVERHEAD

    before = memory_now()
    with torch.no_grad(), patch.object(engine._planner, "learn", learn):
        found = measured(lambda: engine.generate(batch, lambda _: None), "picture")
    result = {
        "predicted": memory.peak(shape, size, ways) + memory.OVERHEAD,
        "peak_resident": before[0] + found["picture_peak_resident_bytes"],
        "step_predicted": memory.step_bytes(shape, size, ways) + memory.OVERHEAD,
        "decode_predicted": memory.decode_bytes(shape, size, ways) + memory.OVERHEAD,
        **{f"{stage}_resident": taken for stage, taken in stages.items()},
        "resident_before": before[0],
        "seconds": found["picture_seconds"],
        "cpu_seconds": found["picture_cpu_seconds"],
    }
    return result | {"measured_by_predicted": round(result["peak_resident"] / result["predicted"], 3)}


def median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def medians(results: list[dict[str, float]]) -> dict[str, float]:
    return {name: median([result[name] for result in results]) for name in results[0]}


if __name__ == "__main__":
    run = {"ours": ours, "from_single_file": from_single_file, "switches": switches, "picture": picture}[sys.argv[1]]
    print(json.dumps(run([Path(name) for name in sys.argv[4:]], sys.argv[2], int(sys.argv[3]))))
