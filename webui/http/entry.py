"""Who may use the program: whoever has the link that it opens and prints.

Other accounts of this machine reach 127.0.0.1 as well, and the three checks of `guard` stop no program of theirs. So
the link carries a token that only the person who started the program can read, another one at each start. Whoever
brings it gets a cookie of their own, which pages of other sites cannot send, and is led to the address without it.

A cookie counts for every port of a machine, hence the port in its name: two programs keep theirs apart. (Another
program that the person opens in the same browser is sent it too; no cookie over http is safe from that. It may also
set one of that name: a second cookie takes nothing from the right one.)
"""

from __future__ import annotations

import secrets
from urllib.parse import urlencode

from starlette.requests import HTTPConnection
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from webui.http.guard import POLICY_VIOLATION
from webui.kept.sessions import KEPT, Sessions
from webui.words import LANGUAGES, translate

PARAMETER = "token"
_PRIVATE = {"cache-control": "no-store"}


class Entry:
    """ASGI middleware behind the gate: lets in who has the token or was let in before."""

    def __init__(self, app: ASGIApp, port: int, token: str, sessions: Sessions | None = None) -> None:
        self._app, self._token, self._sessions = app, token, sessions or Sessions()
        self._cookie = f"seedprint-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        connection = HTTPConnection(scope)
        answer = self._answer(connection)
        if answer is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": translate("no_entry", "en")})
        else:
            await answer(scope, receive, send)

    def _answer(self, asked: HTTPConnection) -> Response | None:
        """What is answered in the application's place; None for who may use it."""
        at_front = asked.scope["type"] == "http" and asked.scope["method"] == "GET" and asked.url.path == "/"
        given = asked.query_params.get(PARAMETER, "") if at_front else ""
        if at_front and asked.headers.get("sec-fetch-site") in ("cross-site", "same-site"):
            return self._once_more(asked)
        if self._is_token(given):
            return self._into_cookie(asked)
        if any(map(self._sessions.knows, self._cookies(asked))):
            return self._clean(asked) if PARAMETER in asked.query_params and at_front else None
        return PlainTextResponse("\n".join(translate("no_entry", one) for one in LANGUAGES), 403, _PRIVATE)

    def _is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(errors="replace"), self._token.encode())

    def _cookies(self, asked: HTTPConnection) -> list[str]:
        """All of our name, of which a browser may send several."""
        pairs = (pair.partition("=") for line in asked.headers.getlist("cookie") for pair in line.split(";"))
        return [value.strip() for name, _, value in pairs if name.strip() == self._cookie]

    def _into_cookie(self, asked: HTTPConnection) -> Response:
        answer = self._clean(asked)
        answer.set_cookie(
            self._cookie, self._sessions.begin(), max_age=KEPT, path="/", httponly=True, samesite="strict"
        )
        return answer

    def _clean(self, asked: HTTPConnection) -> Response:
        others = [(name, value) for name, value in asked.query_params.multi_items() if name != PARAMETER]
        return RedirectResponse(_front(others), 303, _PRIVATE)

    def _once_more(self, asked: HTTPConnection) -> Response:
        """Following a link from elsewhere a browser keeps the cookie back, but not following one of our own page."""
        link = _front(asked.query_params.multi_items())
        return HTMLResponse(f'<!doctype html><meta http-equiv="refresh" content="0; url={link}">', headers=_PRIVATE)


def _front(query: list[tuple[str, str]]) -> str:
    return f"/?{urlencode(query)}" if query else "/"
