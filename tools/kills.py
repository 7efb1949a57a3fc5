"""The program killed again and again while its queue is full, and what is left when all is done.

The program runs here without its page, as `webui.server.serve` builds it, and is told what to do line by line. What is
killed: its process at any moment (`page`), its process at an operation on a file of the threads that run and save
(`runner`), the process that computes (`worker`). `python -m tools.bench faults` does it, and a test with few kills.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from pipelines.engine import Engine
from pipelines.engines.fake import FakeEngine
from pipelines.engines.worker import WorkerEngine
from pipelines.groups import InitImage, Inpaint
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest
from webui.archive import metadata, pictures
from webui.archive.inputs import InputStore
from webui.instances import JOBS, claimed
from webui.jobs.schema import SCHEMA
from webui.jobs.table import GRID
from webui.kept.settings import Settings
from webui.lab.experiments import Experiment
from webui.lab.questions import Order
from webui.parts import Parts, build_parts
from webui.proof.sweep import sweep

SIDE, STEPS, PAUSE = 64, 4, 0.02  # pixels; of each picture; seconds a step on the fake engine
QUEUE = 5  # so many jobs always wait
PATIENCE = 300.0  # seconds that a start or the queue's end may take
LIFE = 30.0  # seconds at most from one kill to the next
KINDS = ("one", "grid", "img2img", "inpaint", "again", "experiment")
RUNNERS = ("jobs", "image-writer")  # how its threads' names begin
EVENTS = ("open", "os.link", "os.rename", "os.remove", "os.mkdir")  # audited by Python


@dataclass
class Asked:
    """What the program had accepted, as it said itself."""

    pictures: dict[str, int] = field(default_factory=dict)  # job -> how many
    again: dict[str, int] = field(default_factory=dict)
    experiments: dict[str, int] = field(default_factory=dict)  # cells

    def hear(self, line: str) -> None:
        what, identity, count = line.split()
        {"pictures": self.pictures, "again": self.again, "experiment": self.experiments}[what][identity] = int(count)


# -- the program that is killed -------------------------------------------------------------------------------------


def serve(folder: Path, engine: Engine, die_at: int) -> None:
    """Reads wishes from standard input, one a line, and says what it has accepted."""
    settings = Settings(output_dir=folder / "outputs", models_dirs=(), data_dir=folder / "data")
    with claimed(settings.data_dir) as data_dir, build_parts(settings, engine, data_dir) as parts:
        if die_at:
            sys.addaudithook(_Killer(die_at))
        parts.service.start()
        parts.lab.start()
        _say("ready")
        for line in sys.stdin:
            word, _, rest = line.strip().partition(" ")
            if word == "more":
                _more(parts, random.Random(int(rest)))
            elif word == "worker":
                _say(f"killed {_kill_worker(parts, engine)}")
            elif word == "drain":
                _drain(parts)
                return


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


class _Killer:
    """Ends this process at the n-th operation on a file in the threads that run and save."""

    def __init__(self, at: int) -> None:
        self._left = at

    def __call__(self, event: str, _: Any) -> None:
        if event in EVENTS and threading.current_thread().name.startswith(RUNNERS):
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def _go_on(parts: Parts) -> None:
    """Where a person is asked whether to go on, after five ends in one batch, one says yes."""
    if parts.service.board.held is not None:
        parts.service.try_again()


def _more(parts: Parts, choose: random.Random) -> None:
    _go_on(parts)
    while len(parts.service.unfinished()) < QUEUE:
        kind = choose.choice(KINDS)
        text = f"{choose.getrandbits(60):x}"
        seed = choose.randrange(2**32)
        if kind == "experiment":
            question = Order(phrases=("a red star", "a blue heart"))
            base = GenerationRequest(
                prompt=f"a red star and a blue heart, {text}", width=SIDE, height=SIDE, steps=STEPS
            )
            plan = Experiment(name=text, base=base, seeds=(seed, seed // 2), question=question)
            _say(f"experiment {parts.lab.submit(plan)} {len(plan.cells())}")
            return  # its jobs come one by one
        if kind == "again":
            known = [saved.path for saved in parts.history.recent(40) if saved.kind == "image"]
            if known:
                chosen = choose.sample(known, min(4, len(known)))
                _say(f"again {parts.service.submit_again(*chosen)} {len(chosen)}")
            continue
        request = wish(kind, text, seed)
        _say(f"pictures {parts.service.submit(request)} {request.images}")


def wish(kind: str, text: str, seed: int) -> GenerationRequest:
    """A request that no other is like."""
    settings: dict[str, Any] = {"prompt": f"a red star, {text}", "width": SIDE, "height": SIDE, "steps": STEPS}
    if kind == "grid":
        settings |= {"batch_size": 2, "batches": 2}
    if kind in ("img2img", "inpaint"):
        picture = Image.new("RGB", (SIDE, SIDE), f"#{seed % 2**24:06x}")
        mask = Image.new("L", (SIDE, SIDE))
        ImageDraw.Draw(mask).rectangle((8, 8, 40, 40), fill=255)
        inpaint = Inpaint(mask=mask) if kind == "inpaint" else None
        settings |= {"init": InitImage(image=picture, strength=0.75), "inpaint": inpaint}
    return GenerationRequest(seed=seed, **settings)


def _kill_worker(parts: Parts, engine: Engine) -> int:
    """The worker's process, unless the job at work has lost one before: twice is a job's end. 1 if it was killed."""
    pid = getattr(engine, "pid", None)
    running = [status.id for status in parts.service.unfinished() if status.state == "running"]
    if pid is None or any(_deaths(parts, job) for job in running):
        return 0
    os.kill(pid, signal.SIGKILL)
    return 1


def _deaths(parts: Parts, job: str) -> int:
    path = parts.store.root.parent / "data" / JOBS
    with closing(Database(path, SCHEMA)) as database, database.reading() as connection:
        row = connection.execute("SELECT deaths FROM jobs WHERE id = ?", (job,)).fetchone()
    return int(row[0]) if row else 0


def _drain(parts: Parts) -> None:
    """Until nothing waits."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        _go_on(parts)
        unfinished = parts.service.unfinished() or [row for row in parts.lab.recent(10_000) if row.state == "running"]
        if not unfinished:
            _say("drained")
            return
        time.sleep(0.1)
    _say("stuck")


