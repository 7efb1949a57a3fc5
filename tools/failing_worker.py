"""A worker whose graphics card fails: on a card by a kernel's own assertion, elsewhere by an error of the same words.

`pipelines.engines.child.run` is replaced by `run` before a `WorkerEngine` is made. As many workers fail as the file
`failing` of the data folder has letters, each in its first batch and, as a CUDA context does, in all that it is asked
for afterwards.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from pipelines.engines import child

FILE = "failing"
ASSERTED = "CUDA error: device-side assert triggered"
_real = child.run


def run(pipe: Connection, options: child.Options) -> None:
    """What the process runs. Torch is imported here, never when this file is."""
    from pipelines.engines import running

    assert options.data_dir is not None
    file, denoise, is_failing = Path(options.data_dir) / FILE, running.denoise, False

    def fail(task: Any, latents: Any, after_call: Any) -> Any:
        nonlocal is_failing
        left = file.read_text() if file.exists() else ""
        if not is_failing and left:
            is_failing = True
            file.write_text(left[1:])
        if is_failing:
            break_device(latents)
        return denoise(task, latents, after_call)

    running.denoise = fail
    _real(pipe, options)


def break_device(latents: Any) -> None:
    """An index beyond the end, which a kernel on a card asserts about and a processor does not come to."""
    import torch

    if latents.is_cuda:
        torch.zeros(1, device=latents.device)[torch.tensor([99], device=latents.device)].sum().item()
    raise torch.AcceleratorError(f"{ASSERTED}\nCUDA kernel errors might be reported asynchronously.")
