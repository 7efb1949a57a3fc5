"""Who may import whom: the table of docs/design.md, read from the imports themselves."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HEAVY = {"torch", "diffusers", "transformers", "accelerate", "safetensors"}
TORCH_FREE_PIPELINES = (
    "pipelines/database.py",
    "pipelines/shared_database.py",
    "pipelines/fields.py",
    "pipelines/kinds.py",
    "pipelines/groups.py",
    "pipelines/leading.py",
    "pipelines/watching.py",
    "pipelines/boxes.py",
    "pipelines/details.py",
    "pipelines/tokens.py",
    "pipelines/steps.py",
    "pipelines/types.py",
    "pipelines/errors.py",
    "pipelines/engine.py",
    "pipelines/images.py",
    "pipelines/engines/fake.py",
    "pipelines/engines/worker.py",
    "pipelines/engines/pool.py",
    "pipelines/upscaling/plain.py",
    "pipelines/control/preprocessing.py",
    "pipelines/control/maps.py",
    "pipelines/models/controlled.py",
    "pipelines/models/referred.py",
    "pipelines/models/unclip.py",
    "pipelines/prompts/grammar.py",
    "pipelines/prompts/things.py",
    "pipelines/prompts/schedule.py",
    "pipelines/prompts/weights.py",
    "pipelines/prompts/chunks.py",
    "pipelines/prompts/learned.py",
    "pipelines/prompts/compel_parsing.py",
    "pipelines/prompts/compel_quick.py",
    "pipelines/sampling/samplers.py",
    "pipelines/models/checkpoints.py",
    "pipelines/models/catalogue.py",
    "pipelines/models/listing.py",
    "pipelines/models/memory.py",
    "pipelines/models/vocabulary.py",
    "pipelines/models/reading.py",
    *(
        path.relative_to(ROOT).as_posix()
        for room in ("pipelines/models/files", "pipelines/families")
        for path in (ROOT / room).glob("*.py")
    ),
)
SEEN_FROM_WEBUI = {
    "pipelines.database",
    "pipelines.shared_database",
    "pipelines.fields",
    "pipelines.kinds",
    "pipelines.groups",
    "pipelines.leading",
    "pipelines.watching",
    "pipelines.boxes",
    "pipelines.details",
    "pipelines.tokens",
    "pipelines.steps",
    "pipelines.types",
    "pipelines.errors",
    "pipelines.engine",
    "pipelines.families",  # what families are called
    "pipelines.sampling.samplers",
    "pipelines.prompts.grammar",
    "pipelines.prompts.things",  # the built-in model's world
    "pipelines.prompts.learned",  # names of learned words
    "pipelines.images",
    "pipelines.upscaling.plain",
    "pipelines.control.preprocessing",
    "pipelines.models.memory",  # arithmetic, for the line under the sizes
}


def imports(path: Path) -> set[str]:
    """Absolute names of all modules a file imports, inside functions too."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: relative import"
            names.add(node.module)
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def heads(names: set[str]) -> set[str]:
    return {name.split(".")[0] for name in names}


def files(*patterns: str) -> list[Path]:
    found = [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]
    assert found, patterns
    return found


def relative(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


@pytest.mark.parametrize("path", files("pipelines/**/*.py"), ids=relative)
def test_pipelines_know_no_page(path: Path) -> None:
    assert not heads(imports(path)) & {"gradio", "webui", "fastapi", "uvicorn", "starlette"}


@pytest.mark.parametrize("name", TORCH_FREE_PIPELINES)
def test_the_torch_free_row_imports_no_torch(name: str) -> None:
    assert not heads(imports(ROOT / name)) & HEAVY


@pytest.mark.parametrize("path", files("webui/**/*.py"), ids=relative)
def test_webui_imports_no_torch(path: Path) -> None:
    assert not heads(imports(path)) & HEAVY


@pytest.mark.parametrize("path", files("webui/**/*.py"), ids=relative)
def test_webui_sees_only_the_seam_of_pipelines(path: Path) -> None:
    if relative(path) in {"webui/commands/main.py", "webui/server.py"}:
        return  # the one place that names an engine
    names = {name for name in imports(path) if name.startswith("pipelines.")}
    modules = {".".join(name.split(".")[:3]) if name.count(".") > 1 else name for name in names}
    strangers = {
        name for name in modules if name not in SEEN_FROM_WEBUI and name.rpartition(".")[0] not in SEEN_FROM_WEBUI
    }
    assert strangers - {"pipelines.sampling", "pipelines.prompts"} == set()


@pytest.mark.parametrize("path", files("webui/**/*.py"), ids=relative)
def test_gradio_stays_in_its_room(path: Path) -> None:
    if not relative(path).startswith(("webui/ui/", "webui/server.py", "webui/commands/main.py")):
        assert not heads(imports(path)) & {"gradio"}


@pytest.mark.parametrize("path", files("webui/ui/**/*.py"), ids=relative)
def test_the_page_opens_no_files(path: Path) -> None:
    calls = [node.func for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call for call in calls if isinstance(call, ast.Name) and call.id == "open"]
    assert not [call for call in calls if isinstance(call, ast.Attribute) and ast.unparse(call) == "Image.open"]


@pytest.mark.parametrize("path", files("webui/**/*.py", "pipelines/**/*.py"), ids=relative)
def test_nobody_imports_the_command_line(path: Path) -> None:
    assert "webui.commands.main" not in imports(path)
