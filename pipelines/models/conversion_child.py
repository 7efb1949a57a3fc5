"""The child process of `conversion.py`: opens one old pickle and writes its tensors as safetensors.

Started as `python -I -B conversion_child.py SOURCE TARGET PLAN`; imported by nobody. It gives up the network, sets its
limits and forbids itself everything but reading before the first byte of the file is looked at. The last line it
prints is JSON: `{"tensors": {name: [dtype, shape, sha256]}}` or `{"refused": {"code": …, values}}`.
"""

from __future__ import annotations

import codecs
import contextlib
import hashlib
import json
import math
import os
import re
import struct
import sys
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any

# Trainers left objects of these packages beside the weights. They become empty stand-ins: nothing of them is imported
HARMLESS = (
    "pytorch_lightning.",
    "lightning.",
    "lightning_fabric.",
    "numpy.",
    "omegaconf.",
    "ldm.",
    "sgm.",
    "argparse.",
    "pathlib.",
    "typing.",
    "collections.",
    "datetime.",
    "torch.optim.",
    "torch.nn.",
    "__main__.",
)
HARMLESS_BUILTINS = (
    "dict",
    "list",
    "set",
    "frozenset",
    "tuple",
    "int",
    "float",
    "str",
    "bool",
    "bytes",
    "object",
    "slice",
)
INNER = ("state_dict", "params_ema", "params", "model_state_dict", "string_to_param")
FORBIDDEN = re.compile(
    r"socket\.|subprocess\.|shutil\.|ctypes\.|http\.|urllib\.|ftplib\.|smtplib\.|webbrowser\.|tempfile\.|winreg\."
    r"|os\.(?:system|exec|posix_spawn|spawn|fork|forkpty|startfile|kill|killpg|putenv|remove|rename|rmdir|mkdir|link"
    r"|symlink|truncate|chmod|chown|chflags|utime|setxattr|removexattr)"
    r"|(?:exec|compile|import|marshal\.loads|pickle\.find_class|code\.__new__|function\.__new__|pty\.spawn"
    r"|sys\.(?:setprofile|settrace|addaudithook)|signal\.pthread_kill)$"
)


class Refused(Exception):
    """Why, as a code with values: its words are in `webui/words/weights.py`."""

    def __init__(self, code: str, **values: str) -> None:
        super().__init__(code)
        self.note = {"code": code, **values}


class StandIn:
    """What takes the place of a trainer's object: it may be built and filled, and does nothing. What it was filled with
    is kept: some trainers left their weights in such objects."""

    kept: object = None

    def __new__(cls, *arguments: object, **named: object) -> StandIn:
        return object.__new__(cls)

    def __init__(self, *arguments: object, **named: object) -> None: ...
    def __setstate__(self, state: object) -> None:
        self.kept = state

    def __setitem__(self, key: object, value: object) -> None: ...
    def append(self, value: object) -> None: ...
    def extend(self, values: object) -> None: ...


class Numbers(StandIn):
    """For numpy's number formats: "f4"."""

    def __init__(self, code: object = "", *arguments: object) -> None:
        self.code = code


class Array(StandIn):
    """For numpy's arrays, which are built empty and filled with (version, shape, format, columns first, bytes)."""


class Rebuilt(StandIn):
    """For the function that builds them."""

    def __new__(cls, kind: object = None, *arguments: object) -> Any:
        return object.__new__(kind if isinstance(kind, type) and issubclass(kind, StandIn) else StandIn)


class PlainTable(StandIn):
    """For `defaultdict`: torch's reader fills nothing but plain tables."""

    def __new__(cls, *arguments: object, **named: object) -> Any:
        return {}


STAND_INS: dict[str, type[StandIn]] = {
    "collections.defaultdict": PlainTable,
    "numpy.dtype": Numbers,
    "numpy.ndarray": Array,
    "numpy.core.multiarray._reconstruct": Rebuilt,
    "numpy._core.multiarray._reconstruct": Rebuilt,
}
NUMPY = {"f8": "float64", "f4": "float32", "f2": "float16", "i8": "int64", "i4": "int32", "i2": "int16", "i1": "int8"}


