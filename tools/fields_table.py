"""The table of a request's fields in docs/metadata.md, from the fields themselves: `python -m tools.fields_table`."""

from __future__ import annotations

from pathlib import Path

from pipelines.fields import REQUIRED, Field
from pipelines.kinds import Choice, Number, Whole
from pipelines.types import REQUEST_FIELDS
from webui.words import label

PAGE = Path(__file__).resolve().parents[1] / "docs" / "metadata.md"
BEGIN, END = "<!-- fields: begin -->\n", "<!-- fields: end -->\n"


def values(one: Field) -> str:
    if one.switch:
        return "an object of its fields, or null: off"
    match one.kind:
        case Whole(low=low, high=high, step=step):
            return f"{low:,} to {high:,}" + (f", in steps of {step}" if step > 1 else "")
        case Number(low=low, high=high):
            return f"{low:g} to {high:g}"
        case Choice(choices=choices):
            return ", ".join(f"`{choice}`" for choice in choices)
        case _:
            return {"Picture": "hash of its pixels", "Flag": "true or false"}.get(type(one.kind).__name__, "text")


def table() -> str:
    rows = ["| field | in | values | left out | in `parameters` | on the page |", "|---|---|---|---|---|---|"]
    for one in REQUEST_FIELDS:
        holder = "request" if one.switch else one.group or "request"
        default = "off" if one.switch else "" if one.default in (None, "") else f"`{one.default}`"
        default = "must be given" if one.default is REQUIRED else default
        key = f"`{one.setting.infotext}`" if one.setting.infotext else ""
        shown = label(one.name, "en") if one.setting.page or one.setting.per_model else ""
        rows.append(f"| `{one.attribute}` | {holder} | {values(one)} | {default} | {key} | {shown} |")
    return "\n".join(rows) + "\n"


def written(text: str) -> str:
    """The page with the table as it should be."""
    before, _, rest = text.partition(BEGIN)
    return before + BEGIN + table() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
