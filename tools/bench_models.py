"""Scan, load, switch and memory of checkpoints against diffusers' `from_single_file`: `python -m tools.bench models`.

Each load runs in a process of its own, ours and theirs in turns, after the file was read once, so that both find it in
the system's cache. Memory beside the libraries': `anonymous` is what the process has for itself, `resident` counts the
pages of the mapped file too, which the system may drop at any time.
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
from pathlib import Path
from typing import Any

import psutil

from pipelines.models.checkpoints import identify, scan
from pipelines.models.remembering import Memory
from tools.random_kinds import KINDS

BLOCK = 2**22  # bytes
SCANNED = 1000  # files


def bench_models(arguments: argparse.Namespace) -> dict[str, Any]:
    files: list[Path] = arguments.files
    rounds: dict[str, list[dict[str, float]]] = {"ours": [], "from_single_file": []}
    seconds_to_read: list[float] = []
    for _ in range(arguments.rounds):
        seconds_to_read.append(read_through(files[0]))
        for side, results in rounds.items():
            results.append(in_child(side, files))
    return {
        "file_bytes": files[0].stat().st_size,
        "files": len(files),
        "scan": bench_scan(),
        "seconds_to_read_the_file": median(seconds_to_read),
        **{side: medians(results) for side, results in rounds.items()},
    }


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
            started = time.perf_counter()
            assert len(scan([Path(folder)], memory)) == SCANNED
            times.append(time.perf_counter() - started)
    return {"files": SCANNED, "cold_seconds": round(times[0], 3), "unchanged_seconds": round(times[1], 3)}


def read_through(path: Path) -> float:
    started = time.perf_counter()
    with path.open("rb") as file:
        while file.read(BLOCK):
            pass
    return time.perf_counter() - started


def in_child(side: str, files: list[Path]) -> dict[str, float]:
    command = [sys.executable, "-m", "tools.bench_models", side, *map(str, files)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
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


def ours(files: list[Path]) -> dict[str, float]:
    """Loading the first; a switch through all and back."""
    from pipelines.models.device import choose
    from pipelines.models.listing import Listing
    from pipelines.models.manager import PipelineManager

    manager = PipelineManager(Listing(sorted({file.parent for file in files})), choose("cpu"))
    manager.get("builtin")  # the libraries' first use
    names = [info.name for file in files for info in manager._listing.usable() if info.path == str(file)]
    result = measured(lambda: manager.get(names[0]), "load")
    for name in names[1:]:
        manager.get(name)
    if len(names) > 1:
        result |= measured(lambda: manager.get(names[0]), "switch_back")
    return result


def from_single_file(files: list[Path]) -> dict[str, float]:
    """In the same number format and layout as ours."""
    import torch
    from diffusers import StableDiffusionPipeline

    from pipelines.models.device import choose
    from pipelines.models.tokenizer import clip_tokenizer
    from tools.make_random_checkpoint import RandomModel, write_configs

    placement = choose("cpu")
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
            return pipeline

        return measured(load, "load")


def median(values: list[float]) -> float:
    return round(statistics.median(values), 3)


def medians(results: list[dict[str, float]]) -> dict[str, float]:
    return {name: median([result[name] for result in results]) for name in results[0]}


if __name__ == "__main__":
    run = {"ours": ours, "from_single_file": from_single_file}[sys.argv[1]]
    print(json.dumps(run([Path(name) for name in sys.argv[2:]])))
