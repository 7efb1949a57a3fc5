"""The golden set made again by itself after an update, while nothing else runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from pipelines.engine import Engine
from pipelines.errors import Cancelled, EngineAway, EngineLost, Stopped, Unavailable
from pipelines.types import GenerationResult, Progress
from webui.archive.inputs import InputStore
from webui.archive.periodic import Periodic
from webui.proof import sweep, upgrades
from webui.proof.badges import Proofs

PERIOD = 60.0  # seconds: a person who has just opened the page is about to ask for something
log = logging.getLogger(__name__)


class Rechecking(Periodic):
    """One model's set a look, each picture once in a run of the program. A job that is queued meanwhile waits for one
    step at most; what was found until then is kept, and the next look goes on there."""

    def __init__(
        self,
        engine: Engine,
        root: Path,
        proofs: Proofs,
        idle: Callable[[], bool],
        *,
        now: Callable[[], Mapping[str, str]] = upgrades.versions,
        period: float = PERIOD,
    ) -> None:
        """`root`: the folder of the sets."""
        super().__init__("golden", period)
        self._engine, self._root, self._proofs, self._idle, self._now = engine, root, proofs, idle, now
        self._tried: set[Path] = set()
        self._given_up = False

    def look(self) -> None:
        """Makes one set again, until something else has to run. Raises StorageError."""
        if self._given_up or not self._wanted():
            return
        for inputs, due in upgrades.due(self._root, self._proofs, self._now()):
            if files := [file for file in due if file not in self._tried]:
                self._make(InputStore(inputs), files)
                return

    def _make(self, inputs: InputStore, files: Sequence[Path]) -> None:
        try:
            for report in sweep.sweep(self._engine, inputs, files, self._go_on, surely=_only_now):
                self._tried.add(Path(report.path))
                self._proofs.keep(report)
        except Stopped:
            return
        except EngineLost as error:
            self._given_up = True  # whatever it was, it must not end one worker after the other
            log.warning("The golden set is not made again: %s", error)

    def _go_on(self, _: Progress) -> None:
        if not self._wanted():
            raise Cancelled("stopped")

    def _wanted(self) -> bool:
        return not self._ended.is_set() and self._idle()


def _only_now(make: Callable[[], list[GenerationResult]]) -> list[GenerationResult]:
    """An engine that is away says nothing of a picture: it is asked again another time."""
    try:
        return make()
    except (Unavailable, EngineAway) as error:
        raise Cancelled("stopped") from error
