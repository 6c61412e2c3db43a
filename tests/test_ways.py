"""An exercise stands the same in the notebook's own check, in `dlcourse check` and in a grade, whatever is in it."""

import ast

import nbformat
import pytest
from classes import QUICK, ROOT, needs_sandbox
from IPython.core.inputtransformer2 import TransformerManager
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils import io

import dlcourse as dl
from dlcourse.checks import exercises, progress
from dlcourse.checks.cells import Order, parsed
from dlcourse.checks.notebook import check_notebook
from dlcourse.grading.grader import grade
from dlcourse.grading.tasks import Task, digest_of

sandboxed = needs_sandbox()

START = "import numpy as np\nimport dlcourse as dl\nimport matplotlib.pyplot as plt"
PUSH = "def push(v, g, lr, mu):\n    return mu * v - lr * g"
STEP = "def momentum_step(theta, v, g, lr, mu):\n    v = push(v, g, lr, mu)\n    return theta + v, v"
WHOLE = "def momentum_step(theta, v, g, lr, mu):\n    v = mu * v - lr * g\n    return theta + v, v"
WRONG = "def momentum_step(theta, v, g, lr, mu):\n    return theta, v"
EDGE = "def largest_rate(momentum, curvature):\n    return 2 * (1 + momentum) / curvature"
BALL = """def nesterov_step(theta, v, grad, lr, mu):
    new = mu * v - lr * grad
    return theta + mu * new - lr * grad, new"""
ASK, ASK_EDGE, ASK_BALL = (f'dl.check("{n}", {n})' for n in ("momentum_step", "largest_rate", "nesterov_step"))


def signed(number):
    return STEP.replace("push(v, g, lr, mu)", f"mu * v + {number} * lr * g")


# The cells below START, and which exercises are solved: the same in all three ways.
BOOKS = {
    "plain": ([WHOLE, ASK, EDGE, ASK_EDGE], "momentum_step largest_rate"),
    "one is wrong": ([WRONG, ASK, EDGE, ASK_EDGE], "largest_rate"),
    "a helper redefined below": ([PUSH, STEP, ASK, f"def push(*a):\n    0\n{EDGE}"], "momentum_step largest_rate"),
    "a helper right only below": (["def push(*a):\n    return 0", STEP, ASK, PUSH], ""),
    "a number changed below": (["sign = -1", signed("sign"), ASK, "sign = 1"], "momentum_step"),
    "a list changed below": (["s = [-1]", signed("s[0]"), ASK, "s[0] = 1"], "momentum_step"),
    "a class changed below": (["class R:\n    sign = -1", signed("R.sign"), ASK, "R.sign = 1"], "momentum_step"),
    "a helper between answer and check": ([STEP, PUSH, ASK], "momentum_step"),
    "a helper deleted below": ([PUSH, STEP, ASK, "del push"], "momentum_step"),
    "two definitions, the last right": ([WRONG, WHOLE, ASK], "momentum_step"),
    "two definitions, the last wrong": ([WHOLE, WRONG, ASK], ""),
    "a second try below": ([WRONG, ASK, WHOLE], "momentum_step"),
    "redefined for another exercise": ([WHOLE, ASK, f"{WRONG}\n{EDGE}", ASK_EDGE], "momentum_step largest_rate"),
    "all in one cell": ([f"{WHOLE}\n\n{EDGE}\n\n{BALL}"], "momentum_step largest_rate nesterov_step"),
    "checks at the end": ([PUSH, STEP, EDGE, ASK, ASK_EDGE], "momentum_step largest_rate"),
    "no checks": ([WHOLE, "x = 1", EDGE], "momentum_step largest_rate"),
    "a syntax error elsewhere": ([WHOLE, ASK, "def largest_rate(m, c)\n    return 1", ASK_EDGE], "momentum_step"),
    "an error elsewhere": ([WHOLE, ASK, "1 / 0", EDGE, ASK_EDGE], "momentum_step largest_rate"),
    "an error above the definition": ([f"1 / 0\n{WHOLE}", ASK], ""),
    "pictures in other cells": ([f"plt.plot([1, 2])\n{WHOLE}\nplt.show()", ASK], "momentum_step"),
    "magics": ([f"%matplotlib inline\n!ls\n{WHOLE}\nnp.exp?", ASK], "momentum_step"),
    "magics in an answer": ([STEP.replace("v = push", "!ls\n    v = %time push"), PUSH, ASK], "momentum_step"),
    "a timed cell": ([f"%%time\n{WHOLE}", ASK], "momentum_step"),
    "a timed statement": (["%time sign = -1", signed("sign"), ASK], "momentum_step"),
    "timed away": ([f"%%timeit\n{WHOLE}", ASK], ""),
    "pasted with prompts": ([">>> " + WHOLE.replace("\n", "\n... "), ASK], "momentum_step"),
    "indented": (["    " + WHOLE.replace("\n", "\n    "), ASK], "momentum_step"),
    "display": ([WHOLE.replace("    v =", "    display(v)\n    v ="), ASK], "momentum_step"),
    "an import in the locked cell": ([WHOLE.replace("mu * v", "product(mu, v)"), ASK], "momentum_step"),
    "numpy patched": (["np.sign = np.add", f"{EDGE} * np.sign(curvature)", ASK_EDGE], "largest_rate"),
    "input": ([f"n = 1\n{STEP}".replace("push(", "float(input()) and push("), PUSH, ASK], ""),
    "another name": ([f"{EDGE}\nmine = largest_rate", "largest_rate = mine", ASK_EDGE], "largest_rate"),
    "a decorated one": (["def kept(f):\n    return lambda *a: f(*a)", f"@kept\n{WHOLE}", ASK], "momentum_step"),
    "under a condition": (["if True:\n    " + WHOLE.replace("\n", "\n    "), ASK], "momentum_step"),
    "an import as its name": (["from numpy import add as momentum_step", ASK], ""),
    "deleted answer": ([ASK, EDGE, ASK_EDGE], "largest_rate"),
}  # fmt: skip
IN_A_KERNEL = {
    "a helper redefined below", "redefined for another exercise", "a second try below", "no checks",
    "magics in an answer",
    "a syntax error elsewhere", "an error above the definition", "deleted answer",
}  # fmt: skip
LOCKED = {"an import in the locked cell": "from numpy import multiply as product"}


