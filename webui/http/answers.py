"""What our own routes answer when something is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from fastapi import HTTPException, Request
from fastapi.exceptions import RequestValidationError
from starlette.responses import JSONResponse

from pipelines.errors import InvalidRequest, Note, SeedprintError
from pipelines.kinds import shown
from webui.words import fault, language_of, say

PLACES = 3  # where a request is wrong, at most


@contextmanager
def faults_as_answers(request: Request) -> Iterator[None]:
    """Our errors as one sentence in the visitor's language: 400 for bad input, 409 for what cannot be done now."""
    try:
        yield
    except SeedprintError as error:
        bad = isinstance(error, InvalidRequest)
        raise HTTPException(400 if bad else 409, fault(error, language_of(request))) from error


def malformed(request: Request, error: Exception) -> JSONResponse:
    """A request that does not have the form of any of ours. FastAPI's own answer repeats all that was sent."""
    found = error.errors() if isinstance(error, RequestValidationError) else ()
    places = tuple(shown(".".join(map(str, one["loc"]))) for one in found[:PLACES])
    return JSONResponse({"detail": say(Note("request_wrong", value=places), language_of(request))}, 422)
