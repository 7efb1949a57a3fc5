"""What an author or a trainer wrote beside the weights: safetensors metadata and A1111's sidecar .yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipelines import families

SIDECAR_LIMIT = 256 * 1024  # bytes

_PREDICTIONS = {
    "epsilon": "epsilon",
    "eps": "epsilon",
    "v": "v_prediction",
    "v_prediction": "v_prediction",
    "v-prediction": "v_prediction",
    "edm": "edm",
}
_TRUE = {"1", "true", "yes"}
# modelspec.architecture and ss_base_model_version, by how they begin (the longest first)
_FAMILIES = sorted(
    ((start, family.name) for family in families.ALL.values() for start in family.notes),
    key=lambda item: len(item[0]),
    reverse=True,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Notes:
    """None and "" where nothing is said."""

    prediction_type: str | None = None
    zero_terminal_snr: bool = False
    family: str = ""


def from_metadata(metadata: Mapping[str, str]) -> Notes:
    """The `modelspec.*` keys (Stability's ModelSpec) and kohya's `ss_*` ones."""
    architecture = metadata.get("modelspec.architecture", "").lower()
    prediction = _PREDICTIONS.get(metadata.get("modelspec.prediction_type", "").lower())
    if prediction is None and architecture.startswith("stable-diffusion-v2"):
        prediction = "v_prediction" if architecture.split("/")[0].endswith("-v") else "epsilon"
    if metadata.get("v_pred", "").lower() in _TRUE:
        prediction = "v_prediction"
    flags = (metadata.get(key, "").lower() for key in ("ztsnr", "ss_zero_terminal_snr", "modelspec.zero_terminal_snr"))
    base = metadata.get("ss_base_model_version", "").lower()
    families = (family for text in (architecture, base) for start, family in _FAMILIES if text.startswith(start))
    return Notes(
        prediction_type=prediction, zero_terminal_snr=any(flag in _TRUE for flag in flags), family=next(families, "")
    )


def from_sidecar(path: Path) -> Notes | None:
    """The .yaml of the same name beside a checkpoint, as A1111 reads it; None when there is none that speaks of a
    model. Only the few lines that matter are looked for: the file's other words are never interpreted."""
    try:
        with path.with_suffix(".yaml").open("rb") as file:
            text = file.read(SIDECAR_LIMIT).decode("utf-8", "replace")
    except OSError:
        return None
    lines = "\n".join(line.split("#", 1)[0] for line in text.splitlines())
    if not re.search(r"^\s*model\s*:", lines, re.MULTILINE):
        return None
    said = re.search(r"^\s*parameterization\s*:\s*[\"']?(\w+)", lines, re.MULTILINE)
    # Stability's later configurations name a class instead; without either, LDM's own default is epsilon
    prediction = _PREDICTIONS.get(said[1].lower()) if said else "epsilon"
    if said is None and re.search(r"target\s*:\s*[\w.]+\.VScaling\b", lines):
        prediction = "v_prediction"
    rescaled = re.search(
        r"^\s*(?:ztsnr|use_zero_terminal_snr|zero_terminal_snr|rescale_betas_zero_snr)\s*:\s*true\b",
        lines,
        re.MULTILINE | re.IGNORECASE,
    )
    return Notes(prediction_type=prediction, zero_terminal_snr=rescaled is not None)
