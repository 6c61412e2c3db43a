"""When to stop: at the point where more training only fits the noise."""

from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, to_device, to_host, xp
from dlcourse.network import Network
from dlcourse.settings import Rule, count, not_negative, settings

switch = Rule("be True or False", lambda v: isinstance(v, bool | np.bool_))


@settings
class EarlyStopping:
    """End training when the validation loss has stopped falling (Morgan & Bourlard 1990; Prechelt 1998).

    an epoch is better   ⇔ its loss < best − min_delta         NaN is never better
    stop                 after `patience` epochs in a row without a better one

    patience: epochs, 1 or more. restore_best: at the end, also if training was not cut short, theta and running
    statistics go back to the best epoch. Every fit starts anew; `best`, `best_epoch` and `epoch` tell afterwards
    what was seen (epochs count from 0; best_epoch −1: none).

    With lanes each lane is judged as if it trained alone: once its patience is over, what it does while the
    others go on no longer counts. Training ends when the last lane is done.
    """

    patience: Annotated[int, count, "5 to 10 epochs forgive a noisy validation loss."]
    min_delta: Annotated[float, not_negative, "0.0 counts every improvement."] = 0.0
    restore_best: Annotated[bool, switch, "True brings back the best epoch."] = True

    def __post_init__(self) -> None:
        self.start()

    def start(self) -> None:
        """Forget everything: a new training begins."""
        self.epoch, self.best_epoch, self.best = -1, np.array(-1), np.array(np.inf)
        self.waited, self.done = np.array(0), np.array(False)
        self.kept: dict[str, Array] = {}

    def observe(self, metric: Any, network: Network) -> bool:
        """Told the loss after an epoch, one number or one per lane: is it time to stop?"""
        loss = np.asarray(to_host(metric), float)
        self.epoch += 1
        better = ~self.done & (loss < self.best - self.min_delta)
        self.best = np.where(better, loss, self.best)
        self.best_epoch = np.where(better, self.epoch, self.best_epoch)
        self.waited = np.where(better, 0, self.waited + 1)
        self.done = self.done | (self.waited >= self.patience)
        if self.restore_best and better.any():
            take_over(self.kept, network.state(), better)
        return bool(self.done.all())

    def finish(self, network: Network) -> None:
        """Back to the best epoch. A lane that never had one, all NaN, stays where it is."""
        if self.kept:
            take_over(network.state(), self.kept, self.best_epoch >= 0)
            self.kept = {}


def take_over(state: dict[str, Array], other: dict[str, Array], where: np.ndarray) -> None:
    """Copy the arrays of `other` into `state`, in these lanes (or all, if there are none)."""
    for name, array in other.items():
        if name not in state:
            state[name] = array.copy()
        lanes = where.reshape(-1, *[1] * (array.ndim - 1)) if where.ndim else where
        xp.copyto(state[name], array, where=to_device(lanes))
