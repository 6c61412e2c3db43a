"""The same tasks on a Dask cluster: a real scheduler and two workers on loopback, one of which is killed on the way."""

import os
import signal
import subprocess
import sys

import pytest
from classes import MOMENTUM, QUICK, RIGHT, WRONG, hand_in, needs_sandbox

import dlcourse as dl
from dlcourse.grading import executors
from dlcourse.grading.batch import grade_class
from dlcourse.workspace import UserError

pytest.importorskip("distributed", reason="needs the extra [cluster]")
CLASS = {f"student {n}": RIGHT if n % 3 else WRONG for n in range(24)}


def started(*words):
    quiet = {**os.environ, "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "10"}
    return subprocess.Popen([sys.executable, "-m", *words], stderr=subprocess.PIPE, text=True, env=quiet)


def line_with(process, word):
    """Reads its log up to the line that says it is ready."""
    for line in process.stderr:
        if word in line:
            return line
    raise AssertionError(f"{process.args} ended without {word}")


@pytest.fixture
def cluster():
    """The address, and the two workers as processes."""
    here = ["--host", "127.0.0.1", "--no-dashboard"]
    scheduler = started("distributed.cli.dask_scheduler", *here, "--port", "0")
    workers = []
    try:
        address = "tcp://" + line_with(scheduler, "Scheduler at:").split("tcp://")[1].strip()
        options = ["--no-nanny", "--nthreads", "1", "--nworkers", "1", *here]
        workers = [started("distributed.cli.dask_worker", address, *options) for _ in range(2)]
        for worker in workers:
            line_with(worker, "Registered to:")
        yield address, workers
    finally:
        for process in (*workers, scheduler):
            process.kill()
            process.wait()
            process.stderr.close()


@needs_sandbox()
def test_a_worker_killed_on_the_way_costs_nobody_a_grade(cluster, tmp_path):
    address, workers = cluster
    for student, source in CLASS.items():
        hand_in(tmp_path / "in", student, source)

    def pool():
        executor = executors.cluster(address)
        submit = executor.submit

        def submitted(function, task):
            if task.student == "student 5":
                workers[0].send_signal(signal.SIGKILL)
            return submit(function, task)

        executor.submit = submitted
        return executor

    out = tmp_path / "out"
    summary = grade_class(tmp_path / "in", out, pool, notebooks=["momentum"], limits=QUICK)
    assert workers[0].wait() == -signal.SIGKILL
    assert not summary.failed
    got = {student: results["momentum_step"].report.points for student, results in summary.results.items()}
    assert got == {student: 2 if source is RIGHT else 0 for student, source in CLASS.items()}
    assert (out / "journal.jsonl").read_bytes().count(b"\n") == len(CLASS) * len(MOMENTUM)  # each exactly once


def test_a_sweep_takes_the_same_executor(cluster):
    def root(a):
        if (a < 0).any():
            raise ValueError("no root")
        return (a[:, 0] ** 0.5).tolist()

    executor = executors.cluster(cluster[0])
    assert dl.sweep(pow, [{"base": b, "exp": 2} for b in range(5)], executor=executor) == [0, 1, 4, 9, 16]
    assert dl.sweep(dict, {"key": ["a"], "retries": [3]}, executor) == [{"key": "a", "retries": 3}]  # not Dask's own
    with pytest.warns(UserWarning, match=r"1 of 3 tasks failed:\nrun\(a=-1\) failed: ValueError"):
        assert dl.sweep(root, {"a": [4, -1, 9]}, executor, lanes=3)[::2] == [2, 3]
    executors.end(executor)


@pytest.mark.parametrize("address", ["somewhere", "tcp://127.0.0.1:1"])
def test_an_address_where_nobody_answers_is_said_to_be_one(address, monkeypatch):
    monkeypatch.setattr(executors, "PATIENCE", 0.2)
    with pytest.raises(UserError, match="--scheduler must be the address"):
        executors.cluster(address)
