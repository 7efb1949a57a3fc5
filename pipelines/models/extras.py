"""What a request wants beside its model: LoRAs by name, learned words by their trigger, a VAE. No torch, no weights.

Nothing that is named is ever left out in silence: what cannot be used is one sentence at its field.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines.errors import InvalidRequest, ModelError
from pipelines.models import conversion, whole
from pipelines.models.files.families import NOUNS, TITLES
from pipelines.models.listing import Listing, is_beside
from pipelines.prompts.learned import bare, mentions
from pipelines.prompts.wish import Wish, wish_of
from pipelines.types import GenerationRequest, ModelInfo

AUTOMATIC = "automatic"
# A pickle says nothing before it is converted. One with a prompt's word as its name may be a learned word: those are
# small, and a large checkpoint called "cat.ckpt" must not be converted for every cat.
WORD_SUFFIXES = (".pt", ".bin")
WORD_LIMIT = 16 * 2**20  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedLora:
    """A LoRA's file and how strongly it counts; named twice, its weights add."""

    info: ModelInfo
    text_weight: float
    unet_weight: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Extras:
    """In the order of the prompt. `wish`: both prompts, as they were read to find it."""

    wish: Wish
    loras: tuple[WantedLora, ...] = ()
    embeddings: tuple[ModelInfo, ...] = ()
    vae: ModelInfo | None = None


def prepared(listing: Listing, request: GenerationRequest, family: str) -> Extras:
    """What to load for a model of `family`; old pickles among it are converted now. Raises `InvalidRequest`,
    `ModelError` for a pickle that was refused."""
    files = listing.everything()
    wish = wish_of(request, _names(files))
    pickles = _pickles(files, request, wish)
    for info in pickles:
        conversion.loadable(info)
    return _resolved(listing.everything() if pickles else files, request, wish, family)


def usable(listing: Listing) -> tuple[ModelInfo, ...]:
    """LoRAs, LyCORIS adapters, learned words and VAEs, by name, without those that cannot be loaded."""
    return tuple(info for info in listing.everything() if is_beside(info))


def check(listing: Listing, request: GenerationRequest) -> None:
    """Raises `InvalidRequest` for what can be known before the request is queued."""
    files = listing.everything()
    wish = wish_of(request, _names(files))
    try:
        model = listing.find(request.model)
    except ModelError as error:
        raise InvalidRequest("model", str(error)) from error
    is_whole = model.family in whole.FAMILIES
    if is_whole:
        whole.check(model, request)
    elif model.family == "unknown" or _pickles(files, request, wish):
        return  # said when it runs: only converting tells
    found = _resolved(files, request, wish, model.family)
    if is_whole and found.embeddings:
        word = found.embeddings[0].name
        raise InvalidRequest("prompt", f"must not name a textual inversion with {whole.title(model)}, got {word!r}")


def resolve(files: Sequence[ModelInfo], request: GenerationRequest, family: str) -> Extras:
    """Finds all that is named among `files`. Raises `InvalidRequest`."""
    return _resolved(files, request, wish_of(request, _names(files)), family)


def _resolved(files: Sequence[ModelInfo], request: GenerationRequest, wish: Wish, family: str) -> Extras:
    if misplaced := wish.negative_prompt.loras:
        raise InvalidRequest("negative_prompt", f"must not name a LoRA, which changes both, got {misplaced[0].name!r}")
    loras: dict[str, WantedLora] = {}
    for lora in wish.prompt.loras:
        info = _find_lora(files, lora.name, family)
        known = loras.get(info.path, WantedLora(info=info, text_weight=0, unet_weight=0))
        loras[info.path] = replace(
            known,
            text_weight=known.text_weight + lora.text_weight,
            unet_weight=known.unet_weight + lora.unet_weight,
        )
    vae = None if request.vae == AUTOMATIC else _find_vae(files, request.vae, family)
    return Extras(loras=tuple(loras.values()), embeddings=_find_words(files, wish, family), vae=vae, wish=wish)


def _names(files: Sequence[ModelInfo]) -> list[str]:
    """Of what is a learned word, or may turn out to be one."""
    return [_stem(info) for info in files if info.kind == "embedding" or _may_be_a_word(info)]


def _may_be_a_word(info: ModelInfo) -> bool:
    small = info.bytes <= WORD_LIMIT and Path(info.path).suffix.lower() in WORD_SUFFIXES
    return small and info.layout == "pickle" and info.kind == "unknown" and info.problem is None


