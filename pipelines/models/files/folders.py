"""What a diffusers folder is, from its small JSON files and its weights' headers. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError
from pipelines.models import conversion, whole
from pipelines.models.files.complete import check_parts, check_scheduler, is_named, missing_shard
from pipelines.models.files.families import FAMILY_OF_WIDTH, VARIANT_OF_CHANNELS
from pipelines.models.files.headers import main_dtype, read_header
from pipelines.types import ModelInfo

INDEX = "model_index.json"
CONFIG_LIMIT = 1024 * 1024  # bytes
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# Parts that hold weights; schedulers, tokenizers and the safety checker do not count
_PART_OF_FOLDER = {"unet": "unet", "transformer": "transformer", "vae": "vae", "text_encoder": "text_encoder"}
_FAMILY_OF_CLASS = (
    ("StableDiffusionXL", "sdxl"),
    ("StableDiffusion3", "sd3"),
    ("Flux", "flux"),
    ("StableDiffusion", "sd1"),
)


def identify_folder(folder: Path) -> ModelInfo:
    """A `ModelInfo` for a folder with a model_index.json; a broken one has `problem`."""
    base: dict[str, Any] = {"name": folder.name, "path": str(folder), "layout": "folder"}
    try:
        index = read_json(folder / INDEX)
        facts = _facts(folder, index)
        size, dtype, parts = _weights(folder, index)
    except ModelError as error:
        return ModelInfo(**base, kind="unknown", family="unknown", bytes=folder_bytes(folder), problem=str(error))
    return ModelInfo(**base, **facts, bytes=size, dtype=dtype, parts=parts)


def folder_bytes(folder: Path) -> int:
    """The size of all weights in the folder's parts."""
    return sum(path.stat().st_size for path in folder.glob("*/*") if path.suffix in (".safetensors", *PICKLES))


def weight_files(part: Path) -> list[Path]:
    """The safetensors of one part that count: a variant of the same weights only where it is alone. Of old pickles
    the copies that were made of them, as far as there are any."""
    return _wanted(part.glob("*.safetensors")) or [copy for copy in map(_copy_of, pickles_of(part)) if copy.is_file()]


def pickles_of(part: Path) -> list[Path]:
    """The old pickles that a part's weights must be taken from: none where there are safetensors."""
    return [] if any(part.glob("*.safetensors")) else _wanted(part.glob("*.bin"))


def all_weights(folder: Path) -> list[Path]:
    """Every file of weights in the folder's parts, as people have them."""
    parts = {path.parent for pattern in ("*/*.safetensors", "*/*.bin") for path in folder.glob(pattern)}
    return [file for part in sorted(parts) for file in sorted(part.glob("*.safetensors")) or pickles_of(part)]


def _wanted(files: Iterable[Path]) -> list[Path]:
    found = sorted(files)
    return [file for file in found if not re.search(r"\.(?:fp16|bf16|non_ema)[.-]", file.name)] or found


def _copy_of(pickle: Path) -> Path:
    found = pickle.stat()
    return conversion.converted_path(pickle, found.st_size, found.st_mtime_ns)


def stamp(folder: Path) -> tuple[int, int]:
    """Changes when a file of the folder does: bytes of all, and the newest time of change (nanoseconds)."""
    size = newest = 0
    for pattern in ("*", "*/*"):
        for path in folder.glob(pattern):
            try:
                found = path.stat()
            except OSError:  # a link to nowhere: what is missing is said by identify_folder
                continue
            size += found.st_size
            newest = max(newest, found.st_mtime_ns)
    return size, newest


