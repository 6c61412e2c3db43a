"""A program on NumPy: every array has its place for good, every line is one bound call, a step is a loop over them.

Arrays lie feature by feature where a row is an example, so that products and sums over the batch run along contiguous
numbers; wide rows and images lie as they are written. A place is used again once nobody needs what was there.
"""

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from dlcourse.backend import Array
from dlcourse.recording.program import CannotRecord, Program, Value

WIDE = 512  # from so many features on, copying a row beats copying a column, and products do not care
BESIDE_ALL = (np.maximum, np.minimum, np.greater, np.less, np.greater_equal, np.less_equal)


class Replay:
    """replay() runs the step once more. state: finds the generator that a line of dice draws from."""

    def __init__(self, program: Program, generator: Callable[[Any], np.random.Generator]):
        self.program, self.generator = program, generator
        self.calls: list[Callable[[], Any]] = []
        self.constants: dict[Any, Array] = {}
        self.free: dict[Any, list[Array]] = {}
        self.leave = self.last_readers()
        for number, line in enumerate(program):
            getattr(self, line.kind)(line)
            for value in self.leave.get(number, ()):
                self.free.setdefault(place_of(value), []).append(value.array)

    def __call__(self) -> None:
        for call in self.calls:
            call()

    def array(self, value: Value) -> Array:
        return value.array

    def last_readers(self) -> dict[int, list[Value]]:
        """After which line an array may give its place away."""
        last: dict[int, int] = {}
        for number, line in enumerate(self.program):
            for value in (line, *line.sources):
                last[id(value.root)] = number
        kept = {id(value.root) for value in self.program.kept}
        leave: dict[int, list[Value]] = {}
        for line in self.program:
            if line.kind == "compute" and id(line) not in kept and not line.options.get("ones"):
                leave.setdefault(last[id(line)], []).append(line)
        return leave

    def add(self, fn: Any, *args: Any, **options: Any) -> None:
        self.calls.append(partial(fn, *args, **options))

    # Places

    def place(self, value: Value) -> Array:
        """An array for the value: one that is free, or a new one."""
        if value.options.get("ones"):
            *lead, rows, features = value.shape
            value.options["beside"] = beside = new((*lead, rows, features + 1), value.dtype, value.lanes)
            beside[...] = 1
            return beside[..., :-1]
        places = self.free.get(place_of(value))
        return places.pop() if places else new(value.shape, value.dtype, value.lanes)

    def full(self, number: Any, like: Array) -> Array:
        """A number as an array like this one: a single number is compared many times slower."""
        key = (float(number), like.shape, like.strides, like.dtype)
        if key not in self.constants:
            self.constants[key] = np.full_like(like, number)
        return self.constants[key]

    def arrays(self, line: Value) -> list[Any]:
        """The arguments of a ufunc. Numbers become arrays without axes, which NumPy meets faster."""
        values = [a for a in line.sources if a.shape == line.shape]
        floats = [a.dtype for a in line.sources if a.dtype.kind == "f"]
        found: list[Any] = []
        for a in line.args:
            if isinstance(a, Value):
                found.append(a.array)
            elif values and line.fn in BESIDE_ALL:
                found.append(self.full(a, values[0].array))
            elif isinstance(a, int | float) and not isinstance(a, bool) and floats:
                found.append(np.asarray(a, np.result_type(*floats)))
            else:
                found.append(a)
        return found

    # One method for each kind of line

    def input(self, line: Value) -> None:
        if line.options["role"] in ("batch", "target"):
            line.array = self.place(line)  # the step copies each batch to here

    def constant(self, line: Value) -> None:
        pass

    def view(self, line: Value) -> None:
        source = line.args[0].array
        line.array = line.fn(source)
        if line.array.size and not np.may_share_memory(line.array, source):
            if line.name != "reshape":
                raise CannotRecord(f"{line.name} is a copy there")
            line.array = np.empty(line.shape, line.dtype)
            self.add(np.copyto, line.array.reshape(source.shape), source)

    def draw(self, line: Value) -> None:
        line.array = np.empty(line.shape, line.dtype)
        where, args, kwargs = (line.options[name] for name in ("where", "args", "kwargs"))

        def draw_anew(array: Array = line.array, name: str = line.fn) -> None:
            np.copyto(array, getattr(self.generator(where), name)(*args, **kwargs))

        self.calls.append(draw_anew)

    def write(self, line: Value) -> None:
        if line.fn == "affine_grad":
            dW, x, dy, db = line.args
            self.add(np.matmul, x.options["beside"].mT, dy.array, out=one_above_the_other(dW, db))
            return
        target, source = line.args
        if isinstance(source, Value) and self.written_directly(target, source):
            return
        self.add(np.copyto, target.array, source.array if isinstance(source, Value) else source, casting="same_kind")

    def written_directly(self, target: Value, source: Value) -> bool:
        """The call that just made the source, and whose only reader this is, writes to the target instead."""
        last = self.calls[-1] if self.calls else None
        alone = id(source) not in self.program.kept_ids and len(self.program.users(source)) == 1
        if not alone or source.kind != "compute" or not isinstance(last, partial):
            return False
        if last.keywords.get("out") is not source.array or target.shape != source.shape or target.dtype != source.dtype:
            return False
        aliased = any(isinstance(a, np.ndarray) and np.may_share_memory(a, target.array) for a in last.args)
        if (aliased and not isinstance(last.func, np.ufunc)) or (aliased and last.func is np.matmul):
            return False
        self.calls[-1] = partial(last.func, *last.args, **{**last.keywords, "out": target.array})
        return True

    def compute(self, line: Value) -> None:
        if isinstance(line.fn, str):
            getattr(self, sys.intern("compute_" + line.fn))(line)
            return
        arguments = self.arrays(line)
        line.array = out = self.place(line)
        if "as" in line.options:
            mask = np.empty_like(out, bool)
            self.add(line.fn, *arguments, out=mask)
            self.add(np.copyto, out, mask)
        else:
            self.add(line.fn, *arguments, out=out)

    def compute_affine(self, line: Value) -> None:
        x, W, b = line.args
        line.array = self.place(line)
        self.add(np.matmul, x.options["beside"], one_above_the_other(W, b), out=line.array)

    def compute_ones(self, line: Value) -> None:
        x, axis = line.args[0].array, line.options["axis"]
        line.array = self.place(line)
        n = x.shape[axis]
        ones = self.full(1, np.empty((1, n) if axis == -2 else (n, 1), x.dtype))
        self.add(np.matmul, *((ones, x) if axis == -2 else (x, ones)), out=line.array)

    def compute_reduce(self, line: Value) -> None:
        x, options = line.args[0].array, line.options
        line.array = self.place(line)
        ufunc = getattr(np, options["ufunc"])
        self.add(ufunc.reduce, x, axis=options["axes"], keepdims=options["keepdims"], out=line.array)

    def compute_where(self, line: Value) -> None:
        condition, yes, no = (a.array if isinstance(a, Value) else a for a in line.args)
        line.array = out = self.place(line)
        self.add(np.copyto, out, no)
        self.add(np.copyto, out, yes, where=condition)

    def compute_cast(self, line: Value) -> None:
        line.array = self.place(line)
        self.add(np.copyto, line.array, line.args[0].array, casting="unsafe")

    def compute_fill(self, line: Value) -> None:
        line.array = self.place(line)
        self.add(line.array.fill, line.args[0])


def new(shape: Any, dtype: Any, lanes: bool) -> Array:
    """An array without contents: feature by feature in memory if a row is an example."""
    if len(shape) - lanes != 2 or shape[-1] >= WIDE:
        return np.empty(shape, dtype)
    *lead, rows, features = shape
    return np.empty((*lead, features, rows), dtype).swapaxes(-1, -2)


def place_of(value: Value) -> Any:
    return value.shape, np.dtype(value.dtype), value.lanes


def one_above_the_other(weights: Value, bias: Value) -> Array:
    """[W; b], (..., inputs + 1, units): one window onto theta, or grad, for two neighbours."""
    vector = weights.root.array[..., weights.window[1] : bias.window[2]]  # type: ignore[index]
    return vector.reshape((*vector.shape[:-1], -1, weights.shape[-1]))
