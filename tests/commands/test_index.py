"""`python app.py index`."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from webui.archive.history import History
from webui.archive.search import Query
from webui.archive.store import ImageStore
from webui.commands.main import main


def folders(tmp_path: Path) -> list[str]:
    return ["--output-dir", str(tmp_path / "outputs"), "--data-dir", str(tmp_path / "data")]


def test_the_index_is_made_from_the_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = ImageStore(tmp_path / "outputs")
    request = GenerationRequest(prompt="a 星", seed=5, batch_size=3, steps=1, width=64, height=64)
    for result in results(request):
        store.save(result)
    history = History(tmp_path / "data" / "history.sqlite", tmp_path / "outputs")  # as an open page has it
    assert history.search(Query(words="星"), 9).entries == ()
    assert main(["index", *folders(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("3 pictures in ")
    found = history.search(Query(words="星"), 9).entries
    assert [entry.saved.seed for entry in found] == [7, 6, 5]
    history.rate([found[0].saved.id], 5)
    found[1].saved.path.unlink()
    assert main(["index", *folders(tmp_path)]) == 0
    assert [(entry.saved.seed, entry.rating) for entry in history.search(Query(), 9).entries] == [(7, 5), (5, 0)]
    history.close()


def test_without_a_folder_it_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["index", *folders(tmp_path)]) == 2
    assert "must be a folder" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