def written(cells, path):
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    book.cells[0].metadata["nbgrader"] = {"locked": True, "solution": False, "grade": False, "grade_id": "imports"}
    nbformat.write(book, path)
    return path


def solved_in_grading(path, names):
    content = ((path.name, path.read_bytes()),)
    results = grade(Task("ana", tuple(names), b"s" * 32, content, digest=digest_of(content), limits=QUICK))
    return {result.exercise for result in results if result.report.passed}


def solved_in_a_kernel(path):
    return {name for name, passed, _ in check_notebook(path) if passed}


class Live:
    """A notebook that is run from top to bottom, in IPython as it is in Jupyter. Its own checks say what is solved."""

    def __init__(self, monkeypatch):
        self.reports = {}
        self.shell = InteractiveShell()
        real = dl.check
        monkeypatch.setattr(dl, "check", lambda name, answer: self.reports.setdefault(name, real(name, answer)))

    def solved(self, cells):
        for cell in cells:
            with io.capture_output():
                self.shell.run_cell(cell)
        return {name for name, report in self.reports.items() if report}


@sandboxed
@pytest.mark.parametrize("kind", BOOKS)
def test_all_kinds_of_notebooks_stand_the_same(kind, tmp_path, monkeypatch):
    """Where a cell was added below its check, a learner checks again: in the notebook itself that is left out here."""
    cells, solved = [f"{START}\n{LOCKED.get(kind, '')}", *BOOKS[kind][0]], set(BOOKS[kind][1].split())
    path = written(cells, tmp_path / "momentum.ipynb")
    assert solved_in_grading(path, ("momentum_step", "largest_rate", "nesterov_step")) == solved
    if kind in IN_A_KERNEL:
        assert solved_in_a_kernel(path) == solved
    monkeypatch.setenv(progress.FOLDER, "")
    live = Live(monkeypatch)
    found = live.solved(cells)
    if kind != "a second try below":
        assert found == solved & live.reports.keys()


@sandboxed
@pytest.mark.parametrize("master", sorted(ROOT.glob("solutions/*/*.ipynb")), ids=lambda path: path.stem)
def test_all_exercises_stand_the_same(master, monkeypatch):
    """The live notebook is tests/test_notebooks.py's."""
    names = {name for name, entry in exercises().items() if entry.notebook == master.stem}
    assert solved_in_grading(master, sorted(names)) == names
    monkeypatch.setenv(progress.FOLDER, "")
    assert solved_in_a_kernel(master) == names


# Where an exercise is answered, by the rule


def test_an_exercise_is_answered_after_its_own_cell():
    cells = [PUSH, STEP, ASK, f"{PUSH}\n{WRONG}\n{EDGE}", ASK_EDGE, "largest_rate = None  # again", BALL]
    stops = Order(cells, ["momentum_step", "largest_rate", "nesterov_step", "adam_step"]).stops
    assert stops == {"momentum_step": 2, "largest_rate": 5, "nesterov_step": 6, "adam_step": 6}
    assert Order([], ["adam_step"]).stops == {"adam_step": 0}


def test_a_cell_that_is_no_python_still_says_what_it_meant():
    order = Order(["def f(x)\n    pass", "g = = 1", "\n  dl.check('f', f) )", "# dl.check('g', g) )("], ["f", "g"])
    assert order.definitions == {"f": [0], "g": [1]}
    assert order.stops == {"f": 2, "g": 1}


FORMS = {
    "%time f(3)": "f(3)", "y = %time f(3)": "y = f(3)", "if 1:\n    !echo it's": "if 1:\n    pass", "np.exp?": "pass",
    "??np": "pass", "files = !ls *.py": "files = None",
    "!ls \\\n  -l\nx = 1": "pass\nx = 1", "x = 5 % 3\n%cd ..": "x = 5 % 3\npass",
    "%%bash\nls": "", "%%capture out\n%%time\nx = 1": "x = 1", "In [1]: x = 1": "x = 1", "%%writefile a.py\nx = (": "",
    's = """\n%time no\n"""': "s = '\\n%time no\\n'", "a %\\\n b": "a % b",
    "%timeit -n 3 f(x)": "pass", "await f()": "await f()",
}  # fmt: skip


@pytest.mark.parametrize("source", FORMS)
def test_ipythons_forms_are_python(source):
    assert ast.unparse(parsed(source)) == FORMS[source]


@pytest.mark.parametrize("source", ["def f(x:\n    pass", "x = (", "!ls\n)(", "return = 1"])
def test_what_is_no_python_stays_none(source):
    with pytest.raises(SyntaxError):
        parsed(source)


@pytest.mark.parametrize("source", [*FORMS, *(cell for cells, _ in BOOKS.values() for cell in cells)])
def test_ipython_itself_takes_the_same_cells(source):
    def valid(read):
        try:
            read()
        except SyntaxError:
            return False
        return True

    ipythons = valid(lambda: ast.parse(TransformerManager().transform_cell(source)))
    assert valid(lambda: parsed(source)) == ipythons
