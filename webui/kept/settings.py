"""How this run was asked to behave: parsed once from the command line, then handed down unchanged."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

EngineName = Literal["local", "fake"]
ENGINES: tuple[str, ...] = get_args(EngineName)
ALL = "all"  # instead of names of devices: every card of this machine
DEVICE = re.compile(r"cpu|mps|cuda(:\d{1,3})?")
HOST = "127.0.0.1"  # never another: there are no accounts, so nobody else may reach the page
DEFAULT_PORT = 7860  # the port of this field's programs since Gradio chose it
HERE = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Folders are absolute; they need not exist yet."""

    output_dir: Path = HERE / "outputs"
    models_dirs: tuple[Path, ...] = (HERE / "models",)
    data_dir: Path = HERE / ".seedprint"  # the job database and the page's temporary files
    name_pattern: str | None = None  # of image files; None: `webui.archive.naming.DEFAULT_PATTERN`
    image_format: str | None = None  # None: what was kept, else png; likewise the pattern
    engine: EngineName = "local"
    exact: bool = False  # as little as can be depends on the machine: see docs/again.md
    replay: bool = True  # a card may replay the network's calls: see docs/models.md
    devices: tuple[str, ...] = ()  # "cpu", "cuda:1", "all"; (): the best one
    port: int = DEFAULT_PORT
    open_browser: bool = True
    token: bool = True  # only who has the link may use the page