# -- who kills it ---------------------------------------------------------------------------------------------------


class Program:
    """One run of it."""

    def __init__(self, folder: Path, engine: str, asked: Asked, die_at: int = 0) -> None:
        command = [sys.executable, "-m", "tools.kills", str(folder), engine, str(die_at)]
        self._log = (folder / "log.txt").open("ab")
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._log, text=True
        )
        self.ready, self.ended, self.told, self.workers = threading.Event(), threading.Event(), "", 0
        self._asked = asked
        self._ear = threading.Thread(target=self._listen, daemon=True)
        self._ear.start()

    def _listen(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.endswith("\n"):
                break  # cut short by the kill: what it says was not said
            if line.strip() == "ready":
                self.ready.set()
            elif line.startswith("killed"):
                self.workers += int(line.split()[1])
            elif len(line.split()) == 3:
                self._asked.hear(line)
            else:
                self.told = line.strip()
        self.ready.set()
        self.ended.set()

    def tell(self, line: str) -> None:
        assert self._process.stdin is not None
        with suppress(OSError):  # it may be dead already
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def kill(self) -> int:
        self._process.kill()
        return self.wait()

    def wait(self, seconds: float = PATIENCE) -> int:
        try:
            return self._process.wait(seconds)
        finally:
            self._process.kill()
            self._process.wait()
            self._ear.join(10)
            for one in (self._process.stdin, self._process.stdout, self._log):
                if one is not None:
                    with suppress(OSError):
                        one.close()


def provoked(kills: int, engine: str, seed: int, folder: Path | None = None) -> dict[str, Any]:
    """Kills, lets the queue come to its end, and counts what is there. `engine`: fake or builtin."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        place = folder or Path(temporary)
        asked, counted, choose = Asked(), Counter[str](), random.Random(seed)
        while counted.total() < kills:
            counted += _one_life(place, engine, choose, asked)
        last = Program(place, engine, asked)
        last.ready.wait(PATIENCE)
        last.tell("drain")
        last.wait(PATIENCE * 2)
        return {"seed": seed, "kills": dict(counted), "queue": last.told, **left(place, engine, asked)}


def _one_life(folder: Path, engine: str, choose: random.Random, asked: Asked) -> Counter[str]:
    """From a start to a kill, and which kills there were."""
    real = engine == "builtin"
    way = choose.choice(("page", "runner", "worker", "worker") if real else ("page", "page", "runner", "start"))
    program = Program(folder, engine, asked, die_at=choose.randint(1, 80) if way == "runner" else 0)
    if way == "start":
        program.ended.wait(choose.uniform(0.3, 1.5))
    else:
        program.ready.wait(PATIENCE)
        for _ in range(3 if way == "worker" else 0):
            _work(program, folder, choose, choose.randint(0, 2))
            program.tell("worker")
        _work(program, folder, choose, 80 if way == "runner" else choose.randint(0, 4 if real else 12))
    by_itself = program.ended.is_set()
    killed = program.kill() == -signal.SIGKILL
    return Counter(
        {"runner" if by_itself and killed else "page" if killed else "ended by a bug": 1} | {"worker": program.workers}
    )


def _work(program: Program, folder: Path, choose: random.Random, pictures: int) -> None:
    """Until it has made so many pictures, with a full queue, and for a moment longer; or until it ends."""
    outputs, until = folder / "outputs", time.monotonic() + LIFE
    wanted = pictures + _there(outputs)
    while True:
        program.tell(f"more {choose.getrandbits(32)}")
        if _there(outputs) >= wanted or time.monotonic() > until or program.ended.wait(0.1):
            break
    program.ended.wait(choose.uniform(0, 1))


def _there(outputs: Path) -> int:
    return sum(1 for _ in outputs.glob("*/*/*.png"))


# -- what is left ---------------------------------------------------------------------------------------------------


def left(folder: Path, engine: str, asked: Asked) -> dict[str, Any]:
    """Counts of what was asked and what is there."""
    outputs = folder / "outputs"
    places, wishes, whole, unreadable = Counter[tuple[str, int]](), Counter[tuple[str, int]](), [], []
    for path in sorted(outputs.glob("*/*/*.png")):
        record = _record(path)
        if record is None:
            unreadable.append(path.name)
        elif record.job is not None:
            places[tuple(record.job)] += 1
            if record.kind == "image":
                wishes[record.settings["prompt"], record.settings["seed"]] += 1
                whole.append(path)
    wanted = {(job, place) for job, count in asked.pictures.items() for place in range(count)}
    wanted |= {(job, GRID) for job, count in asked.pictures.items() if count > 1}
    with closing(Database(folder / "data" / JOBS, SCHEMA)) as database:
        rows = _rows(database)
    cells = [path for experiment, path in rows["cells"] if experiment in asked.experiments]
    reports = [one for job in asked.again for one in json.loads(rows["outcomes"].get(job) or "{}").get("reports", [])]
    verified = list(_verified(outputs, engine, whole))
    return {
        "jobs asked": {
            "pictures": len(asked.pictures),
            "again": len(asked.again),
            "experiments": len(asked.experiments),
        },
        "pictures asked": sum(asked.pictures.values()) + sum(asked.experiments.values()),
        "pictures there": len(whole),
        "lost": len(wanted - places.keys()) + sum(path is None or not Path(path).is_file() for path in cells),
        "cells missing from the table": sum(asked.experiments.values()) - len(cells),
        "twice": max(places.total() - len(places), wishes.total() - len(wishes)),
        "unreadable": len(unreadable),
        "verified identical": f"{sum(verified)} of {len(verified)}",
        "made again in the queue": f"{sum(one['identical'] for one in reports)} of {sum(asked.again.values())}",
        "jobs": dict(Counter(state for _, state, _ in rows["jobs"])),
        "failed": [error for _, state, error in rows["jobs"] if state == "failed"],
        "still waiting to be saved": len([*(folder / "data" / "waiting").glob("*")]),
    }


def _record(path: Path) -> metadata.Record | None:
    try:
        pictures.read(path)
        return metadata.read(path).record
    except Exception:  # noqa: BLE001 - whatever it is, nobody can open this file
        return None


def _rows(database: Database) -> dict[str, Any]:
    with database.reading() as connection:
        jobs = connection.execute("SELECT id, state, error FROM jobs").fetchall()
        outcomes = connection.execute("SELECT id, outcome FROM jobs WHERE kind = 'again'").fetchall()
        cells = connection.execute("SELECT experiment_id, path FROM experiment_cells").fetchall()
    return {
        "jobs": [tuple(row) for row in jobs],
        "outcomes": {row[0]: row[1] for row in outcomes},
        "cells": [tuple(row) for row in cells],
    }


def _verified(outputs: Path, engine: str, paths: list[Path]) -> Iterator[bool]:
    with closing(FakeEngine() if engine == "fake" else WorkerEngine()) as maker:
        for report in sweep(maker, InputStore(outputs / "inputs"), paths, lambda _: None):
            yield report.identical


if __name__ == "__main__":
    place, name, dies = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    made: Engine = FakeEngine(PAUSE) if name == "fake" else WorkerEngine(data_dir=place / "data")
    serve(place, made, dies)