def _facts(folder: Path, index: Mapping[str, Any]) -> dict[str, Any]:
    class_name = str(index.get("_class_name", ""))
    family = next((name for start, name in _FAMILY_OF_CLASS if class_name.startswith(start)), "unknown")
    if family == "unknown":
        raise ModelError(f"Its model_index.json names the pipeline {class_name[:60] or '(none)'}, which is not known.")
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    snr = bool(scheduler.get("rescale_betas_zero_snr", False))
    if family in ("sd3", "flux"):
        check_parts(folder, index, family)
        check_scheduler(scheduler)
        return _whole_facts(family, read_json(folder / "transformer" / "config.json"))
    unet = read_json(folder / "unet" / "config.json")
    width = unet.get("cross_attention_dim")
    family = FAMILY_OF_WIDTH.get(width, "custom") if isinstance(width, int) else "custom"
    channels = unet.get("in_channels", 4)
    variant = VARIANT_OF_CHANNELS.get(channels, f"{channels} input channels")
    return {
        "kind": "checkpoint",
        "family": family,
        "variant": variant,
        "inpainting": variant == "inpaint",
        "prediction_type": str(scheduler.get("prediction_type", "epsilon")),
        "zero_terminal_snr": snr,
        "native_size": _native_size(unet, read_json(folder / "vae" / "config.json")),
    }


def _whole_facts(family: str, transformer: Mapping[str, Any]) -> dict[str, Any]:
    """Of a model that diffusers' own pipeline runs. Stability's cards: 38 layers are SD 3.5 large, and layers that
    attend to the picture twice are SD 3.5 medium's."""
    variant = ""
    if family == "flux":
        variant = "dev" if transformer.get("guidance_embeds") else "schnell"
    elif transformer.get("num_layers") == 38:
        family = "sd3.5-large"
    elif transformer.get("dual_attention_layers"):
        family = "sd3.5-medium"
    facts = {"family": family, "variant": variant, "prediction_type": "flow", "native_size": 1024}
    return {"kind": "checkpoint", **facts, **whole.suits(family, variant)}


def _native_size(unet: Mapping[str, Any], vae: Mapping[str, Any]) -> int:
    """Pixels a side: the UNet's latents times what the VAE's levels double."""
    sample, channels = unet.get("sample_size"), vae.get("block_out_channels")
    if isinstance(sample, int) and isinstance(channels, list) and 0 < sample <= 1024 and 0 < len(channels) <= 8:
        return int(sample) << (len(channels) - 1)
    return 512


def _weights(folder: Path, index: Mapping[str, Any]) -> tuple[int, str, tuple[str, ...]]:
    """Bytes, number format and parts of all weights. Every header is checked; no weights are read."""
    total, formats, parts = 0, list[str](), list[str]()
    for name in index:
        part = _PART_OF_FOLDER.get(name) or ("text_encoder" if name.startswith("text_encoder_") else None)
        if part is None or not is_named(index, name):
            continue
        pickles = pickles_of(folder / name)
        files = pickles or weight_files(folder / name)
        if not files:
            raise ModelError(f"The {name}'s weights file is missing.")
        if (shard := missing_shard(files)) is not None:
            raise ModelError(f"Its {name}/{shard} is missing.")
        total += sum(file.stat().st_size for file in files)
        for pickle in pickles:
            refusal = conversion.refusal_path(_copy_of(pickle))
            if refusal.is_file():
                raise ModelError(f"{name}/{pickle.name}: {conversion.read_refusal(refusal)}")
        for file in weight_files(folder / name):
            try:
                header = read_header(file)
            except ModelError as error:
                raise ModelError(f"{name}/{file.name}: {error}") from error
            formats.extend(header.dtypes.values())
        if part not in parts:
            parts.append(part)
    return total, main_dtype(formats), tuple(parts)


def read_json(path: Path) -> dict[str, Any]:
    """A small table of settings, named with its folder. Raises `ModelError`."""
    label = path.name if path.name == INDEX else f"{path.parent.name}/{path.name}"
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(CONFIG_LIMIT).decode("utf-8-sig"))
    except FileNotFoundError as error:
        raise ModelError(f"Its {label} is missing.") from error
    except OSError as error:
        raise ModelError(f"Its {label} cannot be read: {error.strerror or error}.") from error
    except (ValueError, RecursionError) as error:
        raise ModelError(f"Its {label} is damaged: it is no JSON.") from error
    if not isinstance(found, dict):
        raise ModelError(f"Its {label} is damaged: it holds no table.")
    return found
