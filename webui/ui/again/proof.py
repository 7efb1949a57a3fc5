"""Pictures made again and compared: what differs, side by side."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pipelines.errors import Note
from webui.proof.remade import DIFFERENCE, NOW, Remade
from webui.proof.sweep import AgainReport, amplification
from webui.ui.generate.handlers import escaped
from webui.words import Language, say, translate

BEFORE = "before"
ROUTE = "/history/verify"


def pair_html(remade: Remade, job: str, place: int, report: AgainReport, language: Language) -> str:
    """The file's picture, the one made now, and the difference made visible; nothing when they are not kept."""
    if report.identical or remade.find(job, place, NOW) is None:
        return ""
    shown = [(BEFORE, translate("proof_before", language)), (NOW, translate("proof_now", language))]
    if remade.find(job, place, DIFFERENCE) is not None:
        factor = amplification(report.max_difference)
        shown.append((DIFFERENCE, translate("proof_difference", language, factor=factor)))
    figures = "".join(
        f'<figure><a href="{url}" target="_blank" rel="noopener"><img src="{url}" loading="lazy" alt="{escaped(told)}">'
        f"</a><figcaption>{escaped(told)}</figcaption></figure>"
        for url, told in ((f"{ROUTE}/{job}/{place}/{which}", told) for which, told in shown)
    )
    return f'<div class="proof-pair">{figures}</div>'


def notes_html(notes: Iterable[Note], language: Language) -> str:
    """What became of the files a picture was made with."""
    return "".join(f'<p class="again-note">{escaped(say(note, language))}</p>' for note in notes)


def barred_html(why: Note | None, language: Language) -> str:
    """Why a picture cannot be made again, before it is asked for."""
    if why is None:
        return ""
    head = escaped(translate("again_cannot", language))
    return f'<p class="again-note" data-result="cannot"><b>{head}</b>: {escaped(say(why, language))}</p>'


def report_html(report: AgainReport, language: Language, pair: str = "") -> str:
    """`identical`, or how far it differs and which recorded fact differs, with the `pair_html` of the two."""
    name = f'<p class="note">{escaped(Path(report.path).name)}</p>'
    if report.cannot is not None:
        head, told = escaped(translate("again_cannot", language)), escaped(say(report.cannot, language))
        return f'<div class="report fault" data-result="cannot"><b>{head}</b><p>{told}</p>{name}</div>'
    note = notes_html(report.notes, language) + name
    if report.identical:
        head, detail = (escaped(translate(key, language)) for key in ("again_identical", "again_identical_detail"))
        return f'<div class="report same" data-result="identical"><b>{head}</b><p>{detail}</p>{note}</div>'
    head = translate("again_differs", language, count=f"{report.different_pixels:,}", max=report.max_difference)
    because = "".join(f"<li>{escaped(say(one, language))}</li>" for one in report.because)
    title = escaped(translate("again_because", language))
    return (
        f'<div class="report other" data-result="differs"><b>{escaped(head)}</b><p>{_measures(report)}</p>'
        f"<p>{title}</p><ul>{because}</ul>{note}{pair}</div>"
    )


def _measures(report: AgainReport) -> str:
    """Signs and numbers: the same in every language."""
    found = [f"Ø {report.mean_difference:.2f}"]
    found += [f"PSNR {report.psnr:.1f} dB"] if report.psnr is not None else []
    found += [f"SSIM {report.ssim:.4f}"] if report.ssim is not None else []
    return " · ".join(found)
