"""What a second device gives, and what it costs: two processors of one thread each against one, behind the same queue,
with the built-in model. Rounds alternate; the ratio of each pair counts. Many jobs of one picture, and one job of many
batches."""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from pipelines.engine import Engine
from pipelines.engines.pool import pool_of
from pipelines.engines.worker import WorkerEngine
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest
from webui.archive import pictures
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.commands.following import follow
from webui.jobs.kinds import House
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus
from webui.jobs.table import JobTable

MIB = 1 << 20


@dataclass(frozen=True)
class Side:
    """One way to do it: its queue, and what its processes took to be ready."""

    service: GenerationService
    engine: Engine
    ready: float  # seconds

    def pids(self) -> list[int]:
        return [one.pid for one in self.engine.devices() if isinstance(one, WorkerEngine) and one.pid is not None]


def add_scale_options(command: argparse.ArgumentParser) -> None:
    command.add_argument("--rounds", type=int, default=5)
    command.add_argument("--pictures", type=int, default=12, help="a round and side")
    command.add_argument("--size", type=int, default=128)
    command.add_argument("--steps", type=int, default=20)


def bench_scale(arguments: argparse.Namespace) -> dict[str, Any]:
    os.environ["OMP_NUM_THREADS"] = "1"  # of the workers
    with ExitStack() as stack:
        one = stack.enter_context(side(["cpu"]))
        two = stack.enter_context(side(["cpu", "cpu"]))
        found = {"jobs": pairs(one, two, arguments, batches=1), "batches": pairs(one, two, arguments, batches=0)}
        memory = {name: [pss(pid) for pid in each.pids()] for name, each in (("one", one), ("two", two))}
        ready = {"one": round(one.ready, 1), "two": round(two.ready, 1)}
        return {**found, "workers_pss_mib": memory, "page_pss_mib": pss(os.getpid()), "seconds_until_ready": ready}


@contextmanager
def side(devices: list[str]) -> Iterator[Side]:
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        engine: Engine = WorkerEngine(device=devices[0]) if len(devices) == 1 else pool_of(devices)
        store = ImageStore(Path(folder) / "outputs")
        jobs = JobTable(Database(Path(folder) / "jobs.sqlite3", SCHEMA))
        house = House(store=store, jobs=jobs, history=History(Path(folder) / "history.sqlite3", store.root))
        service = GenerationService(engine, house)
        service.start()
        try:
            while any(each.describe().state == "warming" for each in engine.devices()):
                time.sleep(0.1)
            yield Side(service, engine, time.perf_counter() - began)
        finally:
            service.close()


def pairs(one: Side, two: Side, arguments: argparse.Namespace, batches: int) -> dict[str, Any]:
    """`batches`: of a job; 0: all of a round in one."""
    ratios, rates, alike = [], {"one": list[float](), "two": list[float]()}, True
    for number in range(arguments.rounds + 1):
        took, made = {}, {}
        for name, each in (("one", one), ("two", two)) if number % 2 else (("two", two), ("one", one)):
            took[name], made[name] = run(each.service, arguments, number, batches)
        alike = alike and made["one"] == made["two"]
        if number == 0:
            continue  # the first warms both up
        ratios.append(took["one"] / took["two"])
        for name, seconds in took.items():
            rates[name].append(60 * arguments.pictures / seconds)
    middle = {name: round(statistics.median(rate), 1) for name, rate in rates.items()}
    told = [round(ratio, 2) for ratio in ratios]
    return {
        "pictures_a_minute": middle,
        "times": round(statistics.median(ratios), 2),
        "rounds": told,
        "same_pixels": alike,
    }


def run(
    service: GenerationService, arguments: argparse.Namespace, number: int, batches: int
) -> tuple[float, list[bytes]]:
    """Seconds, and the pixels in order."""
    each = batches or arguments.pictures
    wishes = [
        GenerationRequest(
            prompt="a red star on a blue background",
            seed=1000 * number + first,
            batches=each,
            steps=arguments.steps,
            width=arguments.size,
            height=arguments.size,
        )
        for first in range(0, arguments.pictures, each)
    ]
    began = time.perf_counter()
    ended = [finished(service, job) for job in service.submit_many(wishes)]
    seconds = time.perf_counter() - began
    return seconds, [pictures.read(saved.path).tobytes() for status in ended for saved in status.saved]


def finished(service: GenerationService, job: str) -> JobStatus:
    """A job once it is over."""
    *_, status = follow(service, job)
    return status


def pss(pid: int) -> int:
    """MiB of its own, and its share of what it has in common with others."""
    return round(psutil.Process(pid).memory_full_info().pss / MIB)
