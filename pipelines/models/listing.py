"""Which models an engine offers: what lies in the models folders, and the built-in one. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines.errors import ModelError
from pipelines.models import checkpoints, whole
from pipelines.models.files.families import TITLES
from pipelines.models.files.hashes import Hashes
from pipelines.models.files.remembering import Memory
from pipelines.types import ModelInfo

BUILTIN = Path(__file__).resolve().parent.parent / "builtin"
FAMILIES = ("sd1", "sd2", "sdxl", "sdxl-refiner")
VARIANTS = ("", "inpaint", "pix2pix")
IMAGE_ENCODER = "image-encoder"  # counts pictures in the lab, makes none
BESIDE = ("lora", "embedding", "vae")  # kinds that are used beside a model
LYCORIS = ("LoHa", "LoKr", "LoCon", "IA3", "GLoRA", "OFT", "DoRA", "full")  # and these of LyCORIS


class Listing:
    """The models of some folders; unchanged files are not opened twice."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._memory = Memory()

    def usable(self) -> tuple[ModelInfo, ...]:
        """What can be chosen, by name; a person's own before the built-in model, so that they are the default. What
        is no more than a guess, a pickle that nobody has looked into, is never the default."""
        found = [info for info in self._scan() if why_not(info) is None]
        sure = [info for info in found if info.kind == "checkpoint"]
        guesses = [info for info in found if info.kind != "checkpoint"]
        return (*sure, *guesses, builtin()) if sure else (builtin(), *guesses)

    def everything(self, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
        """Every file, LoRAs and broken ones too, without the built-in model. `hashes`: as `checkpoints.scan` has it."""
        return self._scan(hashes)

    def shelf(self, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
        """Every file and the built-in model, for people to look at: `problem` says why it is of no use here."""
        found = tuple(_judged(info) for info in self._scan(hashes))
        own = builtin() if hashes is None else replace(builtin(), sha256=hashes.get(BUILTIN))
        return (*found, own)

    def find(self, name: str) -> ModelInfo:
        """The model of that name. Raises `ModelError`, with the reason when it is there but cannot be used."""
        if name == "builtin":
            return builtin()
        info = next((info for info in self._scan() if info.name == name), None)
        if info is None:
            raise ModelError(f"There is no model called {name!r} in the models folder.")
        reason = why_not(info)
        if reason is not None:
            raise ModelError(f"{name}: {reason}")
        return info

    def _scan(self, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
        return checkpoints.scan(self._folders, self._memory, hashes)


def _judged(info: ModelInfo) -> ModelInfo:
    """A file that prompts or fields can name, or that the lab counts with, is no model, and yet of use."""
    if info.kind == IMAGE_ENCODER:
        return info
    return replace(info, problem=None if is_beside(info) else why_not(info))


def is_beside(info: ModelInfo) -> bool:
    """Whether a prompt or a field can name it beside a model."""
    return info.kind in BESIDE or (info.kind == "lycoris" and info.variant in LYCORIS)


def why_not(info: ModelInfo) -> str | None:
    """One sentence when this program cannot run a file as its model."""
    if info.problem is not None:
        return info.problem
    if info.layout == "pickle" and info.kind == "unknown":
        return None  # nobody knows what it is before it is converted, which happens when it is first used
    if info.kind != "checkpoint":
        return "It is not a checkpoint."
    if info.family in whole.FAMILIES:
        return _not_as_a_file(info) if info.family == "flux" and info.layout != "folder" else None
    if info.family not in FAMILIES:
        return f"It is a model of the family {TITLES.get(info.family, info.family)}, which is not supported yet."
    if info.variant not in VARIANTS:
        return f"It is a {info.variant} model, which is not supported yet."
    return None


def _not_as_a_file(info: ModelInfo) -> str:
    return f"{TITLES[info.family]} works as a diffusers folder: one file holds no tokenizer of its T5 text encoder."


def builtin() -> ModelInfo:
    """The model that ships with the project, as its own configs describe it."""
    unet, vae = _config("unet"), _config("vae")
    factor = 2 ** (len(vae["block_out_channels"]) - 1)
    return ModelInfo(
        name="builtin",
        family="builtin",
        path=str(BUILTIN),
        bytes=sum(file.stat().st_size for file in BUILTIN.glob("*/*.safetensors")),
        native_size=int(unet["sample_size"]) * factor,
        guidance=3.0,  # its judge's best: above, colours and edges overshoot (docs/builtin/figures.json)
        layout="folder",
        inpainting=unet["in_channels"] == 2 * vae["latent_channels"] + 1,
    )


def _config(part: str) -> dict[str, Any]:
    try:
        config: dict[str, Any] = json.loads((BUILTIN / part / "config.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"The built-in model is damaged: {part}/config.json cannot be read ({error}).") from error
    return config
