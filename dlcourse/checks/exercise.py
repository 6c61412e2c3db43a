"""What an exercise is: one entry of a table, from which feedback, grades and the test of the check itself are made.

    momentum_step = Exercise(
        name="momentum_step", chapter="02_momentum", notebook="momentum", title="One step of momentum",
        returns=("theta", "velocity"),
        draw=lambda rng: [...],                     fresh inputs: a list of calls, each a tuple of plain data
        reference=lambda theta, velocity, ...: ..., the right answer
        properties={"sentence": test, ...},         what must hold besides; test(given, got), given.theta and so on
        mistakes={"sentence": function, ...},       wrong answers that people give, each with the words that explain it
        variants=(function, ...),                   other right answers
        hints=("...", "...", "..."),
    )

A learner's worker is sent the calls alone. `judge` (judge.py) takes them and the answers and knows the rest.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np

Draw = Callable[[np.random.Generator], Sequence[tuple]]


@dataclass(frozen=True, kw_only=True)
class Exercise:
    """A function to write. `draw`, `reference` and what follows stay with us; `signature` and `title` are public."""

    name: str
    chapter: str
    notebook: str
    title: str
    draw: Draw
    reference: Callable[..., Any]
    mistakes: Mapping[str, Callable[..., Any]]
    hints: Sequence[str]
    returns: Sequence[str] = ()  # the names of its outputs, if there are several
    properties: Mapping[str, Callable[..., bool]] = field(default_factory=dict)
    across: Mapping[str, Callable[..., bool]] = field(default_factory=dict)  # tests of all calls and answers together
    measure: Callable[..., dict[str, float]] | None = None  # of an answer left to chance: what is compared instead
    regimes: Mapping[str, Callable[..., bool]] = field(default_factory=dict)  # where a wrong curve is wrong: regimes.py
    curve: str = ""  # the argument along which a wrong curve is drawn beside the right one
    tolerance: float = 1e-5
    points: int = 2
    variants: Sequence[Callable[..., Any]] = ()
    rounds: int = (
        1  # how often draw is asked for calls: twice where one draw in some hundreds cannot tell a wrong answer
    )
    examples: Sequence[tuple] = ()  # calls of the worked example in the stub: every check asks them too
    equal: Mapping[str, str] = field(default_factory=dict)  # for gate/: a change that changes nothing, and why
    repair: bool = False  # is it handed out broken? Then the first of its mistakes is the script as it is handed out
    library: bool = False  # may the answer use dlcourse itself when it is graded? checks/ stay out of its reach

    @property
    def signature(self) -> str:
        return f"{self.name}({', '.join(self.parameters)})"

    @property
    def parameters(self) -> list[str]:
        return list(inspect.signature(self.reference).parameters)

    def calls(self, rng: np.random.Generator) -> list[tuple]:
        drawn = (call for _ in range(self.rounds) for call in self.draw(rng))
        return [*drawn, *self.examples]

    def given(self, call: tuple) -> SimpleNamespace:
        """The arguments of a call, by name."""
        return SimpleNamespace(**dict(zip(self.parameters, call, strict=True)))


@dataclass(frozen=True, kw_only=True)
class Question:
    """A claim to judge by looking at curves. The ticket decides them; the answer is both."""

    name: str
    chapter: str
    notebook: str
    title: str
    ask: str
    run: Callable[[np.random.Generator, str], np.ndarray]  # the curve of one kind, (n,); all start from the same rng
    axes: tuple[str, str]
    right: str  # the kind that is asked for
    kinds: Mapping[str, str]  # every kind, and the sentence that says how to tell
    hints: Sequence[str]
    log: bool = False
    points: int = 1

    @property
    def letters(self) -> str:
        return "ABCDEFGH"[: len(self.kinds)]

    def order(self, ticket: int) -> list[str]:
        """Which kind stands at A, B, …"""
        return [str(kind) for kind in np.random.default_rng([ticket, 1]).permutation(list(self.kinds))]

    def curves(self, ticket: int) -> dict[str, np.ndarray]:
        """By letter."""
        order = zip(self.letters, self.order(ticket), strict=True)
        return {letter: self.run(np.random.default_rng([ticket, 2]), kind) for letter, kind in order}

    def calls(self, rng: np.random.Generator) -> list[tuple]:
        """The learner's function takes nothing and returns (ticket, letter)."""
        return [()]

    def answer(self, ticket: int) -> str:
        return self.letters[self.order(ticket).index(self.right)]
