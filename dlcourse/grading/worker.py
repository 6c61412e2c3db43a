"""The process that runs a learner's code: `python -I -S -B worker.py SETTINGS`, inside the sandbox.

It holds this file, frames.py, rebuild.py, absent.py and the runner of the checks; no tests, no expected values, nobody
else's work. Requests come on standard input, answers go to standard output as frames:

    notebook (bytes), names, skip   →  the definitions found, and the order in which the exercises want to be asked
    name, calls                     →  one frame before and one after each cell that runs; one answer for each call,
                                       and an end

A cell runs when an exercise is asked that needs it: so each is answered in the state that its own cell left behind.

Once a learner's code has run, nothing this process says can be trusted any more: whoever reads it must not care.
"""

import ast
import contextlib
import dataclasses
import inspect
import json
import linecache
import os
import sys
import types
from typing import Any, BinaryIO

SETTINGS: dict[str, Any] = json.loads(sys.argv[1]) if __name__ == "__main__" else {}


def limit_resources(limits: dict[str, int]) -> None:
    """Hard limits, before anything else: not even this process can lift them again."""
    import resource

    for name, value in limits.items():
        resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, value))


if SETTINGS:
    limit_resources(SETTINGS["limits"])
    sys.path[:0] = SETTINGS["path"]

from dlcourse.checks import cells, faults, runner  # noqa: E402
from dlcourse.checks.clock import Budget, TimeUp, call_within  # noqa: E402
from dlcourse.checks.tools import put_back  # noqa: E402
from dlcourse.grading import absent, frames, rebuild  # noqa: E402

LATE = "Its cell did not come to an end in time."
MISSING = (ImportError, OSError, EOFError)  # packages, files, an answer to input(): not there while grading
LARGEST = SETTINGS.get("largest", 1 << 22)  # bytes of an answer that the grader still takes


class Worker:
    def __init__(self, requests: BinaryIO, replies: BinaryIO):
        self.requests, self.replies = requests, replies
        self.space: dict[str, Any] = {}
        self.problems: dict[str, str] = {}  # by the name of a function: why its cell stopped before it was there
        self.ran = 0  # cells
        self.poorer = False  # has anything been missing that a notebook has?

    def serve(self) -> None:
        self.send({"ready": True})
        while lengths := self.requests.read(frames.LENGTHS.size):
            header, data = (self.requests.read(n) for n in frames.LENGTHS.unpack(lengths))
            request = frames.unpack(header, data, {"Seed": runner.Seed, "Function": runner.Function})
            if "notebook" in request:
                self.read_notebook(**request)
            else:
                self.answer(**request)

    def send(self, message: dict[str, Any]) -> None:
        self.replies.write(frames.pack(message))
        self.replies.flush()

    def read_notebook(self, notebook: Any, names: list[str], skip: list[int], seconds: float) -> None:
        try:
            sources = rebuild.code_cells(notebook.tobytes())
        except rebuild.Unreadable as error:
            return self.send({"unreadable": str(error)})
        self.sources, self.skip, self.order = sources, set(skip), cells.Order(sources, names)
        self.seconds = seconds
        self.space = {"__name__": "__main__", "np": sys.modules["numpy"], "display": lambda *_, **__: None}
        exec("import numpy as np\nimport dlcourse as dl\nfrom IPython import get_ipython", self.space)
        counts = {name: len(self.order.own_cells(name)) for name in names}
        order = sorted(names, key=lambda name: self.order.stops[name])
        return self.send({"cells": len(sources), "definitions": counts, "order": order})

    def run_cells(self, last: int) -> None:
        """Those up to the last one that have not run yet."""
        for number in range(self.ran, last + 1):
            if number in self.skip:
                problem = "A cell ended Python itself, or did not come to an end."
            else:
                self.send({"cell": number})
                problem = self.run_cell(number + 1, self.sources[number])
                self.send({"late": number} if problem == LATE else {"cell": None})
            for name, places in self.order.definitions.items():
                if problem and number in places:
                    self.problems[name] = problem
        self.ran = max(self.ran, last + 1)

    def run_cell(self, number: int, source: str) -> str:
        """Up to the first error, as in a notebook; but what is missing here alone stops nothing, nor what it brings."""
        name, budget = f"<cell {number}>", Budget(self.seconds)
        problem = ""
        try:
            tree = cells.parsed(source, name)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            return faults.unreadable(error)
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        for statement in tree.body:
            if isinstance(statement, ast.Expr) and cells.check_of(statement.value):
                continue  # it is we who ask here
            try:
                code = compile(ast.Module([statement], []), name, "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
                call_within(budget, self.execute, [code])
            except TimeUp:
                return LATE
            except BaseException as error:  # SystemExit too
                problem = problem or faults.explain(error)
                self.poorer = self.poorer or isinstance(error, MISSING)
                if not self.poorer:
                    break
        return problem

    def execute(self, code: types.CodeType) -> None:
        result = eval(code, self.space)
        if inspect.iscoroutine(result):  # `await` among a cell's statements
            import asyncio  # slow to load, and few need it

            asyncio.run(result)

    def answer(self, name: str, calls: list[tuple], seconds: float) -> None:
        self.run_cells(self.order.stops[name])
        function = self.space.get(name)
        if not callable(function):
            problem = self.problems.get(name) or f"There is no function {name}."
            self.send({"answer": vars(runner.Answer(kind="error", problem=problem))})
        else:
            put_back()  # a learner's np.abs = … is undone, as in the notebook
            for answer in runner.run_each(function, calls, seconds):
                self.send({"answer": vars(small(answer))})
        self.send({"end": name})


def small(answer: runner.Answer) -> runner.Answer:
    if weight(answer.value) < LARGEST:
        return answer
    return dataclasses.replace(answer, value=None, kind="value", problem="far too many numbers")


def weight(value: Any) -> int:
    return sum(map(weight, value)) + 64 if isinstance(value, tuple) else getattr(value, "nbytes", 1000) + 64


def main() -> None:
    requests, replies = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):  # what a learner's code prints goes nowhere, and input() finds the end
        os.dup2(nothing, standard)
    absent.hide(absent.NAMES - set(SETTINGS["library"]))
    with contextlib.suppress(BrokenPipeError):
        Worker(requests, replies).serve()


if __name__ == "__main__":
    main()
