"""What may be asked of the index, as SQL. Everything a visitor typed is a parameter, never a part of the statement.

Full text: SQLite's FTS5 with `unicode61` over prompts in which every Chinese, Japanese or Korean character stands
alone. A run of them is then searched as a phrase, so one, two or four are found wherever they stand. The `trigram`
tokenizer finds nothing shorter than three characters, and most Chinese words have two.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Literal, get_args

from pipelines.errors import InvalidRequest

Sort = Literal["newest", "oldest", "rating", "score", "largest"]
SORTS: tuple[str, ...] = get_args(Sort)
WORDS_LIMIT = 500  # characters
TERMS_LIMIT = 32
TAG_LIMIT = 60  # characters
RATINGS = 5

TOKENIZER = "unicode61 remove_diacritics 2 categories 'L* N* Co So'"
_ALONE = re.compile(
    "[\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
    "\u2600-\u27bf\U0001f000-\U0001faff\U00020000-\U0003ffff]"
)
_TERM = re.compile(r'(-?)(?:"([^"]*)"?|([^\s"]+))')
_PLACES = 2**20  # pictures made in one millisecond that can be told apart
_LAST = 2**43 - 1  # milliseconds: in the year 2248; later times count as this one, so that 64 bits hold the number


def spaced(text: str) -> str:
    """Text as the index holds it: compatibility forms made one, characters that are words by themselves set apart."""
    return _ALONE.sub(r" \g<0> ", unicodedata.normalize("NFKC", text))


def numbers_of(moment: float) -> range:
    """What pictures made in this millisecond (`moment`: seconds since 1970) have as numbers: the index's order is that
    of the times in the files, so an older file that is noticed late does not become the newest. Where a clock was set
    back a picture has a number of a later time, and never one of an earlier."""
    first = int(min(max(moment, 0) * 1000, _LAST)) * _PLACES
    return range(first, first + _PLACES)


@dataclass(frozen=True, kw_only=True, slots=True)
class Matches:
    """FTS5 expressions: what must be found and what must not. None: nothing was asked."""

    wanted: str | None = None
    unwanted: str | None = None


def matches(words: str) -> Matches:
    """`red star` finds prompts with words that begin so; `"red star"` the phrase; `-night` leaves out."""
    wanted: list[str] = []
    unwanted: list[str] = []
    for minus, quoted, plain in _TERM.findall(words[:WORDS_LIMIT])[:TERMS_LIMIT]:
        if text := _searched(quoted or plain):
            (unwanted if minus else wanted).append(f'"{text}"' if quoted else f'"{text}" *')
    return Matches(wanted=" AND ".join(wanted) or None, unwanted=" OR ".join(unwanted) or None)


def _searched(text: str) -> str:
    """As the index holds it; "" where nothing in it can be searched for."""
    found = " ".join(spaced(text.replace("\0", "")).replace('"', " ").split())
    is_word = any(unicodedata.category(one)[0] in "LN" or _ALONE.match(one) for one in found)
    return found if is_word else ""


def terms_of(words: str) -> list[str]:
    """What must be found, term by term."""
    found = _TERM.findall(words[:WORDS_LIMIT])[:TERMS_LIMIT]
    return [quoted or plain for minus, quoted, plain in found if not minus and _searched(quoted or plain)]


Groups = Sequence[tuple[tuple[str, ...], tuple[str, ...]]]  # terms that belong together, and their other names


def by_other_names(groups: Groups) -> str | None:
    """An FTS5 expression: of each group its terms, or one of its other names, whose words must all be there as they
    are. None where no group has other names."""
    if not any(names for _, names in groups):
        return None
    found = []
    for terms, names in groups:
        ways = [[f'"{_searched(term)}" *' for term in terms]]
        ways += [[f'"{text}"' for word in name.split() if (text := _searched(word))] for name in names]
        found.append(" OR ".join(f"({' AND '.join(way)})" for way in ways if way))
    return " AND ".join(f"({one})" for one in found)


@dataclass(frozen=True, kw_only=True, slots=True)
class Query:
    """Filters that all must hold; None or "" asks for nothing. Raises InvalidRequest."""

    words: str = ""
    groups: Groups = ()  # found by these other names of the words instead, and not by the words themselves
    model: str = ""
    sampler: str = ""
    task: str = ""
    kind: str = ""  # "image" or "grid"
    width: int | None = None
    height: int | None = None
    since: date | None = None  # days of this machine's time zone, both inclusive
    until: date | None = None
    seed: int | None = None
    rating: int = 0  # at least
    tag: str = ""
    lora: bool = False  # only those whose prompt names one
    proof: str = ""  # one of `entries.VERDICTS`
    trashed: bool = False
    sort: Sort = "newest"

    def __post_init__(self) -> None:
        if self.sort not in SORTS:
            raise InvalidRequest("sort", "choice", choices=SORTS, value=str(self.sort)[:40])
        if self.proof and self.proof not in _PROVED:
            raise InvalidRequest("proof", "choice", choices=tuple(_PROVED), value=str(self.proof)[:40])
        if not 0 <= self.rating <= RATINGS:
            raise InvalidRequest("rating", "whole_number", low=0, high=RATINGS, value=self.rating)
        for name in ("width", "height", "seed"):
            value = getattr(self, name)
            if value is not None and not 0 <= value < 2**63:
                raise InvalidRequest(name, "whole_number", low=0, high=2**63 - 1, value=value)


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A page of numbers, or their count."""

    sql: str
    values: tuple[object, ...]


