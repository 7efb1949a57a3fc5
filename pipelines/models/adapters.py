"""LoRAs, learned words and a VAE, laid over a loaded model and taken off again without a trace.

LoRAs go through diffusers and peft as layers beside the model's own weights, LyCORIS adapters change those weights and
keep the old ones aside: nothing is ever subtracted, because that would leave rounding behind. Learned words are vectors
beside the vocabulary.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from pipelines.errors import InvalidRequest, ModelError
from pipelines.models import conversion
from pipelines.models.extras import WantedLora
from pipelines.models.files.headers import read_header
from pipelines.models.weights.arranging import unstream
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.merging import Merged
from pipelines.prompts.encoding import PromptEncoder
from pipelines.types import ModelInfo

NOTES = "lora_adapter_metadata"  # of peft, in the notes of a file
_OLD_NAME = re.compile(r"^(text_encoder(?:_2)?\..+)\.to_(q|k|v|out)_lora\.")
_DOWN = re.compile(r"^(.+?)[._](?:lora_down|lora_A|lora_a|lora\.down|lora_linear_layer\.down)(?:\.\w+)?\.weight$")


class _WithVectors(torch.nn.Module):
    """A text encoder's table of words, and learned vectors behind its end. The table itself is not copied."""

    def __init__(self, table: torch.nn.Embedding, vectors: torch.Tensor) -> None:
        super().__init__()
        self.table = table
        self.vectors: torch.Tensor
        self.register_buffer("vectors", vectors.to(table.weight), persistent=False)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """(batch, tokens) -> (batch, tokens, width)"""
        words = self.table.num_embeddings
        rows: torch.Tensor = self.table(ids.clamp(max=words - 1))
        learned = ids >= words
        if bool(learned.any()):
            rows[learned] = self.vectors[ids[learned] - words]
        return rows


class Adapters:
    """What is laid over one loaded model at present."""

    def __init__(self, parts: Components, prompts: PromptEncoder) -> None:
        """`prompts` must read by `Words`, which `parts.tokenizers` then are."""
        self._parts = parts
        self._prompts = prompts
        self._loras: tuple[tuple[str, ...], tuple[tuple[float, float], ...]] = ((), ())
        self._embeddings: tuple[str, ...] = ()
        self._merged = Merged(parts)

    def apply(self, loras: Sequence[WantedLora], embeddings: Sequence[ModelInfo]) -> None:
        """These and no others, from now on. Raises `InvalidRequest` or `ModelError`; nothing is on the model then."""
        try:
            self._apply_loras(loras)
            self._apply_embeddings(embeddings)
        except BaseException:
            self.clear()
            raise

    def are(self, loras: Sequence[WantedLora]) -> bool:
        """Whether these LoRAs lie on the model already."""
        return tuple(_identity(lora.info) for lora in loras) == self._loras[0]

    def clear(self) -> None:
        """The model as it was read."""
        self._take_loras_off()
        self._take_words_off()

    def _apply_loras(self, loras: Sequence[WantedLora]) -> None:
        files = tuple(_identity(lora.info) for lora in loras)
        weights = tuple((lora.text_weight, lora.unet_weight) for lora in loras)
        if (files, weights) == self._loras:
            return
        layered = [lora for lora in loras if lora.info.kind != "lycoris"]
        merged = [lora for lora in loras if lora.info.kind == "lycoris"]
        if files != self._loras[0] or merged:
            unstream(self._parts.unet)
            self._take_loras_off()
            self._merged.lay(merged)  # first: a LoRA wraps the layers that it lies on
            for number, lora in enumerate(layered):
                with fit_errors("LoRAs", lora.info.name):
                    self._load(lora.info, f"lora{number}")
        self._loras = (files, weights)
        self._prompts.forget()
        _set_weights(self._parts.unet, [lora.unet_weight for lora in layered])
        for encoder in self._parts.text_encoders:
            _set_weights(encoder, [lora.text_weight for lora in layered])

    def _load(self, info: ModelInfo, adapter: str) -> None:
        path = conversion.loadable(info)
        header = read_header(path)
        wanted = {match[1] for match in map(_DOWN.match, header.shapes) if match is not None}
        self._loras = ((*self._loras[0], adapter), ())  # whatever comes: something must be taken off
        options = {"adapter_name": adapter, "local_files_only": True}
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # several at once are meant
            warnings.simplefilter("error", RuntimeWarning)  # peft's way of saying that it left something out
            pipeline = _pipeline(self._parts)
            if path.suffix == ".safetensors" and NOTES in header.metadata:
                pipeline.load_lora_weights(str(path.parent), weight_name=path.name, **options)  # which reads its notes
            else:  # under another name than .safetensors diffusers would unpickle it
                pipeline.load_lora_weights(_named(pipeline, _scaled(load_file(path))), **options)
        layers = 0
        for part in self._parts.modules:
            layers += sum(adapter in getattr(module, "lora_A", ()) for module in part.modules())
            part.eval().requires_grad_(False)
        if layers < len(wanted):
            raise ModelError(f"{len(wanted) - layers} of its {len(wanted)} layers do not fit this model.")

    def _take_loras_off(self) -> None:
        if self._loras != ((), ()):
            _pipeline(self._parts).unload_lora_weights()
            self._loras = ((), ())
            self._prompts.forget()
        if self._merged:
            self._merged.take_off()
            self._prompts.forget()

    def _apply_embeddings(self, embeddings: Sequence[ModelInfo]) -> None:
        files = tuple(_identity(info) for info in embeddings)
        if files == self._embeddings:
            return
        self._take_words_off()
        if not files:
            return
        encoders, ids, rows = self._parts.text_encoders, dict[str, range](), list[tuple[torch.Tensor, ...]]()
        end = encoders[0].get_input_embeddings().num_embeddings
        for info in embeddings:
            vectors = _vectors(info, [encoder.get_input_embeddings().embedding_dim for encoder in encoders])
            ids[Path(info.path).stem] = range(end, end + len(vectors[0]))
            end += len(vectors[0])
            rows.append(vectors)
        self._embeddings = files
        for place, encoder in enumerate(encoders):
            table = encoder.get_input_embeddings()
            encoder.set_input_embeddings(_WithVectors(table, torch.cat([row[place] for row in rows])))
        for tokenizer in self._parts.tokenizers:
            tokenizer.learn(ids)
        self._prompts.forget()

    def _take_words_off(self) -> None:
        if not self._embeddings:
            return
        self._embeddings = ()
        for encoder in self._parts.text_encoders:
            table = encoder.get_input_embeddings()
            if isinstance(table, _WithVectors):
                encoder.set_input_embeddings(table.table)
        for tokenizer in self._parts.tokenizers:
            tokenizer.learn({})
        self._prompts.forget()


