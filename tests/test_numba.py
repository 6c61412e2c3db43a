"""Numba by the switch: the program of a step as one function gives what the plain formulas give."""

import subprocess
import sys
import time
import types
from pathlib import Path

import numpy as np
import pytest
from concepts import LAYERS, LOSSES, OPTIMIZERS, named, problem, small_network
from test_recording import LOSS, PlainStep, around, assert_replays_as_plain, batches

import dlcourse as dl
from dlcourse import backend, training
from dlcourse.recording import TrainingStep, compiled, written

PATIENCE = 300  # seconds for a compilation on a slow and busy machine


def need_numba():
    if reason := backend.why_no_numba():
        pytest.skip(reason)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def numba(cache, monkeypatch):
    """The switch, and compilations that are waited for, so that the very next step is a compiled one."""
    need_numba()
    monkeypatch.setenv("DLCOURSE_CACHE", str(cache))
    monkeypatch.setattr(compiled, "FUNCTIONS", {})
    monkeypatch.setattr(compiled, "IN_WORK", set())
    monkeypatch.setattr(compiled.Compilation, "start", compiled.Compilation.compile)
    with dl.using("numba"):
        yield


@pytest.fixture
def interpreted(numba, monkeypatch):
    """What is written for Numba, read by Python itself: as slow as Python, and made at once."""

    def load(source):
        module = types.ModuleType("step")
        exec(source.replace("@njit", "@(lambda **_: lambda function: function)"), vars(module))
        module.step.compile = lambda _: None
        return module.step

    monkeypatch.setattr(compiled, "load", load)


FLAT = [row for row in LAYERS if len(row.input_shape) == 1 and row.name != "GroupNorm"]
IMAGES = [row for row in LAYERS if row not in FLAT]


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(FLAT))
def test_the_function_of_every_layer_is_right(row, lanes, interpreted):
    assert_replays_as_plain(around(row, lanes), LOSS, report="compiled by Numba")


@pytest.mark.parametrize("row", **named(FLAT))
def test_float64_is_computed_in_float64(row, interpreted):
    assert_replays_as_plain(around(row, dtype="float64"), LOSS, rtol=1e-12, report="compiled by Numba")


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(LOSSES))
def test_the_function_of_every_loss_is_right(row, lanes, interpreted):
    assert_replays_as_plain(small_network(lanes=lanes), row.make(), report="compiled by Numba")


@pytest.mark.parametrize("row", **named(IMAGES))
def test_what_it_has_no_words_for_is_left_to_numpy(row, interpreted):
    step = assert_replays_as_plain(around(row), LOSS)
    assert step.report().count("not compiled: ") == 2


@pytest.mark.parametrize("frozen", [0, 2])
def test_frozen_layers(frozen, interpreted):
    network = dl.Network([dl.Dense(6), dl.ReLU(), dl.BatchNorm(), dl.Dropout(0.5), dl.Dense(3)], (5,))
    network.freeze(frozen)
    assert_replays_as_plain(network, LOSS, report="compiled by Numba")


def python(program):
    """Another Python runs it."""
    words = [sys.executable, "-c", program]
    return subprocess.run(words, capture_output=True, text=True, cwd=Path(__file__).parent, timeout=PATIENCE)


def deep(lanes=None, dtype="float32"):
    """A network with everything that has a function."""
    inner = dl.Residual(dl.Dense(6), dl.LayerNorm(), dl.Tanh(), dl.Dense(6))
    layers = [dl.Dense(6), dl.BatchNorm(), dl.ReLU(), inner, dl.Dropout(0.2), dl.DropConnectDense(5, 0.1)]
    return dl.Network([*layers, dl.GELU(), dl.Dense(3)], (5,), lanes=lanes, dtype=dtype)


def test_it_compiles(numba):
    assert_replays_as_plain(deep(lanes=3), LOSS, report="compiled by Numba")


