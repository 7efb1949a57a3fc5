"""The built-in model's text side, loaded once."""

from pathlib import Path
from typing import Any

import pytest

BUILTIN = Path(__file__).parents[2] / "pipelines" / "builtin"


@pytest.fixture(scope="package")
def pipelines_by_dtype() -> dict[str, Any]:
    """StableDiffusionPipeline of the built-in model in both dtypes that matter on a CPU."""
    import torch
    from diffusers import StableDiffusionPipeline

    torch.set_num_threads(1)
    options = {"local_files_only": True, "safety_checker": None, "requires_safety_checker": False}
    loaded = {
        name: StableDiffusionPipeline.from_pretrained(BUILTIN, dtype=getattr(torch, name), **options)
        for name in ("float32", "bfloat16")
    }
    for pipeline in loaded.values():
        pipeline.set_progress_bar_config(disable=True)
    return loaded


@pytest.fixture
def builtin(pipelines_by_dtype: dict[str, Any]) -> Any:
    return pipelines_by_dtype["float32"]
