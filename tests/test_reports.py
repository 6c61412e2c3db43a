"""What a report says is true, stands in the right order, and can be tried again by pasting one line."""

import html
import re
import xml.etree.ElementTree as tree

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from scipy.special import expit

import dlcourse as dl
from dlcourse.checks import Exercise, checking, exercises, judge, notebook, progress
from dlcourse.checks.regimes import SCHEDULE, where_wrong
from dlcourse.checks.runner import Function, Seed, opened, run
from dlcourse.checks.show import literal
from dlcourse.workspace import MANIFEST, UserError

CODED = [entry for entry in exercises().values() if isinstance(entry, Exercise)]


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(checking, "_tries", {})
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)


def unwritten(theta, velocity, grad, learning_rate, momentum):
    """What it will do."""
    raise NotImplementedError("Return theta and velocity.")


def stops(step, lr, length, rate, staircase):
    periods = min(step, length) / length
    return lr * rate ** (int(periods) if staircase else periods)


# Order


def test_the_named_mistake_comes_first_then_what_fails():
    lines = repr(dl.check("exponential_decay", stops)).splitlines()
    assert lines[1].startswith("  → The decay ends at decay_steps.")
    marks = [line.strip()[0] for line in lines if line.strip()[0] in "✓✗"][1:]
    assert marks == sorted(marks, reverse=True)
    page = dl.check("exponential_decay", stops)._repr_html_()
    assert page.index("The decay ends at") < page.index("agrees with the formula")


# One line to paste


@pytest.mark.parametrize("entry", CODED, ids=lambda entry: entry.name)
def test_what_was_given_can_be_pasted_back(entry):
    """With a function that keeps what it is given, in the place of the learner's."""
    kept = []

    def learner(*given):
        kept.append(given)
        raise ValueError("kept")

    (finding,) = checking.examine_function(entry, learner, 7).findings
    called = [kept.pop()]
    try:
        exec(finding.given, {"np": np, "dl": dl, entry.name: learner})
    except ValueError as error:
        assert str(error) == "kept"
    assert "\n" not in finding.given
    assert all(alike(a, b) for a, b in zip(called[0], kept[0], strict=True))


def alike(a, b):
    if isinstance(a, np.random.Generator):
        return a.random() == b.random()
    if callable(a):
        return True
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(alike, a, b))
    same_kind = getattr(a, "dtype", type(a)) == getattr(b, "dtype", type(b))
    return same_kind and np.array_equal(a, b, equal_nan=np.asarray(a).dtype.kind == "f")


LITERAL = [
    3, -0.1, True, "text", (1,), (1, [2.5, ()]), float("inf"), np.float32(0.1).item(), np.zeros((0, 3), np.float32),
    np.array([[1, 2]], np.int8), np.array([0.1, np.nan, -np.inf]), np.array(2.5), np.array([True]),
]  # fmt: skip


@pytest.mark.parametrize("value", LITERAL, ids=repr)
def test_a_literal_makes_the_value_again(value):
    assert alike(value, eval(literal(value), {"np": np, "nan": np.nan, "inf": np.inf}))


def test_a_generator_and_a_function_are_literals_too():
    assert eval(literal(Seed(7)), {"np": np}).random() == opened(Seed(7)).random()
    made = Function("lambda w: float((w * c).sum())", {"c": np.array([1.0, 2.0])})
    assert eval(literal(made), {"np": np})(np.ones(2)) == opened(made)(np.ones(2)) == 3.0


# Names


def judged(name, function, seed=0):
    entry = exercises()[name]
    calls = entry.calls(np.random.default_rng(seed))
    return judge(entry, calls, run(function, calls))


def test_a_near_miss_says_perhaps():
    """A decay that ends, and another slip at step 0."""
    found = judged("exponential_decay", lambda s, *a: 7.0 if s == 0 else stops(s, *a))
    assert found.perhaps and "→ Perhaps: The decay ends at decay_steps." in repr(found)
    assert not judged("exponential_decay", stops).perhaps


@pytest.mark.parametrize("scale", [2**0.5, 1.5, 2.5])
def test_draws_of_another_width_are_not_given_a_name_that_is_not_theirs(scale):
    found = judged("msra_init", lambda shape, rng: rng.normal(0, scale / np.prod(shape[:-1]), shape))
    assert not found.passed and not found.mistake


def test_draws_of_the_same_law_have_a_name_only_perhaps():
    exact = judged("msra_init", lambda shape, rng: rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape))
    other = judged("msra_init", lambda shape, rng: -rng.normal(0, np.prod(shape[:-1]) ** -0.5, shape))
    assert exact.mistake == other.mistake and "Xavier" in exact.mistake
    assert other.perhaps and not exact.perhaps


# Curves


def test_the_part_of_a_curve_that_is_wrong_is_named():
    found = repr(judged("exponential_decay", stops))
    assert "beyond its end; right at step 0, on the way and at its end." in found


def test_regimes_tell_a_difference_or_nothing():
    entry = exercises()["polynomial_decay"]
    calls = [(step, 0.1, 10, 0.01, 1.0) for step in (0, 5, 10, 11)]
    assert entry.regimes is SCHEDULE
    assert where_wrong(entry, calls, [0]) == "Wrong at step 0; right on the way, at its end and beyond its end."
    assert where_wrong(entry, calls, [0, 1, 2, 3]) == where_wrong(entry, calls, []) == ""
    assert where_wrong(exercises()["adam_step"], exercises()["adam_step"].calls(np.random.default_rng(0)), [0]) == ""


