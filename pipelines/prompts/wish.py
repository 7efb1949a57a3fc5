"""What a request's two prompts say, each read once in its language and handed on: to what looks up the files they name,
to the text encoders, and to what watches words. No torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pipelines.errors import InvalidRequest, Note
from pipelines.prompts.compel_parsing import read_compel
from pipelines.prompts.grammar import parse, prompts_in
from pipelines.prompts.loras import Lora
from pipelines.tokens import TokenChunk
from pipelines.types import FIRST_RULES, PROMPT_RULES, GenerationRequest

COMPEL = "compel"


class Spoken(Protocol):
    """One prompt as its language reads it."""

    @property
    def source(self) -> str:
        """As it was typed."""

    @property
    def loras(self) -> tuple[Lora, ...]: ...
    @property
    def changes(self) -> bool:
        """Whether it differs from step to step."""

    @property
    def weights(self) -> tuple[float, ...]:
        """Of its parts."""

    @property
    def words(self) -> str:
        """The text that may hold learned words: all of it, at whatever step."""

    def fault(self, steps: int) -> Note | None:
        """The first tag that cannot be read, in any of so many steps."""

    def token_map(self, tokenizer: Any) -> tuple[TokenChunk, ...]:
        """The chunks that a text encoder gets at the first step."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Wish:
    """Both prompts of a request."""

    prompt: Spoken
    negative_prompt: Spoken
    dialect: str
    second: Wish | None = None  # of a second pass
    details: Wish | None = None  # of the pass over details
    source: Spoken | None = None  # what the picture shows that is changed by words

    def spoken(self) -> tuple[tuple[str, Spoken], ...]:
        """Each with its field."""
        found = [("prompt", self.prompt), ("negative_prompt", self.negative_prompt)]
        found += [] if self.source is None else [("edit_source", self.source)]
        for prefix, later in (("hires", self.second), ("detail", self.details)):
            if later is not None:
                found += ((f"{prefix}_{field}", one) for field, one in later.spoken())
        return tuple(found)


def wish_of(request: GenerationRequest, names: Sequence[str] = (), rules: int = PROMPT_RULES) -> Wish:
    """`names`: of learned words, whose own signs are letters; `rules`: to read by. Raises `InvalidRequest` for
    what Compel cannot read, and for a tag that cannot be read."""
    found = _read_both(request, request.steps_run, names, rules)
    if (second := request.second) is not None:
        with _named("hires"):
            found = replace(found, second=_read_both(second, request.second_steps_run, names, rules))
    if (detail := request.detail) is not None:
        told = replace(
            request,
            regions=None,
            prompt=detail.prompt or request.prompt,
            negative_prompt=detail.negative_prompt or request.negative_prompt,
        )
        with _named("detail"):
            found = replace(found, details=_read_both(told, request.detail_steps_run, names, rules))
    return found


@contextmanager
def _named(prefix: str) -> Iterator[None]:
    """Faults of a later pass are told of its own fields."""
    try:
        yield
    except InvalidRequest as error:
        raise InvalidRequest(f"{prefix}_{error.field}", error.note.code, **error.note.values) from error


def _read_both(request: GenerationRequest, steps: int, names: Sequence[str], rules: int) -> Wish:
    wish = Wish(
        prompt=read(request.prompt, request.dialect, "prompt", names, rules),
        negative_prompt=read(request.negative_prompt, request.dialect, "negative_prompt", names, rules),
        dialect=request.dialect,
        source=None
        if request.edit is None
        else read(request.edit.source, request.dialect, "negative_prompt", names, rules),
    )
    if request.regions is not None:
        request.regions.check_prompts(prompts_in(request.prompt, request.dialect))
    for field, spoken in wish.spoken():
        if (fault := spoken.fault(steps)) is not None:
            raise InvalidRequest(field, fault.code, **fault.values)
    return wish


def read(text: str, dialect: str, field: str, names: Sequence[str] = (), rules: int = PROMPT_RULES) -> Spoken:
    """One prompt. AND is a word in the negative one. Raises `InvalidRequest` for what Compel cannot read."""
    if rules == FIRST_RULES:
        names = ()
    if dialect == COMPEL:
        return read_compel(text, field, names, rules)
    return parse(text, composed=field == "prompt", names=names, rules=rules)
