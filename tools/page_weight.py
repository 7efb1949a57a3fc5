"""What a page costs a browser: requests that reached the server, bytes over the wire, and when it can be used.

Chromium's own network log tells which requests a cache answered; Playwright counts those as requests too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import CDPSession, Page

QUIET = 1000  # milliseconds without a new request: the page has settled
PATIENCE = 60_000  # milliseconds

# The first moment at which a box can be typed into and the page listens: what came before it has been done.
_WATCH_BOX = """(selector) => {
  const look = () => {
    const box = document.querySelector(selector);
    if (!box || box.disabled || !box.checkVisibility()) return requestAnimationFrame(look);
    requestAnimationFrame(() => setTimeout(() => (globalThis.benchUsable = performance.now())));
  };
  look();
}"""
# Milliseconds from a click, by the event's own clock, to the first change of anything that can be seen.
_WATCH_CLICK = """() => {
  addEventListener("click", (event) => {
    const watch = new MutationObserver((changes) => {
      const seen = changes.some(({ target }) => (target.parentElement ?? target).checkVisibility());
      if (!seen) return;
      watch.disconnect();
      globalThis.benchSign = performance.now() - event.timeStamp;
    });
    watch.observe(document.body, { subtree: true, childList: true, attributes: true, characterData: true });
  }, { capture: true, once: true });
}"""


@dataclass
class Traffic:
    """What one visit has fetched so far."""

    asked: dict[str, str] = field(default_factory=dict)  # id of a request -> its address
    cached: set[str] = field(default_factory=set)  # those that a cache answered
    answered: set[str] = field(default_factory=set)
    bytes: int = 0

    def real(self) -> list[str]:
        """Addresses that the server was asked for, in order."""
        return [url for one, url in self.asked.items() if one not in self.cached and one in self.answered]


class Meter:
    """Counts what a page fetches, from `begin` to the next."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._session: CDPSession = page.context.new_cdp_session(page)
        self.traffic = Traffic()
        handlers: dict[str, Callable[[Any], None]] = {
            "requestWillBeSent": self._asked,
            "requestServedFromCache": lambda event: self.traffic.cached.add(event["requestId"]),
            "responseReceived": self._answered,
            "dataReceived": self._data,
            "loadingFinished": self._finished,
        }
        for name, handler in handlers.items():
            self._session.on(f"Network.{name}", handler)
        self._session.send("Network.enable")
        self._counted: dict[str, int] = {}

    def _asked(self, event: Any) -> None:
        if not event["request"]["url"].startswith(("data:", "blob:")):
            self.traffic.asked[event["requestId"]] = event["request"]["url"]

    def _answered(self, event: Any) -> None:
        answer = event["response"]
        self.traffic.answered.add(event["requestId"])
        if answer.get("fromDiskCache") or answer.get("fromPrefetchCache"):
            self.traffic.cached.add(event["requestId"])

    def _data(self, event: Any) -> None:
        """A stream that goes on has no end to be counted at."""
        self._counted[event["requestId"]] = self._counted.get(event["requestId"], 0) + event["encodedDataLength"]
        self.traffic.bytes += event["encodedDataLength"]

    def _finished(self, event: Any) -> None:
        """With headers, where those of what came before it had none."""
        if event["requestId"] not in self.traffic.cached:
            self.traffic.bytes += int(event["encodedDataLength"]) - self._counted.pop(event["requestId"], 0)

    def visit(self, go: Callable[[], Any]) -> Traffic:
        """All that `go` makes the page fetch: until it is usable and nothing new was asked for during a while."""
        self.traffic, self._counted = Traffic(), {}
        go()
        usable(self._page)
        count, waited = -1, 0
        while count != len(self.traffic.asked) and waited < PATIENCE:
            count = len(self.traffic.asked)
            self._page.wait_for_timeout(QUIET)
            waited += QUIET
        return self.traffic


def watch_box(page: Page, selector: str) -> None:
    """Before a visit: notes when the box can be typed into."""
    page.add_init_script(f"({_WATCH_BOX})({selector!r})")


def usable(page: Page) -> float:
    """Seconds from asking for the page to a box that can be typed into."""
    page.wait_for_function("globalThis.benchUsable", timeout=PATIENCE)
    return float(page.evaluate("globalThis.benchUsable")) / 1000


def first_sign(page: Page, selector: str) -> float:
    """Seconds from a click to the first change that can be seen."""
    page.evaluate(f"({_WATCH_CLICK})()")
    page.locator(selector).click()
    page.wait_for_function("globalThis.benchSign !== undefined", timeout=PATIENCE)
    return float(page.evaluate("globalThis.benchSign")) / 1000
