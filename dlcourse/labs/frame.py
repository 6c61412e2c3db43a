"""What a lab shows: a picture, its words, and the settings that both belong to."""

import base64
from dataclasses import dataclass
from typing import Any, NamedTuple

import ipywidgets

from dlcourse.labs.picture import still


@dataclass(frozen=True)
class Frame:
    """One picture of a lab: the PNG, what it shows in words, the finding, and the settings it belongs to."""

    png: bytes
    alt: str
    finding: str
    settings: dict[str, Any]

    def __repr__(self) -> str:
        return f"Frame({self.finding!r}, settings={self.settings})"

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        png = base64.b64encode(still(self.png, self.finding)).decode()
        return {"image/png": png, "text/plain": self.finding}, {"image/png": {"alt": self.alt}}


class Shot(NamedTuple):
    """A frame, the state that it shows, and the scene that it was drawn on (see picture.py)."""

    state: Any
    frame: Frame
    scene: Any


class LabBox(ipywidgets.VBox):
    """A lab on the page. Saved, it is a still picture with its finding, for pages that have no kernel."""

    frame: Frame | None = None

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        bundle = super()._repr_mimebundle_(**kwargs)
        data, metadata = bundle if isinstance(bundle, tuple) else (bundle, {})
        if self.frame:
            more, about = self.frame._repr_mimebundle_()
            data, metadata = {**data, **more}, {**metadata, **about}
        return data, metadata
