"""The page's process: everything is built here, once, and handed down; then uvicorn serves it behind the gate.

It imports neither torch nor diffusers: the page is up in seconds while the worker process warms the model.
"""

from __future__ import annotations

import contextlib
import gc
import inspect
import logging
import os
import secrets
import shutil
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.engine import Engine
from pipelines.errors import InvalidRequest, StorageError
from webui.http.guard import App, Gate
from webui.instances import claimed
from webui.kept import private
from webui.kept.sessions import Sessions
from webui.kept.settings import ALL, HOST, Settings
from webui.parts import Parts, build_parts
from webui.words import say as in_words

if TYPE_CHECKING:
    import gradio as gr
    import uvicorn
    from fastapi import FastAPI

PORTS_TRIED = 50
CLOSING = 2.0  # seconds an open page gets to notice that the server ends

_STUMBLES = (LookupError, ValueError, TypeError, AttributeError)

log = logging.getLogger(__name__)


def serve(settings: Settings, say: Callable[[str], None]) -> int:
    """Answers on 127.0.0.1 until Ctrl+C; the exit status. `say` gets one line at a time. Raises StorageError."""
    listener = listen(settings.port)
    port = listener.getsockname()[1]
    if port != settings.port and settings.port:
        say(f"Port {settings.port} is taken; using {port}.")
    with contextlib.ExitStack() as stack:
        stack.callback(listener.close)
        with data_errors(settings.data_dir):
            private.make_private(settings.data_dir, (settings.output_dir, *settings.models_dirs))
            data_dir = stack.enter_context(claimed(settings.data_dir))
            temporary = prepare_environment(data_dir)
            token = secrets.token_urlsafe(32) if settings.token else None
            sessions = Sessions(data_dir) if settings.token else None
            link = private.link(port, token)
            stack.callback(private.forget_link, data_dir)
            page = private.keep_link(data_dir, link)
        gc.disable()  # nothing of what a start makes is garbage: looking for some is a tenth of its time
        with build_parts(settings, make_engine(settings), data_dir) as parts:
            for notice in parts.notices():
                say(in_words(notice.note, "en"))
            parts.service.start()
            parts.lab.start()
            parts.animations.start()
            parts.watcher.start()
            parts.ahead.start()
            parts.rereading.start()
            parts.rechecking.start()
            application = front(build_application(parts), port, token, sessions)
            server = _server(application, lambda: _announce(link, say, page if settings.open_browser else None))
            gc.freeze()
            gc.enable()
            with contextlib.suppress(KeyboardInterrupt):  # uvicorn hands Ctrl+C on once it has closed
                server.run(sockets=[listener])
            say("Closing …")
        shutil.rmtree(temporary, ignore_errors=True)
    return 0 if server.started else 1


@contextlib.contextmanager
def data_errors(folder: Path) -> Iterator[None]:
    """What the system says of the data folder, as StorageError."""
    try:
        yield
    except OSError as error:
        told = error.strerror or str(error)
        if error.filename is not None and Path(error.filename) != folder:
            told = f"{error.filename}: {told}"
        raise StorageError("data_folder", folder=str(folder), reason=told) from error
    except StorageError as error:
        reason = error.note.values["reason"] if error.note.code == "folder_failed" else error.note
        raise StorageError("data_folder", folder=str(folder), reason=reason) from error


def make_engine(settings: Settings) -> Engine:
    """The one place that names engines. The local one starts to warm up at once, in its own process."""
    if settings.engine == "fake":
        from pipelines.engines.fake import FakeEngine

        return FakeEngine(folders=settings.models_dirs) if len(settings.devices) < 2 else _fake_pool(settings)
    devices = settings.devices
    if len(devices) > 1 or devices == (ALL,):
        return _pool(settings)
    from pipelines.engines.worker import WorkerEngine

    return WorkerEngine(
        settings.models_dirs,
        device=devices[0] if devices else None,
        data_dir=settings.data_dir,
        exact=settings.exact,
        replay=settings.replay,
    )


def _fake_pool(settings: Settings) -> Engine:
    from pipelines.engines.fake import FakeEngine
    from pipelines.engines.pool import Pool, named

    members = [FakeEngine(folders=settings.models_dirs, name=name) for name in named(settings.devices)]
    return Pool(members, members[0])


def _pool(settings: Settings) -> Engine:
    """Raises InvalidRequest where every card is asked for and there is none."""
    from pipelines.engines.pool import cards, pool_of

    devices = cards() if settings.devices == (ALL,) else settings.devices
    if not devices:
        raise InvalidRequest("device", "no_cards")
    return pool_of(
        devices, settings.models_dirs, data_dir=settings.data_dir, exact=settings.exact, replay=settings.replay
    )


