"""Drop-down lists whose choices change while the page is open."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from gradio.components import Component


def offer(event: Callable[..., Any], handler: Any, inputs: Any, lists: Sequence[Component], **more: Any) -> Any:
    """`event(handler, inputs, lists, **more)` for a handler that changes what `lists` offer. Until it has answered none
    of them can be opened (`hold` in page/lists.js says why). `inputs`: None or several."""
    ids = json.dumps([one.elem_id for one in lists])
    hold = f"(...values) => {{ window.seedprintHold({ids}); return values; }}"
    sent = event(handler, inputs, lists, js=hold, **more)
    sent.then(None, None, None, js=f"() => window.seedprintRelease({ids})", api_visibility="private")
    return sent
