"""What page process and worker say to each other: a JSON header and raw bytes. Nothing is ever unpickled.

Layout: length of the header (4 bytes, big-endian), the header, the blobs one after the other; the header's "blobs"
holds their lengths. Pictures travel as their raw pixels with mode and size.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields, replace
from typing import Any

from PIL import Image

from pipelines import errors
from pipelines.boxes import Click
from pipelines.fields import packed, unpacked
from pipelines.types import Batch, Embedding, EngineState, GenerationRequest, GenerationResult, Progress
from pipelines.watching import Attention, Block, Dissolving, Filming, Moment

Header = Mapping[str, Any]
_COUNTED = tuple(item.name for item in fields(Progress) if item.name not in ("preview", "warning"))
_LOOK = ("words", "width", "height")
_KINDS: Mapping[str, type[errors.SeedprintError]] = {
    kind.__name__: kind
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, errors.SeedprintError)
}


class WorkerFault(RuntimeError):
    """A bug in the worker. The message holds its traceback."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Message:
    """`kind`: generate, embed, select, stop, keep, close to the worker; state, progress, results, embeddings, selected,
    error from it."""

    kind: str
    job: int = 0
    header: Header
    blobs: tuple[bytes, ...] = ()


def pack(message: Message) -> bytes:
    header = {
        "kind": message.kind,
        "job": message.job,
        "header": message.header,
        "blobs": [len(blob) for blob in message.blobs],
    }
    text = json.dumps(header, allow_nan=False).encode()
    return b"".join((len(text).to_bytes(4, "big"), text, *message.blobs))


def unpack(data: bytes) -> Message:
    """Raises ValueError or KeyError for what `pack` did not make."""
    end = 4 + int.from_bytes(data[:4], "big")
    header = json.loads(data[4:end])
    blobs = []
    for length in header["blobs"]:
        blobs.append(data[end : end + length])
        end += length
    if end != len(data):
        raise ValueError(f"a message of {len(data)} bytes should have {end}")
    return Message(kind=header["kind"], job=header["job"], header=header["header"], blobs=tuple(blobs))


def from_batch(batch: Batch, job: int) -> Message:
    images: list[Image.Image] = []

    def put(image: Image.Image) -> int:
        images.append(image)
        return len(images) - 1

    header = {
        "request": packed(batch.request, put),
        "seeds": batch.seeds,
        "threads": batch.threads,
        "prompt_rules": batch.prompt_rules,
        "attention": batch.attention,
        "filming": None if batch.filming is None else asdict(batch.filming),
        "dissolving": None if batch.dissolving is None else asdict(batch.dissolving),
        "anatomy": batch.anatomy,
        "sizes": [image.size for image in images],
    }
    return Message(kind="generate", job=job, header=header, blobs=tuple(image.tobytes() for image in images))


def to_batch(message: Message) -> Batch:
    """Raises `InvalidRequest` like every request that is built."""
    sizes = message.header["sizes"]

    def get(place: int, mode: str) -> Image.Image:
        return _picture(mode, sizes[place], message.blobs[place])

    request = unpacked(GenerationRequest, message.header["request"], get)
    options = {name: message.header[name] for name in ("threads", "prompt_rules", "attention", "anatomy")}
    if message.header["filming"] is not None:
        options["filming"] = Filming(**message.header["filming"])
    if (told := message.header["dissolving"]) is not None:
        options["dissolving"] = Dissolving(**told | {"left": tuple(told["left"])})
    return Batch(request=request, seeds=tuple(message.header["seeds"]), **options)


def from_progress(progress: Progress, job: int) -> Message:
    header = {name: getattr(progress, name) for name in _COUNTED} | {"warning": _packed(progress.warning)}
    blobs = () if progress.preview is None else (progress.preview,)
    return Message(kind="progress", job=job, header=header, blobs=blobs)


def to_progress(message: Message) -> Progress:
    header = {**message.header, "warning": _note(message.header["warning"])}
    return Progress(**header, preview=message.blobs[0] if message.blobs else None)


def from_results(results: Sequence[GenerationResult], job: int) -> Message:
    """The blobs: each picture, and behind it its attention maps if it has any, then the views of its moments."""
    items, blobs = list[dict[str, Any]](), list[bytes]()
    for result in results:
        look = result.attention
        items.append(
            {
                "position": result.position,
                "seconds": result.seconds,
                "facts": dict(result.facts),
                "size": result.image.size,
                "attention": None if look is None else {name: getattr(look, name) for name in _LOOK},
                "moments": [_told(moment) for moment in result.moments],
                "blocks": [asdict(block) for block in result.blocks],
            }
        )
        blobs += [result.image.tobytes(), *([] if look is None else [look.maps])]
        blobs += [view.tobytes() for moment in result.moments for view in moment.views.values()]
    header = {"items": items, "stop_after": results[0].request.stop_after}
    return Message(kind="results", job=job, header=header, blobs=tuple(blobs))


