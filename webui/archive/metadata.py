"""What a picture says about how it was made: our own record, the `parameters` text, or another program's.

Described in docs/metadata.md. Everything read is data from strangers: capped, checked, never evaluated.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from PIL import Image

from pipelines.errors import InvalidRequest, Note, UnreadableImage
from webui.archive import pictures
from webui.archive import readers as foreign
from webui.archive.containers import LOSSY, Texts, read_texts
from webui.archive.inputs import InputStore, pixels_sha256
from webui.archive.readers import flat as foreign_flat
from webui.archive.readers import infotext
from webui.archive.record import Job, Record, first_text, flat_fields, request_from_json, request_to_json

__all__ = [
    "Job",
    "ReadBack",
    "Record",
    "first_text",
    "flat_fields",
    "from_infotext",
    "pixels_sha256",
    "read",
    "read_input",
    "read_text",
    "request_from_json",
    "request_to_json",
    "to_infotext",
]

log = logging.getLogger(__name__)

SIDECAR_LIMIT = 4 * 1024 * 1024  # bytes


def to_infotext(record: Record) -> str:
    """The `parameters` text of a record."""
    upscale = record.settings.get("upscale")
    besides = {}
    if upscale is not None:  # as A1111 calls it
        besides = {
            "Postprocess upscale by": f"{upscale.get('by', 2.0):g}",
            "Postprocess upscaler": f"{upscale.get('upscaler', '')}",
        }
        if not upscale.get("known", True):
            return infotext.line_of(besides)
    return infotext.write(flat_fields(record.settings), model_sha256=record.model_sha256, besides=besides)


def from_infotext(text: str) -> tuple[dict[str, Any], list[str]]:
    """Flat request fields of a `parameters` text, and the pairs that were not understood. Raises InvalidRequest."""
    return infotext.read(text)


@dataclass(frozen=True, kw_only=True, slots=True)
class ReadBack:
    """What a file says: our record when it has one, else the fields of another program's text, else nothing."""

    record: Record | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)  # flat request fields that this version can use
    unknown: tuple[str, ...] = ()  # what was not understood, as "name: value"
    text: str | None = None  # the `parameters` text, or another program's own, as it stands in the file
    problem: Note | None = None  # when our own JSON, or an oversized text, had to be passed over
    model_hash: str | None = None  # as long as the file gives it
    size: tuple[int, int] = (0, 0)  # width, height of the file in pixels
    program: str = ""  # who wrote it: "ComfyUI", "InvokeAI" …; "" for `parameters` text, which many write
    lossy: bool = False  # JPEG and AVIF: the file's pixels are not those whose hash the record holds


def read(source: Path | bytes) -> ReadBack:
    """A picture file's settings: ours, else `parameters`, else another program's, else none.

    Raises UnreadableImage when it is no picture."""
    texts = read_texts(source)
    back = _read_texts(texts)
    if isinstance(source, Path) and back == ReadBack(size=back.size, lossy=back.lossy):
        beside = _sidecar(source)
        if beside is not None:
            return _read_texts(replace(texts, **beside))
    return back


def read_text(text: str) -> ReadBack:
    """The settings in a `parameters` text that stands alone, as programs write it into pictures."""
    return _read_texts(Texts(width=0, height=0, parameters=text, others={"parameters": text}))


def read_input(source: Path | bytes, inputs: InputStore) -> Image.Image:
    """`pictures.read`, and the picture's origin noted, so that what is made from it names its parent and carries the
    text that the first of all its forebears had.

    Raises UnreadableImage, StorageError."""
    image = pictures.read(source)
    try:
        back = read(source)
    except UnreadableImage:  # BMP, say: a picture that holds no texts
        return image
    origin = {} if back.record is None else {"pixels_sha256": back.record.pixels_sha256}
    if (first := first_text(back.record)) is not None:
        origin |= first
    elif back.text:
        origin |= {"program": back.program if back.record is None else back.record.program, "text": back.text}
    if origin:
        inputs.note(pixels_sha256(image), origin)
    return image


def _read_texts(texts: Texts) -> ReadBack:
    back = ReadBack(size=(texts.width, texts.height), lossy=texts.format in LOSSY)
    for read_some in (_ours, _others):
        try:
            found = read_some(texts, back)
        except InvalidRequest as error:
            back = replace(back, problem=back.problem or error.told)
        except Exception as error:  # whatever a file holds, a bug of ours costs what it says and no more
            log.exception("A picture's settings could not be read")
            bug = Note("picture_bug", name=Note("the_picture"), reason=repr(error)[:200])
            back = replace(back, problem=back.problem or bug)
        else:
            if found is not None:
                return found
    return back


def _ours(texts: Texts, back: ReadBack) -> ReadBack | None:
    return None if texts.ours is None else _from_record(Record.from_json(texts.ours), texts.parameters, back)


def _others(texts: Texts, back: ReadBack) -> ReadBack | None:
    """What `parameters` says, else another program's text."""
    settings: dict[str, Any] = {}
    unknown: list[str] = []
    too_long = None
    if texts.parameters is not None:
        try:
            settings, unknown = from_infotext(texts.parameters)
        except InvalidRequest as error:
            too_long = error.told
    if not settings.keys() - {"prompt", "negative_prompt"}:  # JSON, prose or nothing
        made = foreign.read(texts.others)
        if made is not None:
            return replace(
                back,
                fields=made.fields,
                unknown=made.unknown,
                text=made.text,
                program=made.program,
                model_hash=made.model_hash,
            )
    if not settings:
        return replace(back, problem=back.problem or too_long)
    assert texts.parameters is not None
    return replace(
        back,
        fields=settings,
        unknown=tuple(unknown),
        text=texts.parameters,
        model_hash=infotext.model_hash(texts.parameters),
    )


def _sidecar(picture: Path) -> dict[str, Any] | None:
    """The texts of `<name>.json` or `<name>.txt` beside a picture that has none of its own."""
    for suffix in (".json", ".txt"):
        path = picture.with_suffix(suffix)
        try:
            if not path.is_file() or path.stat().st_size > SIDECAR_LIMIT:
                continue
            text = path.read_bytes().decode("utf-8-sig", errors="replace")
        except OSError:
            continue
        if suffix == ".json" and '"pixels_sha256"' in text:
            return {"ours": text}
        named = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        if suffix == ".txt" and foreign_flat.is_easy_diffusion(named):
            return {"others": named}
        if suffix == ".json" or "Steps: " in text:
            return {"parameters": text, "others": {"parameters": text}}
    return None


def _from_record(record: Record, text: str | None, back: ReadBack) -> ReadBack:
    flat, unknown = flat_fields(record.settings), list(record.unknown)
    usable = infotext.accepted(flat)
    if usable is None:
        usable = {name: value for name, value in flat.items() if infotext.accepted({name: value}) is not None}
        unknown += [f"{name}: {value}" for name, value in flat.items() if name not in usable]
    return replace(
        back, record=record, fields=usable, unknown=tuple(unknown), text=text, model_hash=record.model_sha256
    )
