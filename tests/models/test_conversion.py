"""Old pickles become safetensors in a child process; hostile ones leave no mark and get one sentence."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ModelError, Note, StorageError
from pipelines.models import conversion
from pipelines.models.checkpoints import identify, scan
from pipelines.models.conversion import CHILD, Limits, convert, converted_path, loadable, refusal_path
from pipelines.models.files.remembering import Memory

torch = pytest.importorskip("torch")
from safetensors.torch import load_file  # noqa: E402

from tests.models import hostile  # noqa: E402
from tests.models.files import checkpoint  # noqa: E402
from webui.words import say  # noqa: E402

pytestmark = pytest.mark.torch
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="one process for all needs fork")


def run_all(folder: Path, files: dict[str, bytes]) -> dict[str, dict[str, Any]]:
    """name -> the child's answer, with its exit status."""
    jobs = []
    for number, (name, data) in enumerate(files.items()):
        source = folder / f"{number}.ckpt"
        source.write_bytes(data)
        jobs.append((name, str(source), str(folder / f"{number}.part")))
    listing = folder / "jobs.json"
    listing.write_text(json.dumps([job[1:] for job in jobs]), encoding="utf-8")
    script = Path(__file__).with_name("convert_many.py")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-I", "-B", script, CHILD, listing],
        capture_output=True,
        env=environment,
        cwd=folder,
        timeout=300,
        check=True,
    )
    answers: dict[str, dict[str, Any]] = {}
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith(b"{")]
    names = {source: name for name, source, _ in jobs}
    said: dict[str, Any] = {}
    for line in lines:
        if "source" in line:
            answers[names[line["source"]]] = {**said, "status": line["status"]}
            said = {}
        else:
            said = line
    for name, _, target in jobs:
        answers[name]["target"] = Path(target)
    return answers


@pytest.mark.fault(13)
@pytest.mark.attack(7, 8, 19, 20)
@forks
def test_hostile_files_leave_no_mark_and_get_one_sentence(tmp_path: Path) -> None:
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    canary = tmp_path / "a" / "canary"
    files = hostile.hostile_files(canary)
    answers = run_all(place, {name: data for name, (data, _) in files.items()})
    assert answers.keys() == files.keys()
    for name, (_, words) in files.items():
        refused = answers[name].get("refused")
        assert refused is not None, (name, answers[name])
        sentence = say(Note.from_json(refused), "en")
        assert words in sentence, (name, sentence)
        assert sentence.endswith("."), (name, sentence)
        assert len(sentence) < 250, (name, sentence)
        assert "\n" not in sentence, name
        assert answers[name]["status"] == 0, name
    assert not canary.exists()
    allowed = {".ckpt", ".part", ".json"}
    assert all(path.suffix in allowed for path in tmp_path.rglob("*") if path.is_file())


@forks
def test_the_canaries_sing_where_pickles_are_opened(tmp_path: Path) -> None:
    """The hostile files are real: opened the old way, they do what they are made for."""
    canary = tmp_path / "canary"
    for name in ("os.system in a zip", "exec", "a pickle in a pickle", "nested deep", "a process"):
        path = tmp_path / "x.ckpt"
        path.write_bytes(hostile.hostile_files(canary)[name][0])
        torch.load(path, weights_only=False)
        assert canary.exists(), name
        canary.unlink()


@forks
def test_honest_files_come_out_bit_for_bit(tmp_path: Path) -> None:
    files = hostile.harmless_files()
    answers = run_all(tmp_path, {name: data for name, (data, _) in files.items()})
    for name, (_, expected) in files.items():
        assert "tensors" in answers[name], (name, answers[name])
        found = load_file(answers[name]["target"])
        assert found.keys() == expected.keys(), name
        for key, tensor in expected.items():
            assert found[key].dtype == tensor.dtype, (name, key)
            assert torch.equal(found[key], tensor), (name, key)


