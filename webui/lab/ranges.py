"""How values of an axis are written: `1-10`, `1-10 (+2)`, `1-10 [5]`, and lists of these with commas."""

from __future__ import annotations

import csv
import math
import re
from decimal import Decimal

from pipelines.errors import InvalidRequest
from pipelines.kinds import shown

VALUES_LIMIT = 1000  # of one axis
_NUMBER = r"[+-]?\s*(?:\d+(?:\.\d*)?|\.\d+)"
_RANGE = re.compile(
    rf"\s*(?P<first>{_NUMBER})\s*-\s*(?P<last>{_NUMBER})"
    rf"\s*(?:\(\s*(?P<step>[+-]\s*{_NUMBER.removeprefix('[+-]?')})\s*\)|\[\s*(?P<count>\d{{1,6}})\s*\])?\s*"
)
_PLAIN = re.compile(rf"\s*{_NUMBER}\s*")


def numbers(text: str, field: str, *, whole: bool = False) -> tuple[float, ...]:
    """The numbers that `text` stands for, in order, each once; `whole` gives ints. Raises InvalidRequest."""
    found: list[Decimal] = []
    for part in text.split(","):
        if not part.strip():
            continue
        if _PLAIN.fullmatch(part):
            found.append(_decimal(part))
        elif (match := _RANGE.fullmatch(part)) is not None:
            found += _spread(match, field, whole)
        else:
            raise InvalidRequest(field, "range_numbers", value=shown(part.strip()))
        if len(found) > VALUES_LIMIT:
            raise InvalidRequest(field, "range_too_many", limit=VALUES_LIMIT)
    if not found:
        raise InvalidRequest(field, "range_empty")
    if whole and any(number != number.to_integral_value() for number in found):
        raise InvalidRequest(field, "range_whole", value=shown(text.strip()))
    return tuple(dict.fromkeys(int(number) if whole else float(number) for number in found))


def words(text: str) -> tuple[str, ...]:
    """Texts between commas; one that holds commas itself stands in double quotes."""
    rows = list(csv.reader([" ".join(text.splitlines())], skipinitialspace=True))
    return tuple(dict.fromkeys(item.strip() for item in rows[0])) if rows else ()


def _decimal(text: str) -> Decimal:
    return Decimal(re.sub(r"\s", "", text))


def _spread(match: re.Match[str], field: str, whole: bool) -> list[Decimal]:
    first, last = _decimal(match["first"]), _decimal(match["last"])
    if match["count"] is not None:
        return _evenly(first, last, int(match["count"]), field, whole)
    step = _decimal(match["step"]) if match["step"] else Decimal(1 if last >= first else -1)
    if step == 0 or (last - first) * step < 0:
        raise InvalidRequest(field, "range_step", first=str(first), last=str(last), value=f"{step:+}")
    count = math.floor((last - first) / step) + 1
    if count > VALUES_LIMIT:
        raise InvalidRequest(field, "range_too_many", limit=VALUES_LIMIT)
    return [first + step * place for place in range(count)]  # decimals: 0.1 + 0.2 is 0.3 here


def _evenly(first: Decimal, last: Decimal, count: int, field: str, whole: bool) -> list[Decimal]:
    """`count` numbers from first to last, both included; whole ones rounded to the nearest."""
    if not 1 <= count <= VALUES_LIMIT:
        raise InvalidRequest(field, "range_count", limit=VALUES_LIMIT, value=count)
    if count == 1:
        return [first]
    spread = [first + (last - first) * place / (count - 1) for place in range(count)]
    if whole:
        return [number.quantize(Decimal(1)) for number in spread]
    return [round(number, 6) for number in spread]
