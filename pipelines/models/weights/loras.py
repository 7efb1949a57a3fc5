"""A LoRA's file in any naming -> the halves of each layer under the model's own names, its alphas, and its words.

The namings are those of kohya's trainer, of diffusers' first, second and present form, of peft, and all of them with
dots or underscores and either way to count the UNet's blocks. Nothing in a file is passed over: what is not understood
is refused by name.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import load_file

from pipelines.errors import ModelError
from pipelines.models.files.headers import read_header
from pipelines.models.weights.naming import NamedLayer

NOTES = "lora_adapter_metadata"  # of peft, in the notes of a file
BUNDLE = "bundle_emb."
_WORD = re.compile(rf"{re.escape(BUNDLE)}(.+?)\.(?:string_to_param\.(?:.+)|(emb_params|clip_l|clip_g))")
_HALVES = {"down": "down", "A": "down", "a": "down", "up": "up", "B": "up", "b": "up"}
_FIRST = re.compile(r"(?P<layer>.+?)(?:\.processor)?\.(?P<inner>to_\w+?)_lora\.(?P<half>down|up|alpha)(?:\.weight)?")
_PLAIN = re.compile(
    r"(?P<layer>.+?)[._](?:lora_|lora\.|lora_linear_layer\.)(?P<half>down|up|[ABab])(?:\.\w+)?\.(?P<what>weight|bias)"
)
_ALPHA = re.compile(r"(?P<layer>.+?)(?:\.lora|\.lora_linear_layer)?\.(?:lora_)?alpha")
_MAGNITUDE = re.compile(r"(?P<layer>.+?)\.lora_magnitude_vector(?:\.\w+)?")
_PARTS = ("unet", "text_encoder", "text_encoder_2")


@dataclass(kw_only=True, slots=True)
class _Layer:
    """What a file has for one layer."""

    tensors: dict[str, torch.Tensor] = field(default_factory=dict)  # down, up, up_bias, magnitude
    alpha: float | None = None

    @property
    def rank(self) -> int:
        return self.tensors["down"].shape[0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Lora:
    """Ready for diffusers: `tensors` by part and by its names of today."""

    tensors: Mapping[str, Mapping[str, torch.Tensor]]
    configs: Mapping[str, Mapping[str, Any]]  # for peft: of the parts whose alphas it noted itself
    layers: int


def read(path: Path, known: Mapping[str, NamedLayer]) -> Lora:
    """`known`: `naming.named_layers` of the model. Each layer's alpha / rank is multiplied into its upper half: handed
    on beside it, all but one value for all layers would be lost between the names of diffusers and of peft. Only what
    peft itself noted is left to peft. Raises `ModelError`."""
    header = read_header(path)
    notes = _notes(path, header.metadata)
    layers = _layers({name: tensor for name, tensor in load_file(path).items() if not name.startswith(BUNDLE)})
    fitting = {}
    for name, layer in layers.items():
        place = _place(name, known)
        if place is not None and _fits(layer, place):
            fitting[place] = layer
    if len(fitting) < len(layers):
        raise ModelError("layers_unfit", missing=len(layers) - len(fitting), total=len(layers))
    own = {place.part for place, layer in fitting.items() if layer.alpha is not None}
    _place_alphas(fitting, notes)
    tensors: dict[str, dict[str, torch.Tensor]] = {}
    configs: dict[str, dict[str, Any]] = {}
    noted = {name.partition(".")[0] for name in _table(header.metadata.get(NOTES, "{}"))} - own
    for part in dict.fromkeys(place.part for place in fitting):
        theirs = {place: layer for place, layer in fitting.items() if place.part == part}
        rooted = str(_entry(notes, part, "use_rslora")).lower() == "true"
        if part in noted:
            configs[part] = _config({place.name: layer for place, layer in theirs.items()}, rooted)
        tensors[part] = {}
        for place, layer in theirs.items():
            scale = 1.0 if part in noted else _scale(layer, rooted)
            tensors[part] |= _named(layer, place, scale)
    return Lora(tensors=tensors, configs=configs, layers=len(layers))


def words_in(path: Path) -> dict[str, dict[str, torch.Tensor]]:
    """The learned words that lie in a LoRA's file, each as a file of its own would hold it. Raises `ModelError`."""
    found: dict[str, dict[str, torch.Tensor]] = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118
            if not name.startswith(BUNDLE):
                continue
            match = _WORD.fullmatch(name)
            if match is None:
                raise ModelError("tensor_unknown", name=name, count=1)
            found.setdefault(match[1], {})[match[2] or "emb_params"] = file.get_tensor(name)
    return found


def _layers(tensors: Mapping[str, torch.Tensor]) -> dict[str, _Layer]:
    found: dict[str, _Layer] = {}
    unknown = []
    for name, tensor in tensors.items():
        told = _told(name)
        if told is None:
            unknown.append(name)
            continue
        layer = found.setdefault(told[0], _Layer())
        if told[1] == "alpha":
            layer.alpha = _number(tensor.item() if tensor.numel() == 1 else None, name)
        else:
            layer.tensors[told[1]] = tensor
    if unknown:
        raise ModelError("tensor_unknown", name=unknown[0], count=len(unknown))
    for name, layer in found.items():
        if layer.alpha is not None and not layer.tensors:
            raise ModelError("alpha_unplaced", name=f"{name}.alpha")
        if not {"down", "up"} <= layer.tensors.keys():
            raise ModelError("half_missing", name=name)
    return found


