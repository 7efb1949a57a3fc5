"""What a person should know of a start is told at the top of the page; a damaged index mends itself while it runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from tests.jobs.test_shelf import settings_for
from tests.test_damage import middle, settled
from tests.ui.conftest import Page, opened
from webui.parts import build_parts

PICTURES = 8


def shown(page: Page, language: str = "en") -> list[dict[str, str]]:
    items = page.client.get("/queue", headers={"accept-language": language}).json()["notices"]
    return [dict(one) for one in items]


@pytest.mark.fault(12)
def test_databases_that_were_damaged_are_told_until_that_is_dismissed(tmp_path: Path) -> None:
    for name in ("jobs", "history", "marks", "thumbs"):
        (tmp_path / f"{name}.sqlite").write_bytes(b"garbage " * 1_000)
    for _ in range(2):  # over a restart
        with opened(tmp_path, tmp_path / "outputs") as page:
            english, chinese = ([one["text"] for one in shown(page, language)] for language in ("en", "zh"))
            for told in (english, chinese):
                for name in ("jobs", "history", "marks", "thumbs"):
                    assert sum(f"{name}.damaged-" in one for one in told) == 1
            assert [one.count("was damaged") for one in english] == [1] * 4
            assert [one.count("已损坏") for one in chinese] == [1] * 4
            one, *others = shown(page)
    with opened(tmp_path, tmp_path / "outputs") as page:
        assert page.client.post(f"/notices/{one['id']}/dismiss").status_code == 200
        assert shown(page) == others
    with opened(tmp_path, tmp_path / "outputs") as page:
        assert shown(page) == others


@pytest.mark.fault(12)
def test_what_is_damaged_while_a_page_is_open_is_told_there(tmp_path: Path) -> None:
    with opened(tmp_path, tmp_path / "outputs") as page:
        page.generate(values={"form_prompt": "a red star", "form_batch_size": PICTURES})
        assert shown(page) == []
        history = page.parts.history
        for connection in (history._database, history._reader):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA shrink_memory")
        middle(tmp_path / "history.sqlite")
        page.client.get("/history/facets")
        settled(history)
        (one,) = shown(page)
        assert "history.damaged-" in one["text"]
        assert page.client.get("/queue").json()["engine"]["state"] == "ready"


def test_a_second_program_says_so(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    with build_parts(settings, FakeEngine(), settings.data_dir / "instance-2") as parts:
        (notice,) = parts.notices()
        assert notice.note == Note("second_program", folder=str(settings.data_dir))


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
