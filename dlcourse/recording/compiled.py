"""A program as one compiled function, by Numba: `dl.use("numba")`.

Every line becomes a loop over rows and columns, every product a call of BLAS; lanes are the outermost loop, so that the
arrays between two lines stay in the processor's cache. No size is written into the code: it is compiled once for a kind
of network, and kept on disk. All arrays lie row by row in one piece of memory, `work` (`flags` for true and false),
at places that are passed along. Images and patches are left to NumPy.
"""

import hashlib
import importlib.util
import math
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.backend import Array
from dlcourse.recording.program import CannotRecord, Program, Value

UFUNCS = {
    "add": "{0} + {1}", "subtract": "{0} - {1}", "multiply": "{0} * {1}", "divide": "{0} / {1}",
    "negative": "-{0}", "positive": "{0}", "square": "{0} * {0}", "power": "{0} ** {1}", "sqrt": "math.sqrt({0})",
    "exp": "math.exp({0})", "log": "math.log({0})", "tanh": "math.tanh({0})", "erf": "math.erf({0})",
    "absolute": "abs({0})", "sign": "np.sign({0})", "isfinite": "math.isfinite({0})", "isnan": "math.isnan({0})",
    "maximum": "({0} if {0} > {1} or {0} != {0} else {1})", "minimum": "({0} if {0} < {1} or {0} != {0} else {1})",
    "greater": "{0} > {1}", "less": "{0} < {1}", "greater_equal": "{0} >= {1}", "less_equal": "{0} <= {1}",
    "equal": "{0} == {1}", "not_equal": "{0} != {1}", "bitwise_and": "{0} and {1}", "bitwise_or": "{0} or {1}",
    "logical_and": "{0} and {1}", "invert": "not {0}", "logical_not": "not {0}", "where": "{1} if {0} else {2}",
    "cast": "{0}", "fill": "{0}",
}  # fmt: skip
HEAD = '''"""Written by dlcourse/recording/compiled.py: one training step."""

import math

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy", fastmath={{"contract"}})
def step(lanes, work, flags, at, numbers, theta, grad{memories}):
'''


SLICES = {
    repr(...): "",
    repr((..., slice(None, 1), slice(None))): "[:1]",
    repr((..., slice(None, 1, None))): "[:, :1]",
}


