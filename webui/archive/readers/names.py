"""Names in other programs' texts: their samplers by ours, models by their files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType

from pipelines.sampling.samplers import SAMPLERS

_VALUE_LIMIT = 200  # characters shown of a value that was not understood
_SUFFIXES = (".safetensors", ".ckpt", ".pt", ".pth", ".bin", ".sft", ".gguf")

# Only names whose algorithm is the same. Left out on purpose, so that they are named as unknown: restart, er_sde,
# uni_pc_bh2, dpm_fast, dpm_adaptive, 2S a and all that this program does not have.
COMFY_SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "euler": "Euler",
        "euler_ancestral": "Euler a",
        "heun": "Heun",
        "dpm_2": "DPM2",
        "dpm_2_ancestral": "DPM2 a",
        "lms": "LMS",
        "dpmpp_sde": "DPM++ SDE",
        "dpmpp_sde_gpu": "DPM++ SDE",
        "dpmpp_2m": "DPM++ 2M",
        "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_2m_sde_gpu": "DPM++ 2M SDE",
        "dpmpp_3m_sde": "DPM++ 3M SDE",
        "dpmpp_3m_sde_gpu": "DPM++ 3M SDE",
        "ddim": "DDIM",
        "ddpm": "DDPM",
        "deis": "DEIS",
        "uni_pc": "UniPC",
        "lcm": "LCM",
        "tcd": "TCD",
    }
)
INVOKE_SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "ddim": "DDIM",
        "ddpm": "DDPM",
        "deis": "DEIS",
        "lms": "LMS",
        "heun": "Heun",
        "euler": "Euler",
        "euler_a": "Euler a",
        "kdpm_2": "DPM2",
        "kdpm_2_a": "DPM2 a",
        "dpmpp_2m": "DPM++ 2M",
        "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_sde": "DPM++ SDE",
        "unipc": "UniPC",
        "lcm": "LCM",
        "tcd": "TCD",
    }
)
OLD_SAMPLERS: Mapping[str, str] = MappingProxyType(  # without the k_ that InvokeAI 2 and NovelAI write before them
    {
        "ddim": "DDIM",
        "plms": "PLMS",
        "lms": "LMS",
        "heun": "Heun",
        "euler": "Euler",
        "euler_a": "Euler a",
        "euler_ancestral": "Euler a",
        "dpm_2": "DPM2",
        "dpm_2_a": "DPM2 a",
        "dpm2": "DPM2",
        "dpm2_a": "DPM2 a",
        "dpm_2_ancestral": "DPM2 a",
        "dpmpp_2m": "DPM++ 2M",
        "dpmpp_2m_sde": "DPM++ 2M SDE",
        "dpmpp_sde": "DPM++ SDE",
        "ddpm": "DDPM",
        "deis": "DEIS",
    }
)
# stable-diffusion.cpp; left out as above: dpm++2s_a, dpm++2mv2, ipndm, ipndm_v, res_multistep, res_2s, er_sde, euler_ge
SDCPP_SAMPLERS: Mapping[str, str] = MappingProxyType(
    {
        "euler": "Euler",
        "euler_a": "Euler a",
        "heun": "Heun",
        "dpm2": "DPM2",
        "lms": "LMS",
        "dpm++2m": "DPM++ 2M",
        "dpm++2m_sde": "DPM++ 2M SDE",
        "dpm++2m_sde_bt": "DPM++ 2M SDE",
        "ddim_trailing": "DDIM",
        "lcm": "LCM",
        "tcd": "TCD",
    }
)
# `discrete` is evenly spaced in time. Left out: ays, gits, simple, smoothstep, kl_optimal, bong_tangent and the like
SDCPP_SCHEDULES: Mapping[str, str] = MappingProxyType(
    {
        "default": "automatic",
        "discrete": "automatic",
        "normal": "automatic",
        "karras": "karras",
        "exponential": "exponential",
        "beta": "beta",
        "sgm_uniform": "sgm uniform",
    }
)


def sdcpp_fields(sampler: str, schedule: str) -> dict[str, str] | None:
    """Sampler and schedule of stable-diffusion.cpp, None when ours would not be the same."""
    name = SDCPP_SAMPLERS[sampler]
    if sampler == "ddim_trailing":  # it places its steps itself, whatever the schedule
        return {"sampler": name, "schedule": "sgm uniform"}
    wanted = SDCPP_SCHEDULES[schedule or "default"]
    spec = SAMPLERS[name]
    if wanted not in spec.schedules or (wanted == "automatic" and spec.automatic):
        return None
    return {"sampler": name, "schedule": wanted}


def stem(name: object) -> object:
    """A model's name from a file's: without folders of either kind and without the endings of model files."""
    if not isinstance(name, str):
        return name
    last = name.replace("\\", "/").rpartition("/")[2]
    return last[: last.rfind(".")] if last.lower().endswith(_SUFFIXES) else last


def is_file(name: str) -> bool:
    """Whether a model's name is that of a file."""
    return name.lower().endswith(_SUFFIXES)


def short(value: object) -> str:
    """A value in at most 200 characters. It comes from `load_object`, so it is not deep."""
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= _VALUE_LIMIT else text[: _VALUE_LIMIT - 1] + "…"
