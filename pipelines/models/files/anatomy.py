"""What a model is made of: its parts and how many numbers each holds, from headers alone. Standard library only."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from pipelines.errors import ModelError
from pipelines.models import conversion
from pipelines.models.files.folders import weight_files
from pipelines.models.files.headers import BITS, Header, main_dtype, read_content, read_header
from pipelines.types import ModelInfo, ModelPart

# How the tensors of a part begin in single files, the first that fits counts
_PARTS = (
    ("ema", ("model_ema.",)),
    ("controlnet", ("control_model.",)),
    ("unet", ("model.diffusion_model.", "lora_unet_", "unet.")),
    ("vae", ("first_stage_model.", "vae.")),
    ("text_encoder", ("conditioner.embedders.0.", "text_encoders.clip_l.", "cond_stage_model.")),
    ("text_encoder", ("lora_te1_", "lora_te_", "text_encoder.", "clip_l")),
    ("text_encoder_2", ("conditioner.embedders.1.", "text_encoders.clip_g.", "lora_te2_", "text_encoder_2.", "clip_g")),
    ("text_encoder", ("text_model.", "text_projection.")),
    ("text_encoder_3", ("text_encoders.t5xxl.", "text_encoder_3.")),
)
_ORDER = ("text_encoder", "text_encoder_2", "text_encoder_3", "unet", "transformer", "vqvae", "vae")
_TRAINED = ("F", "BF")  # learned weights are fractions; whole numbers are marks and positions


def parts_of(info: ModelInfo) -> tuple[ModelPart, ...]:
    """The parts in the order in which a prompt goes through them. Raises `ModelError`; an old pickle that was never
    used has none yet."""
    if info.layout == "folder":
        return _folder_parts(Path(info.path))
    path = Path(info.path)
    if read_content(path) == "pickle":
        found = path.stat()
        path = conversion.converted_path(path, found.st_size, found.st_mtime_ns)
        if not path.is_file():
            raise ModelError("pickle_unopened")
    header = read_header(path)
    names: dict[str, list[str]] = {}
    for name in header.shapes:
        names.setdefault(_part_of(name, info), []).append(name)
    return _ordered({part: [(header, found)] for part, found in names.items()})


def _folder_parts(folder: Path) -> tuple[ModelPart, ...]:
    found: dict[str, list[tuple[Header, Iterable[str]]]] = {}
    for part in sorted(path for path in folder.iterdir() if path.is_dir()):
        for file in weight_files(part):
            header = read_header(file)
            found.setdefault(part.name, []).append((header, header.shapes))
    return _ordered(found)


def _part_of(name: str, info: ModelInfo) -> str:
    for part, starts in _PARTS:
        if name.startswith(starts):
            return "transformer" if part == "unet" and "transformer" in info.parts else part
    if len(info.parts) == 1 or info.kind == "image-encoder":
        return info.parts[0]
    # a file of one part alone, or of one adapter, has no names for parts
    return "other" if info.kind == "checkpoint" else info.kind


def _ordered(found: Mapping[str, list[tuple[Header, Iterable[str]]]]) -> tuple[ModelPart, ...]:
    parts = [_counted(name, sources) for name, sources in found.items()]
    places = {name: place for place, name in enumerate(_ORDER)}
    return tuple(sorted((part for part in parts if part.parameters), key=lambda one: places.get(one.name, len(places))))


def _counted(name: str, sources: Iterable[tuple[Header, Iterable[str]]]) -> ModelPart:
    parameters, bits, formats = 0, 0, list[str]()
    for header, tensors in sources:
        for tensor in tensors:
            dtype = header.dtypes[tensor]
            if dtype.startswith(_TRAINED):
                count = math.prod(header.shapes[tensor])
                parameters += count
                bits += count * BITS[dtype]
                formats.append(dtype)
    return ModelPart(name=name, parameters=parameters, bytes=bits // 8, dtype=main_dtype(formats))