def leave_the_network() -> None:
    """On Linux: an empty network of its own, where the system lets us. Before any thread starts."""
    if sys.platform != "linux":
        return
    import ctypes

    with contextlib.suppress(OSError, AttributeError):
        system = ctypes.CDLL(None, use_errno=True)
        system.prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS
        system.unshare(0x10000000 | 0x40000000)  # CLONE_NEWUSER, CLONE_NEWNET; the audit hook stands either way


def set_limits(plan: Mapping[str, int]) -> None:
    """Bytes of memory and of file, seconds of work, open files: where the system has such limits."""
    with contextlib.suppress(OSError, AttributeError):
        os.nice(10)
    try:
        import resource
    except ImportError:  # Windows: the parent's time limit stays
        return
    limits = {
        "RLIMIT_AS": plan["memory"] + used_memory(),
        "RLIMIT_FSIZE": plan["file"],
        "RLIMIT_CPU": plan["seconds"],
        "RLIMIT_NOFILE": 64,
        "RLIMIT_CORE": 0,
    }
    for name, value in limits.items():
        with contextlib.suppress(OSError, ValueError, AttributeError):
            kind = getattr(resource, name)
            _, hard = resource.getrlimit(kind)
            value = value if hard == resource.RLIM_INFINITY else min(value, hard)
            resource.setrlimit(kind, (value, value))


