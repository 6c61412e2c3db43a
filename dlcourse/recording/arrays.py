"""Arrays that compute as NumPy's do and write down what they were asked."""

import math
import sys
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

from dlcourse.backend import Array
from dlcourse.recording.program import CannotRecord, Value


class Tape:
    """What was asked for, line by line."""

    def __init__(self, lanes: int | None = None):
        self.lines: list[Value] = []
        self.lanes = lanes
        self.constants: dict[int, Value] = {}
        self.bases: dict[int, Array] = {}  # theta and grad, by their value

    def input(self, role: Any, array: Array, lanes: bool = False, at: Array = None, window: Any = None) -> "Recorded":
        """A recording array for one that is there before the step. at: the one the program is to use."""
        value = Value("input", None, (), {"role": role}, array.shape, array.dtype, lanes, at, window)
        if window:
            self.bases[id(value)] = array
        return Recorded(self.note(value), array, self)

    def note(self, value: Value) -> Value:
        self.lines.append(value)
        return value

    def value(self, thing: Any) -> Any:
        """A value, or a plain number as it is."""
        if isinstance(thing, Recorded):
            return thing.value
        if not isinstance(thing, np.ndarray):
            return thing
        known = self.constants.get(id(thing))
        if known is None:
            lanes = bool(self.lanes) and thing.ndim > 2 and thing.shape[0] == self.lanes
            known = Value("constant", None, (), {}, thing.shape, thing.dtype, lanes, thing)
            self.constants[id(thing)] = self.note(known)
        return known

    def compute(self, fn: Any, inputs: tuple[Any, ...], result: Array, **options: Any) -> "Recorded":
        args = tuple(map(self.value, inputs))
        lanes = any(a.lanes for a in args if isinstance(a, Value))
        return Recorded(self.note(Value("compute", fn, args, options, result.shape, result.dtype, lanes)), result, self)

    def view(self, of: "Recorded", look: Callable[[Array], Array], name: str, **options: Any) -> "Recorded":
        """look(array), which may turn out to be a copy; executors see for themselves."""
        result = look(of.array)
        line = Value("view", look, (of.value,), {"name": name, **options}, result.shape, result.dtype, of.value.lanes)
        line.window = stretch(line, result, self.bases)
        return Recorded(self.note(line), result, self)

    def write(self, target: "Recorded", source: Any) -> None:
        if isinstance(source, Recorded):
            a, b = (r.array.__array_interface__ for r in (target, source))
            if (a["data"], a["strides"], a["shape"]) == (b["data"], b["strides"], b["shape"]):
                return  # x[...] += y has written already
        np.copyto(target.array, plain_array(source), casting="same_kind")
        self.note(Value("write", None, (target.value, self.value(source)), {}, target.shape, target.dtype))


def stretch(line: Value, array: Array, bases: dict[int, Array]) -> Any:
    """Which stretch of theta or grad this is, if its numbers are neighbours there, in their order."""
    base = bases.get(id(line.root))
    one = array[0] if line.lanes and len(array) else array
    if base is None or not array.size or not one.flags.c_contiguous:
        return None
    start = (array.__array_interface__["data"][0] - base.__array_interface__["data"][0]) // base.itemsize
    return (line.root.window[0], start, start + one.size)  # type: ignore[index]


def plain_array(thing: Any) -> Any:
    return thing.array if isinstance(thing, Recorded) else thing


class Recorded(NDArrayOperatorsMixin):
    """An array of a step that is being recorded: `array` has the numbers, `value` is its line of the program."""

    recording = True
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, value: Value, array: Array, tape: Tape):
        self.value, self.array, self.tape = value, array, tape

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    T = property(lambda self: self.tape.view(self, lambda a: a.T, "T"))
    mT = property(lambda self: self.tape.view(self, lambda a: a.mT, "mT"))

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, key: Any) -> "Recorded":
        if not is_slice(key):
            raise CannotRecord("it picks entries by their numbers")
        return self.tape.view(self, lambda a: a[key], "slice", key=repr(key))

    def __setitem__(self, key: Any, source: Any) -> None:
        self.tape.write(self[key], source)

    def reshape(self, *shape: Any) -> "Recorded":
        whole = self.array.reshape(*shape).shape
        return self.tape.view(self, lambda a: a.reshape(whole), "reshape", shape=whole)

    def swapaxes(self, one: int, other: int) -> "Recorded":
        return self.tape.view(self, lambda a: a.swapaxes(one, other), "swapaxes", axes=(one, other))

    def transpose(self, *axes: Any) -> "Recorded":
        return self.tape.view(self, lambda a: a.transpose(*axes), "transpose", axes=axes)

    def astype(self, dtype: Any) -> "Recorded":
        if dtype == self.dtype:
            return self
        return self.tape.compute("cast", (self,), self.array.astype(dtype))

    def copy(self) -> "Recorded":
        return self.tape.compute(np.positive, (self,), self.array.copy())

    def sum(self, axis: Any = None, keepdims: bool = False) -> "Recorded":
        return reduced(np.add, self, axis, keepdims)

    def max(self, axis: Any = None, keepdims: bool = False) -> "Recorded":
        return reduced(np.maximum, self, axis, keepdims)

    def min(self, axis: Any = None, keepdims: bool = False) -> "Recorded":
        return reduced(np.minimum, self, axis, keepdims)

    def mean(self, axis: Any = None, keepdims: bool = False) -> "Recorded":
        axes = range(self.ndim) if axis is None else np.atleast_1d(axis).tolist()
        total: Recorded = self.sum(axis, keepdims) / math.prod(self.shape[a] for a in axes)
        return total

    def __pow__(self, exponent: Any) -> Any:
        if type(exponent) in (int, float) and exponent == 2:  # as NumPy does it
            return np.square(self)
        return np.power(self, exponent)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **options: Any) -> Any:
        if method == "reduce":
            return reduced(ufunc, inputs[0], options.get("axis", 0), options.get("keepdims", False))
        if method != "__call__" or options or ufunc.nout != 1:
            raise CannotRecord(f"it uses {ufunc.__name__} in an unusual way")
        result = np.asarray(ufunc(*map(plain_array, inputs)))
        new = self.tape.compute(ufunc, inputs, result)
        if out is None:
            return new
        if not isinstance(out[0], Recorded):
            raise CannotRecord("it writes into an array made for this step alone")
        self.tape.write(out[0], new)
        return out[0]

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function not in FUNCTIONS:
            raise CannotRecord(f"it uses {function.__name__}")
        return FUNCTIONS[function](*args, **kwargs)

    def refuse(self, *args: Any, **kwargs: Any) -> Any:
        raise CannotRecord("it looks at the values of arrays")

    __bool__ = __float__ = __int__ = __index__ = __iter__ = __array__ = item = tolist = any = all = refuse


