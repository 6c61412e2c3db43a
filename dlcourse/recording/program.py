"""A step written down: arrays, and the operations that make one from others, in the order they were asked for.

    input       theta, grad, the batch, what a layer remembers: an array that is there before the step
    constant    an array, the same at every step
    compute     fn(*args, **options): a new array
    view        fn(array): another look at the same numbers
    draw        numbers from a layer's generator, anew at every step
    write       numbers copied into an array that is there already

A program is flat: no branches, no loops. What depends on the values of arrays cannot be written down this way.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlcourse.backend import Array
from dlcourse.initializers import Shape


class CannotRecord(Exception):
    """Why a step is no flat program, in words."""


@dataclass(eq=False)
class Value:
    """One line of the program and the array it makes. args: values, and plain numbers."""

    kind: str
    fn: Any = None
    args: tuple[Any, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)
    shape: Shape = ()
    dtype: Any = None
    lanes: bool = False  # is the first axis that of the lanes?
    array: Array = None  # of an input or a constant; else the buffer that an executor gave it
    window: tuple[str, int, int] | None = None  # a stretch of theta or grad: which, from, to

    @property
    def sources(self) -> "list[Value]":
        return [a for a in self.args if isinstance(a, Value)]

    @property
    def root(self) -> "Value":
        """Whose memory this is: a view's is that of what it looks at."""
        value = self
        while value.kind == "view":
            value = value.args[0]
        return value

    @property
    def name(self) -> str:
        if self.kind in ("input", "constant", "write"):
            return self.kind
        if self.kind == "view":
            return str(self.options["name"])
        return str(self.fn if isinstance(self.fn, str) else getattr(self.fn, "__name__", self.fn))

    def is_call(self, fn: Any) -> bool:
        return self.kind == "compute" and self.fn is fn


class Program:
    """The lines that matter, in order; `kept`: arrays that must be there after the step, for whoever looks."""

    def __init__(self, lines: Iterable[Value], kept: Iterable[Value]):
        self.kept = list(kept)
        self.lines, self.instead = same_once(list(lines), self.kept)
        self.kept_ids = {id(value) for value in self.kept}
        self.readers: dict[int, list[Value]] | None = None
        self.sweep()

    def sweep(self) -> None:
        """Leave out what nobody needs."""
        self.lines = self.needed(self.lines)
        self.readers = None

    def final(self, value: Value) -> Value:
        """The value itself, or the one that is computed instead of it."""
        return self.instead.get(id(value), value)

    def drop(self, line: Value) -> None:
        self.lines = [each for each in self.lines if each is not line]
        self.readers = None

    def needed(self, lines: list[Value]) -> list[Value]:
        """Without what nobody reads: the first layer's dx, say. Dice are always thrown."""
        wanted = {id(value.root) for value in self.kept}
        left = []
        for line in reversed(lines):
            if line.kind == "write":
                target = line.args[0].root
                live = target.kind == "input" or id(target) in wanted
            else:
                live = line.kind == "draw" or id(line.root) in wanted
            if live:
                wanted |= {id(source.root) for source in line.sources}
                left.append(line)
        return left[::-1]

    def users(self, value: Value) -> list[Value]:
        """Who reads this value."""
        if self.readers is None:
            self.readers = {}
            for line in self.lines:
                for source in line.sources:
                    self.readers.setdefault(id(source), []).append(line)
        return self.readers.get(id(value), [])

    def __iter__(self) -> Any:
        return iter(self.lines)

    def __len__(self) -> int:
        return len(self.lines)


def same_once(lines: list[Value], kept: list[Value]) -> tuple[list[Value], dict[int, Value]]:
    """What is computed twice from the same numbers is computed once: x − μ, a sum over the batch."""
    written = {id(line.args[0].root) for line in lines if line.kind == "write"}
    first: dict[Any, Value] = {}
    instead: dict[int, Value] = {}
    left = []
    for line in lines:
        line.args = tuple(instead.get(id(a), a) for a in line.args)
        steady = line.kind in ("compute", "view") and not any(id(s.root) in written for s in (line, *line.sources))
        if steady and line.fn != "fill":
            key = (
                line.fn if line.kind == "compute" else "view",
                tuple(map(identity, line.args)),
                repr(sorted(line.options.items())),
            )
            twin = first.setdefault(key, line)
            if twin is not line:
                instead[id(line)] = twin
                continue
        left.append(line)
    kept[:] = [instead.get(id(value), value) for value in kept]
    return left, instead


def identity(argument: Any) -> Any:
    """What makes an argument the same one: itself if it is a value, else its type and number."""
    if isinstance(argument, Value):
        if argument.kind == "constant" and argument.array.size == 1:
            return argument.dtype, argument.shape, argument.array.item()
        return id(argument)
    return type(argument), repr(argument)


def same_program(one: list[Value], other: list[Value]) -> str | None:
    """Why two recordings of the same step are not the same program; None if they are."""
    one, other = ([line for line in lines if line.kind != "input"] for lines in (one, other))
    if len(one) != len(other):
        return "it does not do the same twice"
    number: dict[int, Any] = {id(value): n for lines in (one, other) for n, value in enumerate(lines)}

    def label(value: Value) -> Any:
        return value.options["role"] if value.kind == "input" else number[id(value)]

    for a, b in zip(one, other, strict=True):
        if (a.kind, a.name, a.shape, a.dtype) != (b.kind, b.name, b.shape, b.dtype):
            return f"it computes {a.name} once and {b.name} the next time"
        if a.kind == "constant" and not np.array_equal(a.array, b.array, equal_nan=a.array.dtype.kind == "f"):
            return "it uses numbers that change from step to step, and are not drawn by a generator of the layer"
        for x, y in zip(a.args, b.args, strict=True):
            both = isinstance(x, Value) and isinstance(y, Value)
            if label(x) != label(y) if both else repr(x) != repr(y):
                return f"{a.name} takes other numbers at every step"
    return None