def _told(name: str) -> tuple[str, str] | None:
    """The layer that a tensor belongs to, and what it is there."""
    if match := _FIRST.fullmatch(name):
        return f"{match['layer']}.{match['inner']}", match["half"]
    if match := _PLAIN.fullmatch(name):
        half = _HALVES[match["half"]]
        if match["what"] == "bias":
            return (match["layer"], "up_bias") if half == "up" else None
        return match["layer"], half
    if match := _ALPHA.fullmatch(name):
        return match["layer"], "alpha"
    match = _MAGNITUDE.fullmatch(name)
    return None if match is None else (match["layer"], "magnitude")


def _place(name: str, known: Mapping[str, NamedLayer]) -> NamedLayer | None:
    """Diffusers' first names have one for the text encoder's projections too: those of the UNet."""
    name = name.removeprefix("base_model.model.").replace(".", "_")
    first = re.sub(r"self_attn_to_(q|k|v|out)$", r"self_attn_\1_proj", name)
    return known.get(name) or known.get(first) or known.get(f"{name}_0" if name.endswith("to_out") else "")


def _fits(layer: _Layer, place: NamedLayer) -> bool:
    """By its sides: (rank, in, …) and (out, rank, …)."""
    weight, down, up = place.module.weight, layer.tensors["down"], layer.tensors["up"]
    if not isinstance(weight, torch.Tensor) or not down.dim() == up.dim() == weight.dim():
        return False
    sides = (down.shape[1], up.shape[0], down.shape[0]) == (weight.shape[1], weight.shape[0], up.shape[1])
    return sides and down.shape[2:] == weight.shape[2:]


def _named(layer: _Layer, place: NamedLayer, scale: float) -> Iterator[tuple[str, torch.Tensor]]:
    """In the words that diffusers takes for a UNet and for a text encoder."""
    down, up = ("lora_A", "lora_B") if place.in_unet else ("lora_linear_layer.down", "lora_linear_layer.up")
    ends = {"down": f"{down}.weight", "up": f"{up}.weight", "up_bias": f"{up}.bias"}
    for what, tensor in layer.tensors.items():
        if scale != 1 and what.startswith("up"):
            tensor = tensor.float() * scale
        yield f"{place.part}.{place.name}.{ends.get(what, 'lora_magnitude_vector')}", tensor


def _scale(layer: _Layer, rooted: bool) -> float:
    """alpha / rank, or by peft's rank-stabilized rule (arXiv:2312.03732) by its root."""
    return 1.0 if layer.alpha is None else layer.alpha / (math.sqrt(layer.rank) if rooted else layer.rank)


def _config(layers: Mapping[str, _Layer], rooted: bool) -> dict[str, Any]:
    """What peft builds these layers by, which then scales by alpha / rank itself."""
    what = {what for layer in layers.values() for what in layer.tensors}
    alphas = {name: layer.rank if layer.alpha is None else layer.alpha for name, layer in layers.items()}
    return {
        "target_modules": list(layers),
        "rank_pattern": {f"^{name}": layer.rank for name, layer in layers.items()},
        "alpha_pattern": {f"^{name}": alpha for name, alpha in alphas.items()},
        "use_rslora": rooted,
        "use_dora": "magnitude" in what,
        "lora_bias": "up_bias" in what,
    }


# -- alphas in the notes ----------------------------------------------------------------------------------------------


def _notes(path: Path, metadata: Mapping[str, str]) -> dict[str, Any]:
    """Flat: "unet.lora_alpha" -> 4. peft writes a table, others the entries one by one, and peft's own trainer a file
    beside the weights."""
    found: dict[str, Any] = {name: value for name, value in metadata.items() if name != NOTES}
    beside = path.with_name("adapter_config.json")
    if path.name == "adapter_model.safetensors" and beside.is_file():
        found |= _table(beside.read_text(encoding="utf-8-sig"))
    return found | _table(metadata.get(NOTES, "{}"))


def _table(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError) as error:
            raise ModelError("notes_damaged") from error
    if not isinstance(value, dict):
        raise ModelError("notes_damaged")
    return value


def _place_alphas(layers: Mapping[NamedLayer, _Layer], notes: Mapping[str, Any]) -> None:
    """To each layer without an alpha beside its weights the one that the notes have for it: its own before that of its
    part, peft's before kohya's. Raises `ModelError` for one that is for no layer of the file."""
    places = {(place.part, place.name.removeprefix("text_model.")): layer for place, layer in layers.items()}
    for owner in ("", *(f"{part}." for part in _PARTS)):
        for pattern, alpha in _table(notes.get(f"{owner}alpha_pattern") or "{}").items():
            end = pattern.removeprefix("^").replace("\\.", ".").removeprefix("text_model.")
            meant = [
                layer
                for (part, name), layer in places.items()
                if owner in ("", f"{part}.") and f".{name}".endswith(f".{end}")
            ]
            if not meant:
                raise ModelError("alpha_unplaced", name=pattern)
            for layer in meant:
                layer.alpha = _number(alpha, pattern) if layer.alpha is None else layer.alpha
    for place, layer in layers.items():
        if layer.alpha is None:
            layer.alpha = _common_alpha(layer, place.part, notes)


def _common_alpha(layer: _Layer, part: str, notes: Mapping[str, Any]) -> float | None:
    if (alpha := _entry(notes, part, "lora_alpha")) is not None:
        return _number(alpha, "lora_alpha")
    alpha = notes.get("ss_network_alpha")
    if any(side > 1 for side in layer.tensors["down"].shape[2:]):
        alpha = _table(notes.get("ss_network_args") or "{}").get("conv_alpha", alpha)
    return None if alpha in (None, "None") else _number(alpha, "ss_network_alpha")


def _entry(notes: Mapping[str, Any], part: str, name: str) -> Any:
    return notes.get(f"{part}.{name}", notes.get(name))


def _number(value: Any, name: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ModelError("alpha_unread", name=name) from error
    if not math.isfinite(number):
        raise ModelError("alpha_unread", name=name)
    return number
