"""Trained before you touch it: what a lab has run already, and what it runs next while nobody waits."""

import pickle
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from dlcourse.labs.frame import Shot

BUDGET = 64 * 2**20  # bytes of states and pictures that the lab in use keeps
UNKNOWN = 2**20  # what a state is taken for whose size cannot be told
LANES = 8  # positions that train side by side: few enough that the nearest are ready soon


class Ready:
    """What has been run, by its settings, as long as it fits the budget."""

    def __init__(self, budget: int = BUDGET):
        self.budget, self.taken = budget, 0
        self.kept: dict[str, Shot] = {}
        self.sizes: dict[str, int] = {}

    def __contains__(self, settings: dict[str, Any]) -> bool:
        return repr(settings) in self.kept

    def get(self, settings: dict[str, Any]) -> Shot | None:
        return self.kept.get(repr(settings))

    @property
    def full(self) -> bool:
        return self.taken >= self.budget

    def keep(self, shot: Shot) -> bool:
        """Take it, if it fits; the lab asks for what it needs soonest first."""
        settings, size = shot.frame.settings, size_of(shot.state) + len(shot.frame.png)
        if settings in self:
            return True
        if self.taken + size > self.budget:
            return False
        self.kept[repr(settings)], self.sizes[repr(settings)] = shot, size
        self.taken += size
        return True

    def make_room(self, wanted: Iterable[dict[str, Any]]) -> None:
        """Once half of the budget is taken, forget all but these."""
        if self.taken <= self.budget / 2:
            return
        names = {repr(settings) for settings in wanted}
        self.kept = {name: kept for name, kept in self.kept.items() if name in names}
        self.sizes = {name: size for name, size in self.sizes.items() if name in names}
        self.taken = sum(self.sizes.values())

    def clear(self) -> None:
        self.kept, self.sizes, self.taken = {}, {}, 0


def size_of(state: Any) -> int:
    """In bytes, about."""
    try:
        return len(pickle.dumps(state, pickle.HIGHEST_PROTOCOL))
    except Exception:
        return UNKNOWN


# Side by side: eight positions of a slider are eight lanes of one training


def lanes_of(*settings: Any) -> int | None:
    """How many lanes these settings ask for: the length of the column among them; None if all are plain."""
    return next((len(value) for value in settings if isinstance(value, np.ndarray)), None)


def side_by_side(name: str, group: list[dict[str, Any]]) -> dict[str, Any]:
    """Settings that differ in one name, as one: a column (lanes, 1) of its values. One alone stays as it is."""
    if len(group) == 1:
        return group[0]
    return group[0] | {name: np.array([[settings[name]] for settings in group])}


def lane_of(state: Any, number: int) -> Any:
    """What belongs to one lane: it is the last axis of arrays, and networks know theirs."""
    if hasattr(state, "lane"):
        return state.lane(number)
    if isinstance(state, np.ndarray) and state.ndim:
        return state[..., number].copy()
    if isinstance(state, dict):
        return {name: lane_of(part, number) for name, part in state.items()}
    if isinstance(state, list | tuple):
        parts = [lane_of(part, number) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    return state


def lanes_last(network: Any, array: np.ndarray) -> np.ndarray:
    """What comes out of a network's windows has its lanes first; a state has them last."""
    return np.moveaxis(array, 0, -1) if network.lanes else array


def groups(todo: list[dict[str, Any]], size: int) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(todo), size):
        yield todo[start : start + size]


# Along a slider


def nearest(positions: list[Any], value: Any) -> list[Any]:
    """The other positions, the nearest to `value` first, right before left."""
    here = min(range(len(positions)), key=lambda n: positions[n] != value)
    order = sorted(range(len(positions)), key=lambda n: (abs(n - here), n < here))
    return [positions[n] for n in order if n != here]


def stretch(positions: list[Any], value: Any, ready: Any) -> tuple[float, float]:
    """The part of a slider around `value` that is ready: from, to, in shares of its length."""
    here = min(range(len(positions)), key=lambda n: positions[n] != value)
    low = high = here
    while low > 0 and ready(positions[low - 1]):
        low -= 1
    while high < len(positions) - 1 and ready(positions[high + 1]):
        high += 1
    last = max(len(positions) - 1, 1)
    return low / last, high / last