def _pickles(files: Sequence[ModelInfo], request: GenerationRequest, wish: Wish) -> list[ModelInfo]:
    """Pickles that nobody has looked into yet and that the request may mean."""
    unknown = [info for info in files if info.layout == "pickle" and info.kind == "unknown" and info.problem is None]
    wanted = [*(lora.name for lora in wish.prompt.loras), request.vae]
    words = set(_mentioned(wish, [_stem(info) for info in unknown]))
    return [
        info
        for info in unknown
        if any(_is_called(info, name) for name in wanted) or (bare(_stem(info)) in words and _may_be_a_word(info))
    ]


def _find_lora(files: Sequence[ModelInfo], name: str, family: str) -> ModelInfo:
    called = [info for info in files if _is_called(info, name)]
    loras = [info for info in called if info.kind in ("lora", "lycoris")]
    if not loras:
        other = next((info for info in called if info.kind in NOUNS or info.kind == "checkpoint"), None)
        what = "" if other is None else f", which is {NOUNS.get(other.kind, 'a checkpoint')}"
        if called and other is None:
            what = f": {called[0].problem}"
        raise InvalidRequest("prompt", f"must name LoRAs that are in the models folder, got {name!r}{what}".rstrip("."))
    info = _fitting(loras, "prompt", name, family)
    if not is_beside(info):
        kinds = f"LyCORIS of the kind {info.variant}"
        raise InvalidRequest("prompt", f"must name LoRAs of a kind that can be loaded, got {name!r}, a {kinds}")
    return info


def _find_words(files: Sequence[ModelInfo], wish: Wish, family: str) -> tuple[ModelInfo, ...]:
    embeddings = [info for info in files if info.kind == "embedding"]
    found = []
    for word, field in _mentioned(wish, [_stem(info) for info in embeddings]).items():
        same = [info for info in embeddings if bare(_stem(info)) == word]
        found.append(_fitting(same, field, word, family))
    return tuple(found)


def _find_vae(files: Sequence[ModelInfo], name: str, family: str) -> ModelInfo:
    vaes = [info for info in files if info.kind == "vae" and _is_called(info, name)]
    if not vaes:
        raise InvalidRequest("vae", f"must be {AUTOMATIC} or a VAE in the models folder, got {name!r}")
    own = family.removesuffix("-refiner")  # which has SDXL's
    fitting = [info for info in vaes if own in re.split(r", | or ", info.family)]
    if not fitting:
        raise InvalidRequest("vae", f"must be made for {_title(family)}, got {name!r}, for {vaes[0].family}")
    return _only(fitting, "vae", name)


def _fitting(found: Sequence[ModelInfo], field: str, name: str, family: str) -> ModelInfo:
    """The one for this family, or one whose family its file does not tell."""
    fitting = [info for info in found if info.family == family] or [i for i in found if i.family == "unknown"]
    if not fitting:
        what, theirs = NOUNS[found[0].kind], _title(found[0].family)
        raise InvalidRequest(field, f"must fit the model, {_title(family)}, got {name!r}, {what} for {theirs}")
    return _only(fitting, field, name)


def _only(found: Sequence[ModelInfo], field: str, name: str) -> ModelInfo:
    exact = [info for info in found if info.name == name] or [i for i in found if bare(i.name) == bare(name)] or found
    if len(exact) > 1:
        names = " or ".join(repr(info.name) for info in exact)
        raise InvalidRequest(field, f"must say which file is meant, {names}, got {name!r}")
    return exact[0]


def _is_called(info: ModelInfo, name: str) -> bool:
    """By the name in the list, or the file's own; people write either case, and brackets with a backslash."""
    return bare(name) in (bare(info.name), bare(_stem(info)))


def _stem(info: ModelInfo) -> str:
    return Path(info.path).stem


def _mentioned(wish: Wish, stems: Sequence[str]) -> dict[str, str]:
    """Those of `stems`, as `bare` has them, that stand in the prompts, and the first field of each."""
    found: dict[str, str] = {}
    for field, spoken in wish.spoken():
        for word in mentions(spoken.words, stems):
            found.setdefault(word, field)
    return found


def _title(family: str) -> str:
    return "the built-in model" if family == "builtin" else TITLES.get(family, family)