def test_a_learned_word_in_a_table_of_parameters(tmp_path: Path) -> None:
    """Users of another program met it (AUTOMATIC1111/stable-diffusion-webui, issue 44). The numbers are the same."""
    folder = Path(__file__).parents[1] / "data" / "cases" / "11"
    plain, table = (load_file(convert(folder / f"{name}.pt", tmp_path)) for name in ("a1word", "pdword"))
    assert plain.keys() == table.keys() == {"emb_params"}
    assert torch.equal(plain["emb_params"], table["emb_params"])


def write_checkpoint(path: Path) -> dict[str, Any]:
    tensors = {
        name: torch.arange(torch.Size(shape).numel() or 1, dtype=torch.float16).reshape(shape)
        for name, shape in checkpoint().items()
    }
    torch.save({"state_dict": tensors, "epoch": 1}, path)
    return tensors


def test_a_checkpoint_is_converted_once_and_known_after(tmp_path: Path) -> None:
    path = tmp_path / "old.ckpt"
    tensors = write_checkpoint(path)
    before, memory = path.read_bytes(), Memory()
    (info,) = scan([tmp_path], memory)
    assert (info.layout, info.kind, info.problem) == ("pickle", "unknown", None)

    starts: list[int] = []
    target = convert(path, on_start=lambda: starts.append(1))
    found = load_file(target)
    assert found.keys() == tensors.keys()
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors.items())
    assert path.read_bytes() == before
    assert target.parent == tmp_path / ".converted"
    assert [file.name for file in target.parent.iterdir()] == [target.name]  # no part file stays

    (info,) = scan([tmp_path], memory)
    assert (info.name, info.layout, info.kind, info.family) == ("old", "pickle", "checkpoint", "sd1")
    assert (info.path, info.bytes, info.dtype) == (str(path), len(before), "float16")
    assert identify(path).family == "sd1"
    assert loadable(info) == convert(path, on_start=lambda: starts.append(1)) == target
    assert starts == [1]


def test_a_hostile_file_is_refused_once_and_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    canary, path, memory = tmp_path / "canary", tmp_path / "evil.ckpt", Memory()
    path.write_bytes(hostile.hostile_files(canary)["os.system in a zip"][0])
    assert scan([tmp_path], memory)[0].problem is None
    with pytest.raises(ModelError, match=r"evil\.ckpt.*pickle_code\(name='(posix|nt)\.system'") as first:
        convert(path)
    assert not canary.exists()
    (info,) = scan([tmp_path], memory)
    assert info.problem is not None
    assert first.value.note == Note("inside", name="evil.ckpt", reason=info.problem)

    def never(*arguments: Any, **named: Any) -> None:
        raise AssertionError("opened again")

    monkeypatch.setattr(conversion.subprocess, "Popen", never)
    with pytest.raises(ModelError, match="pickle_code"):
        convert(path)


def test_a_changed_file_is_converted_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    stale = converted_path(path, path.stat().st_size, path.stat().st_mtime_ns)
    stale.parent.mkdir()
    stale.write_bytes(b"x")
    assert convert(path) == stale
    os.utime(path, ns=(1, 1))
    with pytest.raises(ModelError, match=r"x\.ckpt.*pickle_(damaged|no_end)"):
        convert(path)


