"""What our own routes answer when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request

from pipelines.errors import InvalidRequest, SeedprintError
from webui.words import language_of, sentence


@contextmanager
def faults_as_answers(request: Request) -> Iterator[None]:
    """Our errors as one sentence in the visitor's language: 400 for bad input, 409 for what cannot be done now."""
    try:
        yield
    except InvalidRequest as error:
        raise HTTPException(400, sentence(error.field, error.rule, language_of(request))) from error
    except SeedprintError as error:
        raise HTTPException(409, str(error)) from error
