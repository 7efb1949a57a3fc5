"""Several pictures to start from, a run each, and the masks that bear their names."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path, PurePath

from pipelines.errors import InvalidRequest
from pipelines.kinds import several

LIMIT = 500  # pictures at once
Start = dict[str, Path]  # the fields of a request's pictures -> their files


def starts(files: Mapping[Path, PurePath], masks: Mapping[PurePath, Path] | None = None) -> list[Start]:
    """`files`: each picture with the name by which its mask is found; `masks`: by those names, None where they have
    none of their own. Raises InvalidRequest."""
    if not 1 <= len(files) <= LIMIT:
        raise InvalidRequest("init_image", "folder_count", limit=LIMIT, value=len(files))
    if masks is None:
        return [{"init_image": file} for file in files]
    if without := [file.name for file, name in files.items() if name not in masks]:
        raise InvalidRequest("mask", "folder_masks", names=several(without))
    return [{"init_image": file, "mask": masks[name]} for file, name in files.items()]
