"""A model whose bytes change while size and time stay: making again denies, and names the file."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import pytest

from tests.engines.conftest import SMALL, batch_of, ignore
from tests.models.test_rot import always, flip
from webui.archive.store import ImageStore
from webui.proof.sweep import sweep

pytestmark = pytest.mark.torch
pytest.importorskip("torch")


@pytest.mark.fault(12)
@pytest.mark.attack(26)
def test_again_is_denied_because_of_the_file_and_the_next_record_has_its_hash(tmp_path: Path) -> None:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    model, outputs = tmp_path / "models" / "mine.safetensors", tmp_path / "outputs"
    model.parent.mkdir()
    outputs.mkdir()
    RandomModel("sd15", tiny=True).write_single(model)
    batch = batch_of(replace(SMALL, model="mine"), 1)
    store = ImageStore(outputs)
    engine = LocalEngine([model.parent], device="cpu", data_dir=tmp_path)
    (made,) = engine.generate(batch, ignore)
    saved = store.save(made)
    good = hashlib.sha256(model.read_bytes()).hexdigest()
    assert made.facts["model"]["sha256"] == good
    (report,) = sweep(engine, store.inputs, [saved.path], ignore)
    assert report.identical
    _flip_weights(model)
    (kept,) = sweep(engine, store.inputs, [saved.path], ignore)
    assert kept.identical  # what is in memory was read before
    engine.close()

    engine = LocalEngine([model.parent], device="cpu", data_dir=tmp_path)
    try:
        for _ in range(2):  # found then, and known afterwards
            (report,) = sweep(engine, store.inputs, [saved.path], ignore)
            assert not report.identical
            assert (report.because[0].code, report.because[0].values["name"]) == ("file_altered", "mine")
            assert "no_fact_differs" not in {note.code for note in report.because}
        (after,) = engine.generate(batch, ignore)
        assert after.facts["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest() != good
        assert after.image.tobytes() != made.image.tobytes()
    finally:
        engine.close()


@pytest.mark.fault(12)
def test_what_is_in_memory_is_read_anew_once_it_is_known(tmp_path: Path) -> None:
    """Else a record would name the new bytes, and the picture be made of the old."""
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    model = tmp_path / "mine.safetensors"
    RandomModel("sd15", tiny=True).write_single(model)
    batch = batch_of(replace(SMALL, model="mine"), 1)
    engine = LocalEngine([tmp_path], device="cpu")
    try:
        (before,) = engine.generate(batch, ignore)
        _flip_weights(model)
        engine.read_again(next(info for info in engine.shelf() if info.name == "mine"), always)
        (after,) = engine.generate(batch, ignore)
        assert after.facts["model"]["sha256"] == hashlib.sha256(model.read_bytes()).hexdigest()
        assert after.image.tobytes() != before.image.tobytes()
        loaded = engine.manager.current
        engine.generate(batch, ignore)
        assert engine.manager.current is loaded  # once
    finally:
        engine.close()


def _flip_weights(model: Path) -> None:
    """Bits of many weights, so that the picture shows it."""
    import os

    found, data = model.stat(), bytearray(model.read_bytes())
    for at in range(len(data) // 2, len(data), 4001):
        data[at] ^= 1
    model.write_bytes(data)
    os.utime(model, ns=(found.st_atime_ns, found.st_mtime_ns))
    flip(model)
