"""nbgrader's own autograde with the same safety. In nbgrader_config.py:

    from dlcourse.grading import nbgrader_plugin
    nbgrader_plugin.use(c)

Nothing of a submission runs in nbgrader's process or in a kernel any more. Where its Execute would run the notebook,
the exercises are graded in the sandbox and each check cell gets what `dl.check` would have shown, or the error that
nbgrader takes for no points. A graded cell that checks nothing of ours gets no points and says why. And a notebook
whose metadata are damaged, or whose cells were doubled, neither ends the grading of everybody nor changes what counts.
"""

import re
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.api import Gradebook
from nbgrader.converters import Autograde
from nbgrader.nbgraderformat import SCHEMA_VERSION
from nbgrader.preprocessors import Execute, NbGraderPreprocessor
from nbgrader.utils import is_grade, is_solution
from traitlets import Float, Unicode

from dlcourse.checks import Finding, Report, exercises
from dlcourse.grading.gradebook import put_alembic_on_path
from dlcourse.grading.grader import grade
from dlcourse.grading.records import secret_of
from dlcourse.grading.sandbox import Limits
from dlcourse.grading.tasks import Task, digest_of, students_seed

CHECK = re.compile(r"""\bcheck\(\s*["'](\w+)["']""")


class Restore(NbGraderPreprocessor):
    """Makes a notebook sound before nbgrader reads its metadata: one that is not would end the grading of all.

    What a cell is and how much it counts stands in the gradebook, and nothing that a notebook says of it is taken: of
    its metadata only the name, of several cells with one name the last. Locked cells are the master's, whatever became
    of them, and those that check something come back when they are missing.
    """

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        with Gradebook(resources["nbgrader"]["db_url"]) as book:
            notebook = book.find_notebook(resources["nbgrader"]["notebook"], resources["nbgrader"]["assignment"])
            known = {source.name: source for source in notebook.source_cells}
            facts = {name: facts_of(source, notebook) for name, source in known.items()}
            for place in reversed(range(len(nb.cells))):
                name = name_of(nb.cells[place].metadata.pop("nbgrader", None))
                if source := known.pop(name, None):
                    nb.cells[place] = restored(nb.cells[place], source, facts[name])
            for name, source in known.items():
                if source.locked and facts[name]["grade"] and source.cell_type == "code":
                    nb.cells.append(restored(None, source, facts[name]))
        return nb, resources


def name_of(facts: Any) -> str:
    name = facts.get("grade_id") if isinstance(facts, dict) else ""
    return name if isinstance(name, str) else ""


def facts_of(source: Any, notebook: Any) -> dict[str, Any]:
    """A cell's metadata, as the gradebook has them."""
    graded, tasks = ({c.name: c.max_score for c in cells} for cells in (notebook.grade_cells, notebook.task_cells))
    solution = source.name in {cell.name for cell in notebook.solution_cells}
    facts = {
        "grade_id": source.name, "grade": source.name in graded, "solution": solution, "task": source.name in tasks,
        "locked": source.locked, "cell_type": source.cell_type, "checksum": source.checksum,
        "schema_version": SCHEMA_VERSION,
    }  # fmt: skip
    points = (graded | tasks).get(source.name)
    return facts if points is None else {**facts, "points": points}


def restored(cell: Any, source: Any, facts: dict[str, Any]) -> Any:
    """A cell of the master's kind, with its text where it was locked and with the learner's where it was not."""
    make = nbformat.v4.new_code_cell if source.cell_type == "code" else nbformat.v4.new_markdown_cell
    return make(source.source if source.locked else cell.source, metadata={"nbgrader": facts})


class SandboxExecute(NbGraderPreprocessor):
    """In the place of Execute. Without a sandbox it raises, and nbgrader gives that submission no grade."""

    seconds = Float(5.0, help="for the calls of one exercise").tag(config=True)
    seed_file = Unicode("dlcourse_secret", help="what inputs are drawn from; made when it is not there").tag(
        config=True
    )

    def preprocess(self, nb: Any, resources: Any) -> tuple[Any, Any]:
        student = str(resources["nbgrader"]["student"])
        cells = [cell for cell in nb.cells if cell.cell_type == "code"]
        for cell in cells:
            cell.outputs, cell.execution_count = [], None
        checks = [(cell, exercise_of(cell)) for cell in cells if is_grade(cell) and not is_solution(cell)]
        files = ((f"{resources['nbgrader']['notebook']}.ipynb", nbformat.writes(nb).encode("utf-8", "replace")),)
        task = Task(
            student, tuple(dict.fromkeys(name for _, name in checks if name)),
            students_seed(secret_of(Path(self.seed_file)), student, digest_of(files)), files, digest=digest_of(files),
            limits=Limits(seconds=self.seconds),
        )  # fmt: skip
        reports = {result.exercise: result.report for result in grade(task)}
        for cell, name in checks:
            cell.outputs = outputs(reports[name] if name else foreign(cell))
        return nb, resources


def exercise_of(cell: Any) -> str:
    """What a check cell checks. Its source is the master's: nbgrader has put it back before."""
    found = CHECK.search(cell.source)
    return found[1] if found and found[1] in exercises() else ""


def foreign(cell: Any) -> Report:
    words = "This cell is no check of dlcourse; it was not run. Grade it by hand."
    return Report("", str(cell.metadata.nbgrader.grade_id), (Finding(False, words),))


def outputs(report: Report) -> list[Any]:
    shown = nbformat.v4.new_output("display_data", {"text/plain": repr(report), "text/html": report._repr_html_()})
    if report:
        return [shown]
    return [
        shown,
        nbformat.v4.new_output("error", ename="NotSolved", evalue=report.headline, traceback=[report.headline]),
    ]


def use(config: Any) -> None:
    """Put SandboxExecute where Execute stands in nbgrader's autograde, and Restore before everything else."""
    put_alembic_on_path()
    first, steps = Autograde.sanitize_preprocessors, Autograde.autograde_preprocessors.default_args[0]
    config.Autograde.sanitize_preprocessors = [Restore, *first.default_args[0]]
    config.Autograde.autograde_preprocessors = [SandboxExecute if step is Execute else step for step in steps]
