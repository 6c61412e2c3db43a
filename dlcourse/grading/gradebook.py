"""Into nbgrader's gradebook, for those who keep theirs there: any database that SQLAlchemy knows.

A notebook is an assignment of the same name, an exercise its cell check_NAME, as in the masters; so it does not matter
whether nbgrader made the assignment. Scores given by hand stay.
"""

import os
import warnings
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dlcourse.checks import exercises
from dlcourse.grading.tasks import Result
from dlcourse.workspace import UserError

if TYPE_CHECKING:
    from dlcourse.grading.batch import Summary


def connected(url: str) -> Any:
    """nbgrader's Gradebook; refused in words where there is no nbgrader or no database."""
    try:
        from nbgrader.api import Gradebook
    except ImportError:
        remedy = "Install it: pip install 'dlcourse[instructor]'."
        raise UserError(f"--gradebook must find nbgrader; got no package nbgrader. {remedy}") from None
    put_alembic_on_path()
    try:
        return Gradebook(url)
    except FileNotFoundError as error:
        remedy = "Install nbgrader and alembic into one environment: pip install 'dlcourse[instructor]'."
        raise UserError(f"--gradebook must find the program {error.filename}; got none. {remedy}") from None
    except Exception as error:  # each database has errors of its own
        raise unusable(url, error) from error


def unusable(url: str, error: Exception) -> UserError:
    said = f"got gradebook={url} ({type(error).__name__})"
    return UserError(f"--gradebook must be a database that opens; {said}. For a file: sqlite:///gradebook.db")


def put_alembic_on_path() -> None:
    """nbgrader calls it by its bare name, which only an activated environment has on the path."""
    with suppress(metadata.PackageNotFoundError):
        programs = [file for file in metadata.files("alembic") or () if file.name in ("alembic", "alembic.exe")]
        folders = {str(Path(str(file.locate())).resolve().parent) for file in programs}
        os.environ["PATH"] = os.pathsep.join([*folders, os.environ.get("PATH", os.defpath)])


def record(summary: "Summary", url: str) -> None:
    """Every result that is there; a grade without a sandbox is marked as one that wants a look by hand."""
    with closing(connected(url)) as book, warnings.catch_warnings(), sentences(url):
        warnings.simplefilter("ignore")  # SQLAlchemy about nbgrader's own queries
        for notebook, names in by_notebook(summary.exercises).items():
            add_assignment(book, notebook, names)
            for student, results in summary.results.items():
                add_grades(book, notebook, student, [results[name] for name in names if name in results])
        book.db.commit()


@contextmanager
def sentences(url: str) -> Iterator[None]:
    """A database may open and still be read-only, locked or full."""
    from sqlalchemy.exc import SQLAlchemyError

    try:
        yield
    except SQLAlchemyError as error:
        raise unusable(url, error) from error


def by_notebook(names: Iterable[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for name in names:
        found.setdefault(exercises()[name].notebook, []).append(name)
    return found


def add_assignment(book: Any, notebook: str, names: list[str]) -> None:
    book.update_or_create_assignment(notebook)
    book.update_or_create_notebook(notebook, notebook)
    for name in names:
        points = exercises()[name].points
        book.update_or_create_grade_cell(f"check_{name}", notebook, notebook, max_score=points, cell_type="code")


def add_grades(book: Any, notebook: str, student: str, results: list[Result]) -> None:
    from nbgrader.api import Grade, MissingEntry

    book.update_or_create_student(student)
    submission = book.update_or_create_submission(notebook, student)
    (own,) = (each for each in submission.notebooks if each.name == notebook)
    for result in results:
        cell = f"check_{result.exercise}"
        try:
            grade = book.find_grade(cell, notebook, notebook, student)
        except MissingEntry:  # the submission is older than the cell
            grade = Grade(cell_id=book.find_grade_cell(cell, notebook, notebook).id, notebook=own)
        grade.auto_score = result.report.points
        grade.needs_manual_grade = grade.manual_score is not None or not result.safe
