"""What a model file says of itself in its first bytes: no weights are read, nothing is run. Standard library only."""

from __future__ import annotations

import json
import math
import os
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pipelines.errors import ModelError

# safetensors itself allows 100 MB; the longest honest headers (trainers' notes included) stay far under 10 MB
HEADER_LIMIT = 32 * 2**20  # bytes
BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("F8_E4M3", "F8_E5M2", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ", "I8", "U8", "BOOL"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}

Content = Literal["safetensors", "pickle"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Header:
    """The names, shapes and number formats in a safetensors file, and its author's notes."""

    shapes: Mapping[str, tuple[int, ...]]
    dtypes: Mapping[str, str]  # "F16", "BF16", "F32", …
    offsets: Mapping[str, tuple[int, ...]]  # first and one past the last byte, counted from `start`
    start: int  # of the first tensor in the file, bytes
    metadata: Mapping[str, str]


def content_of(head: bytes, size: int) -> Content:
    """What a file that begins with `head` (64 bytes, or all of it) is. Raises `ModelError` for all but models."""
    if size == 0:
        raise ModelError("file_empty")
    length = struct.unpack("<Q", head[:8])[0] if len(head) >= 8 else None
    # First of all tests: a header of 640 bytes begins with the two bytes of a pickle, one of 19,280 with "PK"
    if length is not None and length <= HEADER_LIMIT and head[8:9] in (b"{", b""):
        return "safetensors"
    start = head.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if head.startswith(b"version https://git-lfs"[: len(head)]) and len(head) > 8:
        raise ModelError("file_lfs_pointer")
    if start.startswith((b"<!doc", b"<html", b"<?xml", b"<head", b"<body")):
        raise ModelError("file_web_page")
    if head.startswith(b"PK\x03\x04") or (head[:1] == b"\x80" and head[1:2] in (b"\x02", b"\x03", b"\x04", b"\x05")):
        return "pickle"
    if head.startswith(b"GGUF"):
        raise ModelError("file_gguf")
    if start.startswith((b"{", b"[")):
        raise ModelError("file_json")
    if len(head) < 9:
        raise ModelError("file_short", size=_amount(size))
    raise ModelError("file_foreign")


def read_content(path: Path) -> Content:
    """Whether `path` holds safetensors or a pickle, by its bytes and never by its name. Raises `ModelError`."""
    try:
        with path.open("rb") as file:
            return content_of(file.read(64), os.fstat(file.fileno()).st_size)
    except OSError as error:
        raise ModelError("file_unreadable_because", reason=error.strerror or str(error)) from error


def read_header(path: Path) -> Header:
    """The header of a safetensors file, every offset checked against the file's size. Raises `ModelError`."""
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            head = file.read(64)
            if content_of(head, size) != "safetensors":
                raise ModelError("file_pickle")
            length = struct.unpack("<Q", head[:8])[0]
            if 8 + length > size:
                raise ModelError("header_short", size=_amount(size))
            file.seek(8)
            text = file.read(length)
    except OSError as error:
        raise ModelError("file_unreadable_because", reason=error.strerror or str(error)) from error
    return _checked(_parsed(text), 8 + length, size)


def _parsed(text: bytes) -> dict[str, Any]:
    try:
        found = json.loads(text.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise ModelError("header_no_json") from error
    if not isinstance(found, dict):
        raise ModelError("header_no_table")
    return found


def _checked(entries: dict[str, Any], start: int, size: int) -> Header:
    """Walks the tensors in the order of their bytes: no gap, no overlap, each as long as its shape says."""
    metadata = entries.pop("__metadata__", None) or {}
    if not isinstance(metadata, dict):
        raise ModelError("header_notes")
    try:
        offsets = {name: (*entry["data_offsets"],) for name, entry in entries.items()}
        shapes = {name: (*entry["shape"],) for name, entry in entries.items()}
        dtypes = {name: str(entry["dtype"]) for name, entry in entries.items()}
        end = _walk(sorted(offsets, key=offsets.__getitem__), offsets, shapes, dtypes)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelError("header_entry") from error
    if start + end > size:
        raise ModelError("file_cut", size=_amount(size), whole=_amount(start + end))
    if start + end < size:
        raise ModelError("file_too_long", size=_amount(size - start - end))
    notes = {str(key): value for key, value in metadata.items() if isinstance(value, str)}
    return Header(shapes=shapes, dtypes=dtypes, offsets=offsets, start=start, metadata=notes)


def _walk(
    names: list[str],
    offsets: Mapping[str, tuple[int, ...]],
    shapes: Mapping[str, tuple[int, ...]],
    dtypes: Mapping[str, str],
) -> int:
    """The end of the last tensor, bytes from the first one's beginning."""
    sides = list(chain.from_iterable(shapes.values()))
    longest = max(map(len, shapes.values()), default=0)  # without a bound, their product could take hours
    if (
        not set(map(type, sides)) <= {int}
        or longest > 16
        or not 0 <= min(sides, default=0) <= max(sides, default=0) < 2**63
    ):
        raise ModelError("header_shape")
    end = 0
    for name in names:
        first, last = offsets[name]
        bits = BITS.get(dtypes[name])
        if bits is None:
            raise ModelError("header_format", name=_short(name), value=_short(dtypes[name]))
        if first != end or (last - first) * 8 != math.prod(shapes[name]) * bits:
            raise ModelError("header_place", name=_short(name))
        end = last
    return end


def main_dtype(dtypes: Iterable[str]) -> str:
    """The number format most tensors have, in torch's words: "float16"; "" for none."""
    names = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
    counts: dict[str, int] = {}
    for dtype in dtypes:
        counts[dtype] = counts.get(dtype, 0) + 1
    most = max(counts, key=counts.__getitem__, default="")
    return names.get(most, most.lower())


def _short(text: object) -> str:
    """Names come from strangers: one line, printable, of bounded length."""
    clean = "".join(letter if letter.isprintable() else "?" for letter in str(text))
    return clean if len(clean) <= 80 else clean[:77] + "…"


def _amount(count: int) -> str:
    if count >= 10**8:
        return f"{count / 1e9:.2f} GB"
    return f"{count / 1e6:.2f} MB" if count >= 10**5 else f"{count:,} bytes"
