"""What stands in the page before all that is Gradio's.

Gradio adds its `head` only after it has chosen the language, and of a style sheet given to it as `css` it makes another
one, which counts some rules twice and drops others (`@media` loses `body`, `@supports` and `@layer` vanish)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.ui.widgets.sources import PARTS, SHEET, address, scripts

_TOP = b"<head>"
_BODY = b"<gradio-app"
# fetched when such a tab is opened
OF_OTHER_TABS = ("anatomy/", "animation/", "experiments/", "history/", "models/", "process/")
_MANIFEST = b'<link rel="manifest" href="/manifest.json" />'  # which there is none of


class EarlyScript:
    """ASGI middleware: puts `page/head.js` at the top of every HTML page, has the browser fetch the modules of what
    stands beside the tabs once it is idle, puts our style sheet before the body's first element, and has `fill` write
    into the page what it would ask for; all else passes through untouched."""

    def __init__(self, app: ASGIApp, fill: Callable[[bytes, Scope], Awaitable[bytes]]) -> None:
        self._app, self._fill = app, fill
        # modules run in the page's order, so it comes before Gradio's own
        head = f'<script type="module" src="{address("page/head.js")}"></script>'
        soon = [f'<link rel="modulepreload" href="{address(place)}">' for place in ("shared/begin.js", PARTS)]
        later = [
            f'<link rel="prefetch" href="{address(place)}">'
            for place in scripts()
            if not place.startswith(OF_OTHER_TABS)
        ]
        self._script = "".join([head, *soon, *later]).encode()
        # behind Gradio's sheets, wherever in the head those come to stand: of two like rules the later one counts
        self._sheet = f'<link rel="stylesheet" href="{address(SHEET)}">'.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        body = b""

        async def hold(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_html(message):
                start = message
            elif start is None:
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    await self._finish(start, await self._fill(body, scope), send)

        await self._app(scope, receive, hold)

    async def _finish(self, start: Message, body: bytes, send: Send) -> None:
        body = body.replace(_TOP, _TOP + self._script, 1).replace(_MANIFEST, b"", 1)
        above, mark, below = body.rpartition(_BODY)
        body = above + self._sheet * bool(mark) + mark + below
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode("ascii")))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _is_html(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/html") for kind in kinds)
