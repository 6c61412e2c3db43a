"""The widget that shows a lab's frames: image with alt text, finding, ghost, problem."""

import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets

HERE = Path(__file__).parent


class Screen(anywidget.AnyWidget):
    """One picture and its words. `show` sends a whole frame at once; the browser swaps it in when decoded."""

    _esm = HERE / "screen.js"
    _css = HERE / "screen.css"

    png = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    finding = traitlets.Unicode("").tag(sync=True)
    settings = traitlets.Unicode("{}").tag(sync=True)  # as JSON: which settings the picture shows
    frame = traitlets.Int(0).tag(sync=True)  # counts: the browser redraws when it changes
    ghost = traitlets.Bytes(b"").tag(sync=True)
    pinned = traitlets.Unicode("").tag(sync=True)
    problem = traitlets.Unicode("").tag(sync=True)

    def show(self, png: bytes, alt: str, finding: str, settings: dict[str, Any]) -> None:
        with self.hold_sync():
            self.png, self.alt, self.finding = png, alt, finding
            self.settings, self.problem = json.dumps(settings, default=str), ""
            self.frame += 1
