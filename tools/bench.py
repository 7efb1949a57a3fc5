"""Measures what the product promises, paired in one run.
`python -m tools.bench start|page|overhead|cancel|verify|exact|models|history|faults|card|scale`.

start     seconds from `python app.py` to the first answered request
page      first visit, reload and a click in a browser: bytes, requests, seconds; beside an empty page of Gradio's
overhead  the whole product (queue, worker process, saving) against the bare diffusers pipeline, same model and settings
cancel    seconds from Cancel to the stopped run, beside the length of one step
verify    random requests of the built-in model, made, and made again in a new process: all must be identical
exact     what other threads, batch sizes and number types do to the same requests, without and with --exact
models    scan, load, switch and memory of SD 1.x checkpoints against diffusers' from_single_file; many switches;
          the peak of a picture, predicted and measured
history   pages, searches, re-index and start of an archive of 100,000 pictures
faults    the program killed at random moments with a full queue: what is lost, twice, unreadable, no longer the same;
          and memory, files and threads over thousands of pictures
card      on a CUDA card, what the tests without one only pretend: no memory left while denoising and decoding, numbers
          that run over, a card that is lost; with random weights
scale     two processors of one thread each against one: pictures a minute, memory, the same pixels

Timings on a shared machine are noisy: rounds alternate between the two sides and medians and ratios are printed.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines.engines.worker import WorkerEngine
from pipelines.sampling.samplers import DENOISERS
from pipelines.shared_database import Database
from pipelines.types import Batch, GenerationRequest
from tools.bench_card import add_card_options, bench_card
from tools.bench_faults import add_fault_options, bench_faults
from tools.bench_history import add_options, bench_history
from tools.bench_models import bench_models
from tools.bench_page import bench_page
from tools.bench_scale import add_scale_options, bench_scale, finished
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.jobs.kinds import House
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.jobs.table import JobTable
from webui.proof import sweep as verify

ROOT = Path(__file__).parent.parent
PROMPT = "a red star on a blue background"


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools.bench", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, rounds in (("start", 5), ("page", 3)):
        commands.add_parser(name).add_argument("--rounds", type=int, default=rounds)
    for name in ("overhead", "cancel"):
        command = commands.add_parser(name)
        command.add_argument("--rounds", type=int, default=5)
        command.add_argument("--model", type=Path, help="a diffusers folder; the built-in model when left out")
        command.add_argument("--size", type=int, default=128)
        command.add_argument("--steps", type=int, default=20)
    models = commands.add_parser("models")
    models.add_argument("--rounds", type=int, default=3)
    models.add_argument("--dtype", choices=("own", "float16", "bfloat16", "float32"), default="own")
    models.add_argument("--switches", type=int, default=0, help="so many, round and round")
    models.add_argument("--sizes", type=int, nargs="*", default=(), help="pictures so wide and high: memory")
    models.add_argument("files", type=Path, nargs="+", help="SD 1.x .safetensors files, several to switch between")
    again = commands.add_parser("verify")
    again.add_argument("--count", type=int, default=500)
    again.add_argument("--seed", type=int, default=1)
    exact = commands.add_parser("exact")
    exact.add_argument("--count", type=int, default=12)
    add_options(commands.add_parser("history"))
    add_fault_options(commands.add_parser("faults"))
    add_card_options(commands.add_parser("card"))
    add_scale_options(commands.add_parser("scale"))
    arguments = parser.parse_args()
    benches = {"start": bench_start, "page": bench_page, "overhead": bench_overhead, "cancel": bench_cancel}
    benches |= {"verify": bench_verify, "exact": bench_exact, "models": bench_models}
    benches |= {"history": bench_history, "faults": bench_faults, "card": bench_card, "scale": bench_scale}
    run = benches[arguments.command]
    print(json.dumps({"bench": arguments.command, **machine(), **run(arguments)}, indent=1))


def machine() -> dict[str, Any]:
    return {
        "machine": f"{platform.system()} {platform.machine()}, {platform.processor() or 'unknown processor'}",
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("torch", "diffusers", "transformers", "gradio")},
    }


# -- time to first page --------------------------------------------------------------------------------------------


def bench_start(arguments: argparse.Namespace) -> dict[str, Any]:
    seconds = [first_page() for _ in range(arguments.rounds)]
    return {"seconds_to_first_page": summary(seconds)}


def first_page() -> float:
    """Seconds from starting the program to its first 200, with the real engine warming up behind it."""
    with tempfile.TemporaryDirectory() as folder, socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        command = [sys.executable, str(ROOT / "app.py"), "--no-bootstrap", "--no-browser", "--port", str(port)]
        command += ["--output-dir", f"{folder}/outputs", "--data-dir", f"{folder}/data", "--no-token"]
        started = time.perf_counter()
        program = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while time.perf_counter() - started < 60:
                try:
                    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=5) as answer:
                        answer.read()
                        return time.perf_counter() - started
                except (urllib.error.URLError, ConnectionError):
                    time.sleep(0.02)
            raise TimeoutError("no page within 60 s")
        finally:
            program.terminate()
            program.wait(20)


# -- the product -----------------------------------------------------------------------------------------------------


@contextmanager
def product(model: Path | None) -> Iterator[tuple[GenerationService, str]]:
    """The whole product without its page, and the name under which it knows the model."""
    with tempfile.TemporaryDirectory() as folder:
        engine = WorkerEngine([model.parent] if model else [])
        jobs = JobTable(Database(Path(folder) / "data" / "jobs.sqlite3", SCHEMA))
        store = ImageStore(Path(folder) / "outputs")
        history = History(Path(folder) / "data" / "history.sqlite3", store.root)
        service = GenerationService(engine, House(store=store, jobs=jobs, history=history))
        service.start()
        try:
            yield service, model.name if model else "builtin"
        finally:
            service.close()


def wish(arguments: argparse.Namespace, name: str, seed: int) -> GenerationRequest:
    return GenerationRequest(
        prompt=PROMPT, model=name, seed=seed, steps=arguments.steps, width=arguments.size, height=arguments.size
    )


def recorded_facts(path: Path) -> dict[str, Any]:
    from webui.archive import metadata

    record = metadata.read(path).record
    assert record is not None
    return dict(record.facts)


# -- overhead over the bare pipeline ---------------------------------------------------------------------------------


def bench_overhead(arguments: argparse.Namespace) -> dict[str, Any]:
    with product(arguments.model) as (service, name):
        first = finished(service, service.submit(wish(arguments, name, 0)))  # warm, and says how it computes
        if first.state != "done":
            raise SystemExit(f"the product failed: {first.error}")
        facts = recorded_facts(first.saved[0].path)
        bare = bare_pipeline(arguments, facts)
        bare(0)
        ours: list[float] = []
        theirs: list[float] = []
        for seed in range(1, arguments.rounds + 1):
            started = time.perf_counter()
            finished(service, service.submit(wish(arguments, name, seed)))
            ours.append(time.perf_counter() - started)
            started = time.perf_counter()
            bare(seed)
            theirs.append(time.perf_counter() - started)
    ratios = [our / their for our, their in zip(ours, theirs, strict=True)]
    extra = [(our - their) * 1000 for our, their in zip(ours, theirs, strict=True)]
    return {
        "model": name,
        "size": arguments.size,
        "steps": arguments.steps,
        "computed_with": {key: facts.get(key) for key in ("device", "dtype", "threads", "channels_last")},
        "product_seconds": summary(ours),
        "bare_seconds": summary(theirs),
        "ratio": summary(ratios),
        "extra_milliseconds": summary(extra),
    }


def bare_pipeline(arguments: argparse.Namespace, facts: dict[str, Any]) -> Any:
    """diffusers' own pipeline with the same dtype, memory format, threads and sampler."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline

    torch.set_num_threads(facts["threads"])
    folder = arguments.model or ROOT / "pipelines" / "builtin"
    dtype = getattr(torch, facts["dtype"])
    pipeline = StableDiffusionPipeline.from_pretrained(folder, dtype=dtype, local_files_only=True)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config, timestep_spacing="linspace")
    if facts["channels_last"]:
        pipeline.unet.to(memory_format=torch.channels_last)
        pipeline.vae.to(memory_format=torch.channels_last)
    pipeline.set_progress_bar_config(disable=True)
    size = {"width": arguments.size, "height": arguments.size}

    def generate(seed: int) -> None:
        generator = torch.Generator("cpu").manual_seed(seed)
        pipeline(PROMPT, num_inference_steps=arguments.steps, guidance_scale=7.0, generator=generator, **size)

    return generate


