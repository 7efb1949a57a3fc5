"""Choices in a prompt: `{a|b|c}`, `{2$$a|b|c}`, `{3::a|b}`, `__list__`, within each other, drawn by an image's seed.

Own code, though the dynamicprompts library (0.31) knows this language: it refuses a prompt with an unmatched brace or a
`%`, makes nothing of one that begins with `#`, turns `\\{a\\}` into `\\a\\`, takes `${…}` for an assignment. Here all
that is no choice stays letter for letter, and `[a|b]` is left to the prompt's own grammar.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from pipelines.errors import InvalidRequest
from pipelines.fields import TEXT_LIMIT as PROMPT_LIMIT

PICK_LIMIT = 2_000  # choices in one prompt; lists can double each other without end
DEPTH_LIMIT = 40  # choices within each other
JOINT = ", "  # between several picks, unless the choice names its own

_LIST = re.compile(r"__((?:[^\W_]|\*)[\w\-/*]*?)__")
_WEIGHT = re.compile(r"\s*(\d{1,6}(?:\.\d{1,6})?)::")
_COUNT = re.compile(r"\s*(?:(\d{1,4})|(\d{0,4})-(\d{0,4}))\$\$")

Lists = Mapping[str, Sequence[str]]  # name -> values, which may hold choices and a weight (`2::red`) themselves


@dataclass(frozen=True, kw_only=True, slots=True)
class Pick:
    """One draw: what stood there, and what came of it before choices inside it were made."""

    source: str
    chosen: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Resolved:
    """`prompt` is `template` with every choice made. `unresolved`: lists that stay as they were, as they do not exist,
    are empty, or stand within themselves."""

    template: str
    prompt: str
    picks: tuple[Pick, ...] = ()
    unresolved: tuple[str, ...] = ()


def resolve(template: str, seed: int, lists: Lists, *, name: str = "prompt") -> Resolved:
    """The same template, seed, lists and name give the same prompt on every machine and Python.

    `name` is the field's: prompt and negative prompt draw apart from each other, so a change in one leaves the other.
    Raises InvalidRequest when there are too many choices, or the prompt grows too long.
    """
    drawing = _Drawing(rng=random.Random(f"{name}:{seed}"), lists=lists, name=name)
    prompt = drawing.text(template, ())
    if len(prompt) > PROMPT_LIMIT:
        raise InvalidRequest(name, f"must have at most {PROMPT_LIMIT:,} characters, got {len(prompt):,}")
    return Resolved(
        template=template,
        prompt=prompt,
        picks=tuple(drawing.picks),
        unresolved=tuple(dict.fromkeys(drawing.unresolved)),
    )


def has_choices(template: str, lists: Lists, *, name: str = "prompt") -> bool:
    """Whether anything in it would be drawn or unescaped: else template and prompt are one. Raises as `resolve`."""
    found = resolve(template, 0, lists, name=name)
    return bool(found.picks) or found.prompt != template


@dataclass(kw_only=True)
class _Drawing:
    rng: random.Random
    lists: Lists
    name: str
    picks: list[Pick] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)

    def text(self, text: str, inside: tuple[str, ...]) -> str:
        """Text with its choices made. `inside`: the lists whose values are being written out."""
        if len(inside) > DEPTH_LIMIT:
            raise InvalidRequest(self.name, f"must not nest choices deeper than {DEPTH_LIMIT}")
        ends = _matches(text)
        out: list[str] = []
        at = 0
        while at < len(text):
            if text[at] == "\\" and text[at + 1 : at + 2] in ("{", "}"):
                out.append(text[at + 1])
                at += 2
            elif text[at] == "\\":
                out.append(text[at : at + 2])
                at += 2
            elif at in ends and (made := self._braces(text[at + 1 : ends[at]], inside)) is not None:
                out.append(made)
                at = ends[at] + 1
            elif text[at] == "_" and (found := _LIST.match(text, at)):
                out.append(self._list(found[1], inside))
                at = found.end()
            else:
                out.append(text[at])
                at += 1
        return "".join(out)

    def _braces(self, body: str, inside: tuple[str, ...]) -> str | None:
        """What the choice between two braces comes to; None when it is no choice and its braces are letters."""
        count = _COUNT.match(body)
        options = _split(body[count.end() :] if count else body)
        if count is None and len(options) == 1:
            return None
        joint, deeper = JOINT, (*inside, "")
        head, cut, tail = options[0].partition("$$")
        if count is not None and cut:
            joint, options[0] = head, tail
        only = _LIST.fullmatch(options[0].strip()) if len(options) == 1 else None
        if only is not None:  # {2$$__colour__}: two different ones of the list
            options, deeper = self._values(only[1], inside), (*inside, only[1])
            if not options:
                self.unresolved.append(only[1])
                return "{" + body + "}"
        low, high = _range(count, len(options))
        number = low + int(self.rng.random() * (high - low + 1))
        drawn = self._draw(options, number, "{" + body + "}")
        return joint.join(self.text(one if count is None else one.strip(), deeper) for one in drawn)

    def _list(self, name: str, inside: tuple[str, ...]) -> str:
        values = self._values(name, inside)
        if not values:
            self.unresolved.append(name)
            return f"__{name}__"
        (value,) = self._draw(values, 1, f"__{name}__") or ("",)
        return self.text(value, (*inside, name))

    def _values(self, name: str, inside: tuple[str, ...]) -> list[str]:
        """No values for a list that does not exist, and none within itself: it would go round in a circle."""
        if "*" not in name:
            return [] if name in inside else list(self.lists.get(name, ()))
        names = sorted(one for one in self.lists if fnmatchcase(one, name) and one not in inside)
        return [] if name in inside else [value for one in names for value in self.lists[one]]

    def _draw(self, options: Sequence[str], number: int, source: str) -> list[str]:
        """`number` different options in the order they were drawn, heavier ones more often."""
        left = [_weighted(option) for option in options]
        if all(weight == 0 for weight, _text in left):
            left = [(1.0, text) for _weight, text in left]
        chosen: list[str] = []
        while left and len(chosen) < number:
            # only random() is promised to stay the same from one Python to the next
            point = self.rng.random() * sum(weight for weight, _text in left)
            place = _at_point([weight for weight, _text in left], point)
            weight, text = left.pop(place)
            if weight > 0:
                chosen.append(text)
                self.picks.append(Pick(source=source, chosen=text))
            if len(self.picks) > PICK_LIMIT:
                raise InvalidRequest(self.name, f"must make at most {PICK_LIMIT:,} choices, got more")
        return chosen


def _at_point(weights: Sequence[float], point: float) -> int:
    for place, weight in enumerate(weights):
        point -= weight
        if point < 0:
            return place
    return max(place for place, weight in enumerate(weights) if weight > 0 or place == 0)  # rounding


def _weighted(option: str) -> tuple[float, str]:
    found = _WEIGHT.match(option)
    return (float(found[1]), option[found.end() :]) if found else (1.0, option)


def _range(count: re.Match[str] | None, options: int) -> tuple[int, int]:
    """How many at least and at most: `2$$`, `1-3$$`, `-3$$` (from none), `2-$$` (to all)."""
    if count is None:
        return 1, 1
    if count[1] is not None:
        low = high = int(count[1])
    else:
        low, high = int(count[2] or 0), int(count[3] or options)
    low, high = sorted((min(low, options), min(high, options)))
    return low, high


def _matches(text: str) -> dict[int, int]:
    """Place of each opening brace that is closed -> place of its closing one; deeper than the limit none."""
    found: dict[int, int] = {}
    open_at: list[int] = []
    at = 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == "{":
            open_at.append(at)
        elif text[at] == "}" and open_at:
            start = open_at.pop()
            if len(open_at) < DEPTH_LIMIT:  # so that no prompt, however odd, takes long
                found[start] = at
        at += 1
    return found


def _split(body: str) -> list[str]:
    """The options: parted at each `|` that stands in no inner braces and in no `[a|b]`."""
    ends = _matches(body)
    bars: list[int] = []
    open_at: list[int] = []
    at = 0
    while at < len(body):
        if body[at] == "\\":
            at += 2
            continue
        at = ends.get(at, at)  # over inner braces
        if body[at] == "|":
            bars.append(at)
        elif body[at] == "[":
            open_at.append(at)
        elif body[at] == "]" and open_at:
            start = open_at.pop()
            while bars and bars[-1] > start:
                bars.pop()
        at += 1
    edges = [-1, *bars, len(body)]
    return [body[start + 1 : end] for start, end in itertools.pairwise(edges)]
