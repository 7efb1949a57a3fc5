"""An engine in a process of its own: a crash, a leak or a card's memory stays there. No torch is imported here."""

from __future__ import annotations

import contextlib
import itertools
import multiprocessing
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.boxes import Click
from pipelines.engines import child, messages
from pipelines.engines.messages import Message
from pipelines.errors import EngineAway, EngineLost, Kept, Note
from pipelines.models.catalogue import Catalogue
from pipelines.types import (
    Batch,
    Embedding,
    EngineState,
    GenerationResult,
    OnProgress,
    Progress,
)

if TYPE_CHECKING:
    from PIL.Image import Image

HEARTBEAT = 0.2  # seconds; how often a waiting caller may stop
CLOSING = 5.0  # seconds that a worker gets to end by itself
STOPPING = 10.0  # seconds that it gets to come to the end of a step of what was stopped; a large one may take minutes
STARTS = 3  # so often in a row a worker may die while it warms up before it is started on demand only


class WorkerEngine(Catalogue):
    """`Engine` in one spawned process, which warms up at once and is started again when it dies."""

    def __init__(
        self,
        models_dirs: Sequence[Path] = (),
        *,
        device: str | None = None,
        data_dir: Path | None = None,
        exact: bool = False,
        replay: bool = True,
    ) -> None:
        """`device`: "cpu", "cuda", "cuda:1", "mps"; None: the best. The others: see `LocalEngine`."""
        super().__init__(models_dirs, None if data_dir is None else data_dir / "hashes.sqlite")
        self._begin(
            child.Options(
                models_dirs=tuple(str(folder) for folder in models_dirs),
                device=device,
                data_dir=None if data_dir is None else str(data_dir),
                exact=exact,
                replay=replay,
            )
        )

    def _begin(self, options: child.Options) -> None:
        self._options = options
        self._one_batch = threading.Lock()
        self._jobs = itertools.count(1)
        self._guard = threading.Lock()  # over all that follows
        self._closed = False
        self._failed_starts = 0
        self._worker: _Worker | None = None
        self._start()

    def describe(self) -> EngineState:
        worker = self._worker
        state = worker.state if worker is not None else EngineState(state="failed", message=Note("engine_closed"))
        return replace(state, name=self._options.name, busy=self._one_batch.locked())

    @property
    def pid(self) -> int | None:
        """The worker's process id."""
        worker = self._worker
        return None if worker is None else worker.process.pid

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        job = next(self._jobs)
        with self._one_batch:
            return messages.to_results(self._answer(messages.from_batch(batch, job), on_progress), batch)

    def embed(self, encoder: str, images: Sequence[Image], on_progress: OnProgress, text: str = "") -> list[Embedding]:
        wish = messages.from_pictures(encoder, images, next(self._jobs), text)
        return messages.to_embeddings(self._beside(wish, on_progress))

    def select(self, image: Image, clicks: Sequence[Click], on_progress: OnProgress) -> Image:
        wish = messages.from_clicks(image, clicks, next(self._jobs))
        return messages.to_selected(self._beside(wish, on_progress))

    def _beside(self, wish: Message, on_progress: OnProgress) -> Message:
        """What is no batch: between two of them."""
        while not self._one_batch.acquire(timeout=HEARTBEAT):
            on_progress(Progress(stage="waiting"))  # a batch may take minutes; the caller may want to stop
        try:
            return self._answer(wish, on_progress)
        finally:
            self._one_batch.release()

    def close(self) -> None:
        with self._guard:
            self._closed = True
            worker, self._worker = self._worker, None
        self._hashes.close()
        if worker is not None:
            worker.close()

    def _answer(self, wish: Message, on_progress: OnProgress) -> Message:
        worker = self._live_worker()
        while worker.at_work and worker.alive():  # on what was stopped
            on_progress(Progress(stage="waiting"))
            time.sleep(HEARTBEAT)
        worker = self._live_worker()
        worker.ask(wish)
        try:
            return self._follow(worker, wish.job, on_progress)
        except BaseException:
            # stopped, or the caller's own bug: either way nobody waits for this job any more
            worker.send(Message(kind="stop", job=wish.job, header={}))
            ending = threading.Timer(STOPPING, worker.end_if_at, (wish.job,))
            ending.daemon = True
            ending.start()
            raise

    def _follow(self, worker: _Worker, job: int, on_progress: OnProgress) -> Message:
        """Hands on what the worker says of this job until it is done."""
        begun, ready = False, worker.state.state == "ready"
        while True:
            try:
                message = worker.inbox.get(timeout=HEARTBEAT)
            except queue.Empty:  # it warms up, or a step takes long; the caller may want to stop
                on_progress(Progress(stage="waiting" if begun else "loading"))
                continue
            if message.kind == "lost":
                worker.inbox.put(message)  # for the next look at this worker
                if begun or ready:
                    raise EngineLost("worker_ended", ending=worker.ending())
                why = worker.why_not() or Note("worker_ended", ending=worker.ending())
                raise EngineAway(why.code, **why.values)  # of something else than this batch
            if message.job != job:
                continue  # the end of a batch that was stopped
            begun = True
            if message.kind == "progress":
                try:
                    on_progress(messages.to_progress(message))
                except Kept:
                    worker.send(Message(kind="keep", job=job, header={}))
            elif message.kind == "error":
                error = messages.to_error(message)
                if isinstance(error, EngineLost):
                    worker.close()  # it says so last of all: the next batch must not be handed to it
                raise error
            else:
                return message

    def _live_worker(self) -> _Worker:
        with self._guard:
            worker = self._worker
            if self._closed:
                raise EngineLost("engine_closed")
        if worker is None or not worker.alive():
            self._failed_starts = 0  # asked for: try again
            worker = self._start()
        return worker

    def _start(self) -> _Worker:
        with self._guard:
            if self._worker is not None and self._worker.alive():
                return self._worker
            self._worker = _Worker(self._options, self._on_death)
            return self._worker

    def _on_death(self, worker: _Worker) -> None:
        """Called by the thread that listens to a worker when it hears no more."""
        with self._guard:
            if self._closed or worker is not self._worker or worker.why_not() is not None:
                return  # one that said why it cannot start: the next batch asks for another
            self._failed_starts = self._failed_starts + 1 if worker.state.state == "warming" else 0
            if self._failed_starts >= STARTS:
                reason = Note("worker_ends_while_starting", times=STARTS, ending=worker.ending())
                worker.state = EngineState(state="failed", message=reason)
                return
            self._worker = _Worker(self._options, self._on_death)


