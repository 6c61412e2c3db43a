"""What a learner's function is made of: its own code, that of its helpers, and what it takes from elsewhere.

reach = Reach(function)
reach.print         changes when the answer does, in any of its functions
reach.strangers     {"matplotlib": "plt in momentum_step"}: packages it uses that are not there while grading
"""

import dis
import functools
import sys
import types
from collections.abc import Iterator
from typing import Any

import numpy as np

from dlcourse.checks.faults import NOT_THE_LEARNERS

DEEPEST = 200  # functions
THERE = {"builtins", "numpy", "__main__", *sys.stdlib_module_names}
STAND_INS = {"display"}  # IPython's, which do nothing while grading, and no harm


class Reach:
    def __init__(self, function: Any):
        self.codes: list[types.CodeType] = []
        self.strangers: dict[str, str] = {}
        self.plain: list[str] = []
        self.seen: set[int] = set()
        self.where = "it"
        self.visit("", function)

    @property
    def print(self) -> int:
        return hash((tuple(self.plain), tuple(part for code in self.codes for part in parts(code))))

    def visit(self, name: str, value: Any) -> None:
        """Look at a value that the function reaches, by that name, and at what it is made of itself."""
        if id(value) in self.seen or len(self.seen) > DEEPEST:
            return
        self.seen.add(id(value))
        if isinstance(value, functools.partial):
            for part in (value.func, *value.args, *value.keywords.values()):
                self.visit(name, part)
        elif isinstance(value, types.MethodType):
            self.visit(name, value.__func__)
        elif isinstance(value, types.FunctionType) and is_own(value.__code__):
            self.enter(value)
        elif isinstance(value, type) and value.__module__ == "__main__":
            for key, part in vars(value).items():
                self.visit(key, part)
        elif isinstance(value, int | float | str | bool | None):
            self.plain.append(f"{name}={value!r}")
        elif isinstance(value, tuple | list | dict | np.ndarray):
            self.plain.append(f"{name}={repr(value)[:1000]}")
        else:
            self.visit_stranger(name, value)

    def enter(self, function: types.FunctionType) -> None:
        before, self.where = self.where, function.__name__
        self.codes.append(function.__code__)
        cells = [cell.cell_contents for cell in function.__closure__ or () if not is_empty(cell)]
        for part in (*cells, *(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()):
            self.visit("", part)
        for code in nested(function.__code__):
            for name in code.co_names:
                if name in function.__globals__:
                    self.visit(name, function.__globals__[name])
            for package in imported(code):
                self.note(package, f"import in {function.__name__}")
        self.where = before

    def visit_stranger(self, name: str, value: Any) -> None:
        module = value.__name__ if isinstance(value, types.ModuleType) else getattr(value, "__module__", None)
        if isinstance(value, np.ufunc):
            module = "numpy" if getattr(np, value.__name__, None) is value else "scipy"
        elif not isinstance(module, str):
            module = type(value).__module__
        if name not in STAND_INS:
            self.note(module, f"{name} in {self.where}")
        if module == "__main__":
            self.visit(name, type(value))

    def note(self, module: str, place: str) -> None:
        package = module.partition(".")[0]
        if package not in THERE:
            self.strangers.setdefault(package, place)


def is_own(code: types.CodeType) -> bool:
    return not code.co_filename.startswith((*NOT_THE_LEARNERS, "<frozen"))


def is_empty(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is cell
    except ValueError:
        return True


def nested(code: types.CodeType) -> Iterator[types.CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            yield from nested(constant)


def imported(code: types.CodeType) -> list[str]:
    return [str(step.argval) for step in dis.get_instructions(code) if step.opname == "IMPORT_NAME" and step.argval]


def parts(code: types.CodeType) -> Iterator[Any]:
    for each in nested(code):
        yield each.co_code
        yield each.co_names
        yield tuple(repr(c) for c in each.co_consts if not isinstance(c, types.CodeType))


def fingerprint(function: Any) -> int:
    """The same for an answer that has not changed, even if its cell ran again."""
    try:
        return Reach(function).print
    except Exception:  # an object that lies
        return id(function)


def strangers(function: Any) -> dict[str, str]:
    try:
        return Reach(function).strangers
    except Exception:
        return {}
