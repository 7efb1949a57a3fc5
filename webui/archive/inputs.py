"""Copies of the pictures and masks that images were made from, named by the hash of their pixels."""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import re
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from pipelines.errors import StorageError
from webui.archive.files import make_folder, storage_errors, write_new

INPUTS = "inputs"  # the folder of an archive that they lie in
ORIGIN_LIMIT = 4 * 1024 * 1024  # bytes

_HASH = re.compile(r"[0-9a-f]{64}")
_DECODE_ERRORS = (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError)


def pixels_sha256(image: Image.Image) -> str:
    """SHA-256 over `"{mode} {width}x{height}\\n"` in ASCII and the pixels' bytes, row by row from the top."""
    digest = hashlib.sha256(f"{image.mode} {image.width}x{image.height}\n".encode("ascii"))
    digest.update(image.tobytes())
    return digest.hexdigest()


class InputStore:
    """Keeps each picture once, as `<pixel hash>.png` in `folder`, so that img2img can be made again.

    The folder is made when it is needed; the one above it must be there, so that an unplugged disk is noticed."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, image: Image.Image) -> str:
        """Keeps an "RGB" or "L" picture; its hash. Raises StorageError."""
        if image.mode not in ("RGB", "L"):
            raise ValueError(f"an input must be RGB or L, got {image.mode}")
        sha256 = pixels_sha256(image)
        with storage_errors(self.folder):
            if self._path(sha256).is_file():
                return sha256
            buffer = io.BytesIO()
            image.save(buffer, "PNG", compress_level=1)
            make_folder(self.folder.parent, Path(self.folder.name))
            try:
                write_new(self.folder, f"{sha256}.png", buffer.getvalue())
            except FileExistsError:  # another thread or program was quicker with the same pixels
                return sha256
        return sha256

    def get(self, sha256: str) -> Image.Image:
        """The very pixels that were put. Raises StorageError when the copy is missing or changed, and Unavailable while
        the whole archive is away."""
        if not isinstance(sha256, str) or not _HASH.fullmatch(sha256):
            raise StorageError("input_name", value=str(sha256)[:80])
        try:
            image = self._opened(sha256)
        except FileNotFoundError as error:
            raise StorageError("input_gone", name=sha256[:10], folder=str(self.folder)) from error
        except _DECODE_ERRORS as error:
            raise StorageError("input_unreadable", name=sha256[:10], folder=str(self.folder)) from error
        if pixels_sha256(image) != sha256:
            raise StorageError("input_changed", name=sha256[:10], folder=str(self.folder))
        return image

    def _opened(self, sha256: str) -> Image.Image:
        """Raises Unavailable, and what PIL raises."""
        for is_last in (False, True):
            try:
                with Image.open(self._path(sha256), formats=("PNG",)) as image:
                    image.load()
                return image
            except FileNotFoundError:
                with storage_errors(self.folder.parent):
                    self.folder.parent.stat()
                if is_last:  # the folder may have been away for a moment
                    raise
        raise AssertionError

    def file(self, sha256: str) -> Path | None:
        """Where that picture is kept, if it is: as a file of its own and no link."""
        path = self._path(sha256)
        return path if _HASH.fullmatch(sha256) and path.is_file() and not path.is_symlink() else None

    def size(self, sha256: str) -> tuple[int, int] | None:
        """Width and height of a picture that is kept, from its header."""
        if (file := self.file(sha256)) is None:
            return None
        try:
            with Image.open(file, formats=("PNG",)) as image:
                return image.size
        except _DECODE_ERRORS:
            return None

    def note(self, sha256: str, origin: Mapping[str, str]) -> None:
        """Keeps beside a picture what its file said of its origin; the first note stays. Raises StorageError."""
        with storage_errors(self.folder):
            path = self._path(sha256).with_suffix(".json")
            if path.is_file():
                return
            make_folder(self.folder.parent, Path(self.folder.name))
            try:
                write_new(self.folder, path.name, json.dumps(dict(origin), ensure_ascii=False).encode(errors="replace"))
            except FileExistsError:
                return

    def origin(self, sha256: str) -> dict[str, str]:
        """The note of a picture, {} when there is none that can be read."""
        path = self._path(sha256).with_suffix(".json")
        try:
            if not _HASH.fullmatch(sha256) or not path.is_file() or path.stat().st_size > ORIGIN_LIMIT:
                return {}
            data = json.loads(path.read_bytes())
        except (OSError, ValueError, RecursionError):
            return {}
        return {name: value for name, value in data.items() if isinstance(value, str)} if isinstance(data, dict) else {}

    def _path(self, sha256: str) -> Path:
        return self.folder / f"{sha256}.png"


class InputsNamed(InputStore):
    """For pictures that cannot be kept now, as the folder is away: they get their names, and are not kept."""

    def put(self, image: Image.Image) -> str:
        return pixels_sha256(image)


class InputsAround(InputStore):
    """The inputs of a picture that may lie in any archive: those of the folders above it first, then our own."""

    def __init__(self, picture: Path, own: InputStore) -> None:
        super().__init__(own.folder)
        self._near = [folder / INPUTS for folder in picture.absolute().parents]

    def get(self, sha256: str) -> Image.Image:
        """As ever; the hash says that it is the right picture, wherever it lies."""
        return self._found(sha256)[0]

    def bring(self, sha256: str) -> Path:
        """The file of that picture among our own, to which it and the note of its origin are copied from wherever it
        lies. Raises StorageError."""
        image, store = self._found(sha256)
        self.put(image)
        if store is not self and (origin := store.origin(sha256)):
            self.note(sha256, origin)
        super().get(sha256)  # there, and unchanged
        return self._path(sha256)

    def _found(self, sha256: str) -> tuple[Image.Image, InputStore]:
        for folder in self._near:
            if folder != self.folder and _is_there(folder, sha256):
                with contextlib.suppress(StorageError):  # damaged there: ours may be whole
                    return (store := InputStore(folder)).get(sha256), store
        return super().get(sha256), self


def _is_there(folder: Path, sha256: object) -> bool:
    return isinstance(sha256, str) and bool(_HASH.fullmatch(sha256)) and (folder / f"{sha256}.png").is_file()
