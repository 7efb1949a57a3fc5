"""What a request may carry: 64 MB where files are uploaded, 2 MB anywhere else, counted as it comes. And the uploads
of all visitors together, which lie in one folder."""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from pipelines.errors import Note
from webui.words import language_of, say

MB = 1024 * 1024
BODY_LIMIT = 2 * MB
UPLOAD_LIMIT = 64 * MB
UPLOADS = "/gradio_api/upload"
CACHE_LIMIT = 2048 * MB  # all uploads together
YOUNG = 600.0  # seconds that an upload is taken to be in use


class _TooLarge(Exception):
    pass


class Bodies:
    """ASGI middleware: 413 for a body over its limit, whatever its length is said to be."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        body = _Body(receive, send, UPLOAD_LIMIT if _is_upload(scope) else BODY_LIMIT)
        if _announced(scope) > body.limit:
            body.is_over = True
        else:
            with contextlib.suppress(_TooLarge):
                await self._app(scope, body.receive, body.send)
        if body.is_over and not body.is_answered:
            await _refusal(scope, 413, Note("body_too_large", limit=body.limit // MB))(scope, receive, send)


class _Body:
    """The body of one request, counted, and whether it was answered before it was over the limit."""

    def __init__(self, receive: Receive, send: Send, limit: int) -> None:
        self._receive, self._send = receive, send
        self.limit, self._came = limit, 0
        self.is_over = self.is_answered = False

    async def receive(self) -> Message:
        message = await self._receive()
        self._came += len(message.get("body", b""))
        if self._came > self.limit:
            self.is_over = True
            raise _TooLarge
        return message

    async def send(self, message: Message) -> None:
        if self.is_over and not self.is_answered:
            return  # whoever read the body takes the end of it for another mistake
        self.is_answered = True
        await self._send(message)


class UploadRoom:
    """ASGI middleware: before an upload is taken, the oldest ones in `folder` make room; 507 where all are in use.
    Those of yesterday Gradio's own `delete_cache` removes. What an upload that ended early leaves is removed at
    once."""

    def __init__(self, app: ASGIApp, folder: Path) -> None:
        self._app, self._folder, self._lock = app, folder, threading.Lock()
        self._coming = 0  # uploads now; the event loop's thread alone counts them

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_upload(scope):
            await self._app(scope, receive, send)
            return
        if not await run_in_threadpool(self.make_room):
            await _refusal(scope, 507, Note("uploads_full", minutes=int(YOUNG // 60)))(scope, receive, send)
            return
        self._coming += 1
        try:
            await self._app(scope, receive, send)
        finally:
            self._coming -= 1
            if not self._coming:
                self._remove_parts()

    def _remove_parts(self) -> None:
        """Gradio writes an upload beside the folders, and moves it into one of its own when all of it is there. What
        is there while no upload comes belongs to none."""
        with contextlib.suppress(OSError):
            for one in [*self._folder.iterdir()]:
                with contextlib.suppress(OSError):
                    if one.is_symlink() or not one.is_dir():
                        one.unlink()

    def make_room(self) -> bool:
        """Whether another upload fits."""
        with self._lock:
            files = sorted(_files(self._folder))
            total = UPLOAD_LIMIT + sum(size for _, size, _ in files)
            for stamp, size, path in files:
                if total <= CACHE_LIMIT or stamp > time.time() - YOUNG:
                    break
                with contextlib.suppress(OSError):
                    path.unlink()
                    total -= size
                    path.parent.rmdir()  # Gradio's, of this one file
            return total <= CACHE_LIMIT


def _files(folder: Path) -> list[tuple[float, int, Path]]:
    """(seconds since 1970 when it was written or taken again, bytes, path)"""
    found = []
    for where, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                state = Path(where, name).lstat()
                found.append((max(state.st_mtime, state.st_ctime), state.st_size, Path(where, name)))
    return found


def _is_upload(scope: Scope) -> bool:
    return str(scope["path"]) == UPLOADS


def _announced(scope: Scope) -> int:
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return max((int(value) for value in lengths if value.isdigit()), default=0)


def _refusal(scope: Scope, status: int, note: Note) -> Response:
    # the rest of the body is not read, so the connection is of no more use
    return PlainTextResponse(say(note, language_of(Request(scope))), status, {"connection": "close"})
