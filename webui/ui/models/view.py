"""The Models tab's list and anatomy as the browser gets them. File names are a stranger's: all is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from pipelines import families
from pipelines.errors import Note
from pipelines.models.memory import FAMILIES, GB, OVERHEAD, Size, Ways, peak, shape_of
from pipelines.types import BUILT_IN, EngineState, ModelInfo, ModelPart
from webui.networks.cards import identity
from webui.proof.resources import altered
from webui.ui.generate.handlers import escaped
from webui.ui.generate.memory_line import told
from webui.words import WORDS, Language, model_title, say, translate
from webui.words.models import NAMES

SHORT_HASH = 10  # digits: what other programs call AutoV2


def kind_of(info: ModelInfo) -> str:
    if info.kind == "unknown" and info.layout == "pickle" and info.problem is None:
        return "pickle"
    return info.kind


def usable(info: ModelInfo) -> bool:
    """As the model of a request."""
    return info.problem is None and kind_of(info) in {"checkpoint", "pickle"}


def unreadable(info: ModelInfo) -> bool:
    return info.kind == "unknown" and info.problem is not None


def troubles(info: ModelInfo) -> list[Note]:
    """Why it is of no use here, and that its bytes changed."""
    return [note for note in (info.problem, altered(info)) if note is not None]


def listed(models: Iterable[ModelInfo], uses: Mapping[str, float], language: Language) -> list[dict[str, Any]]:
    """For `ModelList`: what can be used first, unreadable ones last, as they are named within."""
    order = sorted(models, key=lambda info: (not usable(info), info.problem is not None, unreadable(info)))
    return [_item(info, uses.get(info.name), language) for info in order]


def _item(info: ModelInfo, used: float | None, language: Language) -> dict[str, Any]:
    hashing = info.sha256 is None and not unreadable(info)
    return {
        "id": identity(info),
        "name": model_title(info.name, language),
        "kind": kind_of(info),
        "title": _known("kind", kind_of(info), language),
        "family": family_title(info, language),
        "size": size_text(info.bytes),
        "hash": info.sha256[:SHORT_HASH] if info.sha256 else None,
        "hashing": hashing,
        "used": day(used),
        "problem": "".join(say(note, language) for note in troubles(info)[:1]),
    }


def family_title(info: ModelInfo, language: Language) -> str:
    names = [name for name in info.fits or (info.family,) if name in families.ALL]  # a VAE may be for several
    title = " / ".join(
        translate(f"family_{name}", language) if name in BUILT_IN else families.of(name).title for name in names
    )
    return f"{title} · {info.variant}" if title and info.variant else title or info.variant


def _known(group: str, name: str, language: Language) -> str:
    key = f"{group}_{name}"
    return translate(key, language) if key in WORDS else NAMES.get(key, name)


def size_text(count: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if count >= unit:
            return f"{count / unit:.2f} {name}" if unit == 10**9 else f"{count / unit:.0f} {name}"
    return f"{count} B"


def day(used: float | None) -> str:
    return "" if used is None else datetime.fromtimestamp(used).astimezone().strftime("%Y-%m-%d %H:%M")


def anatomy(
    info: ModelInfo, parts: tuple[ModelPart, ...] | Note, used: float | None, state: EngineState, language: Language
) -> str:
    """A model as HTML. `parts`: what it is made of, or why that cannot be told."""

    rows = [("model_problem", say(note, language)) for note in troubles(info)]
    rows += [
        ("model_kind", _known("kind", kind_of(info), language)),
        ("model_family", family_title(info, language)),
    ]
    if info.kind == "checkpoint" and info.family != "unknown":
        rows += [("model_native", f"{info.native_size} × {info.native_size}")]
        rows += [("prediction_type", _prediction(info, language))]
        rows += [("model_memory", _memory(info, state, language))]
    rows += [
        ("model_dtype", info.dtype),
        ("model_size", size_text(info.bytes)),
        ("model_layout", translate(f"layout_{info.layout}", language)),
        ("model_used", day(used) or translate("model_never", language)),
        ("model_hash", info.sha256 or ("" if unreadable(info) else translate("model_hashing", language))),
        ("model_path", "" if info.builtin else info.path),
    ]
    head = model_title(info.name, language)
    table = "".join(
        f"<tr><th>{escaped(translate(key, language))}</th><td>{escaped(text)}</td></tr>" for key, text in rows if text
    )
    return (
        f'<h3 class="model-name">{escaped(head)}</h3>{_parts(parts, language)}<table class="settings">{table}</table>'
    )


def _prediction(info: ModelInfo, language: Language) -> str:
    if info.prediction_type is None:
        return "" if info.builtin else translate("prediction_type_unsaid", language)
    text = _known("prediction_type", info.prediction_type, language)
    return f"{text}, {translate('zero_terminal_snr', language)}" if info.zero_terminal_snr else text


def _memory(info: ModelInfo, state: EngineState, language: Language) -> str:
    """What a picture of its own size takes, and whether that fits here."""
    if info.family not in FAMILIES:
        return told(state, info, {}, language)
    side = info.native_size
    shape = shape_of(info.family, bytes_per_number=4 if state.dtype == "float32" else 2)
    most = peak(shape, Size(width=side, height=side), Ways()) + OVERHEAD
    need = translate("model_memory_need", language, gigabytes=f"{most / GB:.1f}", side=side)
    fields = {"width": side, "height": side, "batch_size": 1, "guidance": info.guidance}
    return " · ".join(text for text in (need, told(state, info, fields, language)) if text)


def _parts(parts: tuple[ModelPart, ...] | Note, language: Language) -> str:
    if isinstance(parts, Note):
        return f'<p class="note">{escaped(say(parts, language))}</p>'
    rows = [
        (
            _known("part" if f"part_{part.name}" in {*WORDS, *NAMES} else "kind", part.name, language),
            count_text(part.parameters),
            size_text(part.bytes),
            part.dtype,
        )
        for part in parts
    ]
    if len(parts) > 1:
        together = sum(part.parameters for part in parts), sum(part.bytes for part in parts)
        rows.append((translate("part_total", language), count_text(together[0]), size_text(together[1]), ""))
    names = (translate(key, language) for key in ("model_part", "model_parameters", "model_bytes", "model_dtype"))
    head = "".join(f"<th>{escaped(name)}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<table class="parts"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>' if parts else ""


def count_text(count: int) -> str:
    """123 M, as models are spoken of."""
    for unit, name in ((10**9, "B"), (10**6, "M"), (10**3, "K")):
        if count >= unit:
            return f"{count / unit:.2f} {name}" if unit == 10**9 else f"{count / unit:.0f} {name}"
    return str(count)
