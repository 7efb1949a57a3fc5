"""What answers weigh: texts travel compressed, and what never changes is asked for once."""

from __future__ import annotations

import gzip
import re
from typing import Any

import brotli
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

FOR_GOOD = "public, max-age=31536000, immutable"  # for addresses that change with what they stand for
TEXTS = ("text/html", "text/css", "text/javascript", "text/plain", "application/json", "image/svg+xml")
SMALL = 1000  # bytes: less fits into a packet as it is
_HASHED = re.compile(r"/assets/(?:[\w.-]+/)*[\w.-]*-[\w-]{8,}\.\w+")  # as Vite names what it builds
_NEVER = re.compile(r"q=0(\.0*)?")


class Fresh:
    """ASGI middleware inside Gradio's application, which says nothing of how long its files stay the same: those whose
    address tells their content are kept for good."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _tells_content(scope):
            await self._app(scope, receive, send)
            return

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                MutableHeaders(scope=message)["cache-control"] = FOR_GOOD
            await send(message)

        await self._app(scope, receive, marked)


def _tells_content(scope: Scope) -> bool:
    if scope["path"] == "/theme.css":
        digest: Any = scope["app"].get_blocks().theme_hash
        return bool(scope["query_string"] == f"v={digest}".encode())
    return bool(_HASHED.fullmatch(scope["path"]))


class Compressed:
    """ASGI middleware: a whole text of some length is compressed as the browser accepts it. Streams, parts of files,
    answers to HEAD, and what is compressed already or has a tag of its own pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "HEAD":
            headers = Headers(scope=scope)
            if "range" not in headers:
                send = _Answer(send, _coding(headers.get("accept-encoding", ""))).send
        await self._app(scope, receive, send)


class _Answer:
    def __init__(self, send: Send, coding: str) -> None:
        self._send, self._coding = send, coding
        self._start: Message | None = None  # held back until the whole body is here
        self._body = bytearray()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(message):
            MutableHeaders(scope=message).add_vary_header("Accept-Encoding")
            if self._coding:
                self._start = message
                return
        if self._start is None:
            await self._send(message)
            return
        self._body += message.get("body", b"")
        if not message.get("more_body", False):
            body = await run_in_threadpool(_compress, bytes(self._body), self._coding)
            headers = MutableHeaders(scope=self._start)
            headers["content-encoding"], headers["content-length"] = self._coding, str(len(body))
            await self._send(self._start)
            await self._send({"type": "http.response.body", "body": body})


def _is_text(start: Message) -> bool:
    headers = Headers(raw=start["headers"])
    kind = headers.get("content-type", "").partition(";")[0]
    length = int(headers.get("content-length", 0))  # a stream announces none
    return (
        start["status"] == 200
        and kind in TEXTS
        and length >= SMALL
        and not {"content-encoding", "content-range", "etag"} & set(headers)
    )


def _coding(accepted: str) -> str:
    """The best of what an `Accept-Encoding` allows; empty: neither."""
    offers = (part.partition(";") for part in accepted.lower().replace(" ", "").split(","))
    names = {name for name, _, weight in offers if not _NEVER.fullmatch(weight)}
    return next((one for one in ("br", "gzip") if one in names), "")


def _compress(body: bytes, coding: str) -> bytes:
    if coding == "br":
        return bytes(brotli.compress(body, mode=brotli.MODE_TEXT, quality=5))
    return gzip.compress(body, compresslevel=6, mtime=0)
