"""Networks as cards: every LoRA, learned word, model, ControlNet and IP-Adapter of the models folders, with what lies
beside it, its picture, and when it was last asked for."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipelines import families
from pipelines.errors import InvalidRequest, Note
from pipelines.prompts.grammar import parse
from pipelines.prompts.learned import bare, trigger_pattern
from pipelines.types import GenerationRequest, ModelInfo
from webui.jobs import choices
from webui.jobs.defaults import program_defaults
from webui.jobs.shelf import Shelf
from webui.networks import sidecars
from webui.networks.previews import PROMPTS, SEED, Previews, key_of
from webui.networks.sidecars import NOTHING, Sidecar, Sidecars

# A file's kind -> the kind of its card; files of other kinds have none
KINDS: Mapping[str, str] = {
    "lora": "lora",
    "lycoris": "lora",
    "embedding": "embedding",
    "checkpoint": "checkpoint",
    "controlnet": "controlnet",
    "t2i-adapter": "controlnet",
    "ip-adapter": "reference",
}
NOT_USED = ("t2i-adapter",)  # known, and no engine of ours takes them yet
UNSPEAKABLE = frozenset("<>:")  # no name in a LoRA's tag holds them

Asked = Sequence[tuple[float, str, str]]  # when, seconds since 1970, the prompt and the negative one; newest first


@dataclass(frozen=True, kw_only=True, slots=True)
class Card:
    info: ModelInfo
    kind: str
    folder: str  # below the models folder, with "/"
    beside: Sidecar = NOTHING
    picture: Path | None = None
    used: float | None = None  # seconds since 1970

    @property
    def id(self) -> str:
        return identity(self.info)

    @property
    def word(self) -> str:
        """What a prompt calls it by."""
        return sidecars.stem_of(self.info) if self.kind == "embedding" else self.info.name

    @property
    def problem(self) -> Note | None:
        """Why it cannot be used here."""
        if self.info.kind in NOT_USED:
            return Note("network_not_used")
        if self.kind == "controlnet":
            return Note("network_follows_map")
        if self.kind == "reference":
            return Note("network_looks_at_picture")
        if self.info.problem is None and self.kind == "lora" and UNSPEAKABLE & set(self.word):
            return Note("network_unspeakable")
        return self.info.problem

    @property
    def tag(self) -> str:
        """What stands for it in a prompt; nothing where nothing can."""
        if self.problem is not None or self.kind not in ("lora", "embedding"):
            return ""
        weight = 1.0 if self.beside.weight is None else self.beside.weight
        return self.word if self.kind == "embedding" else f"<lora:{self.word}:{weight:g}>"


def identity(info: ModelInfo) -> str:
    """What a browser calls a file: it never names a path."""
    return hashlib.sha256(info.path.encode("utf-8", "surrogatepass")).hexdigest()[:16]


def fits(card: Card, family: str) -> bool:
    """Whether a model of this family can be told of it; a network whose file tells no family may be of any."""
    known = families.of(family)
    taken = known.learns_words if card.kind == "embedding" else known.pipeline is None
    return taken and card.info.family in (family, "unknown")


class Cards:
    """`roots`: the models folders."""

    def __init__(self, roots: Sequence[Path], previews: Previews, shelf: Shelf) -> None:
        self._roots, self._previews, self._shelf = tuple(root.absolute() for root in roots), previews, shelf
        self._sidecars = Sidecars()
        self._known: dict[str, ModelInfo] = {}  # as they were listed last: a picture is asked for without another look

    def all(self) -> tuple[Card, ...]:
        """By name. Raises StorageError when the jobs cannot be asked."""
        bare_cards = [self._card(info) for info in self._listed().values()]
        used = {**self._shelf.uses(), **_used(bare_cards, self._shelf.asked())}
        found = [self._with_files(card, used.get(card.info.name)) for card in bare_cards]
        return tuple(sorted(found, key=lambda card: card.info.name.casefold()))

    def find(self, wanted: str) -> Card | None:
        info = self._known.get(wanted) or self._listed().get(wanted)
        return None if info is None else self._with_files(self._card(info), None)

    def _listed(self) -> dict[str, ModelInfo]:
        self._known = {identity(info): info for info in self._shelf.everything() if info.kind in KINDS}
        return self._known

    def _card(self, info: ModelInfo) -> Card:
        return Card(info=info, kind=KINDS[info.kind], folder=_below(self._roots, Path(info.path).parent))

    def _with_files(self, card: Card, used: float | None) -> Card:
        folder, stem = Path(card.info.path).parent, sidecars.stem_of(card.info)
        own = None if card.info.builtin else sidecars.picture(folder, stem)
        beside = NOTHING if card.info.builtin else self._sidecars.read(folder, stem)
        picture = own or self._previews.find(key_of(card.info))
        return replace(card, beside=beside, picture=picture, used=used)

    def portrait(self, card: Card, chosen: str) -> GenerationRequest:
        """What is asked for, for a picture of it. `chosen`: the model of the form, taken where it fits. Raises
        InvalidRequest."""
        if (problem := card.problem) is not None:
            raise InvalidRequest("network", problem.code, **problem.values)
        model = card.info if card.kind == "checkpoint" else self._model_for(card, chosen)
        pieces = [*card.beside.words[:1], PROMPTS.get(model.family, PROMPTS[""]), *filter(None, [card.tag])]
        settings = program_defaults(model) | {"batch_size": 1}
        return GenerationRequest(model=model.name, prompt=choices.literal(", ".join(pieces)), seed=SEED, **settings)

    def _model_for(self, card: Card, chosen: str) -> ModelInfo:
        fitting = [info for info in self._shelf.everything() if _makes_pictures(info) and fits(card, info.family)]
        if not fitting:
            raise InvalidRequest("network", "network_without_model", family=families.of(card.info.family).title)
        uses = self._shelf.uses()
        return max(fitting, key=lambda info: (info.name == chosen, uses.get(info.name, 0.0)))


def _makes_pictures(info: ModelInfo) -> bool:
    return info.kind == "checkpoint" and info.problem is None


def _below(roots: Sequence[Path], folder: Path) -> str:
    found = next((folder.relative_to(root) for root in roots if folder.is_relative_to(root)), Path())
    return "" if found == Path() else sidecars.plain(found.as_posix(), sidecars.TEXT)


def _used(cards: Sequence[Card], asked: Asked) -> dict[str, float]:
    """Name -> when a prompt last asked for it."""
    loras = {bare(card.word): card.info.name for card in cards if card.kind == "lora"}
    words = {bare(card.word): card.info.name for card in cards if card.kind == "embedding"}
    pattern, found = trigger_pattern(words), dict[str, float]()
    for at, prompt, negative in asked:
        named = [loras.get(bare(lora.name)) for lora in parse(prompt).loras]
        named += [words.get(bare(one)) for one in pattern.findall(f"{prompt}\n{negative}")]
        for name in filter(None, named):
            found.setdefault(name, at)
    return found
