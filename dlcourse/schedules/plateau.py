"""A rate that looks before it falls."""

import math
from typing import Annotated

import numpy as np

from dlcourse.schedules.base import LearningRate, Schedule, not_negative, share
from dlcourse.settings import Rule, check, one_of, settings, whole

real = Rule("be a real number", lambda v: isinstance(v, int | float | np.integer | np.floating))


@settings
class ReduceOnPlateau(Schedule):
    """Lower the rate when a metric, the validation loss say, has stopped improving.

    bad ← 0 if metric < best − threshold · |best|, else bad + 1       ("abs": metric < best − threshold)
    η ← factor · η if bad > patience, but never below min_learning_rate

    `observe(metric)` once an epoch (fit does it); calling it with any step returns the present rate. patience
    counts the bad epochs that are forgiven, so patience 0 cuts at the first one. After a cut, `cooldown` epochs do
    not count as bad. mode "max" is for a metric that should grow. A metric that is no finite number counts as bad.

    PyTorch's rule has best · (1 − threshold), which for a negative best asks for less than no improvement; and it
    leaves out cuts below 1e-8. Keras cuts one epoch earlier, and its threshold is "abs".

    The state is best, bad, wait and learning_rate; `reset()` forgets it, as an optimizer's `start` does.
    """

    initial_learning_rate: LearningRate
    factor: Annotated[float, share, "0.1 is usual; 1 would never lower the rate."] = 0.1
    patience: Annotated[int, whole, "It counts epochs; 10 is usual."] = 10
    threshold: Annotated[float, not_negative, "0.0001 is usual."] = 1e-4
    threshold_mode: Annotated[str, one_of("rel", "abs"), '"rel" is a share of the best so far.'] = "rel"
    cooldown: Annotated[int, whole, "It counts epochs; 0 is usual."] = 0
    min_learning_rate: Annotated[float, not_negative, "0 is usual."] = 0.0
    mode: Annotated[str, one_of("min", "max"), 'A loss wants "min", an accuracy "max".'] = "min"

    def __post_init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Forget what was observed: the rate is the initial one again."""
        self.learning_rate: float = self.initial_learning_rate
        self.best: float | None = None
        self.bad = self.wait = 0  # epochs without progress; epochs of cooldown left

    def rate(self, step: int) -> float:
        return self.learning_rate

    def observe(self, metric: float) -> None:
        """Look at the metric of one more epoch."""
        metric = check("ReduceOnPlateau.metric", real, metric, "It is one number for an epoch, all lanes together.")
        if self.improves(metric):
            self.best, self.bad = metric, 0
        else:
            self.bad += 1
        if self.wait > 0:
            self.wait, self.bad = self.wait - 1, 0
        if self.bad > self.patience:
            lower = max(self.factor * self.learning_rate, self.min_learning_rate)
            self.learning_rate = min(self.learning_rate, lower)  # never up to a minimum
            self.wait, self.bad = self.cooldown, 0

    def improves(self, metric: float) -> bool:
        if self.best is None or not math.isfinite(metric):
            return math.isfinite(metric)
        margin = self.threshold * (abs(self.best) if self.threshold_mode == "rel" else 1.0)
        return metric < self.best - margin if self.mode == "min" else metric > self.best + margin