def is_slice(key: Any) -> bool:
    keys = key if isinstance(key, tuple) else (key,)
    return all(k is None or k is Ellipsis or isinstance(k, slice | int | np.integer) for k in keys)


def reduced(ufunc: Any, x: Recorded, axis: Any, keepdims: bool) -> Recorded:
    axes = tuple(range(x.ndim)) if axis is None else tuple(np.atleast_1d(axis).tolist())
    axes = tuple(sorted(a - x.ndim if a >= 0 else a for a in axes))
    result = np.asarray(ufunc.reduce(x.array, axis=axes, keepdims=keepdims))
    return x.tape.compute("reduce", (x,), result, ufunc=sys.intern(ufunc.__name__), axes=axes, keepdims=keepdims)


def tape_of(*things: Any) -> Tape:
    return next(thing.tape for thing in things if isinstance(thing, Recorded))


def where(condition: Any, yes: Any, no: Any) -> Recorded:
    things = condition, yes, no
    return tape_of(*things).compute("where", things, np.asarray(np.where(*map(plain_array, things))))


def full_like(like: Recorded, value: Any, dtype: Any = None, shape: Any = None) -> Recorded:
    """A new array, filled anew at every step: it may be written into."""
    array = np.full(like.shape if shape is None else shape, value, dtype or like.dtype)
    line = Value("compute", "fill", (value,), {}, array.shape, array.dtype, like.value.lanes)
    return Recorded(like.tape.note(line), array, like.tape)


def view_of(name: str, function: Any) -> Any:
    def look(x: Recorded, *args: Any, **kwargs: Any) -> Recorded:
        return x.tape.view(x, lambda a: function(a, *args, **kwargs), name, args=repr((args, kwargs)))

    return look


def clip(x: Any, low: Any = None, high: Any = None) -> Any:
    x = x if low is None else np.maximum(x, low)
    return x if high is None else np.minimum(x, high)


FUNCTIONS: dict[Any, Any] = {
    np.where: where,
    np.clip: clip,
    np.sum: lambda x, axis=None, keepdims=False: x.sum(axis, keepdims),
    np.mean: lambda x, axis=None, keepdims=False: x.mean(axis, keepdims),
    np.max: lambda x, axis=None, keepdims=False: x.max(axis, keepdims),
    np.min: lambda x, axis=None, keepdims=False: x.min(axis, keepdims),
    np.zeros_like: lambda x, dtype=None, shape=None: full_like(x, 0, dtype, shape),
    np.ones_like: lambda x, dtype=None, shape=None: full_like(x, 1, dtype, shape),
    np.full_like: full_like,
    np.shape: lambda x: x.shape,
    np.ndim: lambda x: x.ndim,
    np.reshape: lambda x, shape: x.reshape(shape),
    np.swapaxes: lambda x, one, other: x.swapaxes(one, other),
    np.moveaxis: view_of("moveaxis", np.moveaxis),
    np.transpose: view_of("transpose", np.transpose),
    np.expand_dims: view_of("expand_dims", np.expand_dims),
    np.squeeze: view_of("squeeze", np.squeeze),
    np.flip: view_of("flip", np.flip),
    np.broadcast_to: view_of("broadcast_to", np.broadcast_to),
    np.lib.stride_tricks.sliding_window_view: view_of("windows", np.lib.stride_tricks.sliding_window_view),
}


class RecordedDice:
    """A layer's generator while its step is recorded: what it draws is drawn anew at every replay."""

    def __init__(self, rng: np.random.Generator, where: Any, tape: Tape):
        self.rng, self.where, self.tape = rng, where, tape

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.rng, name)
        if name not in ("random", "normal", "uniform", "standard_normal", "integers"):
            raise CannotRecord(f"it draws by {name}")

        def draw(*args: Any, **kwargs: Any) -> Recorded:
            if any(isinstance(a, Recorded) for a in (*args, *kwargs.values())):
                raise CannotRecord("what it draws depends on arrays")
            result = np.asarray(method(*args, **kwargs))
            options = {"where": self.where, "args": args, "kwargs": kwargs}
            line = Value("draw", name, (), options, result.shape, result.dtype)
            return Recorded(self.tape.note(line), result, self.tape)

        return draw