@pytest.mark.parametrize("row", **named(OPTIMIZERS))
def test_a_whole_training_ends_where_the_plain_formulas_end(row, numba, monkeypatch):
    """Many steps, so that a difference would grow; float64, so that rounding does not."""
    ends = []
    for kind in (TrainingStep, PlainStep):
        monkeypatch.setattr(training, "TrainingStep", kind)
        network = small_network(dl.Tanh, dtype="float64")
        history = dl.fit(network, LOSS, row.single(2), problem(LOSS), epochs=20, batch_size=8, clip_norm=1.0)
        ends.append((history.loss, network.parameters.theta))
    for ours, theirs in zip(*ends, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, atol=1e-9)


def test_the_recording_serves_meanwhile(numba, monkeypatch):
    monkeypatch.setattr(compiled.Compilation, "start", lambda self: None)
    step = assert_replays_as_plain(small_network(), LOSS)
    assert "compiled" not in step.report()


def test_a_compilation_that_fails_is_told_and_costs_nothing(numba, monkeypatch):
    def fail(source):
        raise OSError("no room on the device")

    monkeypatch.setattr(compiled, "load", fail)
    step = assert_replays_as_plain(small_network(), LOSS)
    assert "not compiled: OSError: no room on the device" in step.report()


def test_a_function_that_computes_something_else_is_not_used(interpreted, monkeypatch):
    monkeypatch.setitem(written.UFUNCS, "tanh", "math.sin({0})")
    step = assert_replays_as_plain(small_network(dl.Tanh), LOSS)
    assert "not compiled: its results differ from NumPy's" in step.report()


def test_the_next_session_finds_what_was_compiled(cache, numba):
    """In a process of its own that may not compile: it is on disk, or it is not."""
    assert_replays_as_plain(small_network(), LOSS, report="compiled by Numba")
    program = """
import dlcourse as dl
from concepts import small_network
from numba.core.compiler import Compiler
from test_recording import LOSS, batches
from dlcourse.recording import TrainingStep, compiled

def refuse(*_):
    raise AssertionError("compiled anew")

Compiler.compile_extra = refuse
compiled.Compilation.start = compiled.Compilation.compile
dl.use("numba")
network = small_network()
step = TrainingStep(network, LOSS)
for x, t in batches(network, LOSS, (8, 8)):
    step(x, t)
print(step.report())
"""
    done = python(program)
    assert "compiled by Numba" in done.stdout, done.stdout + done.stderr


def test_python_may_end_while_it_compiles(tmp_path, monkeypatch):
    need_numba()
    program = """
import dlcourse as dl
from concepts import problem, small_network
dl.use("numba")
loss = dl.SoftmaxCrossEntropy()
dl.fit(small_network(), loss, dl.SGD(0.1), problem(loss), epochs=1, batch_size=8)
print("done")
"""
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path))
    done = python(program)
    assert (done.returncode, done.stdout, done.stderr) == (0, "done\n", "")


def test_it_compiles_in_the_background(tmp_path, monkeypatch):
    need_numba()
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path))
    with dl.using("numba"):
        network, end = small_network(dl.Sigmoid), time.monotonic() + PATIENCE
        step = TrainingStep(network, LOSS)
        (batch,) = batches(network, LOSS, (8,))
        step(*batch)
        assert "compiled" not in step.report()  # NumPy serves meanwhile
        while "compiled by Numba" not in step.report() and time.monotonic() < end:
            step(*batch)
    assert "compiled by Numba" in step.report()


def test_without_numba_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(backend.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(
        backend.BackendError, match=r"numba is not installed. Install it: pip install 'dlcourse\[fast\]'"
    ):
        dl.use("numba")
    assert backend.xp.backend_name == "numpy"


def test_a_folder_that_cannot_be_written_to(numba, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("DLCOURSE_CACHE", str(tmp_path / "file"))
    step = assert_replays_as_plain(around(LAYERS[1]), LOSS)
    assert "not compiled: " in step.report()
