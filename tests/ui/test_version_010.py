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


def test_the_kept_forms_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(tmp_path / "kept")
    monkeypatch.setenv("GRADIO_TEMP_DIR", str(folder.root / "page"))  # put back afterwards
    monkeypatch.chdir(folder.root)  # likewise
    prepare_environment(folder.root / "page")
    newest = {tab: json.loads(text) for tab, text in rows(folder, "SELECT tab, fields FROM forms ORDER BY number")}
    assert newest["inpaint"]["masked_content"] == "latent noise"
    with folder.opened() as parts, TestClient(build_application(parts)) as client:
        page = Page(client, parts, FakeEngine(), folder.outputs)
        for tab, fields in newest.items():
            shown = page.call(f"{tab}_find")
            del fields["model"]  # its file is not kept, so the form shows another one
            for name, value in fields.items():
                assert shown[f"{tab}_{name}"]["value"] == (-1 if name == "seed" and value is None else value), name
            before = page.call(f"{tab}_undo")
            assert before[f"{tab}_prompt"]["value"] == fields["prompt"]
