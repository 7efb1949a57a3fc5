"""The forms that a person of version 0.1.0 left, on today's page."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from pipelines.engines.fake import FakeEngine
from tests.test_version_010 import copied, rows
from tests.ui.conftest import Page
from webui.server import build_application, prepare_environment


@pytest.mark.parametrize("left", [("txt2img", "img2img", "inpaint"), ("img2img", "inpaint"), ("inpaint",)], ids=str)
def test_a_kept_form_is_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, left: tuple[str, ...]) -> None:
    """Of those three tabs the first that had one; today there is one form."""
    folder = copied(tmp_path / "kept")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder.root / "page"))  # put back afterwards
    monkeypatch.chdir(folder.root)  # likewise
    prepare_environment(folder.root / "page")
    newest = {tab: json.loads(text) for tab, text in rows(folder, "SELECT tab, fields FROM forms ORDER BY number")}
    assert newest.keys() == {"txt2img", "img2img", "inpaint"}
    assert newest["inpaint"]["masked_content"] == "latent noise"
    fields = newest[left[0]]
    with folder.opened() as parts, TestClient(build_application(parts)) as client:
        with parts.forms._database.transaction() as connection:
            connection.execute(f"DELETE FROM forms WHERE tab NOT IN ({', '.join('?' * len(left))})", left)
        page = Page(client, parts, FakeEngine(), folder.outputs)
        shown = page.call("form_find")
        del fields["model"]  # its file is not kept, so the form shows another one
        for name, value in fields.items():
            assert shown[f"form_{name}"]["value"] == (-1 if name == "seed" and value is None else value), name
        changed = {"form_defaults": shown["form_defaults"], "form_prompt": "another"}
        page.call("form_keep", changed)
        assert page.call("form_find")["form_prompt"]["value"] == "another"
        before = page.call("form_undo")
        for name in ("prompt", "steps", "seed"):
            assert before[f"form_{name}"]["value"] == shown[f"form_{name}"]["value"], name
        for tab in left:
            assert parts.forms.current(tab) is not None  # what 0.1.0 wrote stays for it
