"""Trained before you touch it: what a lab has run already, and what it runs next while nobody waits."""

import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from dlcourse.labs.frame import Shot
from dlcourse.settings import is_number

BUDGET = 64 * 2**20  # bytes of states and pictures that the lab in use keeps
LANES = 8  # positions that train side by side: few enough that the nearest are ready soon


class Ready:
    """What has been run, by its settings, as long as it fits the budget."""

    def __init__(self, budget: int = BUDGET):
        self.budget = budget
        self.clear()

    def clear(self) -> None:
        self.kept: dict[str, Shot] = {}
        self.sizes: dict[str, int] = {}
        self.line: list[str] = []  # what is wanted, the soonest first
        self.taken = 0

    def __contains__(self, settings: dict[str, Any]) -> bool:
        return repr(settings) in self.kept

    def get(self, settings: dict[str, Any]) -> Shot | None:
        return self.kept.get(repr(settings))

    def turn_to(self, line: Iterable[dict[str, Any]]) -> None:
        """These are wanted, the soonest first. Once half of the budget is taken, all others are forgotten."""
        self.line = [repr(settings) for settings in line]
        if self.taken > self.budget / 2:
            for name in self.kept.keys() - set(self.line):
                self.drop(name)

    def keep(self, shot: Shot) -> bool:
        """Take it, in the place of an older one or of such as are wanted later. False: there is no room for it."""
        name = repr(shot.frame.settings)
        if self.kept.get(name) is shot:
            return True
        size = size_of(shot.state) + len(shot.frame.png)
        self.drop(name)
        while self.taken + size > self.budget:
            last = next((other for other in reversed(self.line) if other in self.kept or other == name), name)
            if last == name:
                return False
            self.drop(last)
        self.kept[name], self.sizes[name] = shot, size
        self.taken += size
        return True

    def drop(self, name: str) -> None:
        if name in self.kept:
            del self.kept[name]
            self.taken -= self.sizes.pop(name)


def size_of(state: Any, seen: set[int] | None = None) -> int:
    """In bytes, about: its arrays, and what is in its containers and attributes."""
    seen = set() if seen is None else seen
    owner = state.base if isinstance(getattr(state, "base", None), np.ndarray) else state  # a view holds all of it
    if id(owner) in seen:
        return 0
    seen.add(id(owner))
    if isinstance(nbytes := getattr(owner, "nbytes", None), int):
        return nbytes
    parts: Iterable[Any] = ()
    if isinstance(owner, dict):
        parts = owner.values()
    elif isinstance(owner, list | tuple | set):
        parts = owner
    elif hasattr(owner, "__dict__") and not isinstance(owner, type | ModuleType):
        parts = vars(owner).values()
    return sys.getsizeof(owner) + sum(size_of(part, seen) for part in parts)


# Side by side: eight positions of a slider are eight lanes of one training


def lanes_of(*settings: Any) -> int | None:
    """How many lanes these settings ask for: as many as the column among them has values; None if all are numbers."""
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


def place_of(positions: list[Any], value: Any) -> int:
    """Where a control stands; a number that was typed in between is where the nearest is."""
    if value in positions:
        return positions.index(value)
    return min(range(len(positions)), key=lambda n: abs(positions[n] - value) if is_number(value) else n)


def nearest(positions: list[Any], value: Any) -> list[Any]:
    """The other positions, the nearest to `value` first, right before left."""
    here = place_of(positions, value)
    order = sorted(range(len(positions)), key=lambda n: (abs(n - here), n < here))
    return [positions[n] for n in order if positions[n] != value]


def stretch(positions: list[Any], value: Any, ready: Any) -> tuple[float, float]:
    """The part of a slider around `value` that is ready: from, to, in shares of its length."""
    low = high = place_of(positions, value)
    while low > 0 and ready(positions[low - 1]):
        low -= 1
    while high < len(positions) - 1 and ready(positions[high + 1]):
        high += 1
    last = max(len(positions) - 1, 1)
    return low / last, high / last
