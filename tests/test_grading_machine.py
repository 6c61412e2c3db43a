"""A grade is never the machine's fault: workers killed, graders that stand still, cores and memory that others take."""

import csv
import functools
import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from classes import QUICK, RIGHT, WRONG, hand_in, needs_sandbox, notebook

from dlcourse.grading import answers, jobs, tasks, verdicts, worker_process
from dlcourse.grading.answers import Session, ask
from dlcourse.grading.batch import grade_class
from dlcourse.grading.grader import Undecided, attempt, grade
from dlcourse.grading.sandbox import Limits, Sandbox
from dlcourse.grading.tasks import Task, digest_of
from dlcourse.grading.worker_process import Clock, Died, Process, innermost

pytestmark = needs_sandbox()
SHORT = Limits(seconds=0.3, cells=0.5, total=8.0, grace=0.1)
ENDS = "import os\ndef momentum_step(*a):\n    os._exit({})"
LOOPS = "def momentum_step(*a):\n    while True:\n        pass"
SLOW = RIGHT.replace("    velocity =", "    import time\n    time.sleep(0.01)\n    velocity =")


def task(*sources, limits=QUICK, names=("momentum_step",)):
    files = (("m.ipynb", notebook(*sources)),)
    return Task("ana", names, b"s" * 32, files, digest=digest_of(files), limits=limits)


def graded(*sources, **more):
    return {result.exercise: result.report for result in grade(task(*sources, **more))}


def when_answering(monkeypatch, act, times=1):
    """Something happens to the worker while an exercise is answered, in the first attempts or in all of them."""
    happened, before = [], Session.answer

    def answer(self, *arguments):
        if len(happened) < times:
            happened.append(True)
            act(self.process)
        return before(self, *arguments)

    monkeypatch.setattr(Session, "answer", answer)
    return happened


def members(process):
    """bubblewrap, bubblewrap inside, and the learner's Python."""
    found = [process.process.pid]
    while inner := Path(f"/proc/{found[-1]}/task/{found[-1]}/children").read_text().split():
        found.append(int(inner[0]))
    return found


# Ends


