"""Whether a diffusers folder of SD 3 or Flux holds every part that its pipeline wants. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError

_CLIP_TOKENIZER, _T5_TOKENIZER = ("tokenizer.json", "vocab.json"), ("tokenizer.json",)
# Parts with weights, and the tokenizers with the files of which one must be there
_WEIGHTS = {
    "sd3": ("transformer", "vae", "text_encoder", "text_encoder_2"),
    "flux": ("transformer", "vae", "text_encoder", "text_encoder_2"),
}
_TOKENIZERS = {
    "sd3": {"tokenizer": _CLIP_TOKENIZER, "tokenizer_2": _CLIP_TOKENIZER, "tokenizer_3": _T5_TOKENIZER},
    "flux": {"tokenizer": _CLIP_TOKENIZER, "tokenizer_2": _T5_TOKENIZER},
}
_SHARD = re.compile(r"(.*)-\d{5}-of-(\d{5})(\.\w+)$")
SCHEDULER = "FlowMatchEulerDiscreteScheduler"


def is_named(index: Mapping[str, Any], part: str) -> bool:
    """Whether model_index.json names a class for the part: [null, null] and null say that there is none."""
    value = index.get(part)
    return isinstance(value, list) and bool(value) and value[0] is not None


def check_parts(folder: Path, index: Mapping[str, Any], family: str) -> None:
    """`family`: sd3 or flux. SD 3 may come without its third text encoder. Raises `ModelError`."""
    for part in _WEIGHTS[family]:
        if not is_named(index, part):
            raise ModelError(f"Its model_index.json names no {part}.")
    for part, names in _TOKENIZERS[family].items():
        encoder = part.replace("tokenizer", "text_encoder")
        if is_named(index, encoder) and not any((folder / part / name).is_file() for name in names):
            raise ModelError(f"Its {part}/{names[0]} is missing.")


def check_scheduler(config: Mapping[str, Any]) -> None:
    """Raises `ModelError` for one whose pictures could not be made again."""
    if (name := str(config.get("_class_name", SCHEDULER))) != SCHEDULER:
        raise ModelError(f"Its scheduler is {name[:60]}; only {SCHEDULER} is known for such a model.")
    if config.get("stochastic_sampling"):
        raise ModelError("Its scheduler draws noise while it samples, which is not supported.")


def missing_shard(files: Iterable[Path]) -> str | None:
    """The name of the first file that is not there of weights that were cut into several."""
    names = {file.name for file in files}
    for name in sorted(names):
        if match := _SHARD.match(name):
            for number in range(1, int(match[2]) + 1):
                wanted = f"{match[1]}-{number:05}-of-{match[2]}{match[3]}"
                if wanted not in names:
                    return wanted
    return None
