"""Files that would do harm if they were opened the usual way. Each would leave a file named in `canary`."""

from __future__ import annotations

import builtins
import functools
import io
import os
import pickle
import socket
import subprocess
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy
import torch


class Call:
    """Pickled as a call of `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call


def weights() -> dict[str, torch.Tensor]:
    return {"model.a.weight": torch.arange(64, dtype=torch.float16).reshape(8, 8)}


def zipped(content: Any) -> bytes:
    data = io.BytesIO()
    torch.save(content, data)
    return data.getvalue()


def legacy(content: Any) -> bytes:
    data = io.BytesIO()
    torch.save(content, data, _use_new_zipfile_serialization=False)
    return data.getvalue()


def rezipped(data: bytes, change: Callable[[str, bytes], bytes], extra: str = "", squeeze: bool = False) -> bytes:
    """The archive with its entries changed, one more of that name, or compressed."""
    out = io.BytesIO()
    method = zipfile.ZIP_DEFLATED if squeeze else zipfile.ZIP_STORED
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(out, "w", method) as new:
        for entry in old.infolist():
            new.writestr(entry.filename, change(entry.filename, old.read(entry)))
        if extra:
            new.writestr(extra, b"owned")
    return out.getvalue()


def more_numbers_than_stored(name: str, data: bytes) -> bytes:
    """70,000 numbers stored, two thousand million claimed (a pickled four-byte integer follows the letter J)."""
    if not name.endswith("data.pkl"):
        return data
    changed = data.replace(b"J" + (70_000).to_bytes(4, "little"), b"J" + (2**31 - 1).to_bytes(4, "little"))
    assert changed != data
    return changed


def with_state(module: Any, **state: Any) -> Any:
    module.__dict__.update(state)
    return module


def numpy_core() -> Any:
    import importlib

    return importlib.import_module("numpy.core.multiarray" if numpy.__version__ < "2" else "numpy._core.multiarray")


class ArrayOf:
    """Pickled as an array of float32 with this shape and these bytes."""

    def __init__(self, shape: tuple[int, ...], data: bytes) -> None:
        self.state = (1, shape, numpy.dtype("f4"), False, data)

    def __reduce__(self) -> tuple[Any, ...]:
        return numpy_core()._reconstruct, (numpy.ndarray, (0,), b"b"), self.state


def hostile_files(canary: Path) -> dict[str, tuple[bytes, str]]:
    """name -> (bytes, words of the sentence that a person gets)."""
    touch = f"touch '{canary}'"
    write = f"open({str(canary)!r}, 'w').close()"
    system = Call(os.system, touch)
    code = "would run code"
    honest = {"state_dict": weights(), "big": torch.zeros(70_000)}
    inner = pickle.dumps(system, protocol=2)
    same = lambda name, data: data  # noqa: E731
    return {
        "os.system in a zip": (zipped({"state_dict": weights(), "x": system}), code),
        "os.system, raw": (pickle.dumps({"state_dict": {}, "x": system}, protocol=2), code),
        "os.system, newest protocol": (pickle.dumps({"state_dict": {}, "x": system}, protocol=5), ""),
        "os.system, legacy": (legacy({"state_dict": weights(), "x": system}), code),
        "os.system before the weights": (zipped([system, weights()]), code),
        "exec": (zipped({"state_dict": weights(), "x": Call(builtins.exec, write)}), code),
        "eval": (zipped({"state_dict": weights(), "x": Call(builtins.eval, write)}), code),
        "__import__": (zipped({"x": Call(builtins.__import__, "antigravity")}), code),
        "getattr": (zipped({"x": Call(builtins.getattr, "text", "upper")}), ""),
        "a process": (zipped({"x": Call(subprocess.check_output, ["touch", str(canary)])}), code),
        "a socket": (zipped({"x": Call(socket.create_connection, ("127.0.0.1", 9))}), code),
        "a pickle in a pickle": (zipped({"state_dict": weights(), "x": Call(pickle.loads, inner)}), code),
        "nested deep": (zipped(OrderedDict(state_dict=OrderedDict(a=[[{"b": (1, [system])}]]))), code),
        "behind functools.partial": (zipped({"x": Call(functools.partial, os.system, touch)}), code),
        "a key that is a call": (zipped({"state_dict": {"a": torch.ones(2), "b": {"c": system}}}), code),
        "zip slip": (rezipped(zipped(honest), same, extra=f"../../{canary.name}"), "holds a file named ../../"),
        "absolute name": (rezipped(zipped(honest), same, extra=str(canary)), "holds a file named"),
        "a bomb": (rezipped(zipped({"a": torch.zeros(5_000_000)}), same, squeeze=True), "swell"),
        "more numbers than stored": (rezipped(zipped(honest), more_numbers_than_stored), "It is damaged"),
        "legacy, more than stored": (
            more_numbers_than_stored("data.pkl", legacy({"big": torch.zeros(70_000)})),
            "It",
        ),
        "a view without end": (zipped({"a": torch.zeros(1).expand(2**20, 2**20)}), "claim to be larger than the file"),
        "many views of one": (
            zipped({f"a{n}": shared for shared in [torch.zeros(100_000)] for n in range(200)}),
            "claim to be larger than the file",
        ),
        "cut short": (zipped(honest)[:100_000], "cut short"),
        "cut short, legacy": (legacy(honest)[:100_000], "It is damaged"),
        "no weights": (zipped({"a": 1, "b": "text"}), "no weights"),
        "a list": (zipped([1, 2]), "no weights"),
        "numbers safetensors lacks": (zipped({"a": torch.zeros(2, dtype=torch.complex64)}), "cannot hold"),
        "sparse": (zipped({"a": torch.eye(4).to_sparse()}), ""),
        "in a module": (zipped({"string_to_param": with_state(torch.nn.ParameterDict(), a=system)}), code),
        "in an array": (zipped({"a": Call(numpy_core()._reconstruct, numpy.ndarray, (0,), system)}), code),
        "an array of objects": (zipped({"a": numpy.array([system], dtype=object)}), code),
        "an array that claims more": (zipped({"a": ArrayOf((2**31, 2**31), b"1234")}), "no weights"),
    }


def harmless_files() -> dict[str, tuple[bytes, dict[str, torch.Tensor]]]:
    """name -> (bytes, the tensors that must come out)."""
    import argparse
    from collections import Counter, defaultdict

    given = weights()
    base = torch.arange(24, dtype=torch.float32)
    trainer = {
        "state_dict": given,
        "callbacks": {argparse.Namespace: {"best": numpy.float64(0.1), "array": numpy.ones(3)}},
        "hyper_parameters": argparse.Namespace(rate=0.1, where=Path("x")),
        "optimizer_states": [{"state": defaultdict(dict, {0: {"step": 1}}), "counts": Counter("ab")}],
        "epoch": 3,
    }
    views = {"row": base[6:12], "turned": base.reshape(4, 6).T, "same": base, "tied": base}
    formats = {
        str(dtype): torch.arange(6).to(dtype)
        for dtype in (torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool)
    }
    turned = numpy.asfortranarray(base.reshape(4, 6).numpy())
    parameters = {"string_to_param": torch.nn.ParameterDict({"*": base})}
    block = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ParameterDict({"word": base}))
    block_tensors = {"0.weight": block[0].weight.detach(), "0.bias": block[0].bias.detach(), "1.word": base}
    odd = {"empty": torch.zeros(0, 4), "scalar": torch.tensor(2.5), "名前": torch.ones(1)}
    return {
        "flat": (zipped(given), given),
        "under state_dict": (zipped({"state_dict": given, "global_step": 1}), given),
        "legacy": (legacy({"state_dict": given}), given),
        "what a trainer left": (zipped(trainer), given),
        "what a trainer left, legacy": (legacy(trainer), given),
        "parameters": (zipped({"p": torch.nn.Parameter(base)}), {"p": base}),
        "views": (zipped(views), views),
        "number formats": (zipped(formats), formats),
        "odd shapes and names": (zipped(odd), odd),
        "upscaler": (zipped({"params_ema": given}), given),
        "embedding": (
            zipped({"string_to_token": {"*": torch.tensor(265)}, "string_to_param": {"*": base}, "name": "x"}),
            {"emb_params": base},
        ),
        "embedding as parameters": (zipped(parameters), {"emb_params": base}),
        "embedding in order": (zipped(OrderedDict(string_to_param=OrderedDict({"*": base}))), {"emb_params": base}),
        "embedding of diffusers": (zipped({"<word>": base, "shape": base.shape}), {"<word>": base}),
        "embedding as an array": (zipped({"string_to_param": {"*": base.numpy()}}), {"emb_params": base}),
        "arrays": (zipped({"a": base.numpy(), "b": turned}), {"a": base, "b": base.reshape(4, 6)}),
        "arrays, legacy": (legacy({"a": base.numpy().astype("f2")}), {"a": base.half()}),
        "a whole module": (zipped(block), block_tensors),
        "a whole module under state_dict": (zipped({"state_dict": block}), block_tensors),
        "an old tensor": (zipped({"a": Call(torch._utils._rebuild_parameter, base, True, OrderedDict())}), {"a": base}),
    }
