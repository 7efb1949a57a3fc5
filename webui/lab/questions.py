"""What an experiment asks. Each question turns the base request into variants; the first is what others are held to."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipelines.errors import PLAIN, InvalidRequest, Note
from pipelines.kinds import shown, whole
from pipelines.types import GenerationRequest
from webui.lab.axes import Axis
from webui.lab.phrases import Phrased, tidy

SAMPLE_LIMIT = 500
SYMBOLS = ("?", "!", "??", "!!", "!!??", ";", ",", ".")
CAPITALS = "CAPITALS"  # as a symbol: the phrase in capital letters
AS_IS = Note("lab_as_is")
PLACES = ("before", "after")
Factor = tuple[Note, Note]  # what is asked, and what this variant says about it


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way to ask. `factors`: rows of the table."""

    label: Note
    request: GenerationRequest
    factors: tuple[Factor, ...] = ()


def beside(notes: Sequence[Note]) -> Note:
    """Several labels as one."""
    return (
        notes[0] if len(notes) == 1 else Note("lab_beside", first=notes[0], rest=beside(notes[1:])) if notes else AS_IS
    )


def level_of(factor: Note, level: Note) -> Note:
    """A factor and its level as one label."""
    return Note("lab_level", factor=factor, level=level)


def plain(text: str) -> Note:
    """Words of a person, or a value: the same in every language."""
    return Note(PLAIN, text=text)


