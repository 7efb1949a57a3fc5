"""Puts the trained parts together as one diffusers pipeline, in half precision, and swaps it in whole."""

import json
import shutil
from pathlib import Path

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline
from transformers import CLIPTextModel

from tools.train_builtin import tokenizer as tokenizers
from tools.train_builtin import unet as unets
from tools.train_builtin.together import read_checkpoint

KEPT = ("README.md",)  # files of the old folder that are no part of the weights


def assemble(work: Path, target: Path, *, averaged: bool = True) -> dict[str, float]:
    """Write the pipeline folder `target`; returns its size in megabytes and the samples the UNet saw.

    The folder is written beside the old one and exchanged by renaming: a reader sees the old model or the new one.
    """
    state = read_checkpoint(work / "unet.pt")
    if state is None:
        raise SystemExit(f"work: no trained UNet in {work}; run the stage `unet` first")
    unet = unets.build()
    unet.load_state_dict(state["weights"])
    if averaged:
        with torch.no_grad():
            for parameter, mean in zip(unet.parameters(), state["mean"], strict=True):
                parameter.copy_(mean)
    pipeline = StableDiffusionPipeline(
        vae=AutoencoderKL.from_pretrained(work / "vae"),
        text_encoder=CLIPTextModel.from_pretrained(work / "text_encoder"),
        tokenizer=tokenizers.read(work / "tokenizer"),
        unet=unet,
        scheduler=unets.scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    ).to(dtype=torch.float16)
    new = target.with_name(f".{target.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    pipeline.save_pretrained(new, safe_serialization=True)
    _complete(work, new)
    for name in KEPT:
        if (target / name).exists():
            shutil.copy2(target / name, new / name)
    old = target.with_name(f".{target.name}.old.part")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    new.rename(target)
    shutil.rmtree(old, ignore_errors=True)
    size = sum(file.stat().st_size for file in target.rglob("*") if file.is_file()) / 1e6
    return {"megabytes": round(size, 1), "samples": state["seen"], "training_seconds": round(state["spent"])}


def _complete(work: Path, folder: Path) -> None:
    """What other readers expect beside what diffusers writes: CLIP's tokenizer files, settings of DDIM and PNDM."""
    for name in ("vocab.json", "merges.txt"):
        shutil.copy2(work / "tokenizer" / name, folder / "tokenizer" / name)
    config = folder / "scheduler" / "scheduler_config.json"
    settings = json.loads(config.read_text())
    settings |= {"clip_sample": False, "set_alpha_to_one": False, "skip_prk_steps": True}
    config.write_text(json.dumps(settings, indent=2) + "\n")
    for file in folder.rglob("*.safetensors"):
        file.chmod(0o644)  # diffusers writes them readable by the owner alone
