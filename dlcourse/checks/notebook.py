"""`dlcourse check NOTEBOOK`: run a notebook in a kernel of its own and say of every exercise in it how it stands.

Each is answered where cells.py says, as it is for a grade. Then grading is rehearsed: what passes here, and would not
pass there, is said.
"""

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat.v4 import new_code_cell

from dlcourse.checks.cells import Order
from dlcourse.checks.exercise import Exercise, Question
from dlcourse.checks.judge import judge
from dlcourse.checks.report import MIME, Finding, Report
from dlcourse.checks.tables import exercises, look_in
from dlcourse.workspace import UserError

SECONDS = 60  # for one cell; a check has its own, shorter limit
HIDDEN = {"numpy", "scipy", "matplotlib", "sklearn", "dlcourse", "IPython", "ipykernel", "traitlets", "zmq"}


def check_notebook(path: Path) -> Iterator[tuple[str, bool, str]]:
    """Name, result and text of each exercise, in the order of the notebook; other cells that stopped have no name."""
    notebook = read(path)
    look_in(path.parent)
    run = Run(notebook, path)
    yield from run.execute()


class Run:
    def __init__(self, notebook: Any, path: Path):
        self.path = path
        self.code = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]
        table, order = exercises(), Order([cell.source for cell in self.code], exercises())
        met = {name for cell in order.cells for name in cell.defined | cell.checked}
        self.table = {name: entry for name, entry in table.items() if name in met}
        self.order = order
        folder = {"metadata": {"path": str(path.resolve().parent)}}
        quiet = ["--IPKernelApp.log_level=40"]  # errors only: a warning about its own loopback tells a learner nothing
        self.client = NotebookClient(  # whatever kernel the notebook names: it may be that of another machine
            notebook, timeout=SECONDS, allow_errors=True, resources=folder, extra_arguments=quiet, kernel_name="python3"
        )
        self.stopped = ""  # why what follows did not run

    def execute(self) -> Iterator[tuple[str, bool, str]]:
        try:
            with self.client.setup_kernel(stderr=subprocess.DEVNULL):
                yield from self.cells()
        except RuntimeError:
            if hidden := hidden_by(self.path.parent):
                raise UserError(hidden) from None
            raise UserError("Python must start to check a notebook; got none. Run `dlcourse doctor`.") from None

    def cells(self) -> Iterator[tuple[str, bool, str]]:
        found: list[tuple[str, dict[str, Any]]] = []
        for number, cell in enumerate(self.code):
            said, error = self.run_cell(cell, number)
            names = [name for name in self.table if self.order.stops[name] == number]
            found += [(name, said.get(name) or self.ask(name)) for name in names]
            defined = self.order.cells[number].defined & self.table.keys()
            if error and not names and not defined:  # else it is told with the exercise
                found.append(("", {"text": f"✗ In [{number + 1}] stopped: {error}" + self.shadow()}))
        passed = {name: self.table[name] for name, facts in found if facts.get("passed")}
        missing = rehearse(self.path.read_bytes(), passed)
        for name, facts in found:
            headline, line, rest = str(facts.get("text")).partition("\n")
            if name in missing and not facts.get("missing"):
                headline += f"\n  ! It passes here, but not where it is graded: {missing[name]}"
            yield name, name in passed, headline + line + rest

    def run_cell(self, cell: Any, number: int) -> tuple[dict[str, dict[str, Any]], str]:
        """What its checks said, by the name of the exercise, and the error it stopped with."""
        cell.outputs = []
        if self.stopped:
            return {}, ""
        try:
            self.client.execute_cell(cell, self.client.nb.cells.index(cell))
        except CellTimeoutError:
            self.stopped = f"In [{number + 1}] was still running after {SECONDS} seconds: an endless loop?"
            return {}, self.stopped
        except DeadKernelError:
            self.stopped = f"Python itself died in In [{number + 1}]."
            return {}, self.stopped
        said = {}
        for output in cell.outputs:
            facts = output.get("data", {}).get(MIME)
            if facts:
                said[str(facts.get("name"))] = facts
        return said, error_of(cell)

    def ask(self, name: str) -> dict[str, Any]:
        """The check of an exercise that no cell has asked for, or none that ran."""
        if self.stopped:
            return self.failed(name, f"{self.stopped} The rest did not run.")
        cell = new_code_cell(f'__import__("dlcourse").check("{name}", {name})')
        self.client.nb.cells.append(cell)
        said, error = self.run_cell(cell, len(self.code))
        return said.get(name) or self.failed(name, self.why(name) or error)

    def why(self, name: str) -> str:
        """The function is not there: what its own cell stopped with."""
        for number in reversed(self.order.definitions.get(name, [])):
            if error := error_of(self.code[number]):
                return f"Its cell, In [{number + 1}], stopped: {error}"
        return "" if self.order.definitions.get(name) else f"There is no function {name}."

    def failed(self, name: str, problem: str) -> dict[str, Any]:
        report = without_function(self.table[name], problem + self.shadow())
        return {"passed": False, "text": repr(report)}

    def shadow(self) -> str:
        hidden = hidden_by(self.path.parent)
        return f"\n{hidden}" if hidden else ""


def error_of(cell: Any) -> str:
    """What it stopped with; without the name of the file that a kernel makes of a cell."""
    errors = [f"{output.ename}: {output.evalue}" for output in cell.outputs if output.output_type == "error"]
    return re.sub(r" \((?:\d+\.py|<[^>]*>), (line \d+)\)", r", \1", errors[0]) if errors else ""


def without_function(exercise: Exercise | Question, problem: str) -> Report:
    finding = Finding(False, "it runs", problem)
    return Report(exercise.name, exercise.title, (finding,), out_of=exercise.points)


def hidden_by(folder: Path) -> str:
    """Files beside the notebook that Python takes for modules of its own."""
    own = HIDDEN | set(sys.stdlib_module_names) - {"test", "this", "antigravity", "__main__"}
    found = sorted(file.name for file in folder.glob("*.py") if file.stem in own)
    words = ", ".join(found)
    return (
        f"{words} beside the notebook hides Python's own: whoever imports it gets this one. Rename it." if found else ""
    )


def rehearse(content: bytes, asked: Mapping[str, Exercise | Question]) -> dict[str, str]:
    """By name, what would go wrong where the notebook is graded; nothing where such a worker does not run."""
    if not sys.platform.startswith("linux"):
        return {}
    from dlcourse.grading.answers import ask
    from dlcourse.grading.sandbox import NoSandbox, Sandbox

    problems = {}
    for library in (False, True):
        part = {name: entry for name, entry in asked.items() if getattr(entry, "library", False) is library}
        calls = {name: entry.calls(np.random.default_rng()) for name, entry in part.items()}
        with suppress(NoSandbox, OSError):
            answers = ask(content, calls, Sandbox(safe=False), library).answers if calls else {}
            for name, found in answers.items():
                report = judge(part[name], calls[name], found)
                if not report:
                    wrong = report.in_order[0]
                    problems[name] = (wrong.detail or wrong.words).replace("\n", " ")
    return problems


def read(path: Path) -> Any:
    try:
        return nbformat.read(path, 4)
    except Exception as error:
        why = "no such file" if isinstance(error, FileNotFoundError) else "it cannot be read as one"
        message = f"NOTEBOOK must be a notebook, an .ipynb file; got notebook={path} ({why}). Give the path of one."
        raise UserError(message) from error
