"""From a picture file to the request that makes it larger."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.errors import InvalidRequest, SeedprintError, UnreadableImage
from pipelines.fields import build
from pipelines.groups import Upscale
from pipelines.types import GenerationRequest
from webui.archive import metadata
from webui.archive.inputs import InputsAround, InputStore

_UNKNOWN = GenerationRequest(seed=0)
_WORDS = {"prompt", "negative_prompt"}


def request_of(path: Path, inputs: InputStore, wanted: Mapping[str, Any]) -> GenerationRequest:
    """What the file says of how it was made goes with the larger picture. `wanted`: what differs in `Upscale`. Raises
    InvalidRequest, UnreadableImage, StorageError."""
    image = metadata.read_input(path, inputs)
    made = _made(path, inputs)
    upscale = Upscale(image=image, known=made is not None, **wanted)
    return replace(made or _UNKNOWN, upscale=upscale, batch_size=1, batches=1)


def _made(path: Path, inputs: InputStore) -> GenerationRequest | None:
    """None: the file does not say, or what no request can be."""
    try:
        back = metadata.read(path)
    except UnreadableImage:  # a picture of a format that holds no texts
        return None
    if back.record is not None and not (back.record.settings.get("upscale") or {}).get("known", True):
        return None
    if back.record is not None:
        try:
            return back.record.request(InputsAround(path, inputs))
        except (
            SeedprintError
        ):  # its own inputs are gone, or a later version's choices: its plain fields are there still
            pass
    if not back.fields.keys() - _WORDS:
        return None
    try:
        return build(GenerationRequest, {"seed": 0, **back.fields})
    except InvalidRequest:
        return None
