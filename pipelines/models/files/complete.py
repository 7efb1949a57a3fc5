"""Whether a diffusers folder holds every part that its pipeline wants. Standard library only."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError
from pipelines.families.base import Family

_SHARD = re.compile(r"(.*)-\d{5}-of-(\d{5})(\.\w+)$")


def is_named(index: Mapping[str, Any], part: str) -> bool:
    """Whether model_index.json names a class for the part: [null, null] and null say that there is none."""
    value = index.get(part)
    return isinstance(value, list) and bool(value) and value[0] is not None


def check_parts(folder: Path, index: Mapping[str, Any], family: Family) -> None:
    """Raises `ModelError`."""
    spec = family.folder
    assert spec is not None
    for part in spec.weights:
        if not is_named(index, part):
            raise ModelError("part_not_named", part=part)
    for part, names in spec.tokenizers.items():
        encoder = part.replace("tokenizer", "text_encoder")
        if is_named(index, encoder) and not any((folder / part / name).is_file() for name in names):
            raise ModelError("part_missing", name=f"{part}/{names[0]}")


_LOOKING = ("image_encoder", "image_normalizer")
NOISING = "image_noising_scheduler"


def check_looking(folder: Path, index: Mapping[str, Any]) -> None:
    """Raises `ModelError` where an unCLIP model lacks what it looks at pictures with."""
    for part in _LOOKING:
        if not is_named(index, part):
            raise ModelError("part_not_named", part=part)
        if not any((folder / part).glob("*.safetensors")):
            raise ModelError("weights_file_missing", part=part)
    for part, name in (("image_encoder", "config.json"), (NOISING, "scheduler_config.json")):
        if not (folder / part / name).is_file():
            raise ModelError("part_missing", name=f"{part}/{name}")


def check_scheduler(config: Mapping[str, Any], family: Family) -> None:
    """Raises `ModelError` for one whose pictures could not be made again."""
    assert family.folder is not None
    only = family.folder.scheduler
    if (name := str(config.get("_class_name", only))) != only:
        raise ModelError("scheduler_unknown", name=name[:60], wanted=only)
    if config.get("stochastic_sampling"):
        raise ModelError("scheduler_noisy")


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