# -- cancel ----------------------------------------------------------------------------------------------------------


def bench_cancel(arguments: argparse.Namespace) -> dict[str, Any]:
    rng = random.Random(0)
    latencies: list[float] = []
    steps: list[float] = []
    with product(arguments.model) as (service, name):
        finished(service, service.submit(wish(arguments, name, 0)))
        for seed in range(1, arguments.rounds + 1):
            job_id = service.submit(wish(arguments, name, seed))
            at_step = rng.randrange(2, max(3, arguments.steps - 2))
            seen: list[float] = []
            version = -1
            while True:
                status = service.wait(job_id, version, 5)
                assert status is not None
                version = status.version
                if status.stage == "denoising" and status.step > len(seen):
                    seen.append(time.perf_counter())
                if status.step >= at_step or status.finished:
                    break
            if len(seen) > 1:
                steps.append((seen[-1] - seen[0]) / (len(seen) - 1))
            started = time.perf_counter()
            service.cancel(job_id)
            finished(service, job_id)
            latencies.append(time.perf_counter() - started)
    return {"model": name, "size": arguments.size, "cancel_seconds": summary(latencies), "step_seconds": summary(steps)}


# -- made again -------------------------------------------------------------------------------------------------------


def bench_verify(arguments: argparse.Namespace) -> dict[str, Any]:
    from tools.random_requests import prove

    with tempfile.TemporaryDirectory() as folder:
        found = prove(Path(folder), arguments.count, arguments.seed)
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return found | {"cpu_seconds": round(time.process_time() + spent.ru_utime + spent.ru_stime, 1)}


