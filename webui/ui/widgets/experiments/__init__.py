"""What diffusion is said to do, tried with the settings of a picture, and counted."""

from __future__ import annotations

from typing import Any, ClassVar

from webui.ui.widgets.widget import Widget
from webui.words.experiments import EXPERIMENT_WORDS


class ExperimentsView(Widget):
    """Value from the server: {"which": the experiment, "state": "idle" | "working" | "done" | "refused", "told": what
    is said of it, "result": {"rows": [{"name", "cells": [{"caption", "url"}]}], "table": {"name", "head": [], "rows":
    [[]]} or nothing, "curve": {"x": [], "under", "lines": [{"name", "values"}]} or nothing}}. Event: `submit`, with
    {"which", "other_seed", "other_prompt", "judge": the name of a CLIP model or "", "marked": how many get a tag}."""

    folder = "experiments"
    words: ClassVar[Any] = EXPERIMENT_WORDS
