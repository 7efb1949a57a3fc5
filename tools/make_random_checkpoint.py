"""Write checkpoints with random weights: the real shapes and names, no picture in them.

    python -m tools.make_random_checkpoint sd15 --out models/                    one .safetensors in the original layout
    python -m tools.make_random_checkpoint sd15 --ckpt --out models/             the same as an old pickle
    python -m tools.make_random_checkpoint sdxl --layout folder --out models/    the same as a diffusers folder
    python -m tools.make_random_checkpoint sd21 --tiny --out models/             few channels, for quick tests
    python -m tools.make_random_checkpoint sdxl --header-only --out models/      true header, a hole instead of data
    python -m tools.make_random_checkpoint lora-sdxl --out models/               small files of every other kind
    python -m tools.make_random_checkpoint full-controlnet-sd15 --out models/    a ControlNet, or --layout folder

The same name, seed and number format give the same weights in every layout.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import zlib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import torch

from tools import random_controlnets
from tools.original_layout import Planned, Shape, plan
from tools.random_controlnets import CONTROLNETS
from tools.random_kinds import KINDS, METADATA
from tools.random_specs import NOISING, SPECS, extractor_of, index_of, parts_of, scheduler_of

DTYPES = {"fp16": (torch.float16, "F16"), "bf16": (torch.bfloat16, "BF16"), "fp32": (torch.float32, "F32")}


class RandomModel:
    """The weights of one model, made one tensor at a time, so that even SDXL needs little memory."""

    def __init__(self, name: str, *, tiny: bool, seed: int = 0, dtype: str = "fp16", vocabulary: int = 49_408) -> None:
        self.name = name
        self.seed = seed
        self.dtype, self.format = DTYPES[dtype]
        self.vocabulary = vocabulary
        self.parts = parts_of(name, tiny=tiny, vocabulary=vocabulary)
        self.shapes = {part: part_shapes(part, config) for part, config in self.parts.items()}
        self.plan = plan(name, self.parts, self.shapes)

    def tensor(self, part: str, key: str) -> torch.Tensor:
        """One tensor under diffusers' name, drawn from a seed of its own. Scaled so that activations stay finite."""
        shape = self.shapes[part][key]
        if key.endswith("bias"):
            return torch.zeros(shape, dtype=self.dtype)
        if "norm" in key or key == "std":
            return torch.ones(shape, dtype=self.dtype)
        generator = torch.Generator().manual_seed(zlib.crc32(f"{self.name}/{self.seed}/{part}/{key}".encode()))
        scale = 0.02 if "embedding" in key and part.startswith("text") else 1 / math.sqrt(math.prod(shape[1:]))
        return (torch.randn(shape, generator=generator, dtype=torch.float32) * scale).to(self.dtype)

    def original(self, planned: Planned) -> torch.Tensor:
        """One tensor of the single file."""
        tensors = [self.tensor(planned.part, key) for key in planned.sources]
        if planned.change == "transpose":
            return tensors[0].T.contiguous()
        return torch.cat(tensors).reshape(planned.shape(self.shapes[planned.part]))

    def write_single(self, path: Path, metadata: Mapping[str, str] | None = None, *, header_only: bool = False) -> None:
        """A .safetensors in the original layout."""
        entries = {item.name: item for item in self.plan}
        shapes = {name: item.shape(self.shapes[item.part]) for name, item in entries.items()}
        make = None if header_only else (lambda name: self.original(entries[name]))
        write_safetensors(path, shapes, self.format, make, metadata)

    def write_pickle(self, path: Path) -> None:
        """A .ckpt as trainers wrote them: the weights under "state_dict", beside other things."""
        weights = {item.name: self.original(item) for item in self.plan}
        torch.save({"state_dict": weights, "global_step": 1, "epoch": 0}, path)

    def write_folder(self, folder: Path) -> None:
        """A diffusers folder with tokenizers: everything `from_pretrained` needs."""
        write_configs(self, folder)
        for part, shapes in self.shapes.items():
            stem = "model" if part.startswith("text") or part == "image_encoder" else "diffusion_pytorch_model"
            weights = folder / part / f"{stem}.safetensors"
            write_safetensors(
                weights, shapes, self.format, lambda key, part=part: self.tensor(part, key), {"format": "pt"}
            )


