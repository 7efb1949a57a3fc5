"""One gate in front of everything the server answers: pages, API, files and WebSockets.

Listening on 127.0.0.1 keeps other machines out, but not the web pages a person has open: any of them can make the
browser send requests here. Three checks keep those out:

- `Host` must be this machine by name and port. A page that points its own name at 127.0.0.1 (DNS rebinding) would
  otherwise count as ours, and could run our functions and read the answers.
- `Origin`, where the browser sends one, must be ours: a form posted from elsewhere cannot be read by its page, but it
  would still be carried out.
- `Sec-Fetch-Site` must not say that another site asks, but for following a link to the page.

The headers it adds keep the page from loading anything from elsewhere, and others from framing it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

NAMES = ("127.0.0.1", "localhost", "[::1]")
POLICY_VIOLATION = 1008  # WebSocket close code, RFC 6455 section 7.4.1

# Gradio's page writes inline scripts and styles and compiles its components' code, so 'unsafe-inline' and
# 'unsafe-eval' stay; what counts is that nothing is ever fetched from, or sent to, another host.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'self'",
        "script-src 'self' 'unsafe-inline' 'unsafe-eval' blob:",
        "style-src 'self' 'unsafe-inline'",
        "img-src 'self' data: blob:",
        "media-src 'self' data: blob:",
        "font-src 'self' data:",
        "connect-src 'self' data: blob:",
        "worker-src 'self' blob:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    )
)
# For all that is not the page: pictures, texts, files. Whatever one holds, opened by itself it runs nothing.
FILE_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox; frame-ancestors 'none'"
PAGE = "/"
SECURITY_HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}
# Gradio answers some origins with leave to read; nobody but our own page ever has it.
DROPPED_PREFIX = b"access-control-"


class Gate:
    """ASGI middleware that refuses what does not come from our own page (or from a program that is no browser)."""

    def __init__(self, app: App, port: int) -> None:
        self._app = app
        ports = (f":{port}", "") if port == 80 else (f":{port}",)  # browsers leave the default port out
        self._hosts = frozenset(name + suffix for name in NAMES for suffix in ports)
        self._origins = frozenset(f"http://{host}" for host in self._hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        refusal = self._refusal(scope)
        send = _with_headers(send, scope.get("path", ""))
        if refusal is None:
            await self._app(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()  # websocket.connect
            await send({"type": "websocket.close", "code": POLICY_VIOLATION, "reason": refusal[1]})
        else:
            await _answer(send, *refusal)

    def _refusal(self, scope: Scope) -> tuple[int, str] | None:
        """Status and sentence of a request that is refused, else None."""
        headers = _Headers(scope["headers"])
        hosts = headers.all("host")
        if len(hosts) != 1 or hosts[0].lower() not in self._hosts:
            return 400, "This server answers only to this machine's own address."
        if any(origin.lower() not in self._origins for origin in headers.all("origin")):
            return 403, "Another web site may not use this server."
        sites = headers.all("sec-fetch-site")
        if any(site not in ("same-origin", "none") for site in sites) and not _is_followed_link(scope, headers):
            return 403, "Another web site may not use this server."
        return None


class _Headers:
    def __init__(self, raw: Iterable[tuple[bytes, bytes]]) -> None:
        self._pairs = [(name.decode("latin-1").lower(), value.decode("latin-1").strip()) for name, value in raw]

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._pairs if key == name]


def _is_followed_link(scope: Scope, headers: _Headers) -> bool:
    """A person came here by a link on another site: a page of its own, not a frame, a form or a script."""
    return (
        scope["type"] == "http"
        and scope["method"] == "GET"
        and headers.all("sec-fetch-mode") == ["navigate"]
        and headers.all("sec-fetch-dest") in ([], ["document"])
    )


def _with_headers(send: Send, path: str) -> Send:
    policy = CONTENT_SECURITY_POLICY if path == PAGE else FILE_POLICY
    headers = SECURITY_HEADERS | {"content-security-policy": policy}
    added = [(name.encode(), value.encode()) for name, value in headers.items()]
    ours = {name for name, _ in added}

    async def wrapped(message: Message) -> None:
        if message["type"] == "http.response.start":
            kept = [
                (name, value)
                for name, value in message.get("headers", ())
                if name.lower() not in ours and not name.lower().startswith(DROPPED_PREFIX)
            ]
            message = {**message, "headers": kept + added}
        await send(message)

    return wrapped


async def _answer(send: Send, status: int, sentence: str) -> None:
    body = sentence.encode()
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
