"""Which models an engine offers: what lies in the models folders, and the built-in one. Standard library only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines import families
from pipelines.errors import ModelError, Note
from pipelines.families import amused, builtin
from pipelines.families.sd import UNCLIP
from pipelines.leading import OWN_CONTROL
from pipelines.models import checkpoints
from pipelines.models.files.hashes import Hashes
from pipelines.models.files.kinds import FACES
from pipelines.models.files.remembering import Memory
from pipelines.types import BUILT_IN, BUILTIN, ModelInfo
from pipelines.upscaling.plain import OWN

IMAGE_ENCODER = "image-encoder"  # sees pictures: to count them in the lab, and those that another is to be like
UPSCALER = "upscaler"  # makes pictures larger
# Folders that people keep upscalers in, in this program and in others: an old pickle there is taken for one
UPSCALER_FOLDERS = ("upscalers", "upscale_models", "esrgan", "realesrgan", "swinir", "dat", "hat", "span")
DETECTOR = "detector"  # finds what is to be repainted
SEGMENTER = "segmenter"  # selects what is clicked on
CONTROL = "controlnet"  # has pictures follow a map
CONTROL_FOLDERS = ("controlnet", "control_net", "controlnets")  # likewise of ControlNets
CONTROLS = ("", "union")  # the variants of them that can be used
REFERENCE = "ip-adapter"  # has pictures be like another
OWN_UPSCALER = Path(__file__).resolve().parents[1] / "upscaling" / f"{OWN}.safetensors"
OWN_CONTROLNET = Path(__file__).resolve().parents[1] / "control" / f"{OWN_CONTROL}.safetensors"
BESIDE = ("lora", "embedding", "vae")  # kinds that are used beside a model
LYCORIS = ("LoHa", "LoKr", "LoCon", "IA3", "GLoRA", "OFT", "DoRA", "full")  # and these of LyCORIS


class Listing:
    """The models of some folders; unchanged files are not opened twice."""

    def __init__(self, folders: Sequence[Path]) -> None:
        self._folders = tuple(folders)
        self._memory = Memory()

    def usable(self) -> tuple[ModelInfo, ...]:
        """What can be chosen, by name; a person's own before what is built in, so that they are the default. What
        is no more than a guess, a pickle that nobody has looked into, is never the default."""
        found = [info for info in self._scan() if why_not(info) is None]
        sure = [info for info in found if info.kind == "checkpoint"]
        guesses = [info for info in found if info.kind != "checkpoint"]
        return (*sure, *guesses, *own_models()) if sure else (*own_models(), *guesses)

    def everything(self, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
        """Every file, LoRAs and broken ones too, without what is built in. `hashes`: as `checkpoints.scan` has it."""
        return self._scan(hashes)

    def shelf(self, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
        """Every file, and what is built in, for people to look at: `problem` says why it is of no use here."""
        found = tuple(_judged(info) for info in self._scan(hashes))
        own = (own_upscaler(), own_controlnet(), *own_models())
        return (*found, *(own if hashes is None else (checkpoints.with_hash(info, hashes) for info in own)))

    def upscalers(self) -> tuple[ModelInfo, ...]:
        """What may make pictures larger, ours first."""
        return (own_upscaler(), *filter(is_upscaler, self._scan()))

    def controls(self) -> tuple[ModelInfo, ...]:
        """What may have a picture follow a map, ours first."""
        return (own_controlnet(), *filter(is_control, self._scan()))

    def references(self) -> tuple[ModelInfo, ...]:
        """What may have a picture be like another."""
        return tuple(filter(is_reference, self._scan()))

    def detectors(self) -> tuple[ModelInfo, ...]:
        """What finds details to refine."""
        return tuple(info for info in self._scan() if info.kind == DETECTOR and info.problem is None)

    def segmenters(self) -> tuple[ModelInfo, ...]:
        """What selects things by clicks."""
        return tuple(info for info in self._scan() if info.kind == SEGMENTER and info.problem is None)

    def image_encoders(self) -> tuple[ModelInfo, ...]:
        return tuple(info for info in self._scan() if info.kind == IMAGE_ENCODER and info.problem is None)

    def find(self, name: str) -> ModelInfo:
        """The model of that name. Raises `ModelError`, with the reason when it is there but cannot be used."""
        if name in BUILT_IN:
            return next(info for info in own_models() if info.name == name)
        info = next((info for info in self._scan() if info.name == name), None)
        if info is None:
            raise ModelError("model_missing", name=name)
        reason = why_not(info)
        if reason is not None:
            raise ModelError("inside", name=name, reason=reason)
        return info

    def _scan(self, hashes: Hashes | None = None) -> tuple[ModelInfo, ...]:
        return checkpoints.scan(self._folders, self._memory, hashes)


def _judged(info: ModelInfo) -> ModelInfo:
    """A file that prompts or fields can name, or that the lab counts with, is no model, and yet of use."""
    if info.kind in (IMAGE_ENCODER, UPSCALER, DETECTOR, SEGMENTER):
        return info
    if is_control(info) or is_reference(info):
        return replace(info, problem=None)
    return replace(info, problem=None if is_beside(info) else why_not(info))


def own_models() -> tuple[ModelInfo, ...]:
    """The default first."""
    return builtin.info(), amused.info()


def own_upscaler() -> ModelInfo:
    size = OWN_UPSCALER.stat().st_size
    return ModelInfo(name=OWN, family="unknown", path=str(OWN_UPSCALER), bytes=size, kind=UPSCALER, dtype="float32")


def own_controlnet() -> ModelInfo:
    size, path = OWN_CONTROLNET.stat().st_size, str(OWN_CONTROLNET)
    return ModelInfo(name=OWN_CONTROL, family=BUILTIN, path=path, bytes=size, kind=CONTROL, dtype="float16")


def is_upscaler(info: ModelInfo) -> bool:
    """Whether it can make pictures larger, as far as is known before it is loaded."""
    if info.problem is not None or info.kind == UPSCALER:
        return info.problem is None
    return _is_guessed(info, UPSCALER_FOLDERS)


def is_control(info: ModelInfo) -> bool:
    """Whether a picture can follow a map by it, as far as is known before it is loaded."""
    if info.kind != CONTROL:
        return info.problem is None and _is_guessed(info, CONTROL_FOLDERS)
    runs = info.family not in families.ALL or families.of(info.family).runs
    return runs and info.variant in CONTROLS


def is_reference(info: ModelInfo) -> bool:
    """Whether a picture can be like another by it, as far as is known before it is loaded."""
    runs = info.family not in families.ALL or families.of(info.family).runs
    return info.kind == REFERENCE and runs and info.variant != FACES


def _is_guessed(info: ModelInfo, folders: Sequence[str]) -> bool:
    """An old pickle that nobody has looked into, in a folder of such files."""
    guessed = info.layout == "pickle" and info.kind == "unknown"
    return guessed and Path(info.path).parent.name.lower() in folders


def is_beside(info: ModelInfo) -> bool:
    """Whether a prompt or a field can name it beside a model. A family that nobody told may be any."""
    if info.family in families.ALL and not families.of(info.family).runs:
        return False
    return info.kind in BESIDE or (info.kind == "lycoris" and info.variant in LYCORIS)


def why_not(info: ModelInfo) -> Note | None:
    """Why this program cannot run a file as its model."""
    if info.problem is not None:
        return info.problem
    if info.layout == "pickle" and info.kind == "unknown":
        return None  # nobody knows what it is before it is converted, which happens when it is first used
    if info.kind != "checkpoint":
        return Note("no_checkpoint", what=Note(f"noun_{info.kind}"))
    family = families.of(info.family)
    if not family.runs:
        return Note("not_run_yet", what=Note("noun_checkpoint"), family=family.titled(info.variant))
    if info.variant not in family.variants:
        return Note("variant_not_run", family=family.title, variant=info.variant)
    if info.variant == UNCLIP and info.layout != "folder":
        return Note("unclip_folder", family=family.titled(info.variant))
    if not family.single_file and info.layout != "folder":
        return Note("folder_only", family=family.title)
    return None
