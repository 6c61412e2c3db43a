"""One function, many settings: order, executors, and tasks that fail."""

import os
from concurrent.futures import Future, ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest
from concepts import problem, small_network

import dlcourse as dl
from dlcourse.settings import SettingError
from dlcourse.sweeps import Failure, sweep


def run(a, b=0):
    if a == 13:
        raise ValueError("bad luck")
    return 10 * a + b


def final_loss(learning_rate, seed):
    loss = dl.SoftmaxCrossEntropy()
    network = small_network(seed=seed)
    return dl.fit(network, loss, dl.SGD(learning_rate), problem(loss), epochs=1, batch_size=9).train_loss[-1]


def die(a):
    if a == 2:
        os._exit(1)
    return a


@pytest.fixture(params=["here", "threads", "processes"])
def executor(request):
    if request.param == "here":
        yield None
    elif request.param == "threads":
        with ThreadPoolExecutor(3) as pool:
            yield pool
    else:
        with ProcessPoolExecutor(2, get_context("spawn")) as pool:
            yield pool


def test_results_come_in_the_order_of_the_settings(executor):
    settings = [{"a": a, "b": b} for a, b in ((3, 1), (1, 0), (2, 9))]
    assert sweep(run, settings, executor) == [31, 10, 29]


def test_a_dict_of_lists_is_every_combination():
    assert sweep(run, {"a": [1, 2], "b": (3, 4)}) == [13, 14, 23, 24]
    assert sweep(run, {"a": range(3)}) == [0, 10, 20]
    assert sweep(run, {"a": np.array([1.5, 2.5])}) == [15, 25]
    assert sweep(run, {"a": []}) == []
    assert sweep(run, []) == []


def test_a_generator_of_settings_will_do():
    assert sweep(run, ({"a": a} for a in (2, 1))) == [20, 10]


def test_settings_are_left_alone():
    settings = [{"a": 1}]
    sweep(run, settings)
    assert settings == [{"a": 1}]


def test_a_task_that_fails_costs_only_itself(executor):
    with pytest.warns(UserWarning) as warned:
        results = sweep(run, {"a": [1, 13, 2]}, executor)
    assert [results[0], results[2]] == [10, 20]
    failure = results[1]
    assert isinstance(failure, Failure)
    assert failure.settings == {"a": 13}
    assert isinstance(failure.error, ValueError)
    assert str(failure) == "run(a=13) failed: ValueError: bad luck"
    assert str(warned[0].message) == "1 of 3 tasks failed:\nrun(a=13) failed: ValueError: bad luck"
    assert warned[0].filename == __file__


def test_a_setting_that_run_does_not_know_fails_and_is_named():
    with pytest.warns(UserWarning, match=r"run\(c=1\) failed: TypeError"):
        (failure,) = sweep(run, [{"c": 1}])
    assert isinstance(failure.error, TypeError)


def test_a_worker_that_dies_is_reported_and_the_rest_comes_back():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, pytest.warns(UserWarning, match=r"run\(a=2\) failed"):
        results = sweep(die, {"a": [1, 2, 3]}, pool)
    assert results[0] == 1
    assert isinstance(results[1], Failure)
    assert len(results) == 3


def test_a_function_that_cannot_travel_is_reported():
    with ProcessPoolExecutor(1, get_context("spawn")) as pool, pytest.warns(UserWarning, match="2 of 2 tasks failed"):
        results = sweep(lambda a: a, {"a": [1, 2]}, pool)
    assert all(isinstance(each, Failure) for each in results)


def test_an_executor_that_takes_no_more_is_reported():
    pool = ThreadPoolExecutor(1)
    pool.shutdown()
    with pytest.warns(UserWarning, match="cannot schedule new futures"):
        assert isinstance(sweep(run, {"a": [1]}, pool)[0], Failure)


def test_whoever_interrupts_does_not_want_the_rest():
    class Slow:
        def __init__(self):
            self.futures = []

        def submit(self, run, **setting):
            self.futures.append(Future())
            return self.futures[-1]

    class Interrupted(Future):
        def result(self):
            raise KeyboardInterrupt

    pool = Slow()
    pool.submit = lambda run, **setting: pool.futures.append(Interrupted()) or pool.futures[-1]
    with pytest.raises(KeyboardInterrupt):
        sweep(run, {"a": [1, 2]}, pool)
    assert all(future.cancelled() for future in pool.futures)

    def interrupt(a):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        sweep(interrupt, {"a": [1]})


def test_trainings_are_the_same_wherever_they_run(executor):
    settings = {"learning_rate": [0.1, 0.01], "seed": [0, 1]}
    expected = [final_loss(rate, seed) for rate in (0.1, 0.01) for seed in (0, 1)]
    np.testing.assert_array_equal(sweep(final_loss, settings, executor), expected)


def test_progress_shows_a_bar(capsys):
    assert sweep(run, {"a": [1, 2]}, progress=True) == [10, 20]
    assert "2/2" in capsys.readouterr().err
    sweep(run, {"a": [1, 2]})
    assert capsys.readouterr().err == ""


MISTAKES = [
    (lambda: sweep("run", []), "sweep.run must be a function; got run='run'"),
    (lambda: sweep(run, {"a": 1}), "sweep.settings.a must be a list of values; got a=1. A single value is a list of"),
    (lambda: sweep(run, {"a": "xyz"}), "sweep.settings.a must be a list of values; got a='xyz'"),
    (lambda: sweep(run, [1, 2]), "sweep.settings must hold dicts, the arguments of run; got settings=1"),
    (lambda: sweep(run, [], executer=None), "sweep.executer must be a setting that exists"),
]


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(SettingError) as refused:
        call()
    assert words in str(refused.value)
