"""How a test says what must be refused: the field, the rule's code, and the values that matter."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from pipelines.errors import InvalidRequest, SeedprintError


@contextmanager
def refused(field: str, code: str, **values: Any) -> Iterator[None]:
    """The block must raise `InvalidRequest` for this field and rule, whose note has at least these values."""
    with pytest.raises(InvalidRequest) as caught:
        yield
    assert (caught.value.field, caught.value.note.code) == (field, code)
    assert {name: caught.value.note.values.get(name) for name in values} == values


@contextmanager
def failing(kind: type[SeedprintError], code: str, **values: Any) -> Iterator[None]:
    """Likewise for every other failure that a person is told."""
    with pytest.raises(kind) as caught:
        yield
    assert caught.value.note.code == code
    assert {name: caught.value.note.values.get(name) for name in values} == values
