"""aMUSEd, and the built-in model of its kind: pictures of masked tokens (Huiwen Chang et al., "Muse", arXiv:2301.00704;
Suraj Patil et al., "aMUSEd", arXiv:2401.01808). Numbers as on the makers' model cards."""

from __future__ import annotations

from pathlib import Path

from pipelines.families import plain
from pipelines.families.base import Family, Folder, Mark, Nature
from pipelines.sampling.samplers import UNMASKING
from pipelines.types import BUILTIN_TOKENS, GenerationRequest, ModelInfo

LOADS = "pipelines.engines.tokens:load"
SCHEDULER = "AmusedScheduler"
OWN = Path(__file__).resolve().parent.parent / "builtin_tokens"
SIDE_STEP = 32  # pixels: 16 a token, and the larger network takes tokens two by two


def _check(info: ModelInfo, request: GenerationRequest) -> None:
    family = next(family for family in FAMILIES if family.name == info.family)
    takes = plain.Takes(sampler=UNMASKING, side_step=family.side_step, masked_contents=("original",), stops=True)
    plain.check(info, request, family.natures[""], family.title, takes)


AMUSED = Family(
    name="amused",
    title="aMUSEd",
    marks=(Mark(has=dict.fromkeys(("embed.embeddings.weight", "mlm_layer.conv2.weight"))),),
    folder=Folder(
        pipeline="Amused",
        weights=("transformer", "vqvae", "text_encoder"),
        tokenizers={"tokenizer": ("tokenizer.json", "vocab.json")},
        scheduler=SCHEDULER,
    ),
    prediction=None,
    native_size=512,
    natures={"": Nature(steps=12, guidance=10.0, tokens=77, negative=True)},
    sampler=UNMASKING,
    own_step=SIDE_STEP,
    loads=LOADS,
    single_file=False,
    check=_check,
    learns_words=False,
)
TOKENS = Family(
    name=BUILTIN_TOKENS,
    title="Built-in (aMUSEd)",
    prediction=None,
    native_size=128,
    natures={"": Nature(steps=12, guidance=3.0, tokens=77, negative=True)},
    sampler=UNMASKING,
    own_step=16,
    loads=LOADS,
    check=_check,
    learns_words=False,
)
FAMILIES = (AMUSED, TOKENS)


def info() -> ModelInfo:
    """Of the built-in one."""
    return ModelInfo(
        name=BUILTIN_TOKENS,
        family=BUILTIN_TOKENS,
        path=str(OWN),
        bytes=sum(file.stat().st_size for file in OWN.glob("*/*.safetensors")),
        native_size=TOKENS.native_size,
        layout="folder",
        **TOKENS.suits(""),
    )
