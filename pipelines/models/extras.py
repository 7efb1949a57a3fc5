"""What a request wants beside its model: LoRAs by name, learned words by their trigger, a VAE. No torch, no weights.

Nothing that is named is ever left out in silence: what cannot be used is one sentence at its field.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import families
from pipelines.errors import InvalidRequest, ModelError, Note
from pipelines.families.base import Family
from pipelines.kinds import several, shown
from pipelines.leading import AUTOMATIC
from pipelines.models import controlled, conversion, referred, refiners, unclip
from pipelines.models.files.kinds import KINDS
from pipelines.models.files.names import first_download
from pipelines.models.listing import Listing, is_beside
from pipelines.prompts import first_rules
from pipelines.prompts.learned import bare, mentions
from pipelines.prompts.loras import ALL_BLOCKS, LISTS_OF, OTHER_LISTS, Lora, render
from pipelines.prompts.wish import Wish, wish_of
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import BUILTIN, FIRST_RULES, TILINGS, Batch, GenerationRequest, ModelInfo

EDITS = "DDPM"  # the sampler whose steps a picture is changed in by words
NEAREST = 3  # names told when one is not there
# A pickle says nothing before it is converted. One with a prompt's word as its name may be a learned word: those are
# small, and a large checkpoint called "cat.ckpt" must not be converted for every cat.
WORD_SUFFIXES = (".pt", ".bin")
WORD_LIMIT = 16 * 2**20  # bytes


@dataclass(frozen=True, kw_only=True, slots=True)
class WantedLora:
    """A LoRA's file and what the prompt asks of it; named twice, its weights add."""

    info: ModelInfo
    asked: tuple[Lora, ...]

    @property
    def changes(self) -> bool:
        """Whether it counts otherwise at some steps."""
        return any(one.changes for one in self.asked)

    @property
    def in_text(self) -> float:
        return sum(one.in_text() for one in self.asked)

    def told(self) -> dict[str, Any]:
        """For the record: its weights, and the tags where these do not tell all."""
        weights = {name: sum(getattr(one, name) for one in self.asked) for name in ("text_weight", "unet_weight")}
        plain = not any(one.blocks or one.changes for one in self.asked)
        return weights if plain else weights | {"tags": list(map(render, self.asked))}

    def in_unet(self, block: int, step: int = 1, steps: int = 0) -> float:
        """As `Lora.in_unet`."""
        return sum(one.in_unet(block, step, steps) for one in self.asked)


@dataclass(frozen=True, kw_only=True, slots=True)
class Extras:
    """In the order of the prompt. `wish`: both prompts, as they were read to find it."""

    wish: Wish
    loras: tuple[WantedLora, ...] = ()
    embeddings: tuple[ModelInfo, ...] = ()
    vae: ModelInfo | None = None


def prepared(listing: Listing, batch: Batch, family: str) -> Extras:
    """What to load for a model of `family`; old pickles among it are converted now. Raises `InvalidRequest`,
    `ModelError` for a pickle that was refused."""
    request, files = batch.request, _files(listing, batch.prompt_rules)
    _check_tiles(request)
    _check_edit(request)
    wish = wish_of(request, _names(files), batch.prompt_rules)
    pickles = _pickles(files, request, wish)
    for info in pickles:
        conversion.loadable(info)
    return _resolved(_files(listing, batch.prompt_rules) if pickles else files, request, wish, family)


def _files(listing: Listing, rules: int) -> Sequence[ModelInfo]:
    """Without the learned words that these rules do not find."""
    files = listing.everything()
    if rules != FIRST_RULES:
        return files
    return [info for info in files if not _is_word(info) or first_rules.finds(_stem(info))]


def usable(listing: Listing) -> tuple[ModelInfo, ...]:
    """LoRAs, LyCORIS adapters, learned words and VAEs, by name, without those that cannot be loaded."""
    return tuple(info for info in listing.everything() if is_beside(info))


def check(listing: Listing, request: GenerationRequest) -> None:
    """Raises `InvalidRequest` for what can be known before the request is queued."""
    files = listing.everything()
    wish = wish_of(request, _names(files))
    _check_tiles(request)
    _check_edit(request)
    try:
        model = listing.find(request.model)
    except ModelError as error:
        raise InvalidRequest("model", "model_unusable", problem=error.told) from error
    family = families.of(model.family)
    family.check(model, request)
    check_classifier(request, model)
    _check_sampler(request, family)
    if request.edit is not None and model.variant == "pix2pix":
        raise InvalidRequest("edit", "not_with", model=families.title_of(model), value=True)
    unclip.check(request, model)
    for one in (controlled, referred, refiners):
        one.check(listing, request, None if model.family == "unknown" else model.family)
    if family.learns_words and (model.family == "unknown" or _pickles(files, request, wish)):
        return  # said when it runs: only converting tells
    found = _resolved(files, request, wish, model.family)
    if found.embeddings and not family.learns_words:
        word, field = found.embeddings[0].name, next(iter(_mentioned(wish, [_stem(found.embeddings[0])]).values()))
        raise InvalidRequest(field, "embedding_unusable", name=word, model=families.title_of(model))


def _check_sampler(request: GenerationRequest, family: Family) -> None:
    """Models of masked tokens have one of their own, that no other takes. Raises `InvalidRequest`."""
    if SAMPLERS[request.sampler].tokens and family.sampler != request.sampler:
        raise InvalidRequest("sampler", "sampler_of_tokens", value=request.sampler)


def check_classifier(request: GenerationRequest, model: ModelInfo) -> None:
    """Only the built-in model has one. Raises `InvalidRequest`."""
    weight = 0 if request.guiding is None else request.guiding.classifier
    if weight > 0 and model.family != BUILTIN:
        raise InvalidRequest(
            "guiding_classifier", "classifier_builtin", model=families.title_of(model) or model.name, value=weight
        )


