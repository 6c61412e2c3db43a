"""Processor time: endless loops end with and without threads and signals, honest ones pass however busy the machine."""

import builtins
import signal
import sys
import threading
import time

import pytest

import dlcourse as dl
from dlcourse.checks import clock, runner
from dlcourse.checks.clock import Budget, TimeUp, call_within
from dlcourse.checks.runner import run, trusted

space = {}
exec("def one_line():\n    while True: pass", space)  # one instruction, which a formatter would not leave in one line
one_line = space["one_line"]


def catches():
    while True:
        try:
            sum(range(1000))
        except BaseException:
            continue


def nested():
    n = 0
    while n >= 0:
        for _ in range(3):
            n += 1


def comprehends():
    return sum(n for n in iter(int, 1))


def recurses():
    def grow(n):
        return [grow(n - 1) for _ in range(n)] if n else 0

    return grow(13)


LOOPS = [one_line, catches, nested, comprehends, recurses]


@pytest.fixture(params=["timer", "no signals", "beside the main thread"])
def anywhere(request, monkeypatch):
    """Calls a function as it is called on Linux, in a browser (where no thread can be started either), in a thread."""
    if request.param == "timer":
        return lambda function: function()
    if request.param == "no signals":
        monkeypatch.delattr(signal, "setitimer")
        monkeypatch.setattr(threading.Thread, "start", None)
        return lambda function: function()

    def beside(function):
        found = []
        thread = threading.Thread(target=lambda: found.append(function()), daemon=True)
        thread.start()
        thread.join(60)
        return found[0]

    return beside


@pytest.mark.parametrize("loop", LOOPS)
def test_an_endless_loop_ends_anywhere(loop, anywhere):
    before = sys.gettrace(), sys.getprofile()
    (answer,) = anywhere(lambda: run(loop, [()], 0.05))
    assert answer.kind == "time"
    assert answer.problem == "was still running after 0.05 seconds of work. An endless loop?"
    assert (sys.gettrace(), sys.getprofile()) == before


def test_a_right_answer_passes_anywhere(anywhere):
    assert anywhere(lambda: dl.check("largest_rate", lambda mu, c: 2 * (1 + mu) / c))


def test_time_is_that_of_all_calls_together(anywhere):
    def slow(x):
        end = time.thread_time() + 0.15
        while time.thread_time() < end:
            sum(range(100))

    answers = anywhere(lambda: run(lambda x: slow(x) or 1.0, [(n,) for n in range(60)], 0.4))
    assert 1 < len(answers) < 60
    assert "0.4 seconds of work, all 60 calls together" in answers[-1].problem


def test_a_machine_that_is_busy_costs_nothing(monkeypatch):
    """The clock on the wall goes a hundred times as fast as this thread's: others are at work."""
    real = time.monotonic
    monkeypatch.setattr(clock.time, "monotonic", lambda: 100 * real())
    monkeypatch.setattr(clock, "naps", lambda: 0)  # it was ready to run all the time
    assert call_within(Budget(1.0), lambda: sum(range(200_000)), []) == sum(range(200_000))


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="a sleep can be ended by a timer only")
def test_a_sleep_ends():
    with pytest.raises(TimeUp):
        call_within(Budget(0.1), time.sleep, [1000])


def test_code_of_ours_is_not_watched(monkeypatch):
    monkeypatch.setattr(clock, "has_timer", lambda: pytest.fail("watched"))
    assert trusted(abs, [(-2,)])[0].value == 2


def test_nobody_is_asked_and_input_is_there_again():
    before = builtins.input
    (answer,) = runner.run(lambda: float(input("number? ")), [()])
    assert answer.problem.startswith("It asks with input(), and while it is checked nobody answers.")
    assert builtins.input is before
