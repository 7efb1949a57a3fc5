"""A model's files -> its parts, ready to run. Never goes online, never unpickles; one sentence says what is wrong."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from diffusers import AutoencoderKL, ModelMixin, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from safetensors.torch import load_file
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from pipelines.errors import InvalidRequest, ModelError, Note, SeedprintError
from pipelines.models import conversion
from pipelines.models.device import Placement, is_lost, is_out_of_memory
from pipelines.models.files.folders import pickles_of, weight_files
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights import leftovers
from pipelines.models.weights.components import Components
from pipelines.models.weights.filling import filled
from pipelines.models.weights.scales import widened
from pipelines.models.weights.singlefile import load_single
from pipelines.types import ModelInfo


def load(info: ModelInfo, placement: Placement) -> Components:
    """A diffusers folder or a single file, by `info.layout`, on its device and ready to run. Raises `ModelError`."""
    return place(read(info, placement))


def read(info: ModelInfo, placement: Placement, on_part: OnPart = unheard) -> Components:
    """As `load`, but in main memory still; same-type weights are mapped, so hardly anything is read yet."""
    if not Path(info.path).exists():
        raise ModelError("of_model", name=info.name, problem=Note("model_gone", path=info.path))
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
        config = kind.load_config(folder / name, local_files_only=True)
        return filled(kind, config, widened(tensors, placement.dtype), placement)
    options: dict[str, Any] = {"dtype": placement.dtype, "output_loading_info": True}
    if pickles:
        for file in files:
            tensors |= load_file(file)
        config = kind.config_class.from_pretrained(folder / name, local_files_only=True)
        part, told = kind.from_pretrained(None, config=config, state_dict=tensors, **options)
    else:
        options |= {"local_files_only": True, "use_safetensors": True}
        if files and all(re.search(r"\.fp16[.-]", file.name) for file in files):
            options["variant"] = "fp16"
        part, told = kind.from_pretrained(folder, subfolder=name, **options)
    leftovers.refuse(sorted(told["unexpected_keys"]))
    return part


def place(components: Components) -> Components:
    """Puts the parts on their device."""
    for part in components.modules:
        components.placement.place(part)
    return components


def checked(components: Components) -> Components:
    """Checks that nothing is missing."""
    if not components.text_encoders:
        raise ModelError("no_text_encoder")
    for tokenizer, encoder in zip(components.tokenizers, components.text_encoders, strict=True):
        # without its vocabulary a tokenizer loads all the same, as one of two words
        if len(tokenizer) > encoder.config.vocab_size or len(tokenizer) < 256:
            raise ModelError("words_differ", tokenizer=len(tokenizer), encoder=encoder.config.vocab_size)
    for part in components.modules:
        missing = [name for name, weight in part.named_parameters() if weight.is_meta]
        if missing:
            raise ModelError("weights_missing", part=type(part).__name__, count=len(missing), name=missing[0])
    return components


@contextlib.contextmanager
def model_errors(name: str) -> Iterator[None]:
    """Puts the model's name before what ours say of it. The libraries raise anything over a bad file: it is one
    sentence, and the exception behind it stays in the log."""
    try:
        yield
    except ModelError as error:
        if error.note.code == "of_model":  # said further in
            raise
        raise ModelError("of_model", name=name, problem=error.note) from error
    except SeedprintError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_lost(error):
            raise
        raise ModelError("of_model", name=name, problem=foreign(error)) from error


@contextlib.contextmanager
def fit_errors(field: str, code: str, name: str) -> Iterator[None]:
    """What ours and the libraries say of a file that does not fit -> one sentence at the field that named it."""
    try:
        yield
    except ModelError as error:
        raise InvalidRequest(field, code, name=name, problem=error.note) from error
    except SeedprintError:
        raise
    except Exception as error:
        if is_out_of_memory(error) or is_lost(error):
            raise
        raise InvalidRequest(field, code, name=name, problem=foreign(error)) from error


def foreign(error: BaseException) -> Note:
    """The first line of a library's message, cut short; people see it behind our own words."""
    lines = str(error).strip().splitlines() or [""]
    return Note("library_says", kind=type(error).__name__, text=lines[0][:200].rstrip(" .:"))
