"""Where the numbers are computed, and in which type: chosen once per process, recorded with every image."""

from __future__ import annotations

import os
import platform
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from diffusers.hooks import apply_group_offloading

OFF_DEVICE = "cpu"


@dataclass(frozen=True, kw_only=True, slots=True)
class Placement:
    """Device, type and memory layout of a model, and what of them belongs in a picture's record."""

    device: str  # "cpu", "cuda", "cuda:1", "mps"
    dtype: torch.dtype
    channels_last: bool
    device_name: str  # the processor's or the card's own name
    cpu_capability: str  # the vector instructions torch picked, "AVX512"
    exact: bool = False  # as little as can be depends on the machine

    @property
    def dtype_name(self) -> str:
        return str(self.dtype).removeprefix("torch.")

    def place(self, module: torch.nn.Module) -> torch.nn.Module:
        """Moves a module of this type here, in this layout, ready for inference."""
        module.to(device=self.device)
        if self.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return module.eval().requires_grad_(False)

    @property
    def moves(self) -> bool:
        """Whether weights can leave the device for main memory. On a CPU and on a Mac it is the same memory."""
        return self.device.startswith("cuda")

    def holds(self, module: torch.nn.Module) -> bool:
        weight = next(module.parameters(), None)
        return weight is None or weight.device == torch.empty(0, device=self.device).device

    def take_off(self, module: torch.nn.Module) -> None:
        """To main memory."""
        module.to(OFF_DEVICE)

    def stream(self, module: torch.nn.Module) -> None:
        """From now on its layers come to the device one by one when they are needed, the next while one works."""
        apply_group_offloading(
            module,
            onload_device=torch.device(self.device),
            offload_device=torch.device(OFF_DEVICE),
            offload_type="leaf_level",
            use_stream=self.device.startswith("cuda"),
            low_cpu_mem_usage=True,  # pinning all of it at once would take the model's size in main memory again
        )

    def memory(self) -> int:
        """Bytes of the card, or of main memory where there is none of its own."""
        if self.device.startswith("cuda"):
            return int(torch.cuda.mem_get_info(self.device)[1])
        return int(psutil.virtual_memory().total)

    def available(self) -> int:
        """Bytes that a model and its work could take on the device, with what this process holds of it for them."""
        if self.device.startswith("cuda"):
            free, _ = torch.cuda.mem_get_info(self.device)
            return free + torch.cuda.memory_reserved(self.device)
        return int(psutil.virtual_memory().available)

    def facts(self) -> dict[str, Any]:
        return {
            "device": self.device,
            "device_name": self.device_name,
            "dtype": self.dtype_name,
            "channels_last": self.channels_last,
            "attention": "math" if self.exact else "sdpa",
            "threads": torch.get_num_threads(),
            "tf32": bool(torch.backends.cuda.matmul.allow_tf32 or torch.backends.cudnn.allow_tf32),
            "cpu_capability": self.cpu_capability,
            **({"exact": True} if self.exact else {}),
        }


def choose(device: str | None = None, *, exact: bool = False) -> Placement:
    """The placement for `device`, or for the best device here.

    CUDA: fp16, tensor cores want channels_last. CPU with bf16 instructions: bf16 + channels_last (3.5 times faster
    than fp32 at full size); without them fp32; never fp16, which a CPU emulates. MPS: fp16. Exact: fp32 everywhere.
    """
    name = device or _best_device()
    kind = name.partition(":")[0]
    if kind == "cuda":
        dtype, channels_last, device_name = torch.float16, True, torch.cuda.get_device_name(name)
    elif kind == "mps":
        dtype, channels_last, device_name = torch.float16, False, f"Apple {platform.machine()}"
    elif kind == "cpu":
        dtype, channels_last, device_name = torch.float32, False, _cpu_name()
        if _cpu_has_bf16():
            dtype, channels_last = torch.bfloat16, True
    else:
        raise ValueError(f"device: must be cpu, cuda or mps, got {name!r}")
    if exact:
        dtype, channels_last = torch.float32, False
    return Placement(
        device=name,
        dtype=dtype,
        channels_last=channels_last,
        device_name=device_name,
        cpu_capability=torch.backends.cpu.get_cpu_capability(),
        exact=exact,
    )


def make_deterministic(*, exact: bool = False) -> None:
    """Settings under which the same call gives the same bits again. Call before the first CUDA work. `exact`: plain
    attention too, instead of the device's own quick kernels."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS picks its own scratch size otherwise
    torch.backends.cudnn.benchmark = False  # it may pick another algorithm in every run
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cuda.enable_cudnn_sdp(False)  # the one attention kernel that torch calls nondeterministic
    torch.backends.cuda.enable_flash_sdp(not exact)  # on a CPU too
    torch.backends.cuda.enable_mem_efficient_sdp(not exact)


# what torch says where it raises no type of its own: on a CPU, on MPS, and of CUDA's libraries beside the allocator
_NO_MEMORY = (
    "DefaultCPUAllocator: can't allocate memory",
    "MPS backend out of memory",
    "CUDA error: out of memory",
    "CUDA driver error: out of memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)
_LOST = ("CUDA error:", "CUDA driver error:", "cuDNN error:")


def is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _NO_MEMORY)


def is_lost(error: BaseException) -> bool:
    """Whether a card, its driver or a kernel failed so that this process may get no more work out of it: after a
    device-side assert every later call says the same, and what it gives is not to be trusted."""
    if not isinstance(error, RuntimeError) or is_out_of_memory(error):
        return False
    return isinstance(error, torch.AcceleratorError) or any(words in str(error) for words in _LOST)


def set_threads(count: int) -> None:
    """CPU threads for the calling thread's work from now on; the last bits of a picture may depend on it."""
    if torch.get_num_threads() != count:
        torch.set_num_threads(count)


def _best_device() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def _cpu_has_bf16() -> bool:
    """Dot products in bf16: AVX512-BF16 or AMX on x86, the bf16 extension on ARM."""
    capabilities = torch.cpu.get_capabilities()
    return any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16", "arm_bf16", "bf16"))


def _cpu_name() -> str:
    with suppress(OSError):  # Linux alone has this file
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
