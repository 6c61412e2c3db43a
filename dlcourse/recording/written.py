"""A program as Python source that Numba compiles well: loops over rows and columns, and BLAS for products.

All arrays lie row by row in one piece of memory, `work` (`flags` for true and false), or in theta, grad and the layers'
memories. No size is written into the source: five numbers in `at` say where the matrix of a line lies. In the code

    work[p8 + i * s8 + j]       row i, column j of line 8; p: where it begins, s: from row to row
    r8, c8                      its rows and columns

Lanes are the outermost loop, so that what lies between two lines stays in the processor's cache. The source is cut into
parts, since compilers take more than twice as long for twice as much. Images and patches have no place here.
"""

import math
import re
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

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
SLICES = {
    repr((..., slice(None, 1), slice(None))): "row",
    repr((..., slice(None, 1, None))): "column",
    repr(...): "all",
}
PLACE = 5  # numbers in `at`: start, rows, columns, from row to row, from lane to lane
NAMES = {"p": "at[{0}] + lane * at[{4}]", "r": "at[{1}]", "c": "at[{2}]", "s": "at[{3}]"}
PART = 20  # lines
ALIGNED = 16  # numbers, so that every array begins where a vector may

HEAD = '''"""Written by dlcourse/recording/written.py: one training step."""

import math

import numpy as np
from numba import njit


@njit(cache=True, error_model="numpy")
def product(x, p, m, k, W, q, l, n, out, o):
    np.dot(x[p : p + m * k].reshape((m, k)), W[q : q + l * n].reshape((l, n)), out[o : o + m * n].reshape((m, n)))


@njit(cache=True, error_model="numpy")
def product_of_turned(x, p, k, m, W, q, l, n, out, o):
    np.dot(x[p : p + k * m].reshape((k, m)).T, W[q : q + l * n].reshape((l, n)), out[o : o + m * n].reshape((m, n)))


@njit(cache=True, error_model="numpy")
def product_with_turned(x, p, m, k, W, q, n, l, out, o):
    np.dot(x[p : p + m * k].reshape((m, k)), W[q : q + n * l].reshape((n, l)).T, out[o : o + m * n].reshape((m, n)))
'''
DEFINITION = """

@njit(cache=True, error_model="numpy"{options})
def {name}({arguments}):
"""


@dataclass(frozen=True)
class Place:
    """Where the matrix of a line lies: the name of the memory, and the first of its five numbers in `at`."""

    base: str
    number: int
    rows: int
    columns: int
    turned: bool = False
    narrow: bool = False  # its rows do not follow one another: a column of a wider one

    @property
    def shape(self) -> tuple[int, int]:
        return (self.columns, self.rows) if self.turned else (self.rows, self.columns)

    def entry(self, i: str, j: str) -> str:
        n, (i, j) = self.number, (j, i) if self.turned else (i, j)
        return f"{self.base}[p{n}" + (f" + {i} * s{n}" if i != "0" else "") + (f" + {j}" if j != "0" else "") + "]"