def part_shapes(part: str, config: Mapping[str, Any]) -> dict[str, Shape]:
    """The tensors of one part, without making any."""
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from diffusers.pipelines.stable_diffusion.stable_unclip_image_normalizer import StableUnCLIPImageNormalizer
    from transformers import (
        CLIPTextConfig,
        CLIPTextModel,
        CLIPTextModelWithProjection,
        CLIPVisionConfig,
        CLIPVisionModelWithProjection,
    )

    values = {key: value for key, value in config.items() if key not in ("_class_name", "model_type", "architectures")}
    with torch.device("meta"):
        if part == "unet":
            model = UNet2DConditionModel(**values)
        elif part == "vae":
            model = AutoencoderKL(**values)
        elif part == "image_encoder":
            model = CLIPVisionModelWithProjection(CLIPVisionConfig(**values))
        elif part == "image_normalizer":
            model = StableUnCLIPImageNormalizer(**values)
        else:
            kind = CLIPTextModelWithProjection if part.endswith("_2") else CLIPTextModel
            model = kind(CLIPTextConfig(**values))
    state = model.state_dict()
    return {key: tuple(value.shape) for key, value in state.items() if not key.endswith("position_ids")}


def write_configs(model: RandomModel, folder: Path) -> None:
    """The small files of a diffusers folder; also what `from_single_file(config=…)` wants for a tiny single file."""
    _write_json(folder / "model_index.json", index_of(model.name))
    _write_json(folder / "scheduler" / "scheduler_config.json", scheduler_of(model.name))
    if "image_encoder" in model.parts:
        _write_json(folder / "image_noising_scheduler" / "scheduler_config.json", NOISING)
        _write_json(
            folder / "feature_extractor" / "preprocessor_config.json", extractor_of(model.parts["image_encoder"])
        )
    for part, config in model.parts.items():
        _write_json(folder / part / "config.json", config)
        if part.startswith("text"):
            padding = "!" if model.name.startswith("sd21") or part.endswith("_2") else "<|endoftext|>"
            tokenizer(model.vocabulary, padding).save_pretrained(folder / part.replace("text_encoder", "tokenizer"))


def tokenizer(vocabulary: int, padding: str) -> Any:
    """CLIP's own, or its first words and marks when a small vocabulary was asked for (514 words or more)."""
    from transformers import CLIPTokenizer

    from pipelines.models.weights.tokenizer import clip_tokenizer

    full = clip_tokenizer(padding)
    if vocabulary == len(full):
        return full
    if vocabulary < 514:
        raise ValueError(f"vocabulary: must be at least 514, got {vocabulary}")
    words = sorted(full.get_vocab().items(), key=lambda item: item[1])[: vocabulary - 2]
    names = {word: number for number, (word, _) in enumerate(words)}
    merges = [(word[0], word[1:]) for word in list(names)[512:]]
    names |= {"<|startoftext|>": vocabulary - 2, "<|endoftext|>": vocabulary - 1}
    usable = [pair for pair in merges if pair[0] in names and pair[1] in names]
    return CLIPTokenizer(vocab=names, merges=usable, pad_token=padding, model_max_length=77)