class Compilation:
    """`ready` once the function is there; then `run()` is one step. `failed`: why it will never be there."""

    def __init__(self, program: Program, lanes: int | None, generator: Callable[[Any], np.random.Generator]):
        self.program, self.lanes, self.generator = program, lanes, generator
        self.ready, self.failed = False, ""
        kinds = {line.dtype for line in program if line.dtype is not None and line.dtype.kind == "f"}
        self.dtype = next(iter(kinds - {np.dtype("float32")} if len(kinds) > 1 else kinds))
        self.places: dict[int, tuple[str, int, int, int, bool]] = {}  # base, number in `at`, rows, columns, turned
        self.sizes = {"work": 0, "flags": 0}
        self.at, self.numbers = [], []  # type: list[Any], list[Any]
        self.memories: list[Value] = []
        self.draws: list[Value] = []
        self.constants: list[Value] = []
        self.kept = {id(value.root) for value in program.kept}
        self.source = self.write()
        self.work = np.zeros(self.sizes["work"], self.dtype)
        self.flags = np.zeros(self.sizes["flags"] or 1, bool)
        for value in self.constants:
            self.array(value)[...] = value.array
        theta, grad = (self.base(name) for name in ("theta", "grad"))
        numbers, at = np.array(self.numbers or [0], self.dtype), np.array(self.at, np.int64)
        memory = [value.array.reshape(self.lanes or 1, -1) for value in self.memories]
        self.arguments = (self.lanes or 1, self.work, self.flags, at, numbers, theta, grad, *memory)
        threading.Thread(target=self.compile, daemon=True).start()

    def compile(self) -> None:
        try:
            self.function = load(self.source)
            self.function.compile(tuple(map(type_of, self.arguments)))
            self.ready = True
        except Exception as error:
            self.failed = f"{type(error).__name__}: {error}"

    def __call__(self) -> None:
        for line in self.draws:
            where, args, kwargs = (line.options[name] for name in ("where", "args", "kwargs"))
            self.array(line)[...] = getattr(self.generator(where), line.fn)(*args, **kwargs)
        self.function(*self.arguments)

    def base(self, name: str) -> Array:
        for line in self.program:
            if line.kind == "input" and line.window and line.window[0] == name:
                return line.array.reshape(self.lanes or 1, -1)
        return np.zeros((self.lanes or 1, 1), self.dtype)

    def array(self, value: Value) -> Array:
        """Where the value lies, for whoever reads it after the step, or writes it before."""
        base, number, rows, columns, turned = self.places[id(value)]
        if base not in self.sizes:
            return value.array
        many = (self.lanes or 1) if value.lanes and id(value.root) in self.kept else 1
        start, stride = self.at[number], self.at[number + 3]
        whole = getattr(self, base)[start : start + (many - 1) * stride + rows * columns].reshape(-1, rows, columns)
        whole = whole.swapaxes(-1, -2) if turned else whole
        return (whole if value.lanes and many == self.lanes else whole[0]).reshape(value.shape)

    # Writing the function

    def write(self) -> str:
        shared: list[str] = []
        lanes: list[str] = []
        for line in self.program:
            text = self.line(line)
            inside = self.lanes is None or line.lanes or line.kind == "write"
            (lanes if inside else shared).extend(text)
        names = "".join(f", memory{n}" for n in range(len(self.memories)))
        body = [*shared, "for lane in range(lanes):", *("    " + each for each in lanes)]
        return HEAD.format(memories=names) + "\n".join("    " + each for each in body) + "\n"

    def line(self, line: Value) -> list[str]:
        return getattr(self, "write_" + line.kind)(line)

    def put(self, line: Value, base: str = "") -> list[str]:
        """Give the value a place, and a name in the code: v12."""
        rows, columns = matrix(line)
        base = base or ("flags" if line.dtype.kind == "b" else "work")
        number = len(self.at)
        self.places[id(line)] = (base, number, rows, columns, False)
        many = (self.lanes or 1) if line.lanes and id(line.root) in self.kept else 1
        stride = rows * columns if many > 1 else 0
        self.at += [self.sizes[base], rows, columns, stride]
        self.sizes[base] += -(-max(many * rows * columns, 1) // 16) * 16
        where = f"at[{number}]" + (f" + lane * at[{number + 3}]" if many > 1 else "")
        return self.named(line, f"{base}[{where} : {where} + at[{number + 1}] * at[{number + 2}]]", number)

    def named(self, line: Value, stretch: str, number: int) -> list[str]:
        return [f"{name_of(number)} = {stretch}.reshape((at[{number + 1}], at[{number + 2}]))"]

    def window(self, line: Value, base: str, start: int) -> list[str]:
        rows, columns = matrix(line)
        number = len(self.at)
        self.places[id(line)] = (base, number, rows, columns, False)
        self.at += [start, rows, columns, 0]
        return self.named(
            line, f"{base}[lane, at[{number}] : at[{number}] + at[{number + 1}] * at[{number + 2}]]", number
        )

    def write_input(self, line: Value) -> list[str]:
        if line.window:
            self.places[id(line)] = (line.window[0], -1, 0, 0, False)
            return []
        if line.options["role"] in ("batch", "target"):
            return self.put(line)
        self.memories.append(line)
        return self.window(line, f"memory{len(self.memories) - 1}", 0)

    def write_constant(self, line: Value) -> list[str]:
        if line.lanes:
            raise CannotRecord("a constant for each lane")
        self.constants.append(line)
        return self.put(line)

    def write_draw(self, line: Value) -> list[str]:
        self.draws.append(line)
        return self.put(line)

    def write_view(self, line: Value) -> list[str]:
        source = line.args[0]
        if line.window and line.root.window:
            return self.window(line, line.window[0], line.window[1])
        base, number, rows, columns, turned = self.places[id(source)]
        name, size = line.name, math.prod(line.shape)
        if number < 0:  # a stretch of theta, on its way to a window
            self.places[id(line)] = (base, -1, 0, 0, False)
            return []
        if name in ("mT", "T") and len(source.shape) - source.lanes == 2 and not (name == "T" and source.lanes):
            self.places[id(line)] = (base, number, rows, columns, not turned)
            return []
        if name == "reshape" and not turned and size == math.prod(source.shape) and matrix(line) == (rows, columns):
            self.places[id(line)] = self.places[id(source)]
            return []
        part = SLICES.get(line.options.get("key", "")) if not turned else None
        if part == "":  # all of it
            self.places[id(line)] = self.places[id(source)]
            return []
        if part:
            new, (few_rows, few_columns) = len(self.at), matrix(line)
            self.at += [self.at[number], few_rows, few_columns, self.at[number + 3]]
            self.places[id(line)] = (base, new, few_rows, few_columns, False)
            return [f"{name_of(new)} = {name_of(number)}{part}"]
        raise CannotRecord(f"{name} of {source.shape}")

    def write_compute(self, line: Value) -> list[str]:
        code = self.put(line)
        if line.fn in (np.matmul, "affine"):
            return code + self.product(line)
        if line.fn in ("reduce", "ones"):
            return code + self.reduction(line)
        template = UFUNCS.get(line.name)
        if template is None:
            raise CannotRecord(f"{line.name} is not in its table")
        terms = [self.entry(a, line) for a in line.args]
        if line.fn == "power" or line.options.get("as"):
            template = f"1.0 if {template} else 0.0"
        return [*code, *self.loop(line, f"{self.entry(line, line)} = {template.format(*terms)}")]

    def loop(self, line: Value, inside: str) -> list[str]:
        number = self.places[id(line)][1]
        return [f"for i in range(at[{number + 1}]):", f"    for j in range(at[{number + 2}]):", f"        {inside}"]

    def entry(self, argument: Any, line: Value) -> str:
        """One number of the argument, in a loop over rows i and columns j."""
        if not isinstance(argument, Value):
            self.numbers.append(float(argument))
            return f"numbers[{len(self.numbers) - 1}]"
        _, number, rows, columns, turned = self.places[id(argument)]
        rows, columns = (columns, rows) if turned else (rows, columns)
        all_rows, all_columns = matrix(line)
        i, j = "0" if rows == 1 < all_rows else "i", "0" if columns == 1 < all_columns else "j"
        return f"{name_of(number)}[{j}, {i}]" if turned else f"{name_of(number)}[{i}, {j}]"

    def product(self, line: Value) -> list[str]:
        out, (x, W) = self.places[id(line)][1], line.args[:2]
        code = [f"np.dot({self.matrix_name(x)}, {self.matrix_name(W)}, {name_of(out)})"]
        if line.fn == "affine":
            code += self.loop(line, f"{name_of(out)}[i, j] += {name_of(self.places[id(line.args[2])][1])}[0, j]")
        return code

    def matrix_name(self, value: Value) -> str:
        _, number, _, _, turned = self.places[id(value)]
        return name_of(number) + (".T" if turned else "")

    def reduction(self, line: Value) -> list[str]:
        x, options = line.args[0], line.options
        axes = (options["axis"],) if line.fn == "ones" else options["axes"]
        ufunc = "add" if line.fn == "ones" else options["ufunc"]
        if ufunc not in ("add", "maximum") or not set(axes) <= {-1, -2} or len(x.shape) - x.lanes != 2:
            raise CannotRecord(f"{ufunc} over {axes}")
        out = name_of(self.places[id(line)][1])
        target = f"{out}[{'0' if -2 in axes else 'i'}, {'0' if -1 in axes else 'j'}]"
        if axes == (-1,) and len(line.shape) - line.lanes == 1:  # (batch,): it lies in a row
            target = f"{out}[0, i]"
        entry = self.entry(x, x)
        start, more = ("0.0", f"{target} + {entry}") if ufunc == "add" else ("-np.inf", f"max({target}, {entry})")
        return [f"{out}[:, :] = {start}", *self.loop_over(x, f"{target} = {more}")]

    def loop_over(self, x: Value, inside: str) -> list[str]:
        _, number, _, _, turned = self.places[id(x)]
        rows, columns = (number + 2, number + 1) if turned else (number + 1, number + 2)
        return [f"for i in range(at[{rows}]):", f"    for j in range(at[{columns}]):", f"        {inside}"]

    def write_write(self, line: Value) -> list[str]:
        if line.fn == "affine_grad":
            dW, x, dy, db = (self.matrix_name(a) for a in line.args)
            sums = self.loop_over(line.args[2], f"{db}[0, j] += {self.entry(line.args[2], line.args[2])}")
            return [f"np.dot({x}.T, {dy}, {dW})", f"{db}[:, :] = 0.0", *sums]
        target, source = line.args
        return self.loop(target, f"{self.entry(target, target)} = {self.entry(source, target)}")


class NotCompiled:
    """Why there is no compiled function."""

    ready = False

    def __init__(self, failed: str):
        self.failed = failed


def matrix(value: Value) -> tuple[int, int]:
    """Rows and columns of one lane."""
    shape = value.shape[1:] if value.lanes else value.shape
    if len(shape) > 2:
        raise CannotRecord(f"an array of {len(shape)} axes")
    return (1, 1)[len(shape) :] + shape  # type: ignore[return-value]


def name_of(number: int) -> str:
    return f"v{number}"


def type_of(argument: Any) -> Any:
    from numba import typeof

    return typeof(argument)


def load(source: str) -> Any:
    """The function of this source, from a file of its own: Numba keeps beside it what it compiled."""
    name = "step_" + hashlib.sha256(source.encode()).hexdigest()[:20]
    if name in sys.modules:
        return sys.modules[name].step
    folder = cache_folder()
    path = folder / f"{name}.py"
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=folder, suffix=".part", delete=False, encoding="utf-8") as file:
            file.write(source)
        os.replace(file.name, path)
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    sys.modules[name] = module
    return module.step


def cache_folder() -> Path:
    """Where compiled steps are kept: DLCOURSE_CACHE, or the user's cache folder."""
    base = os.environ.get("DLCOURSE_CACHE") or os.path.join(
        os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "dlcourse"
    )
    folder = Path(base) / "steps"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
