"""What stands at the very top of the page. Gradio adds its `head` only after it has chosen the language."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from webui.ui.widgets.sources import address, scripts

_TOP = b"<head>"


class EarlyScript:
    """ASGI middleware: puts `page/head.js` at the top of every HTML page, and has the browser fetch the components'
    modules once it is idle; all else passes through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        # modules run in the page's order, so it comes before Gradio's own
        head = f'<script type="module" src="{address("page/head.js")}"></script>'
        head += f'<link rel="stylesheet" href="{address("page/page.css")}">'
        later = [f'<link rel="prefetch" href="{address(place)}">' for place in scripts() if place.endswith(".js")]
        self._script = _TOP + "".join([head, *later]).encode()

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
                    await self._finish(start, body, send)

        await self._app(scope, receive, hold)

    async def _finish(self, start: Message, body: bytes, send: Send) -> None:
        body = body.replace(_TOP, self._script, 1)
        headers = [(name, value) for name, value in start["headers"] if name.lower() != b"content-length"]
        headers.append((b"content-length", str(len(body)).encode("ascii")))
        await send({**start, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _is_html(message: Message) -> bool:
    kinds = [value for name, value in message["headers"] if name.lower() == b"content-type"]
    return any(kind.startswith(b"text/html") for kind in kinds)
