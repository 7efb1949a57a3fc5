"""What an experiment asks. Each question turns the base request into variants; the first is what others are held to."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipelines.errors import InvalidRequest
from pipelines.types import GenerationRequest
from webui.lab.axes import Axis
from webui.lab.phrases import Phrased, tidy

SAMPLE_LIMIT = 500
SYMBOLS = ("?", "!", "??", "!!", "!!??", ";", ",", ".")
CAPITALS = "CAPITALS"  # as a symbol: the phrase in capital letters
AS_IS = "as it is"


@dataclass(frozen=True, kw_only=True, slots=True)
class Variant:
    """One way to ask. `factors`: what it says about what is asked, as (factor, level); rows of the table."""

    label: str
    request: GenerationRequest
    factors: tuple[tuple[str, str], ...] = ()


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
            raise InvalidRequest("axes", f"must be one to three, got {len(self.axes)}")
        if len({axis.field for axis in self.axes if axis.field != "prompt_words"}) < len(
            [axis for axis in self.axes if axis.field != "prompt_words"]
        ):
            raise InvalidRequest("axes", "must each have a field of its own, got one twice")
        axes = [axis for axis in self.axes if axis.field != "seed"]
        variants = []
        for values in itertools.product(*(axis.values for axis in axes)):
            request = base
            for axis, value in zip(axes, values, strict=True):
                request = axis.apply(request, value)
            factors = tuple((axis.field, axis.label(value)) for axis, value in zip(axes, values, strict=True))
            label = " · ".join(f"{name} {level}" for name, level in factors) or AS_IS
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
            raise InvalidRequest("phrases", f"must be at least two to change their order, got {len(phrased.phrases)}")
        found: dict[str, Variant] = {}
        for order in self._orders(len(phrased.phrases)):
            texts = [phrased.phrases[place] for place in order]
            factors = tuple(
                (f"place of “{phrased.phrases[item]}”", str(place + 1))
                for place, item in enumerate(order)
                if item != place
            )
            prompt = phrased.text(texts)
            variant = Variant(label=" | ".join(texts), request=replace(base, prompt=prompt), factors=factors)
            found.setdefault(prompt, variant)  # equal phrases may change places unseen
        return tuple(found.values())

    def _orders(self, count: int) -> Iterator[tuple[int, ...]]:
        total, wanted = math.factorial(count), self.sample
        if wanted is not None and not 1 <= wanted <= SAMPLE_LIMIT:
            raise InvalidRequest("sample", f"must be from 1 to {SAMPLE_LIMIT}, got {wanted}")
        if wanted is None and total > SAMPLE_LIMIT:
            raise InvalidRequest("sample", f"must be given for {count} phrases ({total:,} orders), got none")
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
            raise InvalidRequest("symbols", "must be at least one symbol, got none")
        if not self.places or set(self.places) - {"before", "after"}:
            raise InvalidRequest("places", f"must be before or after, got {', '.join(self.places) or 'none'}")
        phrased = Phrased.of(base.prompt, (self.phrase or base.prompt,))
        phrase = phrased.phrases[0]
        found = [Variant(label=AS_IS, request=base)]
        for symbol in dict.fromkeys(self.symbols):
            if symbol == CAPITALS:
                request = replace(base, prompt=phrased.with_one(0, phrase.upper()))
                found.append(Variant(label=CAPITALS, request=request))
                continue
            for place in dict.fromkeys(self.places):
                text = f"{symbol}{phrase}" if place == "before" else f"{phrase}{symbol}"
                factors = (("symbol", symbol), ("its place", place)) if len(set(self.places)) > 1 else ()
                request = replace(base, prompt=phrased.with_one(0, text))
                found.append(Variant(label=f"{symbol} {place}", request=request, factors=factors))
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
            found.append(Variant(label=f"without “{phrase}”", request=request))
        return tuple(found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """One phrase as (phrase:weight) at several weights; the reference is the plain phrase, weight 1."""

    phrase: str
    weights: tuple[float, ...] = (0.6, 0.8, 1.2, 1.4)
    kind = "weights"

    def variants(self, base: GenerationRequest) -> tuple[Variant, ...]:
        phrased = Phrased.of(base.prompt, (_given(self.phrase),))
        found = [Variant(label="weight 1", request=base)]
        for weight in dict.fromkeys(self.weights):
            if not math.isfinite(weight) or not 0 <= weight <= 10:
                raise InvalidRequest("weights", f"must be from 0 to 10, got {weight:g}")
            if weight != 1:
                text = f"({phrased.phrases[0]}:{weight:g})"
                found.append(
                    Variant(label=f"weight {weight:g}", request=replace(base, prompt=phrased.with_one(0, text)))
                )
        if len(found) == 1:
            raise InvalidRequest("weights", "must be at least one weight besides 1, got none")
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
            raise InvalidRequest("phrases", f"must be at least two to separate them, got {len(phrased.phrases)}")
        found = [Variant(label="sentence", request=base)]
        for separator in dict.fromkeys(self.separators):
            request = replace(base, prompt=phrased.joined(separator))
            if request.prompt != base.prompt:
                found.append(Variant(label=f"separated by “{separator.strip()}”", request=request))
        if self.alone:
            for phrase in phrased.phrases:
                request = replace(base, prompt=tidy(phrased.gaps[0] + phrase + phrased.gaps[-1]))
                found.append(Variant(label=f"“{phrase}” alone", request=request))
        if len(found) == 1:
            raise InvalidRequest("separators", "must change the prompt, got the same")
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
            raise InvalidRequest("phrase", "must change the prompt, got the same")
        names = (f"“{self.replacement}”" if self.replacement.strip() else f"without “{phrase}”", f"with “{phrase}”")
        prompts = (other, with_it)
        return tuple(
            Variant(label=name, request=replace(base, prompt=prompt))
            for name, prompt in zip(names, prompts, strict=True)
        )


def _given(phrase: str) -> str:
    if not phrase.strip():
        raise InvalidRequest("phrase", "must hold words, got none")
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
        raise InvalidRequest("kind", f"must be one of {', '.join(KINDS)}, got {data.get('kind')!r:.80}")
    values: dict[str, Any] = {}
    for name, value in data.items():
        if name == "kind":
            continue
        if name not in cls.__dataclass_fields__:
            raise InvalidRequest(name, f"must be a setting of {cls.kind}, got {value!r:.80}")
        values[name] = _value(name, value)
    try:
        return cls(**values)  # type: ignore[no-any-return]
    except TypeError as error:
        raise InvalidRequest("kind", f"must have all settings of {cls.kind}, got {sorted(values)}") from error


def _value(name: str, value: Any) -> Any:
    if name == "axes":
        if not isinstance(value, Sequence) or isinstance(value, str):
            raise InvalidRequest(name, f"must be a list, got {value!r:.80}")
        return tuple(Axis.from_json(axis) for axis in value)
    if name in _TUPLES:
        kind: type | tuple[type, ...] = (int, float) if name == "weights" else str
        if not isinstance(value, Sequence) or isinstance(value, str) or not all(isinstance(one, kind) for one in value):
            raise InvalidRequest(name, f"must be a list, got {value!r:.80}")
        return tuple(value)
    if name in {"sample", "sample_seed"}:
        if isinstance(value, bool) or not (isinstance(value, int) or (value is None and name == "sample")):
            raise InvalidRequest(name, f"must be a whole number, got {value!r:.80}")
    elif name == "alone":
        if not isinstance(value, bool):
            raise InvalidRequest(name, f"must be true or false, got {value!r:.80}")
    elif not isinstance(value, str):
        raise InvalidRequest(name, f"must be text, got {value!r:.80}")
    return value


def _listed(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
