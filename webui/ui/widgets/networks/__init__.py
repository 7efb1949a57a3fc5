"""The drawer of networks: LoRAs, learned words, models and control networks as cards."""

from __future__ import annotations

from webui.ui.widgets.widget import Widget
from webui.words.networks import NETWORK_WORDS


class Networks(Widget):
    """Value: {"model": the chosen one's name}, from the browser with "wanted", the one to choose. Event: `select`, when
    it is asked for. Its script asks `/networks` for all else, and writes into the prompts by itself."""

    folder = "networks"
    words = NETWORK_WORDS