class _Worker:
    """One process, the pipe to it and the thread that listens."""

    def __init__(self, options: child.Options, on_death: Callable[[_Worker], None]) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self.state = EngineState(state="warming")
        self.inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self.at_work = 0  # the job that it was handed and has not come to the end of
        self._sending = threading.Lock()
        self._silent = False  # nothing more is heard of it
        self._on_death = on_death
        self.process = context.Process(target=child.run, args=(theirs, options), name="seedprint-worker")
        self.process.daemon = True
        try:
            self.process.start()
        except OSError as error:  # too little memory, too many processes
            reason = error.strerror or str(error)
            self.state = EngineState(state="failed", message=Note("worker_cannot_start", reason=reason))
            self.inbox.put(Message(kind="lost", header={}))
            self._pipe.close()
            return
        finally:
            theirs.close()  # only the worker holds its end now, so that its death is heard
        threading.Thread(target=self._listen, name="worker-listener", daemon=True).start()

    def ask(self, wish: Message) -> None:
        self.at_work = wish.job
        self.send(wish)

    def end_if_at(self, job: int) -> None:
        if self.at_work == job:
            self.close()

    def send(self, message: Message) -> None:
        """To a dead worker: nothing; the listener has told of the death."""
        with self._sending, contextlib.suppress(OSError, ValueError):
            self._pipe.send_bytes(messages.pack(message))

    def alive(self) -> bool:
        """Whether it takes batches. One that has said its last counts as a process for a moment longer, as the system
        ends its threads one by one: a batch that it was handed then would wait, or be blamed."""
        return not self._silent and self.why_not() is None and self.process.is_alive()

    def why_not(self) -> Note | None:
        """What it said of a start that failed."""
        return self.state.message if self.state.state == "failed" else None

    def ending(self) -> Note:
        self.process.join(CLOSING)
        return Note("exit_status", status=self.process.exitcode)

    def close(self) -> None:
        if self.process.pid is None:
            return
        self.send(Message(kind="close", header={}))
        self.process.join(CLOSING)
        if self.process.is_alive():
            self.process.terminate()
            self.process.join(CLOSING)
        if self.process.is_alive():
            self.process.kill()
            self.process.join()

    def _listen(self) -> None:
        while True:
            try:
                message = messages.unpack(self._pipe.recv_bytes())
            except (EOFError, OSError):
                break
            if message.kind == "state":
                self.state = messages.to_state(message)
                continue
            if message.kind != "progress" and message.job == self.at_work:
                self.at_work = 0
            self.inbox.put(message)
        self._silent = True
        self.inbox.put(Message(kind="lost", header={}))
        self._on_death(self)
        with self._sending:
            self._pipe.close()
