"""Whether an object detector can be used, and what it knows: from the config.json beside it. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError, Note
from pipelines.models.files.folders import read_json
from pipelines.models.files.vision import CONFIG


@dataclass(frozen=True, slots=True)
class Kind:
    """What transformers calls a network and what makes its pixels. `reads`: files one of which its words are read by;
    none: it knows its labels alone, else it looks for any word."""

    network: str
    processor: str
    reads: tuple[str, ...] = ()


# by `model_type`
TYPES = {
    "d_fine": Kind("DFineForObjectDetection", "RTDetrImageProcessorPil"),
    "rt_detr": Kind("RTDetrForObjectDetection", "RTDetrImageProcessorPil"),
    "rt_detr_v2": Kind("RTDetrV2ForObjectDetection", "RTDetrImageProcessorPil"),
    "yolos": Kind("YolosForObjectDetection", "YolosImageProcessorPil"),
    "grounding-dino": Kind(
        "GroundingDinoForObjectDetection", "GroundingDinoImageProcessorPil", ("tokenizer.json", "vocab.txt")
    ),
    "clipseg": Kind("CLIPSegForImageSegmentation", "ViTImageProcessorPil", ("tokenizer.json", "vocab.json")),
}
_ELSEWHERE = ("use_timm_backbone", "use_pretrained_backbone")  # its other half would be fetched from a hub
_NO_LABEL = "N/A"  # COCO's numbers have gaps


def problem_of(folder: Path) -> Note | None:
    """Why the detector in `folder` cannot be used; None when it can."""
    try:
        config = read_json(folder / CONFIG)
    except ModelError as error:
        return error.note
    kind = str(config.get("model_type"))[:60]
    if kind not in TYPES:
        return Note("vision_type", name=CONFIG, value=kind, choices=tuple(TYPES))
    if any(config.get(name) for name in _ELSEWHERE):
        return Note("detector_elsewhere", name=CONFIG)
    if reads := TYPES[kind].reads:
        return None if any((folder / name).is_file() for name in reads) else Note("part_missing", name=reads[0])
    return None if _labels(config) else Note("part_no_table", name=f"{CONFIG}: id2label")


def labels_of(folder: Path) -> tuple[str, ...] | None:
    """What a detector without a problem finds, in its order; None: any word. Raises `ModelError`."""
    config = read_json(folder / CONFIG)
    return None if TYPES[str(config["model_type"])].reads else _labels(config)


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    found = config.get("id2label")
    return tuple(str(one) for one in found.values() if one != _NO_LABEL) if isinstance(found, dict) else ()


def wanted(words: str) -> tuple[str, ...]:
    """What it is to find, as people write it: commas between them, in any case."""
    return tuple(word for one in words.split(",") if (word := one.strip().casefold()))
