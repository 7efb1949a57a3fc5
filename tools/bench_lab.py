"""Times the ready-made experiments on the built-in model, all of them from the first cell: `python -m tools.bench_lab`.

Queue, saving, labelled grid and counting are in it, the page is not. CPU seconds are of the whole program: on a shared
machine they say more than the clock.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from pathlib import Path

from pipelines.engines.local import LocalEngine
from webui.kept.settings import HERE, Settings
from webui.lab.shipped import load
from webui.parts import build_parts


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        settings = Settings(output_dir=place / "outputs", models_dirs=(), data_dir=place)
        engine = LocalEngine(data_dir=place, device="cpu")
        engine.warm_up()
        with build_parts(settings, engine, place) as parts:
            parts.service.start()
            for ready in load(HERE / "presets" / "experiments"):
                cpu, clock = time.process_time(), time.perf_counter()
                identity = parts.lab.submit(ready.experiment)
                status = parts.lab.status(identity)
                while status is not None and not status.over:
                    status = parts.lab.wait(identity, status.version, 5)
                assert status is not None
                sys.stdout.write(
                    f"{ready.name:36} {status.state}, {status.done} pictures: {time.perf_counter() - clock:.0f} s,"
                    f" {time.process_time() - cpu:.0f} s of CPU (load {os.getloadavg()[0]:.1f})\n"
                )
                sys.stdout.flush()


if __name__ == "__main__":
    main()
