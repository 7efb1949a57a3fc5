"""The queue, as the program has it."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget
from webui.words.jobs import QUEUE_WORDS


class QueueList(Widget):
    """Every job that runs or waits, each with a button that ends it. It has no value: its script asks `/queue` as long
    as somebody looks."""

    folder = "queue"
    words = QUEUE_WORDS
