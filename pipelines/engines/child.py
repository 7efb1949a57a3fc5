"""What runs in the worker process. Torch is imported in `run`, never when this file is."""

from __future__ import annotations

import os
import queue
import signal
import threading
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.engines import messages
from pipelines.engines.messages import Message
from pipelines.errors import Cancelled, EngineLost, Kept, Note, SeedprintError
from pipelines.types import EngineState, Progress

if TYPE_CHECKING:
    from pipelines.engines.local import LocalEngine


@dataclass(frozen=True, kw_only=True)
class Options:
    """What `LocalEngine` is built with there."""

    models_dirs: tuple[str, ...]
    device: str | None
    data_dir: str | None
    exact: bool = False
    replay: bool = True
    name: str = ""  # where there are several devices
    threads: int | None = None  # of a processor that several share


def run(pipe: Connection, options: Options) -> None:
    """Makes an engine, warms it, serves batches until the other end of the pipe closes. One that cannot be made, or
    whose device fails, is told of, and the process ends: the next one may have more luck."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is for the page's process, which then closes this one
    os.dup2(2, 1)  # whatever a library prints must not mix with the output of the command line
    os.environ["HF_HUB_OFFLINE"] = "1"  # read when the libraries are imported; every call asks for local files anyway
    line = _Line(pipe)
    try:
        # here and not above: the page's process imports this file and must not import torch
        from pipelines.engines.local import LocalEngine
        from pipelines.models.device import set_threads

        if options.threads is not None:
            set_threads(options.threads)
        engine = LocalEngine(
            [Path(folder) for folder in options.models_dirs],
            device=options.device,
            data_dir=None if options.data_dir is None else Path(options.data_dir),
            exact=options.exact,
            replay=options.replay,
        )
        engine.warm_up()
        line.send(messages.from_state(engine.describe()))
    except Exception as error:  # noqa: BLE001 - told to the page's process, which holds its queue
        if not isinstance(error, SeedprintError):
            traceback.print_exc()
        reason = error.note if isinstance(error, SeedprintError) else str(error) or type(error).__name__
        message = Note("worker_cannot_start", reason=reason)
        line.send(messages.from_state(EngineState(state="failed", message=message)))
    else:
        _serve(line, engine)
    finally:
        os._exit(0)  # not waiting for threads of libraries


class _Line:
    """The pipe: a thread reads it, so that a stop is heard while a batch runs."""

    def __init__(self, pipe: Connection) -> None:
        self._pipe = pipe
        self._sending = threading.Lock()
        self._stopped: set[int] = set()
        self._kept: set[int] = set()
        self.batches: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._listen, name="listener", daemon=True).start()

    def send(self, message: Message) -> None:
        with self._sending:
            self._pipe.send_bytes(messages.pack(message))

    def is_kept(self, job: int) -> bool:
        """Whether its pictures are to be kept as they are; told once."""
        told = job in self._kept
        self._kept.discard(job)
        return told

    def is_stopped(self, job: int) -> bool:
        return job in self._stopped

    def _listen(self) -> None:
        while True:
            try:
                message = messages.unpack(self._pipe.recv_bytes())
            except (EOFError, OSError):
                os._exit(0)  # the page's process is gone
            if message.kind == "close":
                os._exit(0)
            if message.kind == "stop":
                self._stopped.add(message.job)
            elif message.kind == "keep":
                self._kept.add(message.job)
            else:
                self.batches.put(message)


def _serve(line: _Line, engine: LocalEngine) -> None:
    """Until the device is lost to this process."""
    while True:
        message = line.batches.get()
        try:
            if line.is_stopped(message.job):
                raise Cancelled("stopped")
            line.send(_answer(line, engine, message))
            line.send(messages.from_state(engine.describe()))  # other programs take and give memory meanwhile
        except Exception as error:  # noqa: BLE001 - sent to the page's process and raised there
            if isinstance(error, EngineLost):
                traceback.print_exc()  # only its first line is told
            line.send(messages.from_error(error, traceback.format_exc(), message.job))
            if isinstance(error, EngineLost):
                return  # this process gets no more work out of the device: a new one may


def _answer(line: _Line, engine: LocalEngine, message: Message) -> Message:
    job = message.job

    def on_progress(progress: Progress) -> None:
        if line.is_stopped(job):
            raise Cancelled("stopped")
        line.send(messages.from_progress(progress, job))
        if progress.stage == "denoising" and line.is_kept(job):
            raise Kept("stopped")

    if message.kind == "embed":
        encoder, images, text = messages.to_pictures(message)
        return messages.from_embeddings(engine.embed(encoder, images, on_progress, text), job)
    if message.kind == "select":
        return messages.from_selected(engine.select(*messages.to_clicks(message), on_progress), job)
    return messages.from_results(engine.generate(messages.to_batch(message), on_progress), job)
