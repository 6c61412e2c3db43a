"""The process that runs a learner's code: `python -I -S -B worker.py SETTINGS`, inside the sandbox.

It holds this file, frames.py, rebuild.py, absent.py and the runner of the checks; no tests, no expected values, nobody
else's work. Requests come on standard input, answers go to standard output as frames:

    notebook (bytes), names, skip   →  the definitions found; then one frame before each cell, one if it takes too long
    name, calls                     →  one answer for each call, and an end

Once a learner's code has run, nothing this process says can be trusted any more: whoever reads it must not care.
"""

import ast
import contextlib
import dataclasses
import json
import linecache
import os
import sys
import time
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

from dlcourse.checks import runner  # noqa: E402
from dlcourse.grading import absent, frames, rebuild  # noqa: E402

LATE = "Its cell did not come to an end in time."
LARGEST = SETTINGS.get("largest", 1 << 22)  # bytes of an answer that the grader still takes


class Worker:
    def __init__(self, requests: BinaryIO, replies: BinaryIO):
        self.requests, self.replies = requests, replies
        self.space: dict[str, Any] = {}
        self.problems: dict[str, str] = {}  # by the name of a function: why its cell stopped before it was there

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
            sources = rebuild.own_cells(notebook.tobytes())
        except rebuild.Unreadable as error:
            return self.send({"unreadable": str(error)})
        found = rebuild.definitions(sources, names)
        self.send({"cells": len(sources), "definitions": {name: len(places) for name, places in found.items()}})
        self.space = {"__name__": "__main__", "np": sys.modules["numpy"]}
        exec("import numpy as np\nimport dlcourse as dl", self.space)  # the first cell of every exercise
        for number, source in enumerate(sources):
            if number in skip:
                problem = "A cell ended Python itself, or did not come to an end."
            else:
                self.send({"cell": number})
                problem = self.run_cell(number + 1, source, time.monotonic() + seconds)
                if problem == LATE:
                    self.send({"late": number})
            for name in (name for name, places in found.items() if places and places[-1] == number and problem):
                self.problems[name] = problem
        return self.send({"done": True})

    def run_cell(self, number: int, source: str, until: float) -> str:
        """Statement by statement, so that a picture that cannot be drawn here does not cost what stands below it."""
        name = f"<cell {number}>"
        problem = ""
        try:
            tree = parsed(source, name)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            line = getattr(error, "lineno", None)
            return f"{runner.type_name(error)}: {getattr(error, 'msg', '')}" + (f", line {line}" if line else "")
        linecache.cache[name] = (len(source), None, source.splitlines(keepends=True), name)
        for statement in tree.body:
            try:
                code = compile(ast.Module([statement], []), name, "exec")
                runner.call_within(max(until - time.monotonic(), 0.01), exec, [code, self.space])
            except runner.TimeUp:
                return LATE
            except BaseException as error:  # SystemExit too
                problem = problem or runner.explain(error)
        return problem

    def answer(self, name: str, calls: list[tuple], seconds: float) -> None:
        function = self.space.get(name)
        if not callable(function):
            problem = self.problems.get(name) or f"There is no function {name}."
            self.send({"answer": vars(runner.Answer(kind="error", problem=problem))})
        else:
            for answer in runner.run_each(function, calls, seconds):
                self.send({"answer": vars(small(answer))})
        self.send({"end": name})


def parsed(source: str, name: str) -> ast.Module:
    try:
        return ast.parse(source, name)
    except SyntaxError:
        return ast.parse(rebuild.without_magics(source), name)


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
    runner.NOT_THE_LEARNERS += (os.path.dirname(os.path.dirname(__file__)),)
    absent.hide(absent.NAMES - set(SETTINGS["library"]))
    with contextlib.suppress(BrokenPipeError):
        Worker(requests, replies).serve()


if __name__ == "__main__":
    main()
