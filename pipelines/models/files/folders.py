"""What a diffusers folder is, from its small JSON files and its weights' headers. Standard library only."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines import families
from pipelines.errors import ModelError
from pipelines.families.base import Family
from pipelines.families.sd import UNCLIP
from pipelines.models import conversion
from pipelines.models.files.complete import check_looking, check_parts, check_scheduler, is_named, missing_shard
from pipelines.models.files.headers import main_dtype, read_header
from pipelines.models.files.kinds import VARIANT_OF_CHANNELS
from pipelines.types import ModelInfo

INDEX = "model_index.json"
CONFIG_LIMIT = 1024 * 1024  # bytes
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
# Parts that hold weights; schedulers, tokenizers and the safety checker do not count
_PART_OF_FOLDER = {name: name for name in ("unet", "transformer", "vae", "vqvae", "text_encoder")}


def identify_folder(folder: Path) -> ModelInfo:
    """A `ModelInfo` for a folder with a model_index.json; a broken one has `problem`."""
    base: dict[str, Any] = {"name": folder.name, "path": str(folder), "layout": "folder"}
    try:
        index = read_json(folder / INDEX)
        facts = _facts(folder, index)
        size, dtype, parts = _weights(folder, index)
    except ModelError as error:
        return ModelInfo(**base, kind="unknown", family="unknown", bytes=folder_bytes(folder), problem=error.note)
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
    class_name = str(index.get("_class_name", ""))[:60]
    akin = _families_of(class_name)
    if not akin:
        raise ModelError("pipeline_unknown", name=class_name)
    if not akin[0].runs:
        return {"kind": "checkpoint", "family": akin[0].name, "native_size": akin[0].native_size}
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    if akin[0].folder is not None and akin[0].folder.weights:
        check_parts(folder, index, akin[0])
        check_scheduler(scheduler, akin[0])
        return _transformer_facts(akin, folder)
    unet = read_json(folder / "unet" / "config.json")
    width = unet.get("cross_attention_dim")
    family = families.BY_WIDTH.get(width, "custom") if isinstance(width, int) else "custom"
    channels = unet.get("in_channels", 4)
    variant = VARIANT_OF_CHANNELS.get(channels, f"{channels} input channels")
    if unet.get("class_embed_type") == "projection":
        variant = UNCLIP
        check_looking(folder, index)
    return {
        "kind": "checkpoint",
        "family": family,
        "variant": variant,
        "inpainting": variant == "inpaint",
        "prediction_type": str(scheduler.get("prediction_type", "epsilon")),
        "zero_terminal_snr": bool(scheduler.get("rescale_betas_zero_snr", False)),
        "native_size": _native_size(unet, read_json(folder / "vae" / "config.json")),
    }


def _families_of(class_name: str) -> list[Family]:
    """Those whose folders name such a class. The longest beginning that fits counts: Flux2Pipeline is not Flux's."""
    fitting = [one for one in families.ALL.values() if one.folder and class_name.startswith(one.folder.pipeline)]
    longest = max((len(one.folder.pipeline) for one in fitting if one.folder), default=0)
    return [one for one in fitting if one.folder and len(one.folder.pipeline) == longest]


def _transformer_facts(akin: list[Family], folder: Path) -> dict[str, Any]:
    """Families that share a folder's class are told apart by their transformer."""
    transformer = read_json(folder / "transformer" / "config.json")
    family = next(one for one in akin if one.of_config(transformer))
    variant, native = family.variant_of_config(transformer), family.native_size
    if family.pipeline is None:
        native = _native_size(transformer, read_json(folder / "vqvae" / "config.json"))
    facts = {"family": family.name, "variant": variant, "prediction_type": family.prediction}
    return {"kind": "checkpoint", "native_size": native, **facts, **family.suits(variant)}


def _native_size(network: Mapping[str, Any], vae: Mapping[str, Any]) -> int:
    """Pixels a side: the network's latents times what the VAE's levels double."""
    sample, channels = network.get("sample_size"), vae.get("block_out_channels")
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
            raise ModelError("weights_file_missing", part=name)
        if (shard := missing_shard(files)) is not None:
            raise ModelError("part_missing", name=f"{name}/{shard}")
        total += sum(file.stat().st_size for file in files)
        for pickle in pickles:
            refusal = conversion.refusal_path(_copy_of(pickle))
            if refusal.is_file():
                raise ModelError("inside", name=f"{name}/{pickle.name}", reason=conversion.read_refusal(refusal))
        for file in weight_files(folder / name):
            try:
                header = read_header(file)
            except ModelError as error:
                raise ModelError("inside", name=f"{name}/{file.name}", reason=error.note) from error
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
        raise ModelError("part_missing", name=label) from error
    except OSError as error:
        raise ModelError("part_unreadable", name=label, reason=error.strerror or str(error)) from error
    except (ValueError, RecursionError) as error:
        raise ModelError("part_no_json", name=label) from error
    if not isinstance(found, dict):
        raise ModelError("part_no_table", name=label)
    return found