def test_a_wrong_curve_is_drawn_beside_the_right_one_in_words_too():
    report = dl.check("exponential_decay", stops)
    picture = tree.fromstring(report.picture)
    assert picture.get("role") == "img" and "furthest apart at step" in picture.get("aria-label")
    lines = [element for element in picture if element.tag == "polyline"]
    assert len(lines) == 2 and lines[0].get("stroke") == "currentColor" and lines[0].get("stroke-dasharray")
    assert report.picture in report._repr_html_()
    assert not dl.check("momentum_step", lambda t, v, g, lr, mu: (t, v)).picture


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1e300, 0.0])
def test_no_curve_breaks_its_picture(value):
    report = dl.check("exponential_decay", lambda s, *a: value if s > 3 else 0.5)
    assert not report.picture or tree.fromstring(report.picture) is not None
    assert "nan," not in report.picture


# What will be missing


def draws_a_picture(momentum, curvature):
    plt.close(plt.figure())
    return 2 * (1 + momentum) / curvature


def counts_on_scipy(momentum, curvature):
    return 4 * expit(0.0) * (1 + momentum) / curvature


def imports_inside(momentum, curvature):
    import scipy.linalg  # noqa: F401

    return 2 * (1 + momentum) / curvature


def by_a_helper(momentum, curvature):
    return draws_a_picture(momentum, curvature)


def with_the_course(momentum, curvature):
    return 2 * (1 + momentum) / curvature + 0 * len(dl.__version__)


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (draws_a_picture, "no matplotlib (plt in draws_a_picture)"),
        (by_a_helper, "no matplotlib (plt in draws_a_picture)"),
        (counts_on_scipy, "no scipy (expit in counts_on_scipy)"),
        (imports_inside, "no scipy (import in imports_inside)"),
        (with_the_course, "no dlcourse (dl in with_the_course)"),
    ],
)
def test_what_will_be_missing_is_said_before_handing_in(function, words):
    report = dl.check("largest_rate", function)
    assert report.passed
    assert report.missing.startswith("It passes here, but while grading there is ")
    assert words in report.missing
    assert html.escape(report.missing) in report._repr_html_()


def test_a_file_is_missed_too(tmp_path):
    np.save(tmp_path / "two.npy", 2.0)

    def largest_rate(momentum, curvature):
        return np.load(tmp_path / "two.npy") * (1 + momentum) / curvature

    assert "no files" in dl.check("largest_rate", largest_rate).missing


def test_nothing_is_missed_by_an_answer_in_numpy():
    assert not dl.check("largest_rate", lambda mu, c: np.exp(np.log(2)) * (1 + mu) / c).missing


# Unwritten, or not


def calls_another(theta, velocity, grad, learning_rate, momentum):
    return unwritten(theta, velocity, grad, learning_rate, momentum)


def of_ones_own(theta, velocity, grad, learning_rate, momentum):
    if theta.ndim == 1:
        raise NotImplementedError("vectors")
    return theta, velocity


def left_over(theta, velocity, grad, learning_rate, momentum):
    velocity = momentum * velocity
    raise NotImplementedError("Return theta and velocity.")


def asks(theta, velocity, grad, learning_rate, momentum):
    return theta * float(input()), velocity


def test_a_stub_is_unwritten():
    assert not dl.check("momentum_step", unwritten).begun


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (calls_another, "It calls unwritten, which is not written yet.\nIn calls_another, line"),
        (of_ones_own, "NotImplementedError: vectors\nIn of_ones_own, line"),
        (left_over, "The line that raises NotImplementedError still stands in it. Take it out."),
        (asks, "It asks with input(), and while it is checked nobody answers."),
    ],
)
def test_written_code_is_told_what_is_true(function, words):
    report = dl.check("momentum_step", function)
    assert report.begun and words in report.findings[0].detail
    assert "Nothing here yet" not in repr(report)


# From a shell


def test_a_file_that_hides_a_module_is_named(tmp_path):
    (tmp_path / "types.py").write_text("")
    (tmp_path / "helpers.py").write_text("")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell('dlcourse.check("momentum_step", 1)')])
    nbformat.write(book, tmp_path / "x.ipynb")
    with pytest.raises(UserError, match=re.escape("types.py beside the notebook hides Python's own")):
        list(notebook.check_notebook(tmp_path / "x.ipynb"))


def test_the_name_of_a_kernel_does_not_matter_and_errors_are_told_with_their_exercise(tmp_path):
    sources = [
        "import dlcourse as dl",
        "def momentum_step(theta)\n    1",
        'dl.check("momentum_step", momentum_step)',
        "1 / 0",
    ]
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])
    book.metadata["kernelspec"] = {"name": "conda-env-dl-py", "display_name": "dl", "language": "python"}
    nbformat.write(book, tmp_path / "x.ipynb")
    (name, passed, text), (nobody, _, other) = notebook.check_notebook(tmp_path / "x.ipynb")
    assert (name, passed, nobody) == ("momentum_step", False, "")
    assert "One step of momentum" in text and "In [2], stopped: SyntaxError: expected ':', line 1" in text
    assert other == "✗ In [4] stopped: ZeroDivisionError: division by zero"


def test_progress_in_a_folder_of_nobodys_names_the_folder(tmp_path):
    with pytest.raises(UserError, match=re.escape(str(tmp_path))):
        list(progress.overview(tmp_path, exercises()))
    (tmp_path / MANIFEST).write_text("{}")
    assert next(progress.overview(tmp_path, exercises())).startswith("0 of ")
