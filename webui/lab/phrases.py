"""A prompt as phrases in their places: leave one out, put them in another order, write something beside one."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.errors import InvalidRequest
from pipelines.kinds import shown

PHRASES_LIMIT = 40
_EDGES = re.compile(r"^[\s,;]+|[\s,;]+$")
_DOUBLED = re.compile(r"\s*([,;])(?:\s*[,;])+")
_SPACES = re.compile(r"[ \t]{2,}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Phrased:
    """A prompt cut at its phrases: text before, phrase, text between, phrase, …, text after."""

    phrases: tuple[str, ...]
    gaps: tuple[str, ...]  # one more than phrases

    @classmethod
    def of(cls, prompt: str, phrases: Sequence[str] = ()) -> Phrased:
        """Finds each phrase in the prompt (without any: what stands between its commas). Raises InvalidRequest."""
        wanted = [phrase.strip() for phrase in phrases if phrase.strip()]
        if not wanted:
            wanted = [piece.strip() for piece in re.split(r"[,;\n]", prompt) if piece.strip()]
        if not wanted:
            raise InvalidRequest("phrases", "phrases_none")
        if len(wanted) > PHRASES_LIMIT:
            raise InvalidRequest("phrases", "phrases_too_many", limit=PHRASES_LIMIT, value=len(wanted))
        spans = _spans(prompt, wanted)
        edges = [0, *(edge for span in spans for edge in span), len(prompt)]
        gaps = tuple(prompt[edges[place] : edges[place + 1]] for place in range(0, len(edges), 2))
        return cls(phrases=tuple(prompt[start:end] for start, end in spans), gaps=gaps)

    def text(self, phrases: Sequence[str] | None = None) -> str:
        """The prompt with these phrases in the places of its own."""
        chosen = self.phrases if phrases is None else phrases
        return self.gaps[0] + "".join(phrase + gap for phrase, gap in zip(chosen, self.gaps[1:], strict=True))

    def with_one(self, place: int, phrase: str) -> str:
        """The prompt with another phrase at `place`."""
        return self.text([*self.phrases[:place], phrase, *self.phrases[place + 1 :]])

    def without(self, place: int) -> str:
        """The prompt without the phrase at `place`, and without the comma or the `and` that it leaves dangling."""
        before, after = self.gaps[place], self.gaps[place + 1]
        if _is_joint(before) and _is_joint(after):
            after = before if place == len(self.phrases) - 1 else after
            before = ""
        elif _is_joint(before):
            before = ""
        elif _is_joint(after):
            after = ""
        gaps = [*self.gaps[:place], before + after, *self.gaps[place + 2 :]]
        rest = [*self.phrases[:place], *self.phrases[place + 1 :]]
        return tidy(gaps[0] + "".join(phrase + gap for phrase, gap in zip(rest, gaps[1:], strict=True)))

    def joined(self, separator: str) -> str:
        """The prompt with `separator` between its phrases, what stands round them kept."""
        return self.gaps[0] + separator.join(self.phrases) + self.gaps[-1]


def tidy(prompt: str) -> str:
    """No doubled or dangling commas, no doubled spaces."""
    return _EDGES.sub("", _SPACES.sub(" ", _DOUBLED.sub(r"\1", prompt)))


def _is_joint(gap: str) -> bool:
    return gap.strip() in {",", ";", "and", ", and", "&", "+"}


def _spans(prompt: str, phrases: Sequence[str]) -> list[tuple[int, int]]:
    """Where each phrase stands: its first whole occurrence that no other phrase has taken, the longest first."""
    taken: list[tuple[int, int]] = []
    for phrase in sorted(phrases, key=len, reverse=True):
        pattern = rf"(?<!\w){re.escape(phrase)}(?!\w)" if phrase[0].isalnum() and phrase[-1].isalnum() else None
        for match in re.finditer(pattern or re.escape(phrase), prompt):
            if all(match.end() <= start or match.start() >= end for start, end in taken):
                taken.append(match.span())
                break
        else:
            raise InvalidRequest("phrases", "phrase_not_there", value=shown(phrase))
    return sorted(taken)
