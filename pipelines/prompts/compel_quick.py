"""compel's own parser, made quick without changing what it reads; a test holds both to each other.

pyparsing tries every rule at every place, and compel's grammar reads words letter by letter: up to half a millisecond a
character. Four things here spare it work whose outcome is known. No torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from pyparsing import Forward, ParseBaseException, ParseException, ParserElement, QuotedString, Regex

REMEMBERED = 4096  # of the brackets and quotes that were read last
# compel's rule for a word in one expression: escaped signs; + and - inside a word; all but white space and signs
_WORD = r"""(?:\\[()",.+\-=]|[-+](?![ \t\r\n()",.+\-=]|\Z)|[^ \t\n\r\x0b\x0c()",.+\-=])+"""
# rule -> what must stand in a text that it can read
_NAMED = {
    "explicit_conjunction": (".and", ".add"),
    "blend": (".blend",),
    "cross_attention_substitute": (".swap",),
    "lora": ("useLora", "withLora"),
}


def quicken(parser: Any) -> Any:
    """Changes a `PromptParser`, and gives it back. Not for several threads at once."""
    for rule in list(_rules(parser.conjunction)):
        name = rule.customName
        if name == "non_syntax_word":
            rule.expr = Regex(_WORD).leave_whitespace()
        elif name in _NAMED:
            _skip_without(rule, _NAMED[name])
        elif name == "attention":
            explicit, *_ = rule.expr.exprs
            _skip_without(explicit, (".attend",))
        elif name == "parenthesized_fragment":
            _remember(rule)  # it is tried with a weight behind it and without: four times as long for each level
        elif isinstance(rule, Forward) and isinstance(rule.expr, QuotedString):
            _remember_quotes(rule)  # a parse of its own, for each of the rules that begin with a quote
    return parser


def _rules(*rules: Any) -> Iterator[Any]:
    """Every rule below these, each once."""
    seen: set[int] = set()
    waiting = list(rules)
    while waiting:
        rule = waiting.pop()
        if id(rule) not in seen:
            seen.add(id(rule))
            yield rule
            waiting += [*getattr(rule, "exprs", ()), *filter(None, [getattr(rule, "expr", None)])]


def _skip_without(rule: Any, words: tuple[str, ...]) -> None:
    """It fails at once in a text that holds none of these, which it would find out at its end."""

    def parse(text: str, place: int, do_actions: bool = True, callPreParse: bool = True) -> Any:
        if not any(word in text for word in words):
            raise ParseException(text, place, rule.errmsg, rule)
        return ParserElement._parse(rule, text, place, do_actions, callPreParse)

    rule._parse = parse


def _remember(rule: Any) -> None:
    known: dict[tuple[Any, ...], Any] = {}

    def parse(text: str, place: int, do_actions: bool = True, callPreParse: bool = True) -> Any:
        key = text, place, do_actions, callPreParse
        end, tokens = _once(known, key, lambda: ParserElement._parse(rule, *key))
        return end, tokens.copy()

    rule._parse = parse


def _remember_quotes(rule: Any) -> None:
    known: dict[str, Any] = {}
    (action,) = rule.parseAction

    def act(text: str, place: int, tokens: Any) -> Any:
        found = _once(known, tokens[0], lambda: action(text, place, tokens))
        return found.copy() if hasattr(found, "copy") else found  # one of an empty text is a bare fragment

    rule.parseAction = [act]


def _once(known: dict[Any, Any], key: Any, find: Callable[[], Any]) -> Any:
    """Raises what `find` raised, anew: an old traceback would keep its frames alive."""
    if key not in known:
        if len(known) >= REMEMBERED:
            known.clear()
        try:
            known[key] = find()
        except ParseBaseException as error:
            known[key] = type(error), error.args
            raise
    found = known[key]
    if isinstance(found, tuple) and isinstance(found[0], type):
        kind, arguments = found
        raise kind(*arguments)
    return found