def write_safetensors(
    path: Path,
    shapes: Mapping[str, Shape],
    number_format: str,
    make: Callable[[str], torch.Tensor] | None,
    metadata: Mapping[str, str] | None = None,
) -> None:
    """Header, then one tensor after the other; `make` None leaves a hole that takes no room on the disk."""
    width = {"F16": 2, "BF16": 2, "F32": 4}[number_format]
    header: dict[str, Any] = {"__metadata__": dict(metadata)} if metadata else {}
    end = 0
    for name, shape in shapes.items():
        first, end = end, end + width * math.prod(shape)
        header[name] = {"dtype": number_format, "shape": list(shape), "data_offsets": [first, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        if make is None:
            file.truncate(8 + len(text) + end)
        for name in shapes if make is not None else ():
            tensor = make(name)
            if tuple(tensor.shape) != shapes[name]:
                raise ValueError(f"{name}: planned {shapes[name]}, made {tuple(tensor.shape)}")
            file.write(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    part.replace(path)


def write_kind(name: str, path: Path, seed: int = 0) -> None:
    """A small file of another kind: LoRA, VAE, textual inversion, …"""
    shapes = KINDS[name]
    generator = torch.Generator().manual_seed(seed)
    write_safetensors(
        path, shapes, "F16", lambda key: torch.randn(shapes[key], generator=generator).half(), METADATA.get(name)
    )


def write_control(name: str, path: Path, *, seed: int = 0, header_only: bool = False) -> None:
    """A ControlNet: a single file as programs have it, or a diffusers folder where the path has no suffix. Its last
    convolutions, which begin training as zeros, are as random as the others: it changes what is made."""
    known = random_controlnets.shapes_of(name)
    names = random_controlnets.original_names(name) if path.suffix else {key: key for key in known}
    shapes = {own: known[key] for own, key in names.items()}
    if not path.suffix:
        _write_json(path / "config.json", random_controlnets.config_of(name))
        path = path / "diffusion_pytorch_model.safetensors"

    def drawn(key: str) -> torch.Tensor:
        generator = torch.Generator().manual_seed(zlib.crc32(f"{name}/{seed}/{names[key]}".encode()))
        scale = 1 / math.sqrt(max(1, math.prod(shapes[key][1:])))
        return (torch.randn(shapes[key], generator=generator) * scale).half()

    write_safetensors(path, shapes, "F16", None if header_only else drawn)


def _write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def parse(arguments: Iterable[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Write checkpoints with random weights.")
    parser.add_argument("name", choices=[*SPECS, *KINDS, *CONTROLNETS])
    parser.add_argument(
        "--out", type=Path, required=True, help="a file (.safetensors, .ckpt) or a folder to write into"
    )
    parser.add_argument("--layout", choices=("single", "folder"), default="single")
    parser.add_argument("--ckpt", action="store_true", help="a pickle instead of safetensors")
    parser.add_argument("--tiny", action="store_true", help="few channels, same names")
    parser.add_argument("--header-only", action="store_true", help="a hole instead of data")
    parser.add_argument("--dtype", choices=tuple(DTYPES), default="fp16")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--vocabulary", type=int, default=49_408, help="words of a tiny model's text encoder")
    return parser.parse_args(None if arguments is None else list(arguments))


def main(arguments: Iterable[str] | None = None) -> int:
    options = parse(arguments)
    suffix = "" if options.layout == "folder" else ".ckpt" if options.ckpt else ".safetensors"
    path: Path = options.out
    if options.layout == "single" and path.suffix not in (".safetensors", ".ckpt"):
        path = path / f"{'tiny-' if options.tiny else ''}{options.name}{suffix}"
    path.parent.mkdir(parents=True, exist_ok=True)
    if options.name in KINDS:
        write_kind(options.name, path, options.seed)
    elif options.name in CONTROLNETS:
        write_control(options.name, path, seed=options.seed, header_only=options.header_only)
    else:
        vocabulary = options.vocabulary if options.tiny else 49_408
        model = RandomModel(
            options.name, tiny=options.tiny, seed=options.seed, dtype=options.dtype, vocabulary=vocabulary
        )
        if options.layout == "folder":
            model.write_folder(path)
        elif options.ckpt:
            model.write_pickle(path)
        else:
            model.write_single(path, header_only=options.header_only)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
