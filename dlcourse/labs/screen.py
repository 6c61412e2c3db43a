"""The widget that shows a lab's frames: image with alt text, finding, ghost, problem."""

import json
from pathlib import Path
from typing import Any

import anywidget
import traitlets

HERE = Path(__file__).parent


class Screen(anywidget.AnyWidget):
    """One picture and its words. `show` sends a whole frame at once; the browser swaps it in when decoded.

    The ghost is an earlier picture. As a rule it is on the screen already, and only has to stay there when the next
    one comes: `leave`. Drawn anew, on other axes, it is sent: `set_ghost`.
    """

    _esm = HERE / "screen.js"
    _css = HERE / "screen.css"

    png = traitlets.Bytes(b"").tag(sync=True)
    alt = traitlets.Unicode("").tag(sync=True)
    finding = traitlets.Unicode("").tag(sync=True)
    settings = traitlets.Unicode("{}").tag(sync=True)  # as JSON: which settings the picture shows
    frame = traitlets.Int(0).tag(sync=True)  # counts: the browser redraws when it changes
    left = traitlets.Int(0).tag(sync=True)  # the frame that stays as the ghost; 0: it is `ghost`, if there is one
    ghost = traitlets.Bytes(b"").tag(sync=True)
    bare: Any = traitlets.List().tag(sync=True)  # [x0, y0, x1, y1] in shares from the top left, where no ghost is seen
    ready: Any = traitlets.List().tag(sync=True)  # [which control, from, to]: the share of it that is trained already
    pinned = traitlets.Unicode("").tag(sync=True)
    swept = traitlets.Unicode("").tag(sync=True)  # what a sweep has put behind
    problem = traitlets.Unicode("").tag(sync=True)
    behind = traitlets.Bool(False).tag(sync=True)  # the controls have moved on; another picture is on its way
    leaving = False

    def show(self, png: bytes, alt: str, finding: str, settings: dict[str, Any]) -> None:
        with self.hold_sync():
            if self.leaving:
                self.left, self.ghost, self.leaving = self.frame, b"", False
            self.png, self.alt, self.finding = png, alt, finding
            self.settings, self.problem, self.behind = json.dumps(settings, default=str), "", False
            self.frame += 1

    def leave(self) -> None:
        """The picture on the screen becomes the ghost of the one that comes next."""
        self.leaving = True

    def set_ghost(self, png: bytes) -> None:
        """This picture is the ghost now; none if it is empty."""
        with self.hold_sync():
            self.left, self.ghost, self.leaving = 0, png, False
