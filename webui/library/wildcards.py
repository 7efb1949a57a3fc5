"""Choices in a prompt: `{a|b|c}`, `{2$$a|b|c}`, `{3::a|b}`, `__list__`, within each other, drawn by an image's seed.

Own code, though the dynamicprompts library (0.31) knows this language: it refuses a prompt with an unmatched brace or a
`%`, makes nothing of one that begins with `#`, turns `\\{a\\}` into `\\a\\`, takes `${…}` for an assignment. Here all
that is no choice stays letter for letter, and `[a|b]` is left to the prompt's own grammar.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pipelines.errors import InvalidRequest, Note
from pipelines.kinds import TEXT_LIMIT as PROMPT_LIMIT
from webui.library.list_names import ListNames, Reference

PICK_LIMIT = 2_000  # choices in one prompt; lists can double each other without end
DEPTH_LIMIT = 40  # choices within each other
SHOWN = 40  # characters of a choice, when it is told
JOINT = ", "  # between several picks, unless the choice names its own

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
    drawing = _Drawing(rng=random.Random(f"{name}:{seed}"), lists=lists, names=ListNames(lists), name=name)
    prompt = drawing.text(template, ())
    if len(prompt) > PROMPT_LIMIT:
        raise InvalidRequest(name, "choices_long", high=PROMPT_LIMIT, value=len(prompt))
    return Resolved(
        template=template,
        prompt=prompt,
        picks=tuple(drawing.picks),
        unresolved=tuple(dict.fromkeys(drawing.unresolved)),
    )


def fault(template: str, lists: Lists) -> Note | None:
    """What keeps a template from being drawn, whatever the seed: a list that is not there, is empty or comes round to
    itself, named by the template or by a value that it may draw."""
    return _Looking(lists).fault(template, ())


def has_choices(template: str, lists: Lists, *, name: str = "prompt") -> bool:
    """Whether anything in it would be drawn or unescaped: else template and prompt are one. Raises as `resolve`."""
    found = resolve(template, 0, lists, name=name)
    return bool(found.picks) or found.prompt != template


def references(text: str, lists: Lists) -> Iterator[Reference]:
    """Every `__name__` of a text."""
    return ListNames(lists).within(text)


def unfinished(text: str) -> tuple[Note, ...]:
    """What was begun and not ended: nothing is drawn from it, and its signs go to the model as they are."""
    ends, notes, at = _matches(text), list[Note](), 0
    while at < len(text):
        if text[at] == "\\":
            at += 2
            continue
        if text[at] == "{" and at not in ends and re.search(r"\||\$\$", text[at:]):
            notes.append(Note("choice_unclosed", text=text[at : at + SHOWN]))
            break  # what follows is inside it
        at = ends.get(at, at) + 1
    return tuple(notes)


class _Looking:
    def __init__(self, lists: Lists) -> None:
        self._lists, self._names = lists, ListNames(lists)
        self._good: set[str] = set()

    def fault(self, text: str, inside: tuple[str, ...]) -> Note | None:
        """`inside`: the lists whose values are looked at."""
        found = (self._of(reference, inside) for reference in self._names.within(text))
        return next(filter(None, found), None)

    def _of(self, reference: Reference, inside: tuple[str, ...]) -> Note | None:
        if not reference.lists:
            return self._missing(reference.name, inside)
        names = [name for name in reference.lists if name not in inside]
        if not names:
            return Note("wildcard_circle", name=reference.name)
        if not any(self._lists[name] for name in names):
            return Note("wildcard_empty", name=reference.name)
        if len(inside) >= DEPTH_LIMIT:
            return None  # refused when it is drawn
        return next(filter(None, (self._in_list(name, inside) for name in names)), None)

    def _in_list(self, name: str, inside: tuple[str, ...]) -> Note | None:
        if name in self._good:
            return None
        faults = (self.fault(value, (*inside, name)) for value in self._lists[name] if "__" in value)
        found = next(filter(None, faults), None)
        if found is None:
            self._good.add(name)
        return found

    def _missing(self, name: str, inside: tuple[str, ...]) -> Note:
        nearest = self._names.nearest(name)
        hint = Note("wildcard_nearest", names=nearest) if nearest else Note("wildcard_none_near")
        if inside:
            return Note("wildcard_missing_within", name=name, within=inside[-1], hint=hint)
        return Note("wildcard_missing", name=name, hint=hint)


@dataclass(kw_only=True)
class _Drawing:
    rng: random.Random
    lists: Lists
    names: ListNames
    name: str  # of the field
    picks: list[Pick] = field(default_factory=list)
    unresolved: list[str] = field(default_factory=list)

    def text(self, text: str, inside: tuple[str, ...]) -> str:
        """Text with its choices made. `inside`: the lists whose values are being written out."""
        if len(inside) > DEPTH_LIMIT:
            raise InvalidRequest(self.name, "choices_deep", high=DEPTH_LIMIT)
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
            elif text[at] == "_" and (found := self.names.at(text, at)):
                out.append(self._list(text[at : found.end], found, inside))
                at = found.end
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
        joint, deeper = "", (*inside, "")
        if count is not None:
            joint, options[0] = _separator(options[0])
        only = self.names.whole(options[0].strip()) if len(options) == 1 else None
        if only is not None:  # {2$$__colour__}: two different ones of the list
            options, deeper = self._values(only, inside), (*inside, _key(only))
            if not options:
                self.unresolved.append(only.name)
                return "{" + body + "}"
        low, high = _range(count, len(options))
        number = low + int(self.rng.random() * (high - low + 1))
        drawn = self._draw(options, number, "{" + body + "}")
        made = [self.text(one if count is None else one.strip(), deeper) for one in drawn]
        return (self._joint(joint, inside) if len(made) > 1 else "").join(made)

    def _joint(self, separator: str, inside: tuple[str, ...]) -> str:
        """What stands between several picks. A word that was drawn for it stands free: the lines of a list have no
        spaces round them."""
        made = self.text(separator, (*inside, ""))
        if made == separator:
            return made
        return f"{' ' if made[:1].isalnum() else ''}{made}{' ' if made[-1:].isalnum() else ''}"

    def _list(self, source: str, reference: Reference, inside: tuple[str, ...]) -> str:
        values = self._values(reference, inside)
        if not values:
            self.unresolved.append(reference.name)
            return source
        (value,) = self._draw(values, 1, source) or ("",)
        return self.text(value, (*inside, _key(reference)))

    def _values(self, reference: Reference, inside: tuple[str, ...]) -> list[str]:
        """No values for a list that does not exist, and none within itself: it would go round in a circle."""
        if _key(reference) in inside:
            return []
        return [value for name in reference.lists if name not in inside for value in self.lists[name]]

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
                raise InvalidRequest(self.name, "choices_many", high=PICK_LIMIT)
        return chosen


def _key(reference: Reference) -> str:
    """What a list is called where its values are written out: of several lists, what they were asked by."""
    return reference.lists[0] if len(reference.lists) == 1 else reference.name


def _separator(option: str) -> tuple[str, str]:
    """The first option of `{2$$ and $$a|b}` -> what joins the picks, and the option itself."""
    ends, at = _matches(option), 0
    while at < len(option):
        if option.startswith("$$", at):
            return option[:at], option[at + 2 :]
        at = ends.get(at, at) + 1 if option[at] != "\\" else at + 2
    return JOINT, option


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