class Question(Protocol):
    kind: str

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        """At least two, the reference first. Raises InvalidRequest."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class Grid:
    """Every combination of the values of one to three axes. A seed axis gives the experiment its seeds."""

    axes: tuple[Axis, ...]
    kind = "grid"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        if not 1 <= len(self.axes) <= 3:
            raise InvalidRequest("axes", "axes_count", value=len(self.axes))
        if len({axis.field for axis in self.axes if axis.field != "prompt_words"}) < len(
            [axis for axis in self.axes if axis.field != "prompt_words"]
        ):
            raise InvalidRequest("axes", "axes_twice")
        axes = [axis for axis in self.axes if axis.field != "seed"]
        variants = []
        for values in itertools.product(*(axis.values for axis in axes)):
            request = base
            for axis, value in zip(axes, values, strict=True):
                request = axis.apply(request, value)
            factors = tuple(
                (Note("lab_field", field=axis.field), plain(axis.label(value)))
                for axis, value in zip(axes, values, strict=True)
            )
            label = beside([level_of(*factor) for factor in factors])
            variants.append(Variant(label=label, request=request, factors=factors if len(axes) > 1 else ()))
        return tuple(variants)


@dataclass(frozen=True, kw_only=True, slots=True)
class Order:
    """The phrases in all orders, or in `sample` of them drawn with `sample_seed`; the order as written comes first."""

    phrases: tuple[str, ...] = ()
    sample: int | None = None
    sample_seed: int = 0
    kind = "order"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        phrased = Phrased.of(base.prompt, self.phrases)
        if len(phrased.phrases) < 2:
            raise InvalidRequest("phrases", "phrases_order", value=len(phrased.phrases))
        found: dict[str, Variant] = {}
        for order in self._orders(len(phrased.phrases)):
            texts = [phrased.phrases[place] for place in order]
            factors = tuple(
                (Note("lab_place_of", phrase=phrased.phrases[item]), plain(str(place + 1)))
                for place, item in enumerate(order)
                if item != place
            )
            prompt = phrased.text(texts)
            variant = Variant(label=plain(" | ".join(texts)), request=replace(base, prompt=prompt), factors=factors)
            found.setdefault(prompt, variant)  # equal phrases may change places unseen
        return tuple(found.values())

    def _orders(self, count: int) -> Iterator[tuple[int, ...]]:
        total, wanted = math.factorial(count), self.sample
        if wanted is not None:
            whole(1, SAMPLE_LIMIT).check("sample", wanted)
        if wanted is None and total > SAMPLE_LIMIT:
            raise InvalidRequest("sample", "sample_wanted", count=count, orders=total)
        if wanted is None or wanted >= total - 1:
            yield from itertools.permutations(range(count))
            return
        seen, rng = {tuple(range(count))}, random.Random(self.sample_seed)
        yield tuple(range(count))
        while len(seen) <= wanted:
            order = tuple(rng.sample(range(count), count))
            if order not in seen:
                seen.add(order)
                yield order


@dataclass(frozen=True, kw_only=True, slots=True)
class Symbols:
    """Symbols written before or after a phrase (without a phrase: before or after the whole prompt)."""

    phrase: str = ""
    symbols: tuple[str, ...] = SYMBOLS
    places: tuple[str, ...] = ("before",)  # and/or "after"
    kind = "symbols"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        if not self.symbols or not all(symbol.strip() for symbol in self.symbols):
            raise InvalidRequest("symbols", "symbols_none")
        if not self.places or set(self.places) - set(PLACES):
            raise InvalidRequest("places", "choice", choices=PLACES, value=self.places or Note("nothing"))
        phrased = Phrased.of(base.prompt, (self.phrase or base.prompt,))
        phrase = phrased.phrases[0]
        found = [Variant(label=AS_IS, request=base)]
        for symbol in dict.fromkeys(self.symbols):
            if symbol == CAPITALS:
                request = replace(base, prompt=phrased.with_one(0, phrase.upper()))
                found.append(Variant(label=Note("lab_capitals"), request=request))
                continue
            for place in dict.fromkeys(self.places):
                text = f"{symbol}{phrase}" if place == "before" else f"{phrase}{symbol}"
                where = Note("lab_before" if place == "before" else "lab_after")
                both = (Note("lab_symbol"), plain(symbol)), (Note("lab_symbol_place"), where)
                found.append(
                    Variant(
                        label=level_of(plain(symbol), where),
                        request=replace(base, prompt=phrased.with_one(0, text)),
                        factors=both if len(set(self.places)) > 1 else (),
                    )
                )
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Ablation:
    """Each phrase left out, one at a time."""

    phrases: tuple[str, ...] = ()
    kind = "ablation"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        phrased = Phrased.of(base.prompt, self.phrases)
        found = [Variant(label=AS_IS, request=base)]
        for place, phrase in enumerate(phrased.phrases):
            request = replace(base, prompt=phrased.without(place))
            found.append(Variant(label=Note("lab_without", phrase=phrase), request=request))
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One phrase as (phrase:weight) at several weights; the reference is the plain phrase, weight 1."""

    phrase: str
    weights: tuple[float, ...] = (0.6, 0.8, 1.2, 1.4)
    kind = "weights"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        phrased = Phrased.of(base.prompt, (_given(self.phrase),))
        found = [Variant(label=Note("lab_weight", weight=1), request=base)]
        for weight in dict.fromkeys(self.weights):
            if not math.isfinite(weight) or not 0 <= weight <= 10:
                raise InvalidRequest("weights", "number", low=0, high=10, value=shown(weight))
            if weight != 1:
                request = replace(base, prompt=phrased.with_one(0, f"({phrased.phrases[0]}:{weight:g})"))
                found.append(Variant(label=Note("lab_weight", weight=weight), request=request))
        if len(found) == 1:
            raise InvalidRequest("weights", "weights_none")
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Isolation:
    """A sentence against the same phrases as separated words; and each phrase alone."""

    phrases: tuple[str, ...] = ()
    separators: tuple[str, ...] = ("; ", ", ", ". ")
    alone: bool = True
    kind = "isolation"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        phrased = Phrased.of(base.prompt, self.phrases)
        if len(phrased.phrases) < 2:
            raise InvalidRequest("phrases", "phrases_separate", value=len(phrased.phrases))
        found = [Variant(label=Note("lab_sentence"), request=base)]
        for separator in dict.fromkeys(self.separators):
            request = replace(base, prompt=phrased.joined(separator))
            if request.prompt != base.prompt:
                found.append(Variant(label=Note("lab_separated", separator=separator.strip()), request=request))
        if self.alone:
            for phrase in phrased.phrases:
                request = replace(base, prompt=tidy(phrased.gaps[0] + phrase + phrased.gaps[-1]))
                found.append(Variant(label=Note("lab_alone_phrase", phrase=phrase), request=request))
        if len(found) == 1:
            raise InvalidRequest("separators", "prompt_unchanged")
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Pair:
    """A/B: does this phrase matter? Without it (or with `replacement` in its place) against with it."""

    phrase: str
    replacement: str = ""
    kind = "ab"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        phrase = _given(self.phrase)
        if phrase in base.prompt:
            phrased = Phrased.of(base.prompt, (phrase,))
            with_it = base.prompt
            other = phrased.with_one(0, self.replacement) if self.replacement.strip() else phrased.without(0)
        else:  # a phrase that the prompt does not have yet
            other = tidy(f"{base.prompt}, {self.replacement}")
            with_it = tidy(f"{base.prompt}, {phrase}")
        if other == with_it:
            raise InvalidRequest("phrase", "prompt_unchanged")
        instead = Note("lab_instead", phrase=self.replacement)
        return (
            Variant(
                label=instead if self.replacement.strip() else Note("lab_without", phrase=phrase),
                request=replace(base, prompt=other),
            ),
            Variant(label=Note("lab_with", phrase=phrase), request=replace(base, prompt=with_it)),
        )