def test_a_conversion_that_takes_too_long_is_stopped(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    write_checkpoint(path)
    with pytest.raises(ModelError, match=r"conversion_slow"):
        convert(path, limits=Limits(seconds=0))
    target = converted_path(path, path.stat().st_size, path.stat().st_mtime_ns)
    assert not refusal_path(target).exists()  # the machine was slow: the file is tried again
    assert list(target.parent.iterdir()) == []


def test_leftovers_of_a_killed_program_are_swept(tmp_path: Path) -> None:
    path = tmp_path / "x.ckpt"
    path.write_bytes(hostile.zipped({"a": 1}))
    folder = tmp_path / ".converted"
    folder.mkdir()
    for name, age in (("old.part", 2 * 86_400), ("fresh.part", 60)):
        (folder / name).write_bytes(b"x")
        os.utime(folder / name, (time.time() - age,) * 2)
    with pytest.raises(ModelError, match="pickle_no_weights"):
        convert(path)
    assert sorted(file.suffix for file in folder.iterdir()) == [".part", ".txt"]
    assert (folder / "fresh.part").exists()


def test_what_is_no_pickle_is_not_converted(tmp_path: Path) -> None:
    path = tmp_path / "page.ckpt"
    path.write_bytes(b"<!DOCTYPE html>" + b" " * 100)
    with pytest.raises(ModelError, match=r"page\.ckpt.*file_web_page"):
        convert(path)
    with pytest.raises(ModelError, match="file_unreadable_because"):
        convert(tmp_path / "gone.ckpt")
    assert not (tmp_path / ".converted").exists()


def test_too_little_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.ckpt"
    write_checkpoint(path)
    usage = type("Usage", (), {"free": 10})
    monkeypatch.setattr(conversion.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(StorageError, match=r"conversion_room"):
        convert(path)


def test_a_copy_that_differs_is_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The copy is read back by other code than wrote it: one flipped bit is found."""
    path = tmp_path / "x.ckpt"
    write_checkpoint(path)
    original = conversion._run_child

    def flipped(source: Path, part: Path, size: int, limits: Limits) -> dict[str, Any]:
        tensors = original(source, part, size, limits)
        data = bytearray(part.read_bytes())
        data[-1] ^= 1
        part.write_bytes(data)
        return tensors

    monkeypatch.setattr(conversion, "_run_child", flipped)
    with pytest.raises(ModelError, match="conversion_other"):
        convert(path)
    assert list((tmp_path / ".converted").iterdir()) == []


ATTEMPTS = {
    "socket": "import socket; socket.socket()",
    "connection": "socket.create_connection(('127.0.0.1', 9))",
    "name look-up": "socket.getaddrinfo('localhost', 80)",
    "shell": "os.system('true')",
    "process": "subprocess.run(['true'])",
    "fork": "os.fork()",
    "exec": "os.execv('/bin/true', ['true'])",
    "write": "open(target, 'w')",
    "append": "open(target, 'ab')",
    "low write": "os.open(target, os.O_WRONLY | os.O_CREAT)",
    "remove": "os.remove(target)",
    "rename": "os.rename(target, target + '2')",
    "make folder": "os.mkdir(target + '.d')",
    "import": "import antigravity",
    "run text": "exec('1')",
    "unpickle": "pickle.loads(evil)",
    "library": "ctypes.CDLL(None)",
}


@pytest.mark.fault(13)
@pytest.mark.attack(20)
@pytest.mark.skipif(sys.platform == "win32", reason="the attempts are written for POSIX")
def test_the_child_can_do_nothing_else(tmp_path: Path) -> None:
    """Every attempt fails, and the one thing allowed, reading, works."""
    target = tmp_path / "kept"
    target.write_text("as it was", encoding="utf-8")
    codes = {name: compile(text, name, "exec") for name, text in ATTEMPTS.items()}
    assert codes.keys() == ATTEMPTS.keys()
    script = f"""
import sys; sys.path.insert(0, {str(CHILD.parent)!r})
import ctypes, json, os, pickle, socket, subprocess
import conversion_child as child
child.leave_the_network()
target, evil = {str(target)!r}, pickle.dumps(os.getcwd)
codes = {{name: compile(text, name, "exec") for name, text in {ATTEMPTS!r}.items()}}
def attempt(code):
    try: eval(code)
    except child.Refused: return "refused"
    except BaseException as error: return repr(error)
    return "done"
attempts = {{}}
with open("/proc/net/dev") as file: networks = [line.split(":")[0].strip() for line in file if ":" in line]
own = list(codes.values())
def hook(event, arguments):
    if event != "exec" or arguments[0] not in own: child.forbid(event, arguments)
sys.addaudithook(hook)
for name, code in codes.items(): attempts[name] = attempt(code)
with open(target) as file: text = file.read()
print(json.dumps([attempts, text, networks]))
"""
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    attempts, text, networks = json.loads(done.stdout)
    assert attempts == dict.fromkeys(ATTEMPTS, "refused")
    assert text == "as it was"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["kept"]
    if can_leave_the_network():
        assert networks == ["lo"]


def can_leave_the_network() -> bool:
    return subprocess.run(["unshare", "-U", "-n", "true"], capture_output=True).returncode == 0
