"""What a person should know of a start is told at the top of the page; a damaged index mends itself while it runs."""

from __future__ import annotations

from pathlib import Path

from pipelines.engines.fake import FakeEngine
from tests.jobs.test_shelf import settings_for
from tests.test_damage import middle, settled
from tests.ui.conftest import opened
from webui.parts import build_parts
from webui.ui.layout import engine_states

PICTURES = 8


def test_databases_that_were_damaged_are_told(tmp_path: Path) -> None:
    for name in ("jobs", "history", "marks", "thumbs"):
        (tmp_path / f"{name}.sqlite").write_bytes(b"garbage " * 1_000)
    with opened(tmp_path, tmp_path / "outputs") as page:
        english, chinese = (page.call("engine", language=one)["header"]["notice"] for one in ("en", "zh"))
    for name in ("jobs", "history", "marks", "thumbs"):
        assert f"{name}.damaged-" in english
        assert f"{name}.damaged-" in chinese
    assert english.count("was damaged") == chinese.count("已损坏") == 4
    with opened(tmp_path, tmp_path / "outputs") as page:
        assert page.call("engine")["header"]["notice"] == ""


def test_a_second_program_says_so(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with build_parts(settings, FakeEngine(), settings.data_dir / "instance-2") as parts:
        watch = engine_states(parts.service, parts.notices)

        class Visitor:
            cookies: dict[str, str] = {}  # noqa: RUF012
            headers = {"accept-language": "en"}  # noqa: RUF012

        (*_, shown) = watch(Visitor())  # type: ignore[arg-type]
        assert shown["notice"].startswith("Another Seedprint uses")
        assert str(settings.data_dir) in shown["notice"]


def test_history_answers_again_after_its_index_was_damaged(tmp_path: Path) -> None:
    with opened(tmp_path, tmp_path / "outputs") as page:
        page.generate(values={"form_prompt": "a red star", "form_batch_size": PICTURES})
        history = page.parts.history
        for connection in (history._database, history._reader):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA shrink_memory")
        middle(tmp_path / "history.sqlite")
        told = []
        for _ in range(5):
            answer = page.client.get("/history/facets")
            if answer.status_code == 409:
                told.append(answer.json()["detail"])
            answer = page.client.get("/history/page?count=1")
            if answer.status_code == 409:
                told.append(answer.json()["detail"])
            settled(history)
        assert answer.status_code == 200
        assert answer.json()["count"] == PICTURES + 1  # and their grid
        assert told
        assert all(one.startswith("The index of the output folder was damaged") for one in told)
        assert len(told) <= 2
        # and the next picture is made as if nothing had been
        assert page.generate().state == "done"
