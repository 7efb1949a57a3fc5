"""Thousands of small pictures, one run after the other: does anything grow?

Measured in the process of the queue and in the worker's: resident memory, open files, threads; at the hundredth picture
and at the end.
"""

from __future__ import annotations

import gc
import tempfile
from pathlib import Path
from typing import Any

import psutil

from pipelines.engine import Engine
from pipelines.engines.fake import FakeEngine
from pipelines.engines.worker import WorkerEngine
from pipelines.types import GenerationRequest
from webui.kept.settings import Settings
from webui.parts import Parts, build_parts

RUN = 20  # pictures a job
FIRST = 100  # pictures until everything that is kept is there
POINTS = 5  # lines of the table, the last at the end


def soaked(engine_name: str, pictures: int) -> dict[str, Any]:
    """`engine_name`: fake or builtin. A line for each point at which it was measured."""
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        engine: Engine = FakeEngine() if engine_name == "fake" else WorkerEngine(data_dir=place / "data")
        settings = Settings(output_dir=place / "outputs", models_dirs=(), data_dir=place / "data")
        with build_parts(settings, engine, place / "data") as parts:
            parts.service.start()
            lines = list(_measured(parts, engine, pictures))
    growth = {name: round(100 * (lines[-1][name] / lines[0][name] - 1), 2) for name in lines[0] if name.endswith("MB")}
    same = {name: lines[-1][name] - lines[0][name] for name in lines[0] if name.endswith(("files", "threads"))}
    return {"pictures": pictures, "measured": lines, "growth in percent": growth, "more of": same}


def _measured(parts: Parts, engine: Engine, pictures: int) -> Any:
    points = {FIRST + (pictures - FIRST) * number // (POINTS - 1) // RUN * RUN for number in range(POINTS - 1)}
    points |= {pictures}
    for done in range(RUN, pictures + 1, RUN):
        request = GenerationRequest(prompt="a red star", seed=done, width=64, height=64, steps=2, batches=RUN)
        job = parts.service.submit(request)
        status = parts.service.status(job)
        while status is not None and not status.finished:
            status = parts.service.wait(job, status.version, 5)
        assert status is not None
        assert (status.state, len(status.saved)) == ("done", RUN), status.error
        if isinstance(engine, FakeEngine):
            engine.batches.clear()  # what it keeps for tests
        if done in points:
            yield {"picture": done, **_looked("page", psutil.Process()), **_worker(engine)}


def _worker(engine: Engine) -> dict[str, Any]:
    pid = getattr(engine, "pid", None)
    return {} if pid is None else _looked("worker", psutil.Process(pid))


def _looked(name: str, process: psutil.Process) -> dict[str, Any]:
    gc.collect()
    return {
        f"{name} MB": round(process.memory_info().rss / 2**20, 1),
        f"{name} files": process.num_fds() if hasattr(process, "num_fds") else process.num_handles(),
        f"{name} threads": process.num_threads(),
    }