def _check_edit(request: GenerationRequest) -> None:
    """What goes with a picture that is changed by words. Raises `InvalidRequest`."""
    if request.edit is None:
        return
    if request.init is None or request.inpaint is not None:
        raise InvalidRequest("edit", "edit_whole_picture")
    if request.sampler != EDITS:
        raise InvalidRequest("sampler", "edit_sampler", wanted=EDITS, value=request.sampler)
    if request.refiner is not None:
        raise InvalidRequest("refiner", "refiner_beside_edit")


def _check_tiles(request: GenerationRequest) -> None:
    """A network that sees parts cannot have the whole picture's edges meet, nor keep features of the part before."""
    if request.tiles is not None and (request.reuse is not None or request.tiling != TILINGS[0]):
        raise InvalidRequest("tiles", "tiles_beside")


def resolve(files: Sequence[ModelInfo], request: GenerationRequest, family: str) -> Extras:
    """Finds all that is named among `files`. Raises `InvalidRequest`."""
    return _resolved(files, request, wish_of(request, _names(files)), family)


def _resolved(files: Sequence[ModelInfo], request: GenerationRequest, wish: Wish, family: str) -> Extras:
    if misplaced := wish.negative_prompt.loras:
        raise InvalidRequest("negative_prompt", "lora_negative", name=misplaced[0].name)
    for field, spoken in wish.spoken():
        if spoken.loras and spoken.source != wish.prompt.source:  # one model makes both passes
            raise InvalidRequest(field, "lora_second", name=spoken.loras[0].name)
    loras: dict[str, WantedLora] = {}
    for lora in wish.prompt.loras:
        info = _find_lora(files, lora.name, family)
        _check_lora(lora, family)
        before = loras[info.path].asked if info.path in loras else ()
        loras[info.path] = WantedLora(info=info, asked=(*before, lora))
    vae = None if request.vae == AUTOMATIC else _find_vae(files, request.vae, family)
    return Extras(loras=tuple(loras.values()), embeddings=_find_words(files, wish, family), vae=vae, wish=wish)


def _names(files: Sequence[ModelInfo]) -> list[str]:
    """Of what is a learned word, or may turn out to be one."""
    return [_stem(info) for info in files if _is_word(info)]


def _is_word(info: ModelInfo) -> bool:
    return info.kind == "embedding" or _may_be_a_word(info)


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
        raise InvalidRequest("prompt", "lora_missing", name=name, hint=_why_no_lora(files, called, name))
    info = _fitting(loras, "prompt", name, family)
    if not is_beside(info):
        raise InvalidRequest("prompt", "lora_kind", name=name, variant=info.variant)
    return info


def _check_lora(lora: Lora, family: str) -> None:
    lists = LISTS_OF.get(family, OTHER_LISTS)
    if lora.blocks and len(lora.blocks) not in (*lists, ALL_BLOCKS):
        raise InvalidRequest("prompt", "lora_blocks", name=lora.name, choices=lists, value=len(lora.blocks))


def _why_no_lora(files: Sequence[ModelInfo], called: Sequence[ModelInfo], name: str) -> Note:
    """What the files of that name are instead; else which names come near."""
    for info in called:
        if info.kind in (*KINDS, "checkpoint"):
            return Note("file_is", name=info.name, kind=_noun(info.kind))
    if called:
        return Note("file_broken", name=called[0].name, problem=called[0].problem or "")
    return _hint(name, [info.name for info in files if info.kind in ("lora", "lycoris")])


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
        names = [info.name for info in files if info.kind == "vae"]
        raise InvalidRequest("vae", "vae_missing", name=shown(name), automatic=AUTOMATIC, hint=_hint(name, names))
    fitting = [info for info in vaes if family in info.fits]
    if not fitting:
        theirs = families.titles_of(vaes[0].family, vaes[0].fits)
        raise InvalidRequest("vae", "vae_family", name=name, family=families.called(family), theirs=theirs)
    return _only(fitting, "vae", name)


def _fitting(found: Sequence[ModelInfo], field: str, name: str, family: str) -> ModelInfo:
    """The one for this family, or one whose family its file does not tell."""
    fitting = [info for info in found if info.family == family] or [i for i in found if i.family == "unknown"]
    if not fitting:
        kind, theirs = _noun(found[0].kind), families.called(found[0].family)
        raise InvalidRequest(field, "file_family", name=name, kind=kind, family=families.called(family), theirs=theirs)
    return _only(fitting, field, name)


def _only(found: Sequence[ModelInfo], field: str, name: str) -> ModelInfo:
    exact = [info for info in found if info.name == name] or [i for i in found if bare(i.name) == bare(name)] or found
    if len(exact) > 1:
        names = several([_named(info.name) for info in exact])
        raise InvalidRequest(field, "file_which", name=name, names=names)
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


def _hint(name: str, names: Sequence[str]) -> Note:
    """The names most like it, those of its second downloads among them."""
    by_bare = {key: one for one in names for key in (bare(one), bare(first_download(one) or one))}
    near = difflib.get_close_matches(bare(name), list(by_bare), n=2 * NEAREST)
    found = list(dict.fromkeys(by_bare[one] for one in near))[:NEAREST]
    return Note("names_near", names=tuple(_named(one) for one in found)) if found else Note("names_none_near")


def _named(name: str) -> str | Note:
    """A name as it is told: a browser's second download of a file says so."""
    first = first_download(name)
    return name if first is None else Note("second_download", name=name, first=first)


def _noun(kind: str) -> Note:
    return Note(f"noun_{kind}")
