"""What our own routes answer when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request

from pipelines.errors import InvalidRequest, SeedprintError
from webui.words import fault, language_of


@contextmanager
def faults_as_answers(request: Request) -> Iterator[None]:
    """Our errors as one sentence in the visitor's language: 400 for bad input, 409 for what cannot be done now."""
    try:
        yield
    except SeedprintError as error:
        bad = isinstance(error, InvalidRequest)
        raise HTTPException(400 if bad else 409, fault(error, language_of(request))) from error