def to_results(message: Message, batch: Batch) -> list[GenerationResult]:
    """The request as run is not sent back: the sender knows it, but for where it ended."""
    results, blobs = [], iter(message.blobs)
    batch = batch.stopped(message.header["stop_after"])
    for item in message.header["items"]:
        image, look = _picture("RGB", item["size"], next(blobs)), item["attention"]
        results.append(
            GenerationResult(
                image=image,
                request=batch.as_run(item["position"], item["facts"]),
                position=item["position"],
                seconds=item["seconds"],
                facts=item["facts"],
                attention=None
                if look is None
                else Attention(**look | {"words": tuple(look["words"])}, maps=next(blobs)),
                moments=tuple(_moment(told, blobs) for told in item["moments"]),
                blocks=tuple(Block(**told | {"shape": tuple(told["shape"])}) for told in item["blocks"]),
            )
        )
    return results


def _told(moment: Moment) -> dict[str, Any]:
    return {
        **{name: getattr(moment, name) for name in ("step", "steps", "alpha", "sigma")},
        "views": [(name, view.size) for name, view in moment.views.items()],
    }


def _moment(told: dict[str, Any], blobs: Iterator[bytes]) -> Moment:
    views = {name: _picture("RGB", size, next(blobs)) for name, size in told["views"]}
    return Moment(**told | {"views": views})


def from_pictures(encoder: str, images: Sequence[Image.Image], job: int, text: str = "") -> Message:
    header = {"encoder": encoder, "text": text, "sizes": [image.size for image in images]}
    return Message(kind="embed", job=job, header=header, blobs=tuple(image.tobytes() for image in images))


def to_pictures(message: Message) -> tuple[str, list[Image.Image], str]:
    pictures = zip(message.header["sizes"], message.blobs, strict=True)
    images = [_picture("RGB", size, pixels) for size, pixels in pictures]
    return message.header["encoder"], images, message.header["text"]


def from_embeddings(embeddings: Sequence[Embedding], job: int) -> Message:
    """They were float32, which the numbers of JSON hold exactly."""
    return Message(kind="embeddings", job=job, header={"embeddings": embeddings})


def to_embeddings(message: Message) -> list[Embedding]:
    return [tuple(numbers) for numbers in message.header["embeddings"]]


def from_clicks(image: Image.Image, clicks: Sequence[Click], job: int) -> Message:
    return Message(kind="select", job=job, header={"size": image.size, "clicks": clicks}, blobs=(image.tobytes(),))


def to_clicks(message: Message) -> tuple[Image.Image, list[Click]]:
    image = _picture("RGB", message.header["size"], message.blobs[0])
    return image, [(x, y, adds) for x, y, adds in message.header["clicks"]]


def from_selected(mask: Image.Image, job: int) -> Message:
    return Message(kind="selected", job=job, header={"size": mask.size}, blobs=(mask.tobytes(),))


def to_selected(message: Message) -> Image.Image:
    return _picture("L", message.header["size"], message.blobs[0])


def from_error(error: Exception, traceback: str, job: int) -> Message:
    header: dict[str, Any] = {"type": type(error).__name__, "text": str(error), "traceback": traceback}
    if isinstance(error, errors.SeedprintError):
        header["note"] = error.note.to_json()
    if isinstance(error, errors.InvalidRequest):
        header["field"] = error.field
    return Message(kind="error", job=job, header=header)


def to_error(message: Message) -> Exception:
    """The worker's error as it was; a bug becomes a `WorkerFault` with its traceback."""
    header = message.header
    kind = _KINDS.get(header["type"])
    if kind is None:
        return WorkerFault(f"{header['type']}: {header['text']}\n{header['traceback']}")
    return errors.rebuilt(kind, errors.Note.from_json(header["note"]), header.get("field"))


def from_state(state: EngineState) -> Message:
    return Message(kind="state", header=asdict(replace(state, message=None)) | {"message": _packed(state.message)})


def to_state(message: Message) -> EngineState:
    return EngineState(**{**message.header, "message": _note(message.header["message"])})


def _packed(note: errors.Note | None) -> dict[str, Any] | None:
    return None if note is None else note.to_json()


def _note(data: object) -> errors.Note | None:
    return None if data is None else errors.Note.from_json(data)


def _picture(mode: str, size: Sequence[int], pixels: bytes) -> Image.Image:
    return Image.frombytes(mode, (size[0], size[1]), pixels)
