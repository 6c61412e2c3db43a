"""A leaderboard of the reader's own runs, in a plain file beside the notebooks, and a lab whose runs can join it.

board = Leaderboard()
board.add({"optimizer": "Adam", "learning_rate": 0.01}, validation=61.2)
board                                   # a table, best validation accuracy first
board.open(lambda **settings: 60.4)     # the test accuracy of the first run: once

Runs are chosen by validation accuracy. The test part is looked at once, at the end: a number that has been used to
choose is no measure any more. Every change writes a new file and renames it: a crash leaves the old board or the new.
"""

import html
import json
import math
import os
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np

from dlcourse.labs.lab import Lab
from dlcourse.settings import SettingError
from dlcourse.workspace import write_whole

FILE = ".dlcourse-leaderboard.json"
EMPTY = "No runs yet. Press “Keep on the board” under a lab, and the present run joins."


class Leaderboard:
    """Runs and their settings, best validation accuracy first; `path` is its file, by default in this folder."""

    def __init__(self, path: str | Path = FILE):
        self.path = Path(path)
        self.newest: dict[str, Any] | None = None
        self.runs: list[dict[str, Any]] = []
        self.envelope: dict[str, Any] | None = None
        self.damage = ""
        self.load()

    def load(self) -> None:
        """Take over what the file says. A damaged file stays where it is until a run joins, and is kept then, too."""
        self.damage = ""
        try:
            self.runs, self.envelope = contents(self.path.read_bytes())
        except FileNotFoundError:
            self.runs, self.envelope = [], None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            self.runs, self.envelope = [], None
            self.damage = f"The file {self.path.name} cannot be read: {reason(error)}."

    def save(self) -> str:
        """Write the board; a damaged file gets another name first. What happened to it, in words."""
        words = ""
        if self.damage:
            aside = next(p for p in beside(self.path) if not p.exists())
            os.replace(self.path, aside)
            words = f" {self.damage} It is kept as {aside.name}, and a new board begins."
            self.damage = ""
        data = {"runs": self.runs, "envelope": self.envelope}
        write_whole(self.path, json.dumps(data, indent=1, ensure_ascii=False).encode())
        return words

    def add(self, settings: dict[str, Any], validation: float) -> str:
        """A run joins, the same settings once only. The answer says where it stands."""
        self.load()
        run = next((run for run in self.runs if run["settings"] == settings), None)
        words, self.newest = "This run is on the board already", dict(settings)
        if run is None:
            run = {"settings": dict(settings), "validation": round(float(validation), 2), "when": now()}
            run["late"] = self.envelope is not None
            self.runs = ranked([*self.runs, run])
            try:
                words = "The run is on the board"
                after = self.save()
            except OSError as error:
                return f"The run could not be kept: {error.strerror}. The file is {self.path}."
        else:
            after = ""
        return f"{words}: place {self.runs.index(run) + 1} of {len(self.runs)}.{after}"

    def again(self, settings: dict[str, Any], shares: Sequence[float]) -> str:
        """The same settings with other seeds, in percent of the validation lines; their run has to be on the board."""
        self.load()
        run = next((run for run in self.runs if run["settings"] == settings), None)
        if run is None:
            return "Keep the run on the board first."
        self.newest, run["again"] = dict(settings), [round(float(share), 2) for share in shares]
        self.runs = ranked(self.runs)
        try:
            after = self.save()
        except OSError as error:
            return f"The result could not be kept: {error.strerror}. The file is {self.path}."
        place = f"place {self.runs.index(run) + 1} of {len(self.runs)}"
        return f"{len(run['again'])} new seeds: {over_seeds(run['again'])}%, {place}.{after}"

    def open(self, examine: Callable[..., float]) -> str:
        """Open the envelope: the test accuracy of the run in the first place, measured by examine(**settings), once."""
        self.load()
        if self.envelope:
            return f"The envelope was opened before: {self.result()}"
        if not self.runs:
            return f"There is nothing to examine. {EMPTY}"
        best = self.runs[0]
        try:
            test = round(float(examine(**best["settings"])), 2)
            self.envelope = {**best, "test": test, "runs": len(self.runs), "opened": now()}
            after = self.save()
        except (SettingError, TypeError, KeyError) as error:
            return f"These settings cannot be examined: {error}"
        except OSError as error:
            self.envelope = None
            return f"The envelope stays shut, its result could not be kept: {error.strerror}."
        return f"{self.result()}{after}"

    def result(self) -> str:
        """What was in the envelope."""
        e: Any = self.envelope
        gap = e["test"] - e["validation"]
        side = f"{abs(gap):.1f} points {'more' if gap > 0 else 'less'}"
        return (
            f"The best of {e['runs']} runs by validation, {e['validation']:.1f}%, reads {e['test']:.1f}% of the test "
            f"part: {side if round(gap, 1) else 'just as much'}."
        )

    def __repr__(self) -> str:
        rows = [f"{place}. {run['validation']:.1f}%  {words(run)}" for place, run in enumerate(self.runs, start=1)]
        return "\n".join(filter(None, [self.damage, *(rows or [EMPTY]), self.result() if self.envelope else ""]))

    def _repr_html_(self) -> str:
        if not self.runs:
            return f"<p>{html.escape(f'{self.damage} {EMPTY}'.strip())}</p>"
        names = list(dict.fromkeys(name for run in self.runs for name in run["settings"]))
        late = " † joined after the envelope was opened." if any(run.get("late") for run in self.runs) else ""
        test = self.result() if self.envelope else "The test part is in the envelope."
        seeds = " New seeds: their mean, which decides the place, and its noise." if self.seeds_tried() else ""
        caption = f"Your runs, best validation accuracy first. {test}{late}{seeds}"
        heads = ["place", "validation, %", *(["new seeds, %"] if self.seeds_tried() else [])]
        heads += [*(["test, %"] if self.envelope else []), *names]
        cells = "".join(f'<th scope="col">{html.escape(name.replace("_", " "))}</th>' for name in heads)
        body = "".join(self.row(place, run, names) for place, run in enumerate(self.runs, start=1))
        return (
            f'<table class="dlcourse-board"><caption>{html.escape(caption)}</caption>'
            f"<thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>"
        )

    def seeds_tried(self) -> bool:
        return any(run.get("again") for run in self.runs)

    def row(self, place: int, run: dict[str, Any], names: list[str]) -> str:
        here = ' aria-current="true"' if run["settings"] == self.newest else ""
        values = [f"{run['validation']:.1f}{' †' if run.get('late') else ''}"]
        if self.seeds_tried():
            values.append(over_seeds(run["again"]) if run.get("again") else "")
        if self.envelope:
            own = run["settings"] == self.envelope["settings"]
            values.append(f"{self.envelope['test']:.1f}" if own else "")
        values += [str(run["settings"].get(name, "")) for name in names]
        cells = "".join(f"<td>{html.escape(value)}</td>" for value in values)
        return f'<tr{here}><th scope="row">{place}</th>{cells}</tr>'


