"""Results for other programs and for people: CSV, a plot, and one HTML file with pictures and nothing fetched."""

from __future__ import annotations

import base64
import csv
import io
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

from PIL import Image

from pipelines.errors import Note, UnreadableImage
from webui.archive import pictures
from webui.lab.clip import METRIC
from webui.lab.effects import Effect, Number, Results
from webui.lab.experiments import Cell, Experiment
from webui.proof.measures import TRAITS
from webui.words import Language, say, translate
from webui.words.lab import REPORT_WORDS

THUMB = 192  # pixels a side, of a picture in the report
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # a spreadsheet would run what begins so

_STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1500px;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
.scroll{overflow-x:auto}.scroll table{font-size:13px}.scroll tbody th{min-width:9rem}
table{border-collapse:collapse;margin:1rem 0}td,th{padding:.3rem .6rem;border-bottom:1px solid #ddd;text-align:left}
td.n{font-variant-numeric:tabular-nums;white-space:nowrap}.pictures td{vertical-align:top}img{display:block;
max-width:192px;height:auto}p.note,small{color:#666}pre{white-space:pre-wrap;background:#f4f4f5;padding:.8rem}
.warning{background:#fff4d6;padding:.6rem}svg{max-width:100%;height:auto}
"""


def to_csv(results: Results) -> bytes:
    """One line a row of the table, UTF-8 with a mark so that spreadsheets know it."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\r\n")
    header = ["group", "row", "seeds"]
    for name in results.metrics:
        header += [
            name,
            f"{name} low",
            f"{name} high",
            f"{name} / floor",
            f"{name} / floor low",
            f"{name} / floor high",
        ]
    for name in TRAITS:
        header += [f"{name} change", f"{name} change low", f"{name} change high"]
    writer.writerow(header)
    floor = Effect(group=None, label=Note("lab_floor"), seeds=0, distances=results.floor)
    for effect in (floor, *results.effects):
        names = [harmless(say(one, "en")) if one is not None else "" for one in (effect.group, effect.label)]
        line: list[object] = [*names, effect.seeds or ""]
        for name in results.metrics:
            line += [*_three(effect.distances.get(name)), *_three(effect.against_floor.get(name))]
        for name in TRAITS:
            line += _three(effect.traits.get(name))
        writer.writerow(line)
    return file.getvalue().encode("utf-8-sig")


def harmless(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(_FORMULA) else text


def _three(number: Number | None) -> list[object]:
    if number is None:
        return ["", "", ""]
    return [_plain(number.mean), _plain(number.low), _plain(number.high)]


def _plain(value: float | None) -> str:
    return "" if value is None else f"{value:.6g}"


def shown(number: Number | None, digits: int = 3) -> str:
    """`0.12 (0.10 … 0.14)`; a dash for nothing."""
    if number is None:
        return "–"
    if number.low is None or number.high is None:
        return f"{number.mean:.{digits}f}"
    return f"{number.mean:.{digits}f} ({number.low:.{digits}f} … {number.high:.{digits}f})"


def to_svg(results: Results, metric: str, title: str, language: Language) -> str:
    """Bars with intervals, the largest first, and the noise floor as a band. Everything in it is escaped."""
    effects = sorted_by(metric, (effect for effect in results.effects if metric in effect.distances))
    floor_title = translate("lab_other_seed", language)
    floor = results.floor.get(metric)
    numbers = [effect.distances[metric] for effect in effects] + ([floor] if floor else [])
    top = max((number.high or number.mean for number in numbers), default=0) or 1.0
    left, width, high = 330, 420, 26
    height = high * len(effects) + 60

    def at(value: float) -> float:
        return left + min(max(value, 0) / top, 1) * width

    parts = [
        f'<svg viewBox="0 0 {left + width + 84} {height}" width="{left + width + 84}" height="{height}" role="img"'
        f' xmlns="http://www.w3.org/2000/svg" font-family="system-ui,sans-serif" font-size="13" fill="currentColor">'
        f"<title>{escape(title)}</title>"
    ]
    if floor is not None:
        low, end = (at(side if side is not None else floor.mean) for side in (floor.low, floor.high))
        parts.append(
            f'<rect x="{low:.1f}" y="4" width="{max(1.5, end - low):.1f}" height="{height - 44}" fill="#d97706"'
            f' opacity=".22"/><line x1="{at(floor.mean):.1f}" x2="{at(floor.mean):.1f}" y1="4" y2="{height - 40}"'
            f' stroke="#d97706" stroke-width="1.5"/><text x="{at(floor.mean):.1f}" y="{height - 24}"'
            f' text-anchor="middle" fill="#b45309">{escape(floor_title)}</text>'
        )
    for place, effect in enumerate(effects):
        parts.append(_bar(say(effect.full_label, language), effect, metric, 8 + place * high, at))
    parts.append(f'<text x="{left}" y="{height - 6}" opacity=".7">{escape(title)}</text></svg>')
    return "".join(parts)


def sorted_by(metric: str, effects: Iterable[Effect]) -> list[Effect]:
    """Variants before factors, each factor together, the largest first."""

    def key(effect: Effect) -> tuple[str, float]:
        distance = effect.distances.get(metric)
        return "" if effect.group is None else say(effect.group, "en"), 1.0 if distance is None else -distance.mean

    return sorted(effects, key=key)


def _bar(label: str, effect: Effect, metric: str, top: float, at: Callable[[float], float]) -> str:
    number, left = effect.distances[metric], at(0)
    cut = label if len(label) <= 46 else label[:45] + "…"
    middle, end = top + 9, at(number.mean)
    whisker = ""
    if number.low is not None and number.high is not None:
        low, high = at(number.low), at(number.high)
        whisker = (
            f'<path d="M{low:.1f} {middle}H{high:.1f}M{low:.1f} {middle - 4}v8M{high:.1f} {middle - 4}v8"'
            ' stroke="currentColor" stroke-width="1.5" fill="none"/>'
        )
    after = max(end, at(number.high) if number.high is not None else end) + 6
    return (
        f'<text x="{left - 8}" y="{middle + 4}" text-anchor="end"><title>{escape(label)}</title>{escape(cut)}</text>'
        f'<rect x="{left}" y="{top}" width="{max(0.5, end - left):.1f}" height="18" rx="2" fill="#059669"'
        f' opacity="{0.55 if effect.group else 0.85}"/>{whisker}'
        f'<text x="{after:.1f}" y="{middle + 4}">{number.mean:.3f}</text>'
    )


def to_html(
    experiment: Experiment,
    results: Results,
    cells: Sequence[tuple[Cell, Path | None]],
    language: Language = "en",
) -> bytes:
    """The whole report in one file. Every word of a person is escaped; pictures are inside; nothing can run."""
    base, told = experiment.base, _spoken(language)
    settings = (
        f"{told('model')} {base.model} · {base.sampler}, {base.schedule} · {base.steps} {told('steps')} ·"
        f" {told('guidance')} {base.guidance:g} · {base.width} × {base.height} ·"
        f" {told('seed')} {', '.join(map(str, experiment.paired_seeds))}"
    )
    reference = say(results.reference, language)
    counted = told("counted", measured=results.measured, cells=results.cells, reference=reference)
    parts = [
        f'<!doctype html><html lang="{"zh-CN" if language == "zh" else "en"}"><meta charset="utf-8">',
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:;'
        " style-src 'unsafe-inline'\">",
        f"<title>{escape(experiment.name)}</title><style>{_STYLE}</style><h1>{escape(experiment.name)}</h1>",
        f"<pre>{escape(base.prompt)}</pre>",
        f"<p>{told('negative')}: {escape(base.negative_prompt)}</p>" if base.negative_prompt else "",
        f'<p class="note">{escape(settings)}</p>',
        f"<p>{escape(counted)}</p>",
        _warning(results, language),
        f'<p class="note">{escape(told("encoder", name=results.encoder))}</p>' if results.encoder else "",
        *(to_svg(results, name, told(name), language) for name in _drawn(results)),
        _table(results, language),
        f"<h2>{told('pictures')}</h2>",
        _picture_table(cells, language),
        f'<p class="note">{told("made")}</p></html>',
    ]
    return "\n".join(part for part in parts if part).encode()


def _drawn(results: Results) -> list[str]:
    """The distances that the report draws and holds to the noise floor."""
    return [name for name in ("ms_ssim", METRIC) if name in results.metrics]


def _spoken(language: Language) -> Callable[..., str]:
    """The words of a report by their keys."""

    def told(key: str, **values: object) -> str:
        return REPORT_WORDS[key][language == "zh"].format(**values)

    return told


def _warning(results: Results, language: Language) -> str:
    if len(results.setups) < 2:
        return ""
    listed = "".join(f"<li>{escape(setup)}</li>" for setup in results.setups)
    return f'<div class="warning">{_spoken(language)("setups")}<ul>{listed}</ul></div>'


def _table(results: Results, language: Language) -> str:
    told, drawn = _spoken(language), _drawn(results)
    ratios = [told("ratio", distance=told(name).removeprefix("1 − ")) for name in drawn]
    heads = ["", told("seeds"), *map(told, results.metrics), *ratios, *(f"Δ {told(name)}" for name in TRAITS)]
    floor = Effect(group=None, label=Note("lab_floor"), seeds=0, distances=results.floor)
    rows = [
        _row(say(effect.full_label, language), effect, results.metrics, drawn) for effect in (floor, *results.effects)
    ]
    head = "".join(f"<th>{escape(one)}</th>" for one in heads)
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'


def _row(label: str, effect: Effect, metrics: Sequence[str], drawn: Sequence[str]) -> str:
    values = [str(effect.seeds or "–"), *(shown(effect.distances.get(name)) for name in metrics)]
    values += [shown(effect.against_floor.get(name), 2) for name in drawn]
    values += [shown(effect.traits.get(name)) for name in TRAITS]
    return f"<tr><th>{escape(label)}</th>" + "".join(f'<td class="n">{escape(one)}</td>' for one in values) + "</tr>"


def _picture_table(cells: Sequence[tuple[Cell, Path | None]], language: Language) -> str:
    rows = list(dict.fromkeys(cell.row for cell, _ in cells))
    columns = list(dict.fromkeys(cell.column for cell, _ in cells))
    places = {(cell.row, cell.column): (cell, path) for cell, path in cells}
    head = "".join(f"<th>{escape(say(column, language))}</th>" for column in columns)
    body = []
    for row in rows:
        shown_cells = "".join(
            f"<td>{_picture(*places[row, column], language)}</td>" for column in columns if (row, column) in places
        )
        body.append(f"<tr><th>{escape(say(row, language))}</th>{shown_cells}</tr>")
    return f'<table class="pictures"><thead><tr><th></th>{head}</tr></thead><tbody>{"".join(body)}</tbody></table>'


def _picture(cell: Cell, path: Path | None, language: Language) -> str:
    told = _spoken(language)
    words = escape(f"{cell.request.prompt} · {told('seed')} {cell.seed}", quote=True)
    if path is None:
        return f"<small>{told('missing')}: {words}</small>"
    try:
        image = pictures.read(path)
    except UnreadableImage:
        return f"<small>{told('unreadable')}: {words}</small>"
    image.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=88, subsampling=0)
    data = base64.b64encode(buffer.getvalue()).decode("ascii")
    return f'<img src="data:image/jpeg;base64,{data}" alt="{words}" title="{words}">'
