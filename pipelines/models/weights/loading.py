"""A model's files -> its parts, ready to run. Never goes online, never unpickles; one sentence says what is wrong."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, ModelMixin, UNet2DConditionModel
from diffusers.loaders.single_file_utils import SingleFileComponentError
from diffusers.utils import logging as diffusers_logging
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from pipelines.errors import InvalidRequest, ModelError
from pipelines.models import conversion
from pipelines.models.device import Placement, is_out_of_memory
from pipelines.models.files.folders import pickles_of, weight_files
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights.components import Components
from pipelines.models.weights.filling import filled
from pipelines.models.weights.singlefile import load_single
from pipelines.types import ModelInfo


def load(info: ModelInfo, placement: Placement) -> Components:
    """A diffusers folder or a single file, by `info.layout`, on its device and ready to run. Raises `ModelError`."""
    return place(read(info, placement))


def read(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> Components:
    """As `load`, but in main memory still; same-type weights are mapped, so hardly anything is read yet."""
    if not Path(info.path).exists():
        raise ModelError(f"{info.name}: the model is gone from {info.path}.")
    quieted()
    with model_errors(info.name):
        load_from = load_folder if info.layout == "folder" else load_single
        return checked(load_from(info, placement, on_part))


def quieted() -> None:
    """The libraries' logs."""
    transformers_logging.disable_progress_bar()  # it would write over the log
    diffusers_logging.set_verbosity_error()  # it warns of what is meant here: a VAE moved to another type
    transformers_logging.set_verbosity_error()  # the same for a LoRA that begins at zero


def load_folder(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> Components:
    """A diffusers folder: unet/, vae/, text_encoder/, tokenizer/, scheduler/; with a second encoder for SDXL."""
    folder = Path(info.path)
    text_encoders, tokenizers = [], []
    for suffix, kind in (("", CLIPTextModel), ("_2", CLIPTextModelWithProjection)):
        if (folder / f"text_encoder{suffix}").is_dir():
            on_part(f"text_encoder{suffix}")
            text_encoders.append(read_part(kind, folder, f"text_encoder{suffix}", placement))
            tokenizers.append(CLIPTokenizer.from_pretrained(folder / f"tokenizer{suffix}", local_files_only=True))
    scheduler_config = json.loads((folder / "scheduler" / "scheduler_config.json").read_text(encoding="utf-8"))
    on_part("unet")
    unet = read_part(UNet2DConditionModel, folder, "unet", placement)
    on_part("vae")
    return Components(
        info=info,
        placement=placement,
        unet=unet,
        vae=read_part(AutoencoderKL, folder, "vae", placement),
        text_encoders=tuple(text_encoders),
        tokenizers=tuple(tokenizers),
        scheduler_config=scheduler_config,
    )


def read_part(kind: Any, folder: Path, name: str, placement: Placement) -> Any:
    """Of safetensors, or of the copies of old pickles, which are made now if they are not there yet."""
    pickles = pickles_of(folder / name)
    files = [conversion.convert(pickle) for pickle in pickles] or weight_files(folder / name)
    tensors: dict[str, Any] = {}
    if issubclass(kind, ModelMixin):
        for file in files:
            tensors |= load_file(file)
        return filled(kind, kind.load_config(folder / name, local_files_only=True), tensors, placement)
    if pickles:
        for file in files:
            tensors |= load_file(file)
        config = kind.config_class.from_pretrained(folder / name, local_files_only=True)
        return kind.from_pretrained(None, config=config, state_dict=tensors, dtype=placement.dtype)
    options: dict[str, Any] = {"local_files_only": True, "use_safetensors": True, "dtype": placement.dtype}
    if files and all(re.search(r"\.fp16[.-]", file.name) for file in files):
        options["variant"] = "fp16"
    return kind.from_pretrained(folder, subfolder=name, **options)


def place(components: Components) -> Components:
    """Puts the parts on their device."""
    for part in components.modules:
        components.placement.place(part)
    return components


def checked(components: Components) -> Components:
    """Checks that nothing is missing."""
    if not components.text_encoders:
        raise ModelError("The text encoder is missing.")
    for tokenizer, encoder in zip(components.tokenizers, components.text_encoders, strict=True):
        # without its vocabulary a tokenizer loads all the same, as one of two words
        if len(tokenizer) > encoder.config.vocab_size or len(tokenizer) < 256:
            raise ModelError(f"The tokenizer has {len(tokenizer)} words, the text encoder {encoder.config.vocab_size}.")
    for part in components.modules:
        missing = [name for name, weight in part.named_parameters() if weight.is_meta]
        if missing:
            raise ModelError(f"{len(missing)} weights of {type(part).__name__} are missing, the first is {missing[0]}.")
    return components


FOREIGN = (OSError, ValueError, RuntimeError, KeyError, SafetensorError, SingleFileComponentError)


@contextlib.contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Turns what the libraries raise over a bad file into one sentence, and puts the model's name before ours."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{name}: {error}") from error
    except FOREIGN as error:
        if is_out_of_memory(error):
            raise
        raise ModelError(f"{name}: the model cannot be loaded: {first_sentence(error)}") from error


@contextlib.contextmanager
def fit_errors(what: str, name: str) -> Iterator[None]:
    """What ours and the libraries say of a file that does not fit -> one sentence at the prompt."""
    try:
        yield
    except (ModelError, *FOREIGN, AttributeError, TypeError, RuntimeWarning) as error:
        if is_out_of_memory(error):
            raise
        rule = f"must name {what} that fit the model, got {name!r}: {first_sentence(error)}"
        raise InvalidRequest("prompt", rule.rstrip(".")) from error


def first_sentence(error: BaseException) -> str:
    """The first line of a library's message, cut short; people see it behind our own words."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0][:200].rstrip(" .:") + "."