_VALUE = {
    "newest": "0",
    "oldest": "0",
    "rating": "coalesce((SELECT rating FROM marks.ratings WHERE mark = images.mark), 0)",
    "score": "coalesce((SELECT cast((score + 1) * 1e9 AS INTEGER) FROM marks.scores WHERE mark = images.mark), 0)",
    "largest": "images.width * images.height",
}
# as `entries.Entry` tells it of one: only our own single pictures can be made again
_CAN = "(images.kind = 'image' AND substr(images.mark, 1, 2) = 'p:')"
_FOUND = "images.digest IN (SELECT digest FROM marks.proofs{})"
_PROVED = {
    "not_yet": f"{_CAN} AND NOT {_FOUND.format('')}",
    **{one: f"{_CAN} AND " + _FOUND.format(f" WHERE verdict = '{one}'") for one in ("identical", "differs")},
    "cannot": "(NOT " + _CAN + " OR " + _FOUND.format(" WHERE verdict = 'cannot'") + ")",
}
_EQUAL = ("model", "sampler", "task", "kind", "width", "height", "seed")


def page_statement(query: Query, limit: int, after: str | None = None) -> Statement:
    """`limit` rows as (number, sort value), from behind the place `after`. Raises InvalidRequest."""
    where, values = _conditions(query)
    value = _VALUE[query.sort]
    if after is not None:
        edge, number = _place(after)
        if value == "0":
            where.append(f"images.number {'>' if query.sort == 'oldest' else '<'} ?")
            values.append(number)
        else:
            where.append(f"({value}, images.number) < (?, ?)")
            values += [edge, number]
    order = "images.number" if query.sort == "oldest" else "images.number DESC"
    if value != "0":
        order = f"{value} DESC, {order}"
    sql = f"SELECT images.number, {value} FROM images WHERE {' AND '.join(where)} ORDER BY {order} LIMIT ?"
    return Statement(sql=sql, values=(*values, limit))


def count_statement(query: Query) -> Statement:
    where, values = _conditions(query)
    return Statement(sql=f"SELECT count(*) FROM images WHERE {' AND '.join(where)}", values=tuple(values))


def place(value: int, number: int) -> str:
    """What `page_statement` takes as `after`."""
    return f"{value}.{number}"


def _place(after: str) -> tuple[int, int]:
    found = re.fullmatch(r"(\d{1,19})\.(\d{1,19})", after)
    if found is None or max(int(found[1]), int(found[2])) >= 2**63:
        raise InvalidRequest("after", "place_unknown", value=after[:40])
    return int(found[1]), int(found[2])


def _conditions(query: Query) -> tuple[list[str], list[object]]:
    # the plus keeps SQLite to the index by size, which is in the wanted order already, and to the few with stars
    plus = "+" if query.sort in ("largest", "rating", "score") else ""
    where = ["images.gone = 0", f"{plus}images.trashed = ?"]
    days = _days(query)
    values: list[object] = [int(query.trashed), *days]
    if days:
        where.append(f"{_WITHIN.format(number='images.number')} AND images.made >= ? AND images.made < ?")
        values += days[-2:]
    found = matches(query.words)
    if query.words.strip() and not (found.wanted or found.unwanted):
        where.append("0")  # nothing in it can be searched for
    wanted, exact = found.wanted, None
    if query.groups:
        wanted, exact = by_other_names(query.groups), found.wanted
    if wanted:
        within = f" AND {_WITHIN.format(number='rowid')}" if days else ""  # the full text can skip what is outside
        where.append(f"images.number IN (SELECT rowid FROM words WHERE words MATCH ?{within})")
        values += [wanted, *days]
    for not_wanted in filter(None, (found.unwanted, exact)):
        where.append("images.number NOT IN (SELECT rowid FROM words WHERE words MATCH ?)")
        values.append(not_wanted)
    for name in _EQUAL:
        if (value := getattr(query, name)) not in (None, ""):
            where.append(f"images.{name} = ?")
            values.append(value)
    if query.rating or query.sort == "rating":  # which is for those that have any
        where.append("images.mark IN (SELECT mark FROM marks.ratings WHERE rating >= ?)")
        values.append(query.rating)
    if query.tag:
        where.append("images.mark IN (SELECT mark FROM marks.tags WHERE tag = ?)")
        values.append(query.tag)
    return [*where, *_plain_conditions(query)], values


def _plain_conditions(query: Query) -> Iterator[str]:
    """Those without a value."""
    if query.sort == "score":
        yield "images.mark IN (SELECT mark FROM marks.scores)"
    if query.proof:
        yield _PROVED[query.proof]
    if query.lora:
        # the full text finds few enough, their texts tell the LoRA from the mere word
        yield "images.number IN (SELECT rowid FROM words WHERE words MATCH 'lora')"
        yield "images.prompt LIKE '%<lora:%'"


# what the days may have as numbers: those of their moments, and later ones where a clock was set back
_WITHIN = (
    "{number} >= ? AND {number} < max(?, coalesce((SELECT max(one.number) + 1 FROM images AS one"
    " WHERE one.late = 1 AND one.made >= ? AND one.made < ?), 0))"
)


def _days(query: Query) -> tuple[float, ...]:
    """What `_WITHIN` asks for: the first number of the days and the first one behind them, their first moment and the
    first one behind them; () for all days."""
    if not (query.since or query.until):
        return ()
    first = _midnight(query.since, 0) if query.since else 0.0
    end = _midnight(query.until, 1) if query.until else math.inf
    return numbers_of(first).start, numbers_of(end).start if query.until else 2**63 - 1, first, end


def _midnight(day: date, later: int) -> float:
    """Seconds since 1970 at which the day begins here that is `later` days after `day`. Raises InvalidRequest."""
    try:
        return datetime.combine(day + timedelta(days=later), time()).astimezone().timestamp()
    except (OverflowError, ValueError, OSError) as error:
        raise InvalidRequest("date", "day_out_of_range", value=day.isoformat()) from error
