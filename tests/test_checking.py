"""What the check says of anything at all: it never raises, names the learner's own line, and ends in time."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

import dlcourse as dl
from dlcourse.checks import checking, exercises, judge, progress, question
from dlcourse.checks.plain import NotPlain, plain
from dlcourse.checks.report import MIME
from dlcourse.checks.runner import Answer, Function, Seed, opened, run
from dlcourse.grading import sandbox
from dlcourse.workspace import MANIFEST


@pytest.fixture(autouse=True)
def fresh_session(monkeypatch):
    monkeypatch.setattr(checking, "_tries", {})
    monkeypatch.setattr(checking, "SECONDS", 0.3)
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.setattr("dlcourse.checks.questions._spent", {})


def right(theta, velocity, grad, learning_rate, momentum):
    velocity = momentum * velocity - learning_rate * grad
    return theta + velocity, velocity


def check(answer, name="momentum_step"):
    return dl.check(name, answer)


def of(body):
    """A solution of momentum_step that does this instead."""
    return lambda theta, velocity, grad, learning_rate, momentum: body()


def raises(error):
    raise error


def unwritten(theta, velocity, grad, learning_rate, momentum):
    """What it will do."""
    raise NotImplementedError("Return theta and velocity.")


# Any value at all


class Liar:
    """Raises whenever it is asked anything."""

    def __getattribute__(self, name):
        raise RuntimeError("no")

    def __repr__(self):
        raise RuntimeError("no")

    def __eq__(self, other):
        raise RuntimeError("no")

    def __hash__(self):
        raise RuntimeError("no")

    def __array__(self, *args, **kwargs):
        raise RuntimeError("no")

    def __call__(self, *args):
        raise RuntimeError("no")


class Quiet(Exception):
    def __str__(self):
        raise RuntimeError("no words")


class Always(np.ndarray):
    """Compares as equal to everything."""

    def __eq__(self, other):
        return np.ones(self.shape, bool)

    def __array_function__(self, *args, **kwargs):
        return True


def endless_list():
    items = []
    items.append(items)
    return items


ZOO = {
    "None": None, "a number": 3, "a text": "momentum_step", "a result": (1.0, 2.0), "a class": dl.Momentum,
    "a module": np, "an object": dl.Momentum(), "a liar": Liar(), "the class of a liar": Liar, "an array": np.zeros(3),
    "no arguments": lambda: 1, "too many": lambda a, b, c, d, e, f: a, "print": print, "dict": dict, "len": len,
    "a generator": (n for n in range(3)), "itself": dl.check,
    "nothing": of(lambda: None), "one thing": of(lambda: 1.0), "a list of texts": of(lambda: ["a", "b"]),
    "objects": of(lambda: (object(), object())), "liars": of(lambda: (Liar(), Liar())), "a returned liar": of(Liar),
    "NaN": lambda t, v, g, lr, mu: (t * np.nan, v), "inf": lambda t, v, g, lr, mu: (t / 0.0, v),
    "ragged": of(lambda: ([[1, 2], [3]], 1)), "endless list": of(endless_list), "complex": of(lambda: (1j, 2j)),
    "huge": of(lambda: (np.broadcast_to(0.0, (10**6, 10**6)), 0)), "texts": of(lambda: (np.array(["a"]), "b")),
    "a class inside": of(lambda: (int, float)), "a function inside": of(lambda: (len, print)),
    "sets": of(lambda: ({1}, {2})),
    "always equal": lambda t, v, g, lr, mu: (t.view(Always), v.view(Always)),
    "masked": lambda t, v, g, lr, mu: (np.ma.masked_all(t.shape), v), "dates": of(lambda: (np.datetime64("now"),) * 2),
    "exit": of(lambda: raises(SystemExit(0))), "interrupt": of(lambda: raises(KeyboardInterrupt())),
    "wordless": of(lambda: raises(Quiet())), "no base": of(lambda: raises(BaseException("x"))),
    "str": of(lambda: "x" * 10**6), "a generator function": lambda t, v, g, lr, mu: (yield t),
    "bytes": of(lambda: (b"1", b"2")), "three": of(lambda: (1, 2, 3)),
}  # fmt: skip


@pytest.mark.parametrize("name", ZOO)
def test_nothing_makes_the_check_raise_or_pass(name):
    report = check(ZOO[name])
    assert not report.passed
    assert report.points == 0
    assert report.findings
    for text in (repr(report), report._repr_html_(), json.dumps(report._repr_mimebundle_()[MIME])):
        assert len(text) < 20_000
    assert not dl.check("which_rate", ZOO[name]).passed


def test_a_wrong_name_is_an_answer_too():
    for name in (None, 3, [], Liar(), "", "momentm_step", "x" * 10_000, b"momentum_step"):
        assert not dl.check(name, right).passed


def test_a_misspelt_name_is_answered_with_the_one_that_was_meant():
    assert "Did you mean 'momentum_step'?" in repr(dl.check("momentm_step", right))


# What a learner reads


def test_the_learners_own_line_is_shown():
    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        helped = velocity * 2
        return theta + velocty, helped  # noqa: F821

    (finding,) = check(momentum_step).findings
    assert "NameError: name 'velocty' is not defined" in finding.detail
    assert "In momentum_step, line" in finding.detail
    assert "return theta + velocty, helped" in finding.detail
    assert finding.given.startswith("theta = np.array([")
    assert "/" not in finding.detail.replace("# noqa", "")


def test_an_error_inside_numpy_points_to_the_line_that_called_it():
    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        return np.linalg.solve(theta, grad), velocity

    (finding,) = check(momentum_step).findings
    assert "LinAlgError" in finding.detail
    assert "return np.linalg.solve(theta, grad), velocity" in finding.detail


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (of(lambda: None), "nothing (None). Does the function end with `return`?"),
        (of(lambda: 1.0), "It must return 2 things, theta, velocity; got a number."),
        (lambda t, v, g, lr, mu: (t[:2], v), "theta must be an array of shape (3,); got an array of shape (2,)."),
        (lambda t, v, g, lr: t, "It must take 5 arguments: theta, velocity, grad, learning_rate, momentum."),
        ((1.0, 2.0), "Give the function itself, without brackets"),
        (unwritten, "put your code in place of the line"),
    ],
)
def test_a_wrong_form_is_said_in_words(answer, words):
    assert words in repr(check(answer))


def test_numbers_that_are_not_finite_are_told_from_wrong_ones():
    report = check(lambda t, v, g, lr, mu: (t * np.nan, v))
    assert [f.words for f in report.findings if not f.passed] == ["its numbers are finite"]


def test_given_got_and_expected_are_shown_for_a_wrong_value():
    report = check(lambda t, v, g, lr, mu: (right(t, v, g, lr, mu)[0], v * 0 + 7))
    (wrong,) = (f for f in report.findings if f.words == "velocity agrees with the formula")
    assert wrong.got.startswith("[7")
    assert wrong.expected.startswith("[")
    assert "momentum = 0." in wrong.given
    hidden = report.without_answers()
    assert not any(f.expected or f.given for f in hidden.findings)
    assert [f.passed for f in hidden.findings] == [f.passed for f in report.findings]


def test_what_was_given_must_stay_as_it_was():
    def in_place(theta, velocity, grad, learning_rate, momentum):
        velocity *= momentum
        velocity -= learning_rate * grad
        return theta + velocity, velocity

    (wrong,) = (f for f in check(in_place).findings if not f.passed)
    assert wrong.detail.startswith("velocity changed.")


def test_what_was_printed_and_warned_is_kept_short():
    def chatty(theta, velocity, grad, learning_rate, momentum):
        for _ in range(100):
            print("x" * 10_000)
        return theta / 0, velocity

    report = check(chatty)
    assert "It printed: 'xxx" in report.note
    assert "divide by zero" in report.note
    assert len(report.note) < 1500


WRONG = [of(lambda: 1), of(lambda: (2, 2)), of(lambda: (3, 3)), of(lambda: (4, 4))]


def test_hints_come_one_at_a_time_and_begin_again_after_success():
    hints = [check(answer).hint for answer in WRONG]
    assert [h[:11] for h in hints] == ["Hint 1 of 3", "Hint 2 of 3", *["Hint 3 of 3"] * 2]
    assert not check(right).hint
    assert check(WRONG[3]).hint.startswith("Hint 1")


def helped(scale):
    def helper(v):
        return scale * v

    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        return theta, helper(velocity)

    return momentum_step


def test_an_answer_that_has_not_changed_gets_the_same_hint():
    for _ in range(4):
        assert check(of(lambda: 1)).hint.startswith("Hint 1")  # its cell ran again: a new function, the same code
        assert check(helped(1.0)).hint.startswith("Hint 2")
        assert check(helped(2.0)).hint.startswith("Hint 3")  # a helper changed


def test_inputs_are_fresh_every_time():
    one, two = (check(of(lambda: (0.0, 0.0))).findings[-1].given for _ in range(2))
    assert one != two


def test_html_escapes_what_the_learner_wrote():
    def momentum_step(theta, velocity, grad, learning_rate, momentum):
        raise ValueError("<script>alert(1)</script>")

    assert "<script>" not in check(momentum_step)._repr_html_()


def test_lists_and_float32_are_right_answers_too():
    assert check(lambda *a: [part.tolist() for part in right(*a)])
    assert check(lambda *a: tuple(part.astype("float32") for part in right(*a)))
    assert check(lambda *a: right(*(np.asarray(v, "float32") for v in a)))


def test_nbgrader_sees_a_wrong_answer_as_an_error(monkeypatch):
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    with pytest.raises(AssertionError, match="not yet"):
        check(of(lambda: 1))
    assert check(right)


# Time


def patient(*_):
    while True:
        try:
            time.sleep(10)
        except:  # noqa: E722, that is the point
            continue


def busy(*_):
    while True:
        try:
            sum(range(1000))
        except BaseException:
            continue


def plainly_endless(*_):
    while True:
        pass


@pytest.mark.parametrize(
    ("endless", "words"),
    [
        (plainly_endless, "still running after 0.3 seconds of work, all 4 calls together. An endless loop?"),
        (busy, "still running after 0.3 seconds of work, all 4 calls together. An endless loop?"),
        (patient, "not done after 0.3 seconds without work, all 4 calls together. Does it sleep, or wait"),
    ],
)
def test_an_endless_loop_ends(endless, words):
    start = time.monotonic()
    before = signal.getsignal(signal.SIGALRM)
    (finding,) = check(endless).findings
    assert words in finding.detail
    assert time.monotonic() - start < 20
    assert signal.getsignal(signal.SIGALRM) is before


def test_an_endless_loop_ends_beside_the_main_thread_too():
    found = []
    thread = threading.Thread(target=lambda: found.append(check(plainly_endless)))
    thread.start()
    thread.join(20)
    assert "An endless loop?" in repr(found[0])


def test_somebody_elses_timer_goes_on():
    before = signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 1000)
    try:
        check(right)
        assert 900 < signal.getitimer(signal.ITIMER_REAL)[0] <= 1000
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


# Answers that come from elsewhere


def test_answers_from_elsewhere_are_judged_without_the_learner():
    exercise = exercises()["momentum_step"]
    calls = exercise.calls(np.random.default_rng(3))
    answers = run(right, calls)
    assert judge(exercise, calls, answers).passed
    assert not judge(exercise, calls, answers[:-1]).passed  # the worker died on the way
    assert not judge(exercise, calls, []).passed
    assert not judge(exercise, calls, answers[::-1]).passed
    assert not judge(exercise, calls, [Answer("text")] * len(calls)).passed


def test_the_runner_runs_alone(tmp_path):
    """A sandbox gets a few files: not the tables, not the package."""
    (tmp_path / "dlcourse/checks").mkdir(parents=True)
    for place in ("dlcourse", "dlcourse/checks"):
        (tmp_path / place / "__init__.py").touch()  # or Python would find ours
    for name in sandbox.FILES:
        if name.startswith("checks/"):
            shutil.copy(sandbox.PACKAGE / name, tmp_path / "dlcourse" / name)
    program = "from dlcourse.checks import runner, tools; print(runner.run(abs, [(-3,)])[0].value, runner.__file__)"
    call = [sys.executable, "-c", f"import sys; sys.path[:0] = [{str(tmp_path)!r}]; {program}"]
    assert subprocess.check_output(call, text=True, cwd=tmp_path) == f"3 {tmp_path}/dlcourse/checks/runner.py\n"


FORGED = [
    None, "text", 3, (), (1, 2), ("a", "b"), np.array("a"), np.array([1j, 2j]), np.zeros(0), np.zeros((1, 1, 1, 1)),
    (np.zeros(3),) * 2, (np.array(["x"] * 3),) * 2, ((np.zeros(2), "a"),) * 2, [np.zeros(3)] * 2, np.full(6, np.inf),
    (np.array([1e308, -1e308, np.nan]),) * 2, {"theta": 1}, np.array([None] * 3), (np.zeros(3, "M8[s]"),) * 2,
]  # fmt: skip


@pytest.mark.parametrize("name", exercises())
def test_forged_answers_are_wrong_and_nothing_worse(name):
    exercise = exercises()[name]
    calls = exercise.calls(np.random.default_rng(3))
    for value in FORGED:
        report = judge(exercise, calls, [Answer(value)] * len(calls))
        assert not report.passed
        assert repr(report)


def test_calls_are_plain_data():
    for exercise in exercises().values():
        for call in exercise.calls(np.random.default_rng(0)):
            for value in call:
                assert isinstance(value, Seed | Function | np.ndarray | int | float | str | tuple | list | np.generic)


def test_seeds_and_functions_stand_for_what_cannot_travel():
    assert opened(Seed(3)).random() == np.random.default_rng(3).random()
    assert opened(Function("lambda w: float((w * c).sum())", {"c": 2.0}))(np.ones(3)) == 6.0


@pytest.mark.parametrize("value", [None, {1: 2}, object(), len, int, 1j, b"1", np.array([object()]), endless_list()])
def test_what_is_no_plain_data_is_refused(value):
    with pytest.raises(NotPlain):
        plain(value)


# Questions


def test_a_question_is_answered_on_a_ticket_of_ones_own():
    entry = exercises()["which_rate"]
    first, second = question("which_rate"), question("which_rate")
    assert first.ticket != second.ticket
    assert dl.check("which_rate", (first.ticket, entry.answer(first.ticket)))
    assert dl.check("which_rate", lambda: (second.ticket, entry.answer(second.ticket).lower()))


def test_a_wrong_letter_is_told_what_it_is_and_spends_the_ticket():
    entry = exercises()["which_rate"]
    letter = entry.answer(7)
    wrong = next(other for other in entry.letters if other != letter)
    report = dl.check("which_rate", (7, wrong))
    assert report.mistake == entry.kinds[entry.order(7)[entry.letters.index(wrong)]]
    assert "Run the cell of the question again" in repr(dl.check("which_rate", (7, letter)))


@pytest.mark.parametrize("name", [name for name, entry in exercises().items() if name.startswith("which")])
def test_every_letter_of_a_question_comes_up_and_only_one_is_right(name):
    entry = exercises()[name]
    letters = [entry.answer(ticket) for ticket in range(200)]
    assert {letters.count(letter) > 20 for letter in entry.letters} == {True}
    for letter in entry.letters:
        got = judge(entry, [()], [Answer((np.array(11), letter))])
        assert got.passed == (letter == entry.answer(11))
        assert got.passed or got.mistake in entry.kinds.values()


SIGNS = {  # what to look for, as a rule that needs no eyes: the right curve has the largest of these
    "which_rate": lambda y: y[-1],
    "which_used_zeros": lambda y: y[-1],
    "which_had_momentum": lambda y: np.sum(np.diff(np.sign(y[np.abs(y) > 1e-6])) != 0),
    "which_had_batch_norm": lambda y: -np.abs(y / 0.63 - 1).max(),
    "which_had_l1": lambda y: (y == 0).sum(),
    "which_had_stairs": lambda y: np.median(y[60:95]) / np.median(y[-30:]) / np.median(y[140:190]) ** 1,
}


@pytest.mark.parametrize("name", SIGNS)
def test_a_question_can_be_answered_by_looking(name):
    entry = exercises()[name]
    for ticket in range(1000, 1030):
        curves = entry.curves(ticket)
        assert max(curves, key=lambda letter: SIGNS[name](curves[letter])) == entry.answer(ticket), ticket


def test_a_question_shows_a_picture_with_words():
    asked = question("which_had_momentum", ticket=5)
    data, _ = asked._repr_mimebundle_()
    assert 'alt="Curves of distance across against step' in data["text/html"]
    assert "Ticket 5." in data["text/plain"]
    for letter in "ABCD":
        assert f"{letter}: " in data["text/plain"]


def test_only_questions_can_be_asked():
    with pytest.raises(dl.SettingError, match="which_rate"):
        question("which_rates")


# Progress


def test_what_is_solved_is_kept_beside_the_notebooks(tmp_path, monkeypatch):
    (tmp_path / MANIFEST).write_text("{}")
    below = tmp_path / "exercises" / "momentum"
    below.mkdir(parents=True)
    monkeypatch.setenv(progress.FOLDER, str(below))
    assert check(right)
    assert not check(of(lambda: 1))
    assert list(json.loads((tmp_path / progress.FILE).read_text())["solved"]) == ["momentum_step"]
    lines = "\n".join(progress.overview(tmp_path, exercises()))
    assert f"1 of {len(exercises())} exercises" in lines
    assert "✓ One step of momentum" in lines
    assert "· One step of Nesterov's rule" in lines


def test_a_damaged_record_is_put_aside_not_lost(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.FOLDER, str(tmp_path))
    path = tmp_path / progress.FILE
    path.write_text('{"solved": {"adam_st')
    assert check(right)
    assert list(progress.load(path)) == ["momentum_step"]
    assert (tmp_path / (progress.FILE + ".damaged")).read_text() == '{"solved": {"adam_st'


def test_a_crash_while_writing_leaves_the_old_record(tmp_path, monkeypatch):
    monkeypatch.setenv(progress.FOLDER, str(tmp_path))
    assert check(right)
    before = (tmp_path / progress.FILE).read_text()
    monkeypatch.setattr("os.replace", lambda *_: raises(OSError(28, "No space left on device")))
    report = dl.check("largest_rate", lambda momentum, curvature: 2 * (1 + momentum) / curvature)
    assert report.passed
    assert "Progress could not be kept: No space left on device." in report.note
    assert (tmp_path / progress.FILE).read_text() == before


def test_a_script_leaves_no_record(tmp_path, monkeypatch):
    monkeypatch.delenv(progress.FOLDER, raising=False)
    monkeypatch.chdir(tmp_path)
    assert check(right)
    assert list(tmp_path.iterdir()) == []
