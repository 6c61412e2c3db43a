"""What a claim leaves open: the factors of a design, each with the range that the claim is meant for."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from dlcourse.settings import is_number, refuse


class Factor(Protocol):
    """One thing that differs from design to design. `label` is its name in sentences, with its unit."""

    @property
    def label(self) -> str: ...

    def draw(self, rng: np.random.Generator) -> Any: ...


@dataclass(frozen=True)
class Uniform:
    """A number in [low, high), all equally likely."""

    low: float
    high: float
    label: str = ""
    log = False

    def __post_init__(self) -> None:
        need(is_number(self.low) and is_number(self.high) and self.low < self.high, "Uniform", "have low < high", self)

    def draw(self, rng: np.random.Generator) -> float:
        return rounded(rng.uniform(self.low, self.high))


@dataclass(frozen=True)
class Log:
    """A positive number in [low, high), every factor of ten equally likely: rates, penalties, condition numbers."""

    low: float
    high: float
    label: str = ""
    log = True

    def __post_init__(self) -> None:
        need(
            is_number(self.low) and is_number(self.high) and 0 < self.low < self.high,
            "Log",
            "have 0 < low < high",
            self,
        )

    def draw(self, rng: np.random.Generator) -> float:
        return rounded(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))


@dataclass(frozen=True)
class Whole:
    """A whole number from low to high, both included; with log, every factor of ten equally likely."""

    low: int
    high: int
    label: str = ""
    log: bool = False

    def __post_init__(self) -> None:
        need(
            self.low < self.high and (self.low > 0 or not self.log), "Whole", "have low < high, above 0 with log", self
        )

    def draw(self, rng: np.random.Generator) -> int:
        if self.log:
            return int(math.exp(rng.uniform(math.log(self.low), math.log(self.high + 1))))
        return int(rng.integers(self.low, self.high, endpoint=True))


@dataclass(frozen=True)
class OneOf:
    """One of these, all equally likely. Words, or numbers of which only a few make sense."""

    options: tuple[Any, ...]
    label: str = ""

    def __post_init__(self) -> None:
        need(isinstance(self.options, tuple) and len(self.options) > 1, "OneOf", "have two options or more", self)

    def draw(self, rng: np.random.Generator) -> Any:
        return self.options[int(rng.integers(len(self.options)))]


Space = Mapping[str, Factor]


def draw(space: Space, seed: int, number: int) -> dict[str, Any]:
    """Design `number` of this seed: a value for each factor, and a seed of its own for what is drawn inside."""
    rng = np.random.default_rng([seed, number])
    return {name: factor.draw(rng) for name, factor in space.items()} | {"seed": int(rng.integers(2**31))}


def label(space: Space, name: str) -> str:
    return space[name].label or name


def rounded(value: float) -> float:
    """Three digits, so that a design can be read, and typed in again."""
    return float(f"{value:.3g}")


def need(kept: bool, what: str, rule: str, value: object) -> None:
    if not kept:
        refuse(f"{what}.range", rule, value, "It is what the claim is meant for.")


def levels(values: Iterable[Any]) -> bool:
    """Is this a factor of few kinds (words, truth values), not of numbers?"""
    return not all(is_number(value) for value in values)
