"""A model that diffusers runs in one piece (SD 3, Flux) -> its pipeline. Never goes online, never runs what a
folder brings: each part is read by a class that is named here, and only then handed to the pipeline."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import diffusers
import psutil
import transformers
from tqdm import tqdm

from pipelines import families
from pipelines.errors import ModelError
from pipelines.families.base import Pipeline
from pipelines.families.plain import SCHEDULER
from pipelines.models.device import Placement
from pipelines.models.files.anatomy import parts_of
from pipelines.models.files.complete import is_named
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights.loading import quieted, read_part
from pipelines.models.weights.sd3file import read_sd3
from pipelines.types import ModelInfo, Task


def read_pipeline(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> Any:
    """In main memory, in the device's type. Raises `ModelError` and what `model_errors` turns into one."""
    _check_room(info, placement)
    quieted()
    tqdm.set_lock(threading.RLock())  # for the bar that diffusers makes though it shows none: else it leaks a semaphore
    parts = _read_folder(info, placement, on_part) if info.layout == "folder" else read_sd3(info, placement, on_part)
    parts["vae"].enable_slicing()  # pictures are decoded one by one
    parts["scheduler"].schedule = "automatic"  # for the record, as ours have it
    pipeline = _class_for(info, "txt2img")(**parts)
    for part in modules_of(pipeline):
        part.eval().requires_grad_(False)
    return pipeline


def for_task(info: ModelInfo, pipeline: Any, task: Task) -> Any:
    """Diffusers' pipeline for it, of the same parts."""
    kind = _class_for(info, task)
    found = pipeline if type(pipeline) is kind else kind(**pipeline.components)
    found.set_progress_bar_config(disable=True)
    return found


def modules_of(pipeline: Any) -> tuple[Any, ...]:
    """All that holds weights."""
    return tuple(part for part in pipeline.components.values() if hasattr(part, "parameters"))


def spec_of(info: ModelInfo) -> Pipeline:
    """What diffusers runs its family with."""
    spec = families.of(info.family).pipeline
    assert spec is not None
    return spec


def _class_for(info: ModelInfo, task: Task) -> Any:
    return getattr(diffusers, spec_of(info).tasks[task])


def _read_folder(info: ModelInfo, placement: Placement, on_part: OnPart) -> dict[str, Any]:
    folder, spec = Path(info.path), spec_of(info)
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8-sig"))
    parts: dict[str, Any] = {}
    for encoder, kind in spec.encoders.items():
        tokenizer = encoder.replace("text_encoder", "tokenizer")
        parts |= {encoder: None, tokenizer: None}
        if is_named(index, encoder):
            on_part(encoder)
            parts[encoder] = read_part(getattr(transformers, kind), folder, encoder, placement)
            parts[tokenizer] = _tokenizer(kind, folder / tokenizer)
    on_part("transformer")
    parts["transformer"] = read_part(getattr(diffusers, spec.transformer), folder, "transformer", placement)
    on_part("vae")
    parts["vae"] = read_part(diffusers.AutoencoderKL, folder, "vae", placement)
    scheduler = getattr(diffusers, SCHEDULER).from_pretrained(folder / "scheduler", local_files_only=True)
    return parts | {"scheduler": scheduler}


def _tokenizer(encoder: str, folder: Path) -> Any:
    kind = transformers.T5TokenizerFast if encoder == "T5EncoderModel" else transformers.CLIPTokenizer
    return kind.from_pretrained(folder, local_files_only=True)


def _check_room(info: ModelInfo, placement: Placement) -> None:
    """Such models are large: what main memory cannot hold would end the program instead of saying so."""
    needed = placement.dtype.itemsize * sum(part.parameters for part in parts_of(info))
    free = int(psutil.virtual_memory().available)
    if needed > free:
        raise ModelError("no_room_in_memory", needed=round(needed / 1e9, 1), free=round(free / 1e9, 1))
