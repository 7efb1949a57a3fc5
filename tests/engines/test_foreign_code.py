"""Code beside a model's weights is never run, whatever its configurations say."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import SeedprintError
from tests.engines.conftest import SMALL, batch_of, ignore

pytestmark = pytest.mark.torch
pytest.importorskip("torch")

FILES = ("pipeline.py", "unet/evil.py", "evil.py", "__init__.py", "unet/__init__.py", "modeling_evil.py", "setup.py")


def code(canary: Path) -> str:
    return (
        f"open({str(canary)!r}, 'w').close()\n"
        "from diffusers import DiffusionPipeline, UNet2DConditionModel\n"
        "class Evil(DiffusionPipeline): ...\n"
    )


def named_in_index(folder: Path, values: dict[str, Any]) -> None:
    index = folder / "model_index.json"
    index.write_text(json.dumps(json.loads(index.read_text()) | values))


def named_in_part(folder: Path, values: dict[str, Any]) -> None:
    config = folder / "unet" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | values))


WAYS = {
    "beside": lambda folder: None,
    "a pipeline of its own": lambda folder: named_in_index(folder, {"_class_name": ["pipeline", "Evil"]}),
    "a part of its own": lambda folder: named_in_index(folder, {"unet": ["evil", "UNet2DConditionModel"]}),
    "the part's class": lambda folder: named_in_part(folder, {"_class_name": ["evil", "Evil"]}),
    "an auto map": lambda folder: named_in_part(folder, {"auto_map": {"AutoModel": "evil.Evil"}}),
}


@pytest.mark.attack(12, 21)
@pytest.mark.parametrize("way", WAYS)
def test_it_leaves_no_mark(tmp_path: Path, way: str) -> None:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    folder, canary = tmp_path / "models" / "model", tmp_path / "canary"
    RandomModel("sd15", tiny=True).write_folder(folder)
    for name in FILES:
        (folder / name).write_text(code(canary))
    WAYS[way](folder)
    engine = LocalEngine([folder.parent], device="cpu")
    try:
        made = _picture(engine)
    finally:
        engine.close()
    assert not canary.exists()
    assert made or way in ("a pipeline of its own", "a part of its own", "the part's class")


def _picture(engine: Any) -> bool:
    """Whether one is made; a refusal is as well."""
    try:
        engine.generate(batch_of(replace(SMALL, model="model"), 1), ignore)
    except SeedprintError:
        return False
    return True


def test_the_canary_sings_where_the_code_is_run(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    exec(code(tmp_path / "canary"), {})
    assert (tmp_path / "canary").exists()
