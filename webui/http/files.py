"""The files this server gives out: pictures by opaque ids, inputs by their hashes, uploads of this run. None of them
runs: the type comes from a table by the name's ending, and the gate adds `nosniff` and a policy that allows nothing."""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, HTTPException
from starlette.responses import FileResponse, Response

from pipelines.errors import UnreadableImage
from webui.parts import Parts
from webui.ui.house import uploaded_file
from webui.words import line

FOR_GOOD = "private, max-age=31536000, immutable"  # an address stands for one file that never changes
MEDIA_TYPES = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".avif": "image/avif",
    ".gif": "image/gif",
    ".bmp": "image/bmp",
}
ANY_TYPE = "application/octet-stream"
_READING = ["GET", "HEAD"]  # Gradio's answer to HEAD would tell what is there


def file_response(file: Path, cache: str = FOR_GOOD) -> FileResponse:
    """A picture to be shown; a file of any other name only to be saved."""
    headers = {"cache-control": cache}
    if kind := MEDIA_TYPES.get(file.suffix.lower()):
        return FileResponse(file, headers=headers, media_type=kind)
    return FileResponse(file, headers=headers, media_type=ANY_TYPE, filename=file.name)  # as an attachment


def file_routes(parts: Parts) -> APIRouter:
    """`/image/ID`, `/thumb/ID`, `/input/SHA256`, and Gradio's own routes for files, which give out less here."""
    router = APIRouter()
    _add_pictures(router, parts)
    _add_inputs(router, parts)
    _add_uploads(router)
    return router


def _add_pictures(router: APIRouter, parts: Parts) -> None:
    def find(identity: str) -> Path:
        saved = parts.find(identity)
        if saved is None:
            raise HTTPException(404, "There is no such picture.")
        return saved.path

    @router.get("/image/{identity}")
    def image(identity: str) -> FileResponse:
        return file_response(find(identity))

    @router.get("/thumb/{identity}")
    def thumb(identity: str) -> Response:
        try:
            data = parts.thumbnails.get(find(identity))
        except UnreadableImage as error:
            raise HTTPException(404, line(error)) from error
        return Response(data, media_type="image/jpeg", headers={"cache-control": FOR_GOOD})


def _add_inputs(router: APIRouter, parts: Parts) -> None:
    @router.get("/input/{sha256}")
    def kept_input(sha256: str) -> FileResponse:
        file = parts.store.inputs.file(sha256)
        if file is None:
            raise HTTPException(404, "There is no such picture.")
        return file_response(file)


def _add_uploads(router: APIRouter) -> None:
    """They come before Gradio's: its own would also fetch addresses of other hosts, and files that it was told of."""

    @router.api_route("/gradio_api/file={path:path}", methods=_READING)
    @router.api_route("/gradio_api/file/{path:path}", methods=_READING)
    def upload(path: str) -> FileResponse:
        file = uploaded_file(path)
        if file is None or file.name.startswith("."):
            raise HTTPException(403, "Only what was uploaded in this run is given out.")
        return file_response(file, cache="private, no-store")

    @router.api_route("/gradio_api/proxy={path:path}", methods=_READING)
    def proxy(path: str) -> Response:
        raise HTTPException(403, "Nothing is fetched from elsewhere.")