def contents(file: bytes) -> tuple[list[dict[str, Any]], dict[str, Any] | None]:
    """Runs and envelope of a file; raises what a damaged one raises."""
    data = json.loads(file)
    runs, envelope = [whole(run) for run in data["runs"]], data["envelope"]
    if envelope is not None and not (math.isfinite(whole(envelope)["test"]) and isinstance(envelope["runs"], int)):
        raise ValueError("an envelope without a result")
    return ranked(runs), envelope


def whole(run: Any) -> dict[str, Any]:
    """A run as it was written: settings of words and numbers, and a share in percent."""
    if not all(isinstance(value, str | int | float) for value in run["settings"].values()):
        raise ValueError("settings that are no words or numbers")
    if not all(0 <= share <= 100 for share in (run["validation"], *run.get("again", ()))):
        raise ValueError("a validation accuracy that is no percentage")
    return dict(run)


def ranked(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Best first, by the mean over new seeds where there are any; of two alike the earlier."""
    return sorted(runs, key=lambda run: -float(np.mean(run.get("again") or run["validation"])))


def over_seeds(shares: Sequence[float]) -> str:
    """Their mean, and its noise: half of the 95 % interval of Student's t."""
    from scipy.special import stdtrit  # here: a board without new seeds does without it

    n = len(shares)
    return f"{np.mean(shares):.1f} ± {stdtrit(n - 1, 0.975) * np.std(shares, ddof=1) / n**0.5:.1f}"


def words(run: dict[str, Any]) -> str:
    return ", ".join(f"{name}={value!r}" for name, value in run["settings"].items())


def beside(path: Path) -> Any:
    """Names for a damaged file: NAME.damaged, NAME.damaged-2, …"""
    return (path.with_name(f"{path.name}.damaged{f'-{n}' if n > 1 else ''}") for n in count(1))


def reason(error: Exception) -> str:
    if isinstance(error, OSError):
        return str(error.strerror)
    return str(error) if isinstance(error, json.JSONDecodeError) else f"it holds something else ({error})"


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


class BoardLab(Lab):
    """A lab with a board: `score(state)` is a run's validation accuracy, `examine(**settings)` opens the envelope."""

    def __init__(
        self, *lab: Any, board: Leaderboard, score: Callable[[Any], float], examine: Callable[..., float], **more: Any
    ):
        super().__init__(*lab, **more)
        self.board, self.score, self.examine = board, score, examine

    def make_buttons(self) -> list[Any]:
        self.keep_button = ipywidgets.Button(
            description="Keep on the board", icon="trophy", tooltip="The present run joins the board"
        )
        self.open_button = ipywidgets.Button(
            description=ENVELOPE, icon="envelope", tooltip="The test accuracy of the first run, once"
        )
        self.again_button = ipywidgets.Button(
            description=f"Run again with {SEEDS} new seeds", icon="random", tooltip="How much of it was luck"
        )
        self.again_button.on_click(self.on_again)
        self.said, self.table = ipywidgets.HTML(), ipywidgets.HTML()
        self.keep_button.on_click(self.on_keep)
        self.open_button.on_click(self.on_open)
        self.sure = False
        self.tell(self.board.damage)
        buttons = self.box([self.keep_button, self.again_button, self.open_button], "dlcourse-buttons")
        for button in buttons.children:
            button.layout.width = "auto"
        return [*super().make_buttons(), buttons, self.said, self.table]

    def tell(self, message: str) -> None:
        """Say it, to the eye and to a screen reader, and show the board as it is now."""
        self.said.value = f'<p role="alert">{html.escape(message)}</p>' if message else ""
        self.table.value = self.board._repr_html_()
        self.open_button.description = SURE if self.sure else ENVELOPE
        self.open_button.disabled = self.board.envelope is not None

    def on_keep(self, _: Any) -> None:
        settings, self.sure = self.present(), False
        state = None
        try:
            for state in self.states(settings):  # noqa: B007 - the last one counts
                pass
            self.tell(self.board.add(settings, self.score(state)))
        except Exception as error:
            self.report(error, settings)

    def on_again(self, _: Any) -> None:
        """The run joins, and then runs again with the next seeds: a mean, and its noise."""
        settings, shares = self.present(), []
        self.on_keep(None)
        try:
            for seed in range(settings["seed"] + 1, settings["seed"] + 1 + SEEDS):
                for state in self.states({**settings, "seed": seed}):  # noqa: B007 - the last one counts
                    pass
                shares.append(self.score(state))
            self.tell(self.board.again(settings, shares))
        except Exception as error:
            self.report(error, settings)

    def on_open(self, _: Any) -> None:
        """The first press asks, the second opens."""
        if self.board.runs and not self.sure:
            self.sure = True
            self.tell("This works once. Are you done with choosing? Then press again.")
        else:
            self.sure = False
            self.tell(self.board.open(self.examine))


ENVELOPE, SURE, SEEDS = "Open the envelope", "Yes, open it now", 5