def _given(phrase: str) -> str:
    if not phrase.strip():
        raise InvalidRequest("phrase", "phrase_empty")
    return phrase.strip()


KINDS: Mapping[str, type[Any]] = {cls.kind: cls for cls in (Pair, Ablation, Order, Symbols, Weights, Isolation, Grid)}
_TUPLES = {"phrases", "symbols", "places", "weights", "separators"}


def question_to_json(question: Question) -> dict[str, Any]:
    cls = KINDS[question.kind]
    data: dict[str, Any] = {"kind": question.kind}
    for name in cls.__dataclass_fields__:
        value = getattr(question, name)
        data[name] = [axis.to_json() for axis in value] if name == "axes" else _listed(value)
    return data


def question_from_json(data: Mapping[str, Any]) -> Question:
    """Raises InvalidRequest with the field that is wrong."""
    cls = KINDS.get(str(data.get("kind")))
    if cls is None:
        raise InvalidRequest("kind", "choice", choices=tuple(KINDS), value=shown(data.get("kind")))
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "kind":
            continue
        if name not in cls.__dataclass_fields__:
            raise InvalidRequest(name, "question_setting", kind=cls.kind)
        values[name] = _value(name, value)
    try:
        return cls(**values)  # type: ignore[no-any-return]
    except TypeError as error:
        raise InvalidRequest("kind", "question_settings", kind=cls.kind, value=tuple(sorted(values))) from error


def _value(name: str, value: Any) -> Any:
    if name == "axes":
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise InvalidRequest(name, "list_wanted", value=shown(value))
        return tuple(Axis.from_json(axis) for axis in value)
    if name in _TUPLES:
        kind: type | tuple[type, ...] = (int, float) if name == "weights" else str
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, kind) for one in value):
            raise InvalidRequest(name, "list_wanted", value=shown(value))
        return tuple(value)
    if name in {"sample", "sample_seed"}:
        if isinstance(value, bool) or not (isinstance(value, int) or (value is None and name == "sample")):
            raise InvalidRequest(name, "wrong_type", wanted=Note("type_int"), value=shown(value))
    elif name == "alone":
        if not isinstance(value, bool):
            raise InvalidRequest(name, "flag", value=shown(value))
    elif not isinstance(value, str):
        raise InvalidRequest(name, "text_wanted", value=shown(value))
    return value


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
