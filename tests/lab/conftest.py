"""A laboratory on the fake engine."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipelines.engine import Engine
from pipelines.engines.fake import FakeEngine
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest
from webui.archive.history import History
from webui.archive.store import ImageStore
from webui.jobs.kinds import House as MadeWith
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.jobs.table import JobTable
from webui.lab.experiments import Experiment
from webui.lab.questions import Order, Question
from webui.lab.runner import ExperimentStatus, Lab
from webui.lab.store import LabTable

PROMPT = "a red star and a blue heart"
ORDER = Order(phrases=("a red star", "a blue heart"))


def asked(question: Question = ORDER, seeds: tuple[int, ...] = (1, 2, 3), steps: int = 4) -> Experiment:
    base = GenerationRequest(prompt=PROMPT, width=64, height=64, steps=steps)
    return Experiment(name="order", base=base, seeds=seeds, question=question)


@dataclass
class House:
    lab: Lab
    service: GenerationService
    store: ImageStore
    table: LabTable
    database: Database
    engine: Any

    @property
    def made(self) -> int:
        """How many pictures the engine was asked for."""
        return len(self.engine.batches)

    def over(self, identity: str) -> ExperimentStatus:
        """The status once the experiment is over and counted."""
        status = self.lab.status(identity)
        while status is not None and not (status.finished and self._counted(identity)):
            status = self.lab.wait(identity, status.version, 5)
        assert status is not None
        return status

    def _counted(self, identity: str) -> bool:
        row = self.table.get(identity)
        return row is not None and row.results is not None


@contextlib.contextmanager
def opened(folder: Path, engine: Engine | None = None) -> Iterator[House]:
    """The program from its start to its end, as `build_parts` builds it."""
    engine = engine or FakeEngine()
    database = Database(folder / "jobs.sqlite", SCHEMA)
    store, history = ImageStore(folder / "outputs"), History(folder / "history.sqlite", folder / "outputs")
    service = GenerationService(engine, MadeWith(store=store, jobs=JobTable(database), history=history))
    table = LabTable(database)
    lab = Lab(service, store, history, table)
    service.start()
    try:
        yield House(lab, service, store, table, database, engine)
    finally:
        lab.close()
        service.close()
        history.close()
        database.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    with opened(tmp_path) as found:
        yield found