def used_memory() -> int:
    """Bytes of address space that the libraries took already."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    return 8 * 2**30


def forbid(event: str, arguments: tuple[Any, ...]) -> None:
    """The audit hook. It cannot be taken away again."""
    if event == "open":
        mode, flags = arguments[1], arguments[2]
        writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
        if (isinstance(mode, str) and set(mode) & set("wax+")) or (isinstance(flags, int) and flags & writes):
            raise Refused("pickle_writes")
    elif FORBIDDEN.match(event):
        raise Refused("pickle_event", event=event)


def check_archive(source: Path) -> None:
    """New checkpoints are zip archives, stored and not squeezed. Others could swell, or name files outside."""
    size = source.stat().st_size
    try:
        with zipfile.ZipFile(source) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
        raise Refused("pickle_no_end") from error
    for entry in entries:
        if (
            entry.filename.startswith(("/", "\\"))
            or ".." in re.split(r"[/\\]", entry.filename)
            or ":" in entry.filename
        ):
            raise Refused("pickle_odd_file", name=shown(entry.filename))
    if sum(entry.file_size for entry in entries) > size:
        raise Refused("pickle_swells")


def load(torch: Any, source: Path, zipped: bool) -> Any:
    """The file's content by torch's restricted reader; each round allows one more harmless name."""
    allowed: dict[str, Any] = {}
    for _ in range(64):
        # An open file for legacy pickles: torch takes a path that ends with .safetensors for what it says
        opened: Any = contextlib.nullcontext(str(source)) if zipped else source.open("rb")
        try:
            with opened as given, torch.serialization.safe_globals([(kind, name) for name, kind in allowed.items()]):
                return torch.load(given, map_location="cpu", weights_only=True, mmap=zipped)
        except Refused:
            raise
        except MemoryError as error:
            raise Refused("pickle_memory") from error
        except Exception as error:  # whatever torch makes of hostile bytes: told apart by its words
            name = unknown_name(error)
            harmless = name.startswith(HARMLESS) or name in [f"builtins.{known}" for known in HARMLESS_BUILTINS]
            if name in allowed or "is blocked" in str(error) or not harmless:
                raise Refused("pickle_code", name=shown(name)) from error
            allowed[name] = type(name.rpartition(".")[2], (STAND_INS.get(name, StandIn),), {})
    raise Refused("pickle_objects")


def unknown_name(error: Exception) -> str:
    """The name that torch stumbled over; a damaged file has none and is refused."""
    text = str(error)
    found = re.search(r"[Uu]nsupported (?:global: )?GLOBAL ([\w.]+)", text)
    if found is not None:
        return found[1] if "." in found[1] else f"builtins.{found[1]}"  # torch leaves that word out
    if re.search(r"alloc|memory", text) and not isinstance(error, AssertionError):
        raise Refused("pickle_memory") from error
    if "Unsupported" in text or "weights_only" in text.lower() or "Can only" in text:
        raise Refused("pickle_more") from error
    raise Refused("pickle_damaged", reason=shown(text.splitlines()[0] if text else type(error).__name__)) from error


def tensors_in(torch: Any, content: Any) -> dict[str, Any]:
    """The weights, wherever trainers put them; everything else is dropped."""
    content = opened(content)
    for _ in range(4):
        key = next(
            (key for key in INNER if isinstance(content, dict) and isinstance(opened(content.get(key)), dict)), None
        )
        if key is None:
            break
        inner = opened(content[key])
        content = {"emb_params": next(iter(inner.values()), None)} if key == "string_to_param" else inner
    if isinstance(content, (torch.Tensor, Array)):
        content = {"emb_params": content}
    if not isinstance(content, dict):
        raise Refused("pickle_no_weights")
    found = {str(key): value for key, value in content.items() if isinstance(value, torch.Tensor)}
    if not found:
        arrays = {str(key): of_array(torch, value) for key, value in content.items() if isinstance(value, Array)}
        found = {key: value for key, value in arrays.items() if value is not None}
    if not found:
        raise Refused("pickle_no_weights")
    return found


def opened(content: Any, depth: int = 16) -> Any:
    """A module that was pickled whole, or a table of parameters, as the table of what it holds; else what was given."""
    if isinstance(content, Array) or not isinstance(content, StandIn) or not isinstance(content.kept, dict):
        return content
    state = content.kept
    found = {key: value for key, value in state.items() if key != "training" and not str(key).startswith("_")}
    for table in ("_parameters", "_buffers"):
        held = state.get(table)
        found |= held if isinstance(held, dict) else {}
    modules = state.get("_modules")
    for name, module in modules.items() if isinstance(modules, dict) and depth else ():
        inner = opened(module, depth - 1)
        if isinstance(inner, dict):
            found |= {f"{name}.{key}": value for key, value in inner.items()}
    return found


def of_array(torch: Any, array: Array) -> Any:
    """As a tensor; None for what is no plain array of numbers."""
    state: Any = array.kept
    try:
        _, shape, kind, columns_first, data = state
        data = data.encode("latin-1") if isinstance(data, str) else data
        if isinstance(kind.kept, tuple) and kind.kept[1] == ">":
            return None
        flat = torch.frombuffer(bytearray(data), dtype=getattr(torch, NUMPY[str(kind.code).lstrip("<=|")]))
        return flat.reshape(shape[::-1]).permute(*range(len(shape))[::-1]) if columns_first else flat.reshape(shape)
    except (TypeError, ValueError, KeyError, IndexError, AttributeError, RuntimeError):
        return None


def check_tensors(torch: Any, tensors: Mapping[str, Any], size: int) -> dict[str, str]:
    """Number formats by name. A view may pretend to be far larger than what is stored: that is refused."""
    names = {
        getattr(torch, ours): theirs
        for ours, theirs in (
            *(("float64", "F64"), ("float32", "F32"), ("float16", "F16"), ("bfloat16", "BF16")),
            *(("int64", "I64"), ("int32", "I32"), ("int16", "I16"), ("int8", "I8"), ("uint8", "U8"), ("bool", "BOOL")),
            *(("float8_e4m3fn", "F8_E4M3"), ("float8_e5m2", "F8_E5M2")),
        )
        if hasattr(torch, ours)
    }
    formats, total = {}, 0
    for name, tensor in tensors.items():
        if tensor.dtype not in names or tensor.layout is not torch.strided or tensor.device.type != "cpu":
            raise Refused("pickle_form", name=shown(name))
        bytes_needed = tensor.numel() * tensor.element_size()
        total += bytes_needed
        if bytes_needed > tensor.untyped_storage().nbytes() or total > 2 * size + 2**20:
            raise Refused("pickle_larger")
        formats[name] = names[tensor.dtype]
    return formats


def write(tensors: Mapping[str, Any], formats: Mapping[str, str], file: IO[bytes]) -> dict[str, list[Any]]:
    """Header, then one tensor after the other, wide numbers first so that each lies at a multiple of its width."""
    names = sorted(tensors, key=lambda name: (-tensors[name].element_size(), name))
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name in names:
        tensor = tensors[name]
        first, end = end, end + math.prod(tensor.shape) * tensor.element_size()
        header[name] = {"dtype": formats[name], "shape": list(tensor.shape), "data_offsets": [first, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    file.write(struct.pack("<Q", len(text)) + text)
    manifest = {}
    for name, data in raw(tensors, names):
        file.write(data)
        manifest[name] = [formats[name], list(tensors[name].shape), hashlib.sha256(data).hexdigest()]
    file.flush()
    os.fsync(file.fileno())
    return manifest


def raw(tensors: Mapping[str, Any], names: list[str]) -> Iterator[tuple[str, memoryview]]:
    """Each tensor's bytes; one copy at a time at most."""
    import torch

    for name in names:
        flat = tensors[name].detach().contiguous().reshape(-1)
        yield name, memoryview(flat.view(torch.uint8).numpy())