class Source:
    """`text`, and what whoever runs it has to know: `at`, `numbers`, sizes, which lines are given from outside."""

    def __init__(self, program: Program, lanes: int | None):
        self.lanes = lanes
        self.kept = {id(value.root) for value in program.kept}
        self.places: dict[int, Place] = {}
        self.sizes = {"work": 0, "flags": 0}
        self.at: list[int] = []
        self.numbers: list[float] = []
        self.memories, self.draws, self.constants = [], [], []  # type: list[Value], list[Value], list[Value]
        once: list[list[str]] = []
        each: list[list[str]] = []
        for line in program:
            inside = lanes is None or line.lanes or line.kind == "write"
            if code := getattr(self, "write_" + line.kind)(line):
                (each if inside else once).append(code)
        self.text = self.written(once, each)

    def written(self, once: list[list[str]], each: list[list[str]]) -> str:
        memories = [f"memory{n}" for n in range(len(self.memories))]
        rows = ["theta", "grad", *memories]
        shared = "work, flags, at, numbers"
        parts: list[str] = []
        calls: list[list[str]] = [[], []]
        for group, lines in enumerate((once, each)):
            for first in range(0, len(lines), PART):
                name = f"part{len(parts)}"
                body = [text for line in lines[first : first + PART] for text in line]
                inside = ", ".join(["lane", shared, *rows])
                head = DEFINITION.format(name=name, arguments=inside, options=', fastmath={"contract"}')
                parts.append(head + indented([*definitions(body), *body]))
                calls[group].append(f"{name}({inside})")
        first_lane = [f"{', '.join(rows)} = {', '.join(f'all_{name}[lane]' for name in rows)}"]
        once_over = ["lane = lanes - lanes", *first_lane, *calls[0]] if calls[0] else []
        loop = ["for lane in range(lanes):", *("    " + text for text in (*first_lane, *calls[1]))]
        arguments = ", ".join(["lanes", shared, *(f"all_{name}" for name in rows)])
        step = DEFINITION.format(name="step", arguments=arguments, options="") + indented([*once_over, *loop])
        return HEAD + "".join(parts) + step

    # Where everything lies

    def put(self, line: Value) -> Place:
        """New room in `work` or `flags`."""
        rows, columns = matrix(line)
        base = "flags" if line.dtype.kind == "b" else "work"
        many = self.copies(line)
        place = self.place(line, base, self.sizes[base], rows, columns, rows * columns if many > 1 else 0)
        self.sizes[base] += -(-max(many * rows * columns, 1) // ALIGNED) * ALIGNED
        return place

    def copies(self, line: Value) -> int:
        """One for each lane where somebody looks at it afterwards; else all lanes use the same room in turn."""
        return (self.lanes or 1) if line.lanes and id(line.root) in self.kept else 1

    def place(self, line: Value, base: str, start: int, rows: int, columns: int, lane: int = 0) -> Place:
        self.places[id(line)] = Place(base, len(self.at), rows, columns)
        self.at += [start, rows, columns, columns, lane]
        return self.places[id(line)]

    def write_input(self, line: Value) -> None:
        if line.window:
            self.places[id(line)] = Place(line.window[0], -1, 0, 0)
        elif line.options["role"] in ("batch", "target"):
            self.put(line)
        else:
            self.place(line, f"memory{len(self.memories)}", 0, *matrix(line))
            self.memories.append(line)

    def write_constant(self, line: Value) -> None:
        if line.lanes:
            raise CannotRecord("a constant for each lane")
        self.constants.append(line)
        self.put(line)

    def write_draw(self, line: Value) -> None:
        self.draws.append(line)
        self.put(line)

    def write_view(self, line: Value) -> None:
        source = line.args[0]
        place, axes = self.places[id(source)], len(source.shape) - source.lanes
        if line.window and line.root.window:
            self.place(line, line.window[0], line.window[1], *matrix(line))
            return
        part = SLICES.get(line.options.get("key", ""), "") if not place.turned else ""
        if place.number < 0 or part == "all":  # a stretch of theta, on its way to a window; or all of it
            self.places[id(line)] = place
        elif line.name in ("mT", "T") and axes == 2 and not (line.name == "T" and source.lanes):
            self.places[id(line)] = replace(place, turned=not place.turned)
        elif line.name == "reshape" and not place.turned and matrix(line) == (place.rows, place.columns):
            if math.prod(line.shape) != math.prod(source.shape):
                raise CannotRecord(f"{line.name} of {source.shape}")
            self.places[id(line)] = place
        elif part:
            start, _, _, step, lane = self.at[place.number : place.number + PLACE]
            rows, columns = matrix(line)
            self.places[id(line)] = Place(place.base, len(self.at), rows, columns, narrow=part == "column")
            self.at += [start, rows, columns, step, lane]
        else:
            raise CannotRecord(f"{line.name} of {source.shape}")

    # What is computed

    def write_compute(self, line: Value) -> list[str]:
        out = self.put(line)
        if line.fn in (np.matmul, "affine"):
            return self.product(line, out)
        if line.fn in ("reduce", "ones"):
            return self.reduction(line, out)
        template = UFUNCS.get(line.name)
        if template is None:
            raise CannotRecord(f"{line.name} is not in its table")
        if line.fn == "power" or line.options.get("as"):
            template = f"1.0 if {template} else 0.0"
        return self.elementwise(out, line.args, template)

    def elementwise(self, out: Place, arguments: tuple[Any, ...], template: str) -> list[str]:
        """One loop where all numbers lie one after the other in the same order, else one over rows and columns."""
        places = [self.places[id(a)] for a in arguments if isinstance(a, Value)]
        if all((p.shape, p.turned, p.narrow) == (out.shape, False, False) for p in places):
            entries = [self.operand(a, lambda p: f"{p.base}[p{p.number} + k]") for a in arguments]
            n = out.number
            return [f"for k in range(r{n} * c{n}):", f"    {out.base}[p{n} + k] = {template.format(*entries)}"]
        entries = [self.operand(a, lambda p: spread(p, out)) for a in arguments]
        return over(out, f"{out.entry('i', 'j')} = {template.format(*entries)}")

    def operand(self, argument: Any, entry: Any) -> str:
        if isinstance(argument, Value):
            return entry(self.places[id(argument)])
        self.numbers.append(float(argument))
        return f"numbers[{len(self.numbers) - 1}]"

    def product(self, line: Value, out: Place) -> list[str]:
        x, W, *bias = (self.places[id(a)] for a in line.args)
        code = multiplied(x, W, out)
        if line.fn == "affine":
            code += over(out, f"{out.entry('i', 'j')} += {bias[0].entry('0', 'j')}")
        return code

    def reduction(self, line: Value, out: Place) -> list[str]:
        x, options = line.args[0], line.options
        axes = (options["axis"],) if line.fn == "ones" else options["axes"]
        ufunc = "add" if line.fn == "ones" else options["ufunc"]
        if ufunc not in ("add", "maximum") or not set(axes) <= {-1, -2} or len(x.shape) - x.lanes != 2:
            raise CannotRecord(f"{ufunc} over {axes}")
        target = out.entry("0" if -2 in axes else "i", "0" if -1 in axes else "j")
        if axes == (-1,) and len(line.shape) - line.lanes == 1:  # (batch,): it lies in a row
            target = out.entry("0", "i")
        place, more = self.places[id(x)], "{0} + {1}" if ufunc == "add" else "max({0}, {1})"
        return summed(out, place, target, "0.0" if ufunc == "add" else "-np.inf", more)

    def write_write(self, line: Value) -> list[str]:
        if line.fn == "affine_grad":
            dW, x, dy, db = (self.places[id(a)] for a in line.args)
            code = multiplied(replace(x, turned=not x.turned), dy, dW)
            return [*code, *summed(db, dy, db.entry("0", "j"), "0.0", "{0} + {1}")]
        target, source = line.args
        return self.elementwise(self.places[id(target)], (source,), "{0}")


def matrix(value: Value) -> tuple[int, int]:
    """Rows and columns of one lane."""
    shape = value.shape[1:] if value.lanes else value.shape
    if len(shape) > 2:
        raise CannotRecord(f"an array of {len(shape)} axes")
    return (1, 1)[len(shape) :] + shape  # type: ignore[return-value]


def spread(place: Place, out: Place) -> str:
    """The entry that row i and column j of out need: what has one row, or one column, has it for all."""
    rows, columns = place.shape
    return place.entry("0" if rows == 1 < out.rows else "i", "0" if columns == 1 < out.columns else "j")


def over(place: Place, inside: str) -> list[str]:
    rows, columns = ("c", "r") if place.turned else ("r", "c")
    n = place.number
    return [f"for i in range({rows}{n}):", f"    for j in range({columns}{n}):", f"        {inside}"]


def summed(out: Place, x: Place, target: str, start: str, more: str) -> list[str]:
    n = out.number
    begin = [f"for k in range(r{n} * c{n}):", f"    {out.base}[p{n} + k] = {start}"]
    return [*begin, *over(x, f"{target} = {more.format(target, x.entry('i', 'j'))}")]


def multiplied(x: Place, W: Place, out: Place) -> list[str]:
    kinds = {(False, False): "product", (True, False): "product_of_turned", (False, True): "product_with_turned"}
    kind = kinds.get((x.turned, W.turned))
    if kind is None or x.narrow or W.narrow:
        raise CannotRecord("a product of columns, or of two turned matrices")
    where = [f"{each.base}, p{each.number}, r{each.number}, c{each.number}" for each in (x, W)]
    return [f"{kind}({', '.join(where)}, {out.base}, p{out.number})"]


def definitions(body: list[str]) -> list[str]:
    """p8 = …, r8 = … for every name that the lines use."""
    used = sorted({(int(n), letter) for letter, n in re.findall(r"\b([prcs])(\d+)\b", "\n".join(body))})
    return [f"{letter}{n} = {NAMES[letter].format(*range(n, n + PLACE))}" for n, letter in used]


def indented(lines: list[str]) -> str:
    return "".join(f"    {line}\n" for line in lines)
