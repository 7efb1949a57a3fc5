"""The page on a fake engine of a given speed, for the browser tests: `python -m tests.browser.serve FOLDER SECONDS`.

Prints the link to it once it answers; ends when its standard input does.
"""

from __future__ import annotations

import gc
import sys
import threading
import time
from pathlib import Path

import uvicorn

from pipelines.engines.fake import FakeEngine
from pipelines.types import Batch, GenerationResult, OnProgress, Progress
from webui.kept.private import link
from webui.kept.settings import Settings
from webui.parts import build_parts
from webui.server import build_application, front, listen, prepare_environment

TOKEN = "of-these-tests"


class HeldEngine(FakeEngine):
    """While there is a file `hold`, it makes as many more batches as that says, and then stands still in the middle of
    one to be looked at, until it is let go."""

    def __init__(self, hold: Path, seconds_per_step: float, folders: tuple[Path, ...]) -> None:
        super().__init__(seconds_per_step, folders=folders)
        self._hold = hold

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        middle = (batch.request.steps_run + 1) // 2

        def told(progress: Progress) -> None:
            on_progress(progress)
            while progress.step == middle and self._held():
                time.sleep(0.02)
                on_progress(progress)  # raises when the job was ended

        return super().generate(batch, told)

    def _held(self) -> bool:
        try:
            left = int(self._hold.read_text())
        except FileNotFoundError:
            return False
        if left:
            self._hold.write_text(str(left - 1))
        return left == 0


def main(folder: Path, seconds_per_step: float) -> None:
    prepare_environment(folder)
    settings = Settings(output_dir=folder / "outputs", models_dirs=(folder / "models",), data_dir=folder, engine="fake")
    listener = listen(0)
    port = listener.getsockname()[1]
    engine = HeldEngine(folder / "hold", seconds_per_step, settings.models_dirs)
    with build_parts(settings, engine, folder) as parts:
        parts.service.start()
        parts.watcher.start()
        parts.ahead.start()
        gate = front(build_application(parts), port, TOKEN)
        server = uvicorn.Server(uvicorn.Config(gate, log_level="warning", timeout_graceful_shutdown=1))  # type: ignore[arg-type]

        def until_told() -> None:
            sys.stdin.read()
            server.should_exit = True

        gc.freeze()  # as the program does
        threading.Thread(target=until_told, daemon=True).start()
        print(link(port, TOKEN), flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
