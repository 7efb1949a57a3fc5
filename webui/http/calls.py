"""What a call of one of the page's functions must be before gradio takes it, which fails over anything else."""

from __future__ import annotations

from typing import Any

from fastapi import Request
from fastapi.exceptions import RequestValidationError

JOIN = "/queue/join"


async def well_formed(request: Request) -> None:
    """A dependency of gradio's routes. Raises RequestValidationError where a call names no function, has another
    number of values than that takes, or says that it is several at once."""
    names_one = "api_name" in request.path_params
    if request.method != "POST" or not (names_one or request.url.path.endswith(JOIN)):
        return
    try:
        body = await request.json()
    except ValueError:
        return  # gradio's routes say so
    if not isinstance(body, dict):
        return
    functions = request.app.get_blocks().fns
    index = body.get("fn_index")
    if index is None and names_one:
        name = request.path_params["api_name"]
        index = next((one for one, function in functions.items() if function.api_name == name), None)
    if not isinstance(index, int) or index not in functions:
        raise _wrong("fn_index" if "fn_index" in body or not names_one else "api_name")
    if body.get("batched"):
        raise _wrong("batched")
    if isinstance(data := body.get("data"), list) and not _fits(functions[index], data):
        raise _wrong("data")


def _fits(function: Any, data: list[Any]) -> bool:
    """Or the call is by a page's script, which may leave out what only pages have."""
    asked = [one for one in function.inputs if not one.skip_api]
    return bool(function.cancels) or len(data) in (len(function.inputs), len(asked))


def _wrong(place: str) -> RequestValidationError:
    return RequestValidationError([{"loc": ("body", place), "msg": "", "type": "value_error"}])