def _scaled(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Each layer's alpha / rank multiplied into its weights: handed on beside them, all but one value for all layers
    would be lost between the names of diffusers and of peft."""
    found = {name: tensor for name, tensor in tensors.items() if not name.endswith(".alpha")}
    for name in found.keys() & {f"{key.removesuffix('.alpha')}.lora_up.weight" for key in tensors}:
        layer = name.removesuffix(".lora_up.weight")
        scale = float(tensors[f"{layer}.alpha"]) / found[f"{layer}.lora_down.weight"].shape[0]
        found[name] = found[name].float() * scale
    return found


def _named(pipeline: Any, tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Under diffusers' names of today. It puts those of kohya's trainer into its first ones for the text encoders, and
    then knows them again only if the output projection is among them: a LoRA of queries and values has none."""
    unet = {"unet_config": pipeline.unet.config} if hasattr(pipeline, "text_encoder_2") else {}  # as it does itself
    found, _ = pipeline.lora_state_dict(tensors, **unet)
    return {_OLD_NAME.sub(r"\1.\2_proj.lora_linear_layer.", name): tensor for name, tensor in found.items()}


def _identity(info: ModelInfo) -> str:
    """Another one when the file has been replaced."""
    found = Path(info.path).stat()
    return f"{info.path}\0{found.st_size}\0{found.st_mtime_ns}"


def _set_weights(part: Any, weights: list[float]) -> None:
    """Of the adapters lora0, lora1, …, in this part; a part without any is left alone."""
    from diffusers.loaders.lora_base import set_adapters_for_text_encoder  # brings the pipelines, see below

    if weights and any(hasattr(module, "lora_A") for module in part.modules()):
        names = [f"lora{number}" for number in range(len(weights))]
        if hasattr(part, "load_lora_adapter"):
            part.set_adapters(names, list(weights))
        else:
            set_adapters_for_text_encoder(names, part, list(weights))


def _pipeline(parts: Components) -> Any:
    """diffusers' pipeline on the same parts: it alone knows the dialects that LoRAs are written in."""
    # here and not above: these imports take seconds, and few pictures want a LoRA
    from diffusers import DDIMScheduler, StableDiffusionPipeline, StableDiffusionXLPipeline

    tokenizers, encoders = parts.tokenizers, parts.text_encoders
    common = {"vae": parts.vae, "unet": parts.unet, "text_encoder": encoders[0], "tokenizer": None}
    common["scheduler"] = DDIMScheduler(steps_offset=1, clip_sample=False)
    if parts.is_sdxl and len(tokenizers) == 2:
        return StableDiffusionXLPipeline(**common, text_encoder_2=encoders[1], tokenizer_2=None, add_watermarker=False)
    return StableDiffusionPipeline(**common, safety_checker=None, feature_extractor=None, requires_safety_checker=False)


def _vectors(info: ModelInfo, widths: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """One tensor (vectors, width) for each text encoder. Raises `InvalidRequest`."""
    with fit_errors("learned words", info.name):
        tensors = load_file(conversion.loadable(info))
    names = ("clip_l", "clip_g") if len(widths) == 2 else ("clip_l",)
    if len(tensors) == 1 or "emb_params" in tensors:
        tensors = {"clip_l": tensors.get("emb_params", next(iter(tensors.values())))}
    found = tuple(tensors[name].reshape(-1, tensors[name].shape[-1]) for name in names if name in tensors)
    if [vector.shape[-1] for vector in found] != list(widths) or len({len(vector) for vector in found}) != 1:
        shapes = [tuple(vector.shape) for vector in found]
        rule = f"must name learned words of width {list(widths)} with this model, got {shapes} in {info.name!r}"
        raise InvalidRequest("prompt", rule)
    return found
