"""Models that make variations of a picture: whether a request has what they want, and their encoder. No torch."""

from __future__ import annotations

from pathlib import Path

from pipelines import families
from pipelines.errors import InvalidRequest, ModelError
from pipelines.families.sd import UNCLIP
from pipelines.models import checkpoints
from pipelines.models.files.folders import weight_files
from pipelines.types import GenerationRequest, ModelInfo

ENCODER = "image_encoder"  # their folder of it


def check(request: GenerationRequest, model: ModelInfo) -> None:
    """Such a model wants its picture, and no other does. Raises `InvalidRequest`."""
    if model.variant == UNCLIP and request.unclip is None:
        raise InvalidRequest("unclip_picture", "unclip_wanted", model=model.name)
    if model.variant != UNCLIP and request.unclip is not None:
        raise InvalidRequest("unclip_picture", "unclip_other", model=families.title_of(model) or model.name)


def encoder_of(model: ModelInfo) -> ModelInfo:
    """The CLIP vision model in its folder. Raises `ModelError`."""
    found = checkpoints.identify(weight_files(Path(model.path) / ENCODER)[0])
    if found.kind != "image-encoder" or found.problem is not None:
        raise ModelError("inside", name=ENCODER, reason=found.problem or "")
    return found
