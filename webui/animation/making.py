"""The frames of an animation, pictures like any other: those that are there are found, the others made one by one."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from pipelines.errors import StorageError
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest
from webui.animation.plan import Animation
from webui.archive import pictures
from webui.archive.store import ImageStore
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.lab.planning import Plan, planned
from webui.lab.reuse import Finished, check_requests
from webui.lab.store import LabTable

MADE = "frames.sqlite"  # of the data folder, for all programs: which picture was made of which request


class Making:
    """Of one animation. What was made is noted in `table`, so that a stopped animation goes on where it was, and one
    that is changed makes only the frames that are others now."""

    def __init__(self, animation: Animation, service: GenerationService, store: ImageStore, table: LabTable) -> None:
        self.animation = animation
        self._service, self._store = service, store
        self._finished = Finished(service, store, table)

    def plan(self) -> Plan:
        """What its frames will cost. Raises InvalidRequest where a model is not there, StorageError without room."""
        requests = self.animation.requests
        check_requests(self._service, list(requests))
        plan = planned(self._service, len(requests), [requests[place] for place in self._missing()])
        if plan.bytes * 2 > self._store.free_bytes():
            raise StorageError("lab_no_room", pictures=plan.cells)
        return plan

    def _missing(self) -> Iterator[int]:
        """Frames to make: all that come after a missing one where each is made of the one before."""
        before: Path | None = None
        for place in range(self.animation.frames):
            before = self.find(self.request(place, before))
            if before is None and self.animation.follows:
                yield from range(place, self.animation.frames)
                return
            if before is None:
                yield place

    def request(self, place: int, before: Path | None) -> GenerationRequest:
        """Of a frame. `before`: the picture of the frame before. Raises UnreadableImage."""
        if self.animation.follows and before is not None:
            return self.animation.request(place, pictures.read(before))
        return self.animation.requests[place]

    def find(self, request: GenerationRequest) -> Path | None:
        """The picture of a frame that was made before."""
        return self._finished.find(request)

    def note(self, request: GenerationRequest, path: Path) -> None:
        """A frame was just made."""
        self._finished.note(request, path)


@contextlib.contextmanager
def made_table(data_dir: Path) -> Iterator[LabTable]:
    """`data_dir`: the person's own."""
    with contextlib.closing(Database(data_dir / MADE, SCHEMA)) as database:
        yield LabTable(database)
