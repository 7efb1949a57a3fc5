"""SD 3 or Flux -> diffusers' own pipeline. Never goes online, never runs what a folder brings:
each part is read by a class that is named here, and only then handed to the pipeline."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import diffusers
import psutil
import transformers
from tqdm import tqdm

from pipelines.errors import ModelError
from pipelines.models.device import Placement
from pipelines.models.files.anatomy import parts_of
from pipelines.models.files.complete import SCHEDULER, is_named
from pipelines.models.memory import Ways
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights.arranging import is_streamed, unstream
from pipelines.models.weights.components import bytes_of
from pipelines.models.weights.loading import quieted, read_part
from pipelines.models.weights.sd3file import read_sd3
from pipelines.types import ModelInfo, Task

Stamp = tuple[int, int]  # bytes and time of change (nanoseconds)

TILE = 512  # pixels

_CLIP, _PROJECTED, _T5 = "CLIPTextModel", "CLIPTextModelWithProjection", "T5EncoderModel"
_ENCODERS: Mapping[str, Mapping[str, str]] = {
    "sd3": {"text_encoder": _PROJECTED, "text_encoder_2": _PROJECTED, "text_encoder_3": _T5},
    "flux": {"text_encoder": _CLIP, "text_encoder_2": _T5},
}
_TRANSFORMERS = {"sd3": "SD3Transformer2DModel", "flux": "FluxTransformer2DModel"}
_PIPELINES: Mapping[str, Mapping[str, str]] = {
    "sd3": {
        "txt2img": "StableDiffusion3Pipeline",
        "img2img": "StableDiffusion3Img2ImgPipeline",
        "inpaint": "StableDiffusion3InpaintPipeline",
    },
    "flux": {"txt2img": "FluxPipeline", "img2img": "FluxImg2ImgPipeline", "inpaint": "FluxInpaintPipeline"},
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Whole:
    """A model in memory that is run in one piece."""

    info: ModelInfo
    placement: Placement
    pipeline: Any
    stamp: Stamp  # of its file or folder when it was read

    @property
    def modules(self) -> tuple[Any, ...]:
        """All that holds weights."""
        return tuple(part for part in self.pipeline.components.values() if hasattr(part, "parameters"))

    @property
    def bytes(self) -> int:
        """Of its weights."""
        return bytes_of(self.modules)

    def named(self, info: ModelInfo) -> Whole:
        return replace(self, info=info)

    def place(self) -> None:
        for part in self.modules:
            self.placement.place(part)

    def leave(self) -> None:
        """To main memory."""
        self.pipeline.remove_all_hooks()
        for part in self.modules:
            unstream(part)
            self.placement.take_off(part)

    def for_task(self, task: Task) -> Any:
        """Diffusers' pipeline for it, of the same parts."""
        kind = getattr(diffusers, _PIPELINES[_kin(self.info)][task])
        pipeline = self.pipeline if type(self.pipeline) is kind else kind(**self.pipeline.components)
        pipeline.set_progress_bar_config(disable=True)
        return pipeline


def _kin(info: ModelInfo) -> str:
    return "flux" if info.family == "flux" else "sd3"


def read_whole(info: ModelInfo, stamp: Stamp, placement: Placement, on_part: OnPart = unheard) -> Whole:
    """In main memory, in the device's type. Raises `ModelError` and what `model_errors` turns into sentences."""
    kin = _kin(info)
    _check_room(info, placement)
    quieted()
    tqdm.set_lock(threading.RLock())  # for the bar that diffusers makes though it shows none: else it leaks a semaphore
    parts = _read_folder(info, placement, on_part) if info.layout == "folder" else read_sd3(info, placement, on_part)
    parts["vae"].enable_slicing()  # pictures are decoded one by one
    parts["scheduler"].schedule = "automatic"  # for the record, as ours have it
    pipeline = getattr(diffusers, _PIPELINES[kin]["txt2img"])(**parts)
    whole = Whole(info=info, placement=placement, pipeline=pipeline, stamp=stamp)
    for part in whole.modules:
        part.eval().requires_grad_(False)
    return whole


def _read_folder(info: ModelInfo, placement: Placement, on_part: OnPart) -> dict[str, Any]:
    folder, kin = Path(info.path), _kin(info)
    index = json.loads((folder / "model_index.json").read_text(encoding="utf-8-sig"))
    parts: dict[str, Any] = {}
    for encoder, kind in _ENCODERS[kin].items():
        tokenizer = encoder.replace("text_encoder", "tokenizer")
        parts |= {encoder: None, tokenizer: None}
        if is_named(index, encoder):
            on_part(encoder)
            parts[encoder] = read_part(getattr(transformers, kind), folder, encoder, placement)
            parts[tokenizer] = _tokenizer(kind, folder / tokenizer)
    on_part("transformer")
    parts["transformer"] = read_part(getattr(diffusers, _TRANSFORMERS[kin]), folder, "transformer", placement)
    on_part("vae")
    parts["vae"] = read_part(diffusers.AutoencoderKL, folder, "vae", placement)
    scheduler = getattr(diffusers, SCHEDULER).from_pretrained(folder / "scheduler", local_files_only=True)
    return parts | {"scheduler": scheduler}


def _tokenizer(encoder: str, folder: Path) -> Any:
    kind = transformers.T5TokenizerFast if encoder == _T5 else transformers.CLIPTokenizer
    return kind.from_pretrained(folder, local_files_only=True)


def _check_room(info: ModelInfo, placement: Placement) -> None:
    """Such models are large: what main memory cannot hold would end the program instead of saying so."""
    needed = placement.dtype.itemsize * sum(part.parameters for part in parts_of(info))
    free = int(psutil.virtual_memory().available)
    if needed > free:
        raise ModelError(f"Its weights take {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB of main memory are free.")


def arrange(model: Whole, ways: Ways) -> None:
    """Brings the model to its device as `ways` says: all of it, or its parts or layers in turn by diffusers' hooks."""
    pipeline, placement = model.pipeline, model.placement
    vae = pipeline.vae
    vae.disable_tiling()
    if ways.tiled:
        vae.tile_sample_min_size, vae.tile_latent_min_size = TILE, TILE // pipeline.vae_scale_factor
        vae.enable_tiling()
    if not placement.moves:
        return  # its parts were placed when they were read
    pipeline.remove_all_hooks()
    if not ways.streamed:
        for part in model.modules:
            unstream(part)
    if ways.parts_alone:
        pipeline.enable_model_cpu_offload(device=placement.device)
    elif not ways.streamed:
        model.place()
    elif not is_streamed(pipeline.transformer):
        model.leave()
        for part in model.modules:
            placement.stream(part)
