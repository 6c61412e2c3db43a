"""A board that ranks: names in their colours, first to last, each with its line and its result."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes

from dlcourse.plots.style import look, on_white
from dlcourse.settings import refuse


class Board:
    """One row for each name, in the look of its method; `set_ranking` puts the rows in order."""

    def __init__(self, ax: Axes, names: Sequence[str], title: str = ""):
        self.names = list(names)
        ax.set_axis_off()
        ax.set_title(title, loc="left")
        ax.set(xlim=(0.0, 1.0), ylim=(len(self.names) - 0.4, -0.6))
        self.rows: dict[str, Any] = {}
        for name in self.names:
            style = look(name)
            (line,) = ax.plot([], [], markevery=[1], markersize=7.0, **style)
            label = ax.text(0.2, 0.0, name, va="center", color=on_white(style["color"]))
            result = ax.text(1.0, 0.0, "", va="center", ha="right", color="#333333")
            self.rows[name] = line, label, result

    def set_ranking(self, results: Sequence[tuple[str, str]]) -> None:
        """Rows from the top: (name, result in words). Raises SettingError for other names than the board's."""
        if sorted(name for name, _ in results) != sorted(self.names):
            refuse("Board.results", f"hold each of {self.names} once", results, "Rank all of them.")
        for place, (name, words) in enumerate(results):
            line, label, result = self.rows[name]
            line.set_data([0.0, 0.08, 0.16], [place] * 3)
            label.set_y(place)
            result.set_y(place)
            result.set_text(words)