@pytest.mark.parametrize("which", range(3))
@pytest.mark.parametrize("kind", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_killed_from_outside_costs_nothing(which, kind, monkeypatch):
    happened = when_answering(monkeypatch, lambda process: os.kill(members(process)[which], kind))
    assert graded(RIGHT)["momentum_step"].points == 2
    assert happened


def test_a_worker_killed_while_its_cells_run_costs_nothing(monkeypatch):
    before, killed = Process.receive, []

    def receive(self, until):
        reply = before(self, until)
        if reply.get("cell") == 1 and not killed:
            killed.append(os.kill(innermost(self.process.pid), signal.SIGKILL))
        return reply

    monkeypatch.setattr(Process, "receive", receive)
    assert graded("x = 1", "y = 2", RIGHT)["momentum_step"].points == 2
    assert killed


def test_where_workers_are_killed_again_and_again_there_is_no_grade(monkeypatch, tmp_path):
    """Not graded, and said so everywhere; what is settled stays, and the next run goes on with the rest."""
    hand_in(tmp_path / "in", "ana", RIGHT, "def nesterov_step(*a): return 1")
    hand_in(tmp_path / "in", "bob", WRONG)
    before = Session.answer

    def answer(self, name, calls):
        if name == "momentum_step":
            os.kill(innermost(self.process.process.pid), signal.SIGKILL)
        return before(self, name, calls)

    monkeypatch.setattr(Session, "answer", answer)
    monkeypatch.setattr(tasks, "ATTEMPTS", 2)
    once = functools.partial(grade_class, tmp_path / "in", tmp_path / "out", lambda: ThreadPoolExecutor(1))
    summary = once(notebooks=["momentum"], limits=SHORT)
    assert summary.failed == dict.fromkeys(("ana", "bob"), "momentum_step: its process was killed from outside")
    assert summary.results["ana"]["nesterov_step"].report.points == 0
    rows = table(tmp_path / "out")
    assert rows["ana"]["points"] == rows["ana"]["momentum_step"] == "" and rows["ana"]["nesterov_step"] == "0"
    assert "not graded: momentum_step: its process was killed from outside" in rows["ana"]["remarks"]
    monkeypatch.undo()
    summary = once(notebooks=["momentum"], limits=SHORT)
    assert not summary.failed and summary.fresh == 2
    assert {name: row["points"] for name, row in table(tmp_path / "out").items()} == {"ana": "2", "bob": "0"}


def table(out):
    with open(out / "grades.csv", newline="") as file:
        return {row["student"]: row for row in csv.DictReader(file)}


@pytest.mark.parametrize("status", [0, 1, 127, 128, 137, 143, 255])
def test_no_status_of_its_own_looks_like_a_kill(status):
    report = graded(ENDS.format(status))["momentum_step"]
    assert report.points == 0
    assert "It ended Python itself" in repr(report)


@pytest.mark.parametrize("act", [
    "import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "import os, signal; os.kill(0, signal.SIGSTOP)",
    "import signal; signal.raise_signal(signal.SIGTERM)", "import resource; resource.setrlimit(0, (1, 1))",
    "import os, signal; signal.pidfd_send_signal(os.pidfd_open(os.getpid()), signal.SIGKILL)",
])  # fmt: skip
def test_no_code_can_end_itself_as_somebody_else_would(act):
    report = graded(f"def momentum_step(*a):\n    {act}")["momentum_step"]
    assert "PermissionError" in repr(report) or "ValueError: not allowed" in repr(report)


def test_a_crash_is_ones_own_doing():
    report = graded("import ctypes\ndef momentum_step(*a): ctypes.string_at(0)")["momentum_step"]
    assert "It ended Python itself" in repr(report)


@pytest.mark.parametrize("kind", ["ended", "time"])
def test_what_happens_once_is_in_doubt_and_what_happens_twice_is_not(kind, monkeypatch):
    def act(process):
        raise Died(kind)

    when_answering(monkeypatch, act)
    tried = attempt(task(RIGHT, "def nesterov_step(*a): return 1", names=("momentum_step", "nesterov_step")))
    assert [result.exercise for result in tried.results] == ["nesterov_step"]
    assert tried.doubts.keys() == {"momentum_step"} and tried.again.exercises == ("momentum_step",)
    (result,) = attempt(tried.again).results
    assert result.report.points == 2
    monkeypatch.undo()
    when_answering(monkeypatch, act, times=2)
    assert answers.WORDS[kind] in repr(graded(RIGHT)["momentum_step"])


def test_memory_that_was_not_there_once_is_tried_again(monkeypatch):
    source = "def momentum_step(*a): raise MemoryError"
    assert attempt(task(source)).doubts and "MemoryError" in repr(graded(source)["momentum_step"])


def test_the_second_try_comes_when_all_others_are_done(tmp_path):
    for name in "abcd":
        hand_in(tmp_path / "in", name, ENDS.format(1) if name == "a" else RIGHT)
    grade_class(tmp_path / "in", tmp_path / "out", lambda: ThreadPoolExecutor(2), notebooks=["momentum"], limits=SHORT)
    lines = [line.split(" ", 2)[2] for line in (tmp_path / "out/grading.log").read_text().splitlines()]
    (first, last) = (n for n, line in enumerate(lines) if line.startswith("a: "))
    assert lines[first].endswith("to be tried again, momentum_step: it must end that way twice")
    assert last == len(lines) - 1


# Time


def stand_still(seconds):
    return lambda process: time.sleep(seconds)


def test_what_arrived_while_the_grader_stood_still_is_read(monkeypatch):
    """It sleeps between the question and the look for an answer, as after Ctrl-Z."""
    before, slept = Process.send, []

    def send(self, request, until):
        before(self, request, until)
        if "calls" in request and not slept:
            slept.append(time.sleep(1.6))

    monkeypatch.setattr(Process, "send", send)
    assert graded(SLOW, limits=SHORT)["momentum_step"].points == 2
    assert slept


def test_a_stop_of_worker_and_grader_voids_the_try(monkeypatch):
    """The timer of the worker runs on while both stand still: "time is up", says the worker, and is not believed."""
    before, slept = Process.send, []

    def send(self, request, until):
        before(self, request, until)
        if "calls" in request and not slept:
            pid = innermost(self.process.pid)
            os.kill(pid, signal.SIGSTOP)
            slept.append(time.sleep(1.6))
            os.kill(pid, signal.SIGCONT)

    monkeypatch.setattr(Process, "send", send)
    tried = attempt(task(SLOW, limits=replace(SHORT, seconds=1.0, cells=4.0)))  # less than the stop, and not too little
    assert slept and not tried.doubts and tried.results[0].report.points == 2


def test_a_worker_that_was_stopped_is_not_one_that_took_too_long(monkeypatch):
    happened = when_answering(monkeypatch, lambda process: os.kill(innermost(process.process.pid), signal.SIGSTOP))
    assert graded(RIGHT, limits=SHORT)["momentum_step"].points == 2
    assert happened


def test_a_worker_that_waits_for_a_core_has_its_time_still(monkeypatch):
    """The system says that it waited; nobody has to be kept waiting for this test."""
    waited = iter([0.0] * 5 + [k / 20 for k in range(10_000)])
    monkeypatch.setattr(worker_process, "waits", lambda pid: next(waited))
    clock = Clock()
    slow = RIGHT.replace("    velocity =", "    import time\n    time.sleep(0.1)\n    velocity =")
    outcome = ask(notebook(slow), {"momentum_step": [(1.0, 1.0, 1.0, 0.1, 0.9)] * 8}, Sandbox(SHORT), clock=clock,
                  patient=True)  # fmt: skip
    assert clock.starved > 0 and not outcome.ends
    assert len(outcome.answers["momentum_step"]) == 8 and not outcome.answers["momentum_step"][-1].kind


def test_a_machine_too_busy_to_tell_gives_no_grade(monkeypatch):
    waited = iter(float(k) for k in range(10_000))
    monkeypatch.setattr(worker_process, "waits", lambda pid: next(waited))
    monkeypatch.setattr(tasks, "ATTEMPTS", 2)
    with pytest.raises(Undecided, match="the machine was too busy"):
        graded(LOOPS, limits=SHORT)


def test_the_clock_of_a_learner_stands_still_while_the_grader_does(monkeypatch):
    now = [100.0]
    monkeypatch.setattr(worker_process.time, "monotonic", lambda: now[0])
    clock = Clock()
    now[0] += 0.3
    assert clock.look(0.2) and clock.now() == pytest.approx(0.3)
    now[0] += 3600
    assert not clock.look(0.2) and clock.stops == 1 and clock.now() == pytest.approx(0.5)
    now[0] += 50
    clock.begin()  # somebody else's
    clock.waited(0.1)
    assert clock.now() == pytest.approx(0.4)


def test_a_judge_that_was_interrupted_judges_again(monkeypatch):
    before, times = verdicts.judge, []

    def judge(exercise, calls, given):
        times.append(time.sleep(1.1 if not times else 0.0))
        return before(exercise, calls, given if len(times) > 1 else [])

    monkeypatch.setattr(verdicts, "judge", judge)
    assert graded(RIGHT)["momentum_step"].points == 2
    assert len(times) == 2


def test_a_grader_that_stood_still_for_long_does_not_give_up_on_its_processes(monkeypatch):
    looks = []

    def wait(under_way, seconds, return_when):
        looks.append(seconds)
        return type("Waited", (), {"done": set(under_way) if len(looks) == 3 else set()})()

    monkeypatch.setattr(jobs, "wait", wait)
    assert jobs.first_of({"future": (task(RIGHT), 1)}) == {"future"}
    assert looks == [jobs.LOOK] * 3  # whatever the clock on the wall says


# What one costs the others


def test_cells_that_end_python_do_not_use_up_the_workers_of_the_next():
    dies = [f"import os\nos._exit({n})" for n in range(8)]
    assert graded(*dies, RIGHT)["momentum_step"].points == 2


def test_a_cell_that_never_ends_takes_no_time_of_the_next():
    loops = "while True:\n    pass"
    assert graded(loops, loops, RIGHT, limits=SHORT)["momentum_step"].points == 2


def test_exercises_that_end_python_do_not_use_up_the_workers_of_the_next():
    names = ("nesterov_step", "largest_rate", "momentum_step", "newton_step")
    dies = [ENDS.format(1).replace("momentum_step", name) for name in names if name != "momentum_step"]
    assert [r.points for r in graded(*dies, RIGHT, names=names).values()] == [0, 0, 2, 0]
