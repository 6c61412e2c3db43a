"""Trained before you touch it: what a lab has run already, and what it runs next while nobody waits."""

import pickle
from typing import Any

BUDGET = 64 * 2**20  # bytes of states that one lab keeps
UNKNOWN = 2**20  # what a state is taken for whose size cannot be told


class Ready:
    """States by their settings, as long as they fit the budget."""

    def __init__(self, budget: int = BUDGET):
        self.budget, self.taken = budget, 0
        self.states: dict[str, Any] = {}

    def __contains__(self, settings: dict[str, Any]) -> bool:
        return repr(settings) in self.states

    def __getitem__(self, settings: dict[str, Any]) -> Any:
        return self.states[repr(settings)]

    @property
    def full(self) -> bool:
        return self.taken >= self.budget

    def keep(self, settings: dict[str, Any], state: Any) -> bool:
        """Take it, if it fits; the lab asks for what it needs soonest first."""
        if settings in self:
            return True
        size = size_of(state)
        if self.taken + size > self.budget:
            return False
        self.states[repr(settings)] = state
        self.taken += size
        return True

    def clear(self) -> None:
        self.states, self.taken = {}, 0


def size_of(state: Any) -> int:
    """In bytes, about."""
    try:
        return len(pickle.dumps(state, pickle.HIGHEST_PROTOCOL))
    except Exception:
        return UNKNOWN


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
