"""Claims on trial.

space, engine   what is left open, and what a trial is
outcome         from effects to a verdict
tuning, nets    fair sides: the same tries for each; networks of all rates and starts side by side
results         what is stored, and the fingerprint of the code that it came from
picture, page   a dot for every design, and the widget

start … capstone: the trials of each chapter, to be read as lists of experiments.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module

from dlcourse.settings import unknown_name
from dlcourse.trials.engine import Trial
from dlcourse.trials.outcome import Outcome

CHAPTERS = (
    "start", "signals", "initialization", "momentum", "optimizers",
    "normalization", "penalties", "regularization", "decay", "capstone",
)  # fmt: skip

__all__ = ["TRIALS", "Outcome", "Trial", "trial"]


class Trials(Mapping[str, Trial]):
    """name → Trial, chapter by chapter; a chapter's file is read when a name is first asked for."""

    def __init__(self) -> None:
        self.found: dict[str, Trial] = {}

    def all(self) -> dict[str, Trial]:
        if not self.found:
            for chapter in CHAPTERS:
                here = vars(import_module(f"dlcourse.trials.{chapter}")).values()
                self.found |= {one.name: one for one in here if isinstance(one, Trial)}
        return self.found

    def __getitem__(self, name: str) -> Trial:
        return self.all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.all())

    def __len__(self) -> int:
        return len(self.all())


TRIALS = Trials()


def trial(name: str) -> Trial:
    """The trial of this name. Raises SettingError for one unknown, with the nearest."""
    if name not in TRIALS:
        unknown_name(f"trial.{name}", name, TRIALS)
    return TRIALS[name]
