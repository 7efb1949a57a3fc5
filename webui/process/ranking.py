"""Who ranks pictures of one prompt: the built-in model's judge, or a CLIP model of the person's own.

Ramesh et al. 2021, Zero-Shot Text-to-Image Generation, section 2.6. A score is measured of a picture that is there: it
is no part of what makes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from pipelines.errors import InvalidRequest
from pipelines.types import Embedding, ModelInfo
from webui.lab import judge
from webui.lab.reuse import stamp
from webui.lab.seen import asked, share_seen
from webui.proof.measures import Pixels

OWN = "builtin-judge"
READS = "text_encoder"  # among the parts of a whole CLIP
Embed = Callable[[str, Sequence[Image.Image], str], Sequence[Embedding]]


@dataclass(frozen=True, kw_only=True)
class Judge:
    """`scores`: of pictures of one prompt, the higher the better."""

    name: str
    sha256: str  # of its file
    scores: Callable[[Sequence[Pixels]], list[float]]


def clips(encoders: Iterable[ModelInfo]) -> tuple[str, ...]:
    """Those that can read what they are to look for."""
    return tuple(one.name for one in encoders if READS in one.parts)


def own_judge(prompt: str) -> Judge:
    """How likely it takes the things that the prompt names to be as it names them. Raises InvalidRequest where it names
    nothing that the judge knows."""
    things = asked(prompt)
    if not things:
        raise InvalidRequest("prompt", "judged_nothing")

    def scores(pictures: Sequence[Pixels]) -> list[float]:
        return [share_seen(one, things) for one in pictures]

    return Judge(name=OWN, sha256=_sha256(judge.WEIGHTS), scores=scores)


def clip_judge(prompt: str, info: ModelInfo, embed: Embed) -> Judge:
    """The cosine between what it sees in a picture and what it reads in the prompt, -1 … 1. Raises InvalidRequest
    without a prompt."""
    if not prompt.strip():
        raise InvalidRequest("prompt", "judged_nothing")

    def scores(pictures: Sequence[Pixels]) -> list[float]:
        told = embed(info.name, [Image.fromarray(one) for one in pictures], prompt)
        *seen, read = (np.array(one) / np.linalg.norm(one) for one in told)
        return [float(one @ read) for one in seen]

    return Judge(name=info.name, sha256=info.sha256 or _sha256(Path(info.path)), scores=scores)


def _sha256(path: Path) -> str:
    return _digest(path, stamp(path))


@lru_cache(16)
def _digest(path: Path, _stamp: str) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