def shown(text: str) -> str:
    clean = "".join(letter if letter.isprintable() else "?" for letter in text).rstrip(" .")
    return clean if len(clean) <= 100 else clean[:97] + "…"


def warm_up(torch: Any) -> None:
    """Everything that torch imports at the first use, before importing is forbidden."""
    import io

    for zipped in (True, False):
        data = io.BytesIO()
        tensor = torch.ones(2, 2).T
        torch.save({"a": tensor, "b": torch.nn.Parameter(tensor)}, data, _use_new_zipfile_serialization=zipped)
        with contextlib.suppress(Exception), torch.serialization.safe_globals([(StandIn, "x.Y")]):
            data.seek(0)
            torch.load(data, map_location="cpu", weights_only=True)
    memoryview(torch.ones(2).view(torch.uint8).numpy())
    hashlib.sha256(b"").hexdigest()
    for name in ("ascii", "latin_1", "utf_8", "cp437"):  # the last: names in zip archives
        codecs.lookup(name)


def convert(source: Path, target: Path, plan: Mapping[str, int]) -> dict[str, list[Any]]:
    import torch

    torch.set_num_threads(1)
    warm_up(torch)
    set_limits(plan)
    with target.open("xb") as file:
        sys.addaudithook(forbid)
        with source.open("rb") as head:
            zipped = head.read(4) == b"PK\x03\x04"
        if zipped:
            check_archive(source)
        tensors = tensors_in(torch, load(torch, source, zipped))
        formats = check_tensors(torch, tensors, source.stat().st_size)
        return write(tensors, formats, file)


def main(arguments: list[str]) -> int:
    source, target, plan = Path(arguments[0]), Path(arguments[1]), json.loads(arguments[2])
    warnings.simplefilter("ignore")
    leave_the_network()
    sys.path.extend(path for path in plan["path"] if path not in sys.path)
    try:
        answer: dict[str, Any] = {"tensors": convert(source, target, plan)}
    except Refused as refusal:
        answer = {"refused": refusal.note}
    except MemoryError:
        answer = {"refused": Refused("pickle_memory").note}
    sys.stdout.write("\n" + json.dumps(answer) + "\n")
    sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