def listen(port: int) -> socket.socket:
    """A socket on `port`, or on the next free one. 0: any. Raises StorageError when none is free."""
    for candidate in range(port, min(port + PORTS_TRIED, 65536)):
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        if sys.platform == "win32":  # where SO_REUSEADDR would let two programs share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, candidate))
            listener.listen(128)
        except OSError:
            listener.close()
            continue
        return listener
    raise StorageError("no_port", port=port)


def prepare_environment(data_dir: Path) -> Path:
    """What libraries read when they are imported: no telemetry, no hub, uploads in an empty folder of our own. Gradio
    tells a browser the path of what it uploaded: from the data folder, which is the working folder from here on, so
    that no answer says where that lies."""
    temporary = data_dir.absolute() / "page"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700, parents=True)  # what lies there is bounded by `UploadRoom`
    os.environ |= {
        "GRADIO_ANALYTICS_ENABLED": "False",
        "GRADIO_TEMP_DIR": temporary.name,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        "DIFFUSERS_DISABLE_CUSTOM_CODE": "1",
        "DO_NOT_TRACK": "1",
    }
    os.chdir(data_dir)
    return temporary


@contextlib.contextmanager
def no_stubs() -> Iterator[None]:
    """While gradio's classes are made: gradio writes a `.pyi` file beside every component at each import (40 % of
    its import time, and files in our folders). It skips classes whose file is unknown, so it finds none."""
    original = inspect.getfile

    def getfile(thing: Any) -> str:
        if isinstance(thing, type) and thing.__module__.startswith(("gradio.", "webui.ui.")):
            raise OSError("no stubs wanted")
        return original(thing)

    inspect.getfile = getfile  # type: ignore[assignment]  # typeshed lists the kinds of things one by one
    try:
        yield
    finally:
        inspect.getfile = original


def build_application(parts: Parts) -> FastAPI:
    """Pictures by their opaque ids, and the page at "/". `prepare_environment` comes first."""
    with no_stubs():
        import gradio as gr
        from fastapi import Depends, FastAPI
        from fastapi.exceptions import RequestValidationError
        from starlette.middleware import Middleware

        from webui.http.animation import animation_routes
        from webui.http.answers import malformed
        from webui.http.bodies import Bodies, UploadRoom
        from webui.http.calls import well_formed
        from webui.http.files import file_routes
        from webui.http.history import history_routes
        from webui.http.networks import network_routes
        from webui.http.notices import notice_routes
        from webui.http.proof import proof_routes
        from webui.http.queue import queue_routes
        from webui.http.scripts import script_routes
        from webui.http.selecting import selecting_routes
        from webui.http.upscale import upscale_routes
        from webui.http.weight import Compressed
        from webui.ui.generate.memory_line import teller
        from webui.ui.layout import build_page, house_of, mount_options

    faults: dict[Any, Any] = {RequestValidationError: malformed}
    uploads = Path(os.environ["GRADIO_TEMP_DIR"]).absolute()
    application = FastAPI(
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        middleware=[Middleware(Compressed), Middleware(Bodies), Middleware(UploadRoom, folder=uploads)],
        exception_handlers=faults,
    )
    application.include_router(file_routes(parts))
    application.include_router(history_routes(parts))
    application.include_router(network_routes(parts))
    application.include_router(script_routes())
    application.include_router(queue_routes(parts.service, parts.notices))
    application.include_router(notice_routes(parts.notices))
    application.include_router(proof_routes(parts.service, parts.history))
    application.include_router(upscale_routes(parts.service, parts.history))
    application.include_router(selecting_routes(parts.service, parts.store.inputs))
    application.include_router(animation_routes(parts, teller(house_of(parts))))
    page: gr.Blocks = build_page(parts)
    options = mount_options(parts.presets)
    # what gradio's own routes stumble over is a request that no page of ours sends
    options["app_kwargs"]["exception_handlers"] = faults | dict.fromkeys(_STUMBLES, malformed)
    options["app_kwargs"]["dependencies"] = [Depends(well_formed)]
    mounted: FastAPI = gr.mount_gradio_app(application, page, path="/", **options)
    return mounted


def front(application: FastAPI, port: int, token: str | None, sessions: Sessions | None = None) -> App:
    """What is served on `port`: the gate, behind it the entry for who has the token, then the application."""
    from webui.http.entry import Entry

    return Gate(application if token is None else Entry(application, port, token, sessions), port)


def _server(application: App, on_ready: Callable[[], None]) -> uvicorn.Server:
    import uvicorn

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            if self.started:
                on_ready()

    config = uvicorn.Config(
        application,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=int(CLOSING),
    )
    return Server(config)


def _announce(link: str, say: Callable[[str], None], page: str | None) -> None:
    """`page`: what a browser is opened with."""
    say(f"Seedprint is at {link} (Ctrl+C ends it)")
    if page is not None:
        # webbrowser may wait for the browser it starts
        threading.Thread(target=webbrowser.open, args=(page,), daemon=True).start()
