"""What the program never does, read from its text: no test of behaviour can show that it is nowhere."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.conftest import ROOT

# gradio's own server, which can share a page with the world; components that run another's code or fetch its files;
# readers of pickles; what runs text
NEVER = {
    *("launch", "load_model", "from_pipeline", "custom_pipeline", "trust_remote_code"),
    *("hf_hub_download", "snapshot_download", "urlopen", "urlretrieve", "os.system"),
}
RUNS = {"builtin eval", "builtin exec"}  # a network has an `eval` too
UNPICKLING = {"conversion_child.py"}  # in a child process that can do nothing else; see tests/models/test_conversion.py


def names_in(text: str) -> Iterator[tuple[str, int]]:
    """Functions that are called and keywords that are given."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call):
            whole = ast.unparse(node.func)
            yield whole if "." in whole else f"builtin {whole}", node.lineno
            yield whole.rpartition(".")[2], node.lineno
            yield from ((word.arg, node.lineno) for word in node.keywords if word.arg)


def found_in(text: str) -> list[tuple[str, int]]:
    reads = {"pickle.load", "pickle.loads", "torch.load", "gr.load"}
    return sorted({(name, line) for name, line in names_in(text) if name in NEVER | reads | RUNS})


@pytest.mark.attack(15, 18, 21)
def test_nothing_shares_fetches_or_runs_what_strangers_give() -> None:
    files = [ROOT / "app.py", *(ROOT / "webui").rglob("*.py"), *(ROOT / "pipelines").rglob("*.py")]
    assert len(files) > 100
    found = {file.name: found_in(file.read_text(encoding="utf-8")) for file in files if file.name not in UNPICKLING}
    assert {name: calls for name, calls in found.items() if calls} == {}


def test_it_would_be_found() -> None:
    assert found_in("page.launch(share=True)") == [("launch", 1)]
    assert found_in("import torch\ntorch.load(x)\nmodel.load(x)") == [("torch.load", 2)]
    assert found_in("eval(x)\nnetwork.eval()") == [("builtin eval", 1)]
