"""The page on a fake engine of a given speed, for the browser tests: `python -m tests.browser.serve FOLDER SECONDS`.

Prints the address once it answers; ends when its standard input does.
"""

from __future__ import annotations

import sys
import threading
from pathlib import Path

import uvicorn

from pipelines.engines.fake import FakeEngine
from webui.guard import Gate
from webui.parts import build_parts
from webui.server import build_application, listen, prepare_environment
from webui.settings import Settings


def main(folder: Path, seconds_per_step: float) -> None:
    prepare_environment(folder)
    settings = Settings(output_dir=folder / "outputs", models_dirs=(folder / "models",), data_dir=folder, engine="fake")
    listener = listen(0)
    port = listener.getsockname()[1]
    with build_parts(settings, FakeEngine(seconds_per_step, folders=settings.models_dirs), folder) as parts:
        parts.service.start()
        parts.watcher.start()
        gate = Gate(build_application(parts), port)
        server = uvicorn.Server(uvicorn.Config(gate, log_level="warning", timeout_graceful_shutdown=1))  # type: ignore[arg-type]

        def until_told() -> None:
            sys.stdin.read()
            server.should_exit = True

        threading.Thread(target=until_told, daemon=True).start()
        print(f"http://127.0.0.1:{port}/", flush=True)
        server.run(sockets=[listener])


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]))