Pictures = dict[tuple[int, bool], list[Image.Image]]  # (threads, alone or in a batch of 4) -> the same requests


def bench_exact(arguments: argparse.Namespace) -> dict[str, Any]:
    usual, usual_cost = drawn_every_way(False, arguments.count)
    exact, exact_cost = drawn_every_way(True, arguments.count)
    found = {"pictures": len(usual[1, True]), "usual": usual_cost, "exact": exact_cost}
    for name, made in (("usual", usual), ("exact", exact)):
        found[f"{name}: 1 thread against 2"] = apart(made[1, True], made[2, True])
        found[f"{name}: alone against in a batch of 4"] = apart(made[1, True], made[1, False])
    return found | {"usual against exact": apart(usual[1, True], exact[1, True])}


def drawn_every_way(exact: bool, count: int) -> tuple[Pictures, dict[str, Any]]:
    """With one and two threads, alone and in batches; and in which numbers, and how long each way took."""
    made: Pictures = {}
    cost: dict[str, Any] = {}
    names = list(DENOISERS)
    with contextlib.closing(WorkerEngine(exact=exact)) as engine:
        for threads, alone in ((1, True), (2, True), (1, False)):
            started = time.perf_counter()
            for number in range(count):
                request = GenerationRequest(
                    prompt=PROMPT, sampler=names[number % len(names)], steps=12, width=128, height=128, guidance=3.0
                )
                seeds = tuple(range(number * 4, number * 4 + 4))
                groups = [(seed,) for seed in seeds] if alone else [seeds]
                for group in groups:
                    wish = replace(request, batch_size=len(group), seed=group[0])
                    results = engine.generate(Batch(request=wish, seeds=group, threads=threads), lambda _: None)
                    cost["dtype"] = results[0].facts["dtype"]
                    made.setdefault((threads, alone), []).extend(result.image for result in results)
            way = f"seconds, {threads} threads, {'alone' if alone else 'batches of 4'}"
            cost[way] = round(time.perf_counter() - started, 1)
    return made, cost


def apart(first: list[Image.Image], second: list[Image.Image]) -> dict[str, Any]:
    found = [verify.compare(one, other) for one, other in zip(first, second, strict=True)]
    noise = [one.psnr for one in found if one.psnr is not None]
    return {
        "identical": sum(one.pixels == 0 for one in found),
        "largest difference of a channel": max(one.max for one in found),
        "psnr of those that differ, median": round(statistics.median(noise), 1) if noise else None,
        "psnr, worst": round(min(noise), 1) if noise else None,
    }


def summary(values: list[float]) -> dict[str, float]:
    return {
        "median": round(statistics.median(values), 4),
        "min": round(min(values), 4),
        "max": round(max(values), 4),
        "rounds": len(values),
    }


if __name__ == "__main__":
    main()
