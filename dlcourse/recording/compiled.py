"""A program as one compiled function, by Numba: `dl.use("numba")`.

written.py has the source. It is compiled once for a kind of network, whatever its sizes, in the background, and kept on
disk; NumPy serves meanwhile, and wherever the source has no words for a line.
"""

import hashlib
import importlib.util
import os
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.backend import Array
from dlcourse.recording.program import Program, Value
from dlcourse.recording.written import PLACE, Source

FUNCTIONS: dict[Any, Any] = {}  # by source and types: the compiled function, or why there is none
IN_WORK: set[Any] = set()


class Compilation:
    """`ready` once the function is there; then `run()` is one step. `failed`: why it will never be there.

    Every training makes one. What another has compiled is ready at once, what another compiles is waited for.
    """

    def __init__(self, program: Program, lanes: int | None, generator: Callable[[Any], np.random.Generator]):
        self.program, self.lanes, self.generator = program, lanes, generator
        kinds = {line.dtype for line in program if line.dtype is not None and line.dtype.kind == "f"}
        self.dtype = next(iter(kinds - {np.dtype("float32")} if len(kinds) > 1 else kinds))
        self.source = Source(program, lanes)
        self.memory = {
            "work": np.zeros(self.source.sizes["work"], self.dtype),
            "flags": np.zeros(self.source.sizes["flags"] or 1, bool),
        }
        for value in self.source.constants:
            self.array(value)[...] = value.array
        at, numbers = np.array(self.source.at, np.uint64), np.array(self.source.numbers or [0], self.dtype)
        memories = [value.array.reshape(lanes or 1, -1) for value in self.source.memories]
        vectors = (self.vector("theta"), self.vector("grad"))
        self.arguments = (np.uint64(lanes or 1), *self.memory.values(), at, numbers, *vectors, *memories)
        arrays = self.arguments[1:]
        self.key = self.source.text, *((a.dtype, a.flags.c_contiguous, a.flags.writeable) for a in arrays)
        if self.key not in FUNCTIONS and self.key not in IN_WORK:
            IN_WORK.add(self.key)
            self.start()

    def start(self) -> None:
        threading.Thread(target=self.compile, daemon=True).start()

    def compile(self) -> None:
        try:
            function = load(self.source.text)
            function.compile(tuple(map(type_of, self.arguments)))
            FUNCTIONS[self.key] = function
        except Exception as error:
            FUNCTIONS[self.key] = f"{type(error).__name__}: {error}"
        IN_WORK.discard(self.key)

    @property
    def ready(self) -> bool:
        return not isinstance(FUNCTIONS.get(self.key, ""), str)

    @property
    def failed(self) -> str:
        found = FUNCTIONS.get(self.key, "")
        return found if isinstance(found, str) else ""

    def __call__(self) -> None:
        for line in self.source.draws:
            where, args, kwargs = (line.options[name] for name in ("where", "args", "kwargs"))
            self.array(line)[...] = getattr(self.generator(where), line.fn)(*args, **kwargs)
        FUNCTIONS[self.key](*self.arguments)

    def vector(self, name: str) -> Array:
        """theta or grad, a row for each lane."""
        for line in self.program:
            if line.kind == "input" and line.window and line.window[0] == name:
                return line.array.reshape(self.lanes or 1, -1)
        return np.zeros((self.lanes or 1, 1), self.dtype)

    def array(self, value: Value) -> Array:
        """Where the value lies, for whoever reads it after the step, or writes it before."""
        place = self.source.places[id(value)]
        if place.base not in self.memory:
            return value.array
        many, rows, columns = self.source.copies(value), place.rows, place.columns
        start, *_, lane = self.source.at[place.number : place.number + PLACE]
        whole = self.memory[place.base][start : start + (many - 1) * lane + rows * columns].reshape(-1, rows, columns)
        whole = whole.swapaxes(-1, -2) if place.turned else whole
        return (whole if value.lanes and many == self.lanes else whole[0]).reshape(value.shape)


class NotCompiled:
    """No source, and why."""

    ready = False

    def __init__(self, failed: str):
        self.failed = failed


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
