"""LoRAs, learned words and a VAE, laid over a loaded model and taken off again without a trace.

LoRAs go through diffusers and peft as layers beside the model's own weights, LyCORIS adapters change those weights, at
each step anew where they count otherwise, and keep the old ones aside: nothing is ever subtracted, because that would
leave rounding behind. Learned words are vectors beside the vocabulary.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from pipelines.errors import ModelError
from pipelines.models import conversion
from pipelines.models.extras import WantedLora
from pipelines.models.weights import loras as lora_files
from pipelines.models.weights.arranging import unstream
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import fit_errors
from pipelines.models.weights.lycoris import shown
from pipelines.models.weights.merging import Merged
from pipelines.models.weights.naming import Blocks, NamedLayer, named_layers
from pipelines.prompts.encoding import PromptEncoder
from pipelines.prompts.loras import ALL_BLOCKS, Lora
from pipelines.types import ModelInfo


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
        self._loras: tuple[tuple[str, ...], tuple[tuple[Lora, ...], ...]] = ((), ())
        self._layered: tuple[WantedLora, ...] = ()  # those that are layers of their own ...
        self._layers: tuple[tuple[Any, int], ...] = ()  # ... in the UNet: each with its block
        self._embeddings: tuple[str, ...] = ()
        self._merged = Merged(parts)

    def apply(self, loras: Sequence[WantedLora], embeddings: Sequence[ModelInfo]) -> None:
        """These and no others, from now on. Raises `InvalidRequest` or `ModelError`; nothing is on the model then."""
        try:
            self._apply_loras(loras)
            self._apply_embeddings(embeddings, [lora.info for lora in loras])
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
        weights = tuple(lora.asked for lora in loras)
        if (files, weights) == self._loras:
            return
        layered = [lora for lora in loras if lora.info.kind != "lycoris"]
        merged = [lora for lora in loras if lora.info.kind == "lycoris"]
        if files != self._loras[0] or merged:
            unstream(self._parts.unet)
            self._take_loras_off()
            self._merged.lay(merged)  # first: a LoRA wraps the layers that it lies on
            known = dict(named_layers(self._parts)) if layered else {}
            for number, lora in enumerate(layered):
                with fit_errors("prompt", "lora_unfit", lora.info.name):
                    self._load(lora.info, f"lora{number}", known)
        self._loras = (files, weights)
        self._layered, blocks = tuple(layered), Blocks(self._parts.unet)
        found = self._parts.unet.named_modules() if layered else ()
        self._layers = tuple((module, blocks.of(name)) for name, module in found if hasattr(module, "lora_A"))
        self._prompts.forget()
        _set_weights(self._parts.unet, [1.0] * len(layered))
        self.weigh()
        for encoder in self._parts.text_encoders:
            _set_weights(encoder, [lora.in_text for lora in layered])

    def weigh(self, step: int = 1, steps: int = 0) -> None:
        """As the LoRAs of the UNet count at `step` of so many; 0 steps: as far as they count at all."""
        for number, lora in enumerate(self._layered):
            weights = [lora.in_unet(block, step, steps) for block in range(ALL_BLOCKS)]
            for layer, block in self._layers:
                layer.set_scale(f"lora{number}", weights[block])
        self._merged.weigh(step, steps)

    def _load(self, info: ModelInfo, adapter: str, known: Mapping[str, NamedLayer]) -> None:
        path = conversion.loadable(info)
        lora = lora_files.read(path, known)
        self._loras = ((*self._loras[0], adapter), ())  # whatever comes: something must be taken off
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")  # several at once are meant
            warnings.simplefilter("error", RuntimeWarning)  # peft's way of saying that it left something out
            pipeline = _pipeline(self._parts)
            for part, tensors in lora.tensors.items():
                config = {f"{part}.{name}": value for name, value in lora.configs.get(part, {}).items()}
                options: dict[str, Any] = {"metadata": config or None, "adapter_name": adapter}
                # the last as diffusers has it by itself: no random numbers are drawn for new layers
                options |= {"network_alphas": None, "_pipeline": pipeline, "low_cpu_mem_usage": True}
                if part == "unet":
                    pipeline.load_lora_into_unet(tensors, unet=self._parts.unet, **options)
                else:
                    encoder = self._parts.text_encoders[int(part == "text_encoder_2")]
                    pipeline.load_lora_into_text_encoder(tensors, text_encoder=encoder, prefix=part, **options)
        layers = 0
        for module in self._parts.modules:
            layers += sum(adapter in getattr(layer, "lora_A", ()) for layer in module.modules())
            module.eval().requires_grad_(False)
        if layers < lora.layers:
            raise ModelError("layers_unfit", missing=lora.layers - layers, total=lora.layers)

    def _take_loras_off(self) -> None:
        if self._loras != ((), ()):
            _pipeline(self._parts).unload_lora_weights()
            self._loras, self._layered, self._layers = ((), ()), (), ()
            self._prompts.forget()
        if self._merged:
            self._merged.take_off()
            self._prompts.forget()

    def _apply_embeddings(self, embeddings: Sequence[ModelInfo], loras: Sequence[ModelInfo]) -> None:
        """Those of files, and those that lie in a LoRA's file: its own where nobody gave another of that name."""
        files = tuple(_identity(info) for info in (*embeddings, *loras))
        if files == self._embeddings:
            return
        self._take_words_off()
        encoders = self._parts.text_encoders
        widths = [encoder.get_input_embeddings().embedding_dim for encoder in encoders]
        words = _words(embeddings, loras, widths)
        self._embeddings = files
        if not words:
            return
        ids, end = dict[str, range](), encoders[0].get_input_embeddings().num_embeddings
        for word, vectors in words.items():
            ids[word] = range(end, end + len(vectors[0]))
            end += len(vectors[0])
        for place, encoder in enumerate(encoders):
            table, rows = encoder.get_input_embeddings(), torch.cat([vectors[place] for vectors in words.values()])
            encoder.set_input_embeddings(_WithVectors(table, rows))
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


def _words(
    embeddings: Sequence[ModelInfo], loras: Sequence[ModelInfo], widths: Sequence[int]
) -> dict[str, tuple[torch.Tensor, ...]]:
    """word -> its vectors. Raises `InvalidRequest`."""
    found: dict[str, tuple[torch.Tensor, ...]] = {}
    for info in embeddings:
        with fit_errors("prompt", "word_unfit", info.name):
            found[Path(info.path).stem] = _vectors(load_file(conversion.loadable(info)), widths)
    for info in loras:
        with fit_errors("prompt", "lora_unfit", info.name):
            taken = {word.casefold() for word in found}
            for word, tensors in lora_files.words_in(conversion.loadable(info)).items():
                if word.casefold() not in taken:
                    found[word] = _vectors(tensors, widths)
    return found


def _vectors(tensors: Mapping[str, torch.Tensor], widths: Sequence[int]) -> tuple[torch.Tensor, ...]:
    """One tensor (vectors, width) for each text encoder. Raises `ModelError`."""
    names = ("clip_l", "clip_g") if len(widths) == 2 else ("clip_l",)
    if len(tensors) == 1 or "emb_params" in tensors:
        tensors = {"clip_l": tensors.get("emb_params", next(iter(tensors.values())))}
    found = tuple(tensors[name].reshape(-1, tensors[name].shape[-1]) for name in names if name in tensors)
    if [vector.shape[-1] for vector in found] != list(widths) or len({len(vector) for vector in found}) != 1:
        told = tuple(shown(vector.shape) for vector in found)
        raise ModelError("vectors_unfit", widths=tuple(widths), found=told or "—")
    return found
