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


# Side by side as lanes


def moons_loss(learning_rate, momentum, seed):
    """Every loss of a small training, written for lanes: (K, steps)."""
    network = dl.Network([dl.Dense(8), dl.ReLU(), dl.Dense(2)], (2,), seed=np.ravel(seed), lanes=len(learning_rate))
    optimizer = dl.Momentum(learning_rate, momentum)
    data = dl.datasets.moons(60, noise=0.2)
    return dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, data, epochs=3, batch_size=16).loss.T


def moons_loss_alone(learning_rate, momentum, seed):
    network = dl.Network([dl.Dense(8), dl.ReLU(), dl.Dense(2)], (2,), seed=seed)
    optimizer = dl.Momentum(learning_rate, momentum)
    data = dl.datasets.moons(60, noise=0.2)
    return dl.fit(network, dl.SoftmaxCrossEntropy(), optimizer, data, epochs=3, batch_size=16).loss


def told(a, rule="sgd", b=1):
    """What each lane was called with, and how many lanes there were."""
    assert type(a) is np.ndarray and a.shape == (len(a), 1), a
    return [(rule, float(each), b if np.ndim(b) == 0 else b[lane, 0], len(a)) for lane, each in enumerate(a[:, 0])]


def unlucky(a):
    if 13 in a:
        raise ValueError("bad luck")
    return 10 * a[:, 0]


def lonely(a):
    if len(a) > 1:
        raise ValueError("one at a time")
    return 10 * a[:, 0]


@pytest.mark.parametrize("settings", [
    {"learning_rate": [0.3, 0.1, 0.01], "momentum": [0.9], "seed": [0]},
    {"learning_rate": [0.3, 0.1, 0.01], "momentum": [0.9, 0], "seed": [0, 5]},
])  # fmt: skip
def test_lanes_are_the_single_runs_to_the_bit(settings, executor):
    expected = sweep(moons_loss_alone, settings)
    found = sweep(moons_loss, settings, executor, lanes=4)
    np.testing.assert_array_equal(found, expected)
    assert len({losses[-1] for losses in expected}) == len(expected)  # no two are alike


def test_settings_share_tasks_up_to_so_many_lanes():
    found = sweep(told, {"a": [1, 2, 3, 4, 5]}, lanes=2)
    assert found == [("sgd", a, 1, lanes) for a, lanes in ((1, 2), (2, 2), (3, 2), (4, 2), (5, 1))]


def test_what_is_no_number_makes_tasks_of_its_own():
    found = sweep(told, {"a": [1.5, 2.5, 3.5], "rule": ["sgd", "adam"]}, lanes=8)
    assert found == [(rule, a, 1, 3) for a in (1.5, 2.5, 3.5) for rule in ("sgd", "adam")]
    for apart in (("x", "y"), (True, False), ((8,), (16,)), (None, "x"), ([8], [16]), (1, True), (0, False)):
        lanes = [lanes for *_, lanes in sweep(told, {"a": [1, 2, 3], "rule": apart}, lanes=8)]
        assert lanes == [3] * 6, apart


def test_a_number_that_never_varies_comes_as_it_is():
    assert sweep(told, {"a": [1, 2], "b": [7]}, lanes=2) == [("sgd", 1, 7, 2), ("sgd", 2, 7, 2)]
    assert sweep(told, {"a": [1, 2], "b": [7, 8]}, lanes=4)[3] == ("sgd", 2, 8, 4)


def test_a_number_that_varies_is_a_column_even_where_it_is_alone():
    settings = [{"a": 1, "rule": "sgd"}, {"a": 2, "rule": "adam"}, {"a": 3}]
    assert sweep(told, settings, lanes=4) == [("sgd", 1, 1, 1), ("adam", 2, 1, 1), ("sgd", 3, 1, 1)]


def test_settings_without_a_difference_are_runs_of_their_own():
    calls = []
    assert sweep(lambda a: [calls.append(a) or a], [{"a": 1}] * 3, lanes=8) == [1, 1, 1]
    assert calls == [1, 1, 1]  # a plain number: nothing says how many there would be


def test_a_task_of_lanes_that_fails_is_tried_setting_by_setting(executor):
    with pytest.warns(UserWarning) as warned:
        results = sweep(unlucky, {"a": [1, 2, 3, 13, 4, 5]}, executor, lanes=4)
    assert [each for each in results if not isinstance(each, Failure)] == [10, 20, 30, 40, 50]
    assert results[3].settings == {"a": 13} and isinstance(results[3].error, ValueError)
    assert str(warned[0].message) == "1 of 6 tasks failed:\nrun(a=13) failed: ValueError: bad luck"


def test_only_the_lanes_that_failed_run_again():
    calls = []

    def run(a):
        calls.append(a[:, 0].tolist())
        return unlucky(a)

    with pytest.warns(UserWarning, match="1 of 5"):
        sweep(run, {"a": [1, 2, 13, 3, 4]}, lanes=2)
    assert calls == [[1, 2], [13, 3], [4], [13], [3]]


def test_lanes_that_were_lost_are_told_once(executor):
    with pytest.warns(UserWarning) as warned:
        assert sweep(lonely, {"a": [1, 2, 3, 4, 5, 6]}, executor, lanes=2) == [10, 20, 30, 40, 50, 60]
    (one,) = warned
    assert str(one.message) == (
        "3 of 3 tasks failed as lanes, yet none of their settings alone: it took longer. "
        "The first error is ValueError: one at a time"
    )
    assert one.filename == __file__


def test_the_bar_counts_settings_not_tasks(capsys):
    with pytest.warns(UserWarning, match="1 of 6"):
        sweep(unlucky, {"a": [1, 2, 3, 13, 4, 5]}, progress=True, lanes=4)
    assert "6/6" in capsys.readouterr().err


MISTAKES = [
    (lambda: sweep(told, {"a": [1, 2]}, lanes=0), "sweep.lanes must be a whole number, 1 or more; got lanes=0"),
    (lambda: sweep(told, {"a": [1, 2]}, lanes=2.0), "sweep.lanes must be a whole number, 1 or more; got lanes=2.0"),
    (lambda: sweep(told, {"a": [1, 2]}, lanes=True), "sweep.lanes must be a whole number, 1 or more; got lanes=True"),
    (lambda: sweep(np.sum, {"a": [1, 2]}, lanes=2), "sweep.run must return a sequence of one result for each lane, 2"),
    (lambda: sweep(np.transpose, {"a": [1, 2]}, lanes=2), "one result for each lane, 2 here; got run=(1, 2). Of a"),
    (lambda: sweep(lambda a: "ab", {"a": [1, 2]}, lanes=2), "one result for each lane, 2 here; got run='ab'"),
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
