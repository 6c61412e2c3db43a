"""The same lines on NumPy and on a device; the stand-in for CuPy refuses every array that strays."""

import subprocess
import sys
from pathlib import Path

import fake_cupy
import numpy as np
import pytest
from concepts import ACTIVATIONS, LOSSES, OPTIMIZERS, Row, named, problem, small_network

import dlcourse as dl
from dlcourse.backend import BackendError, is_array, to_device, to_host, use, using, xp
from dlcourse.settings import SettingError
from dlcourse.training import evaluate, prepare

ROOT = Path(__file__).parent.parent


def on(backend, run):
    with using(backend):
        return run()


def assert_same_on_both(run, rtol=1e-4):
    """run() gives host arrays: the same numbers on both backends (sums run in another order)."""
    for ours, device in zip(on("numpy", run), on("cupy", run), strict=True):
        assert isinstance(device, np.ndarray)
        np.testing.assert_allclose(device, ours, rtol=rtol, atol=1e-5)


def history_of(row, loss, activation, lanes=None):
    """Everything a whole fit leaves behind."""
    loss, data = loss.make(), problem(loss.make())
    network = small_network(activation.make, lanes=lanes)
    optimizer = row.columns() if lanes else row.single()
    history = dl.fit(network, loss, optimizer, data, epochs=2, batch_size=8, validation=data)
    value, _ = evaluate(network, loss, *prepare(network, loss, data, "test"))
    results = [network.parameters.theta, network.predict(data[0]), value]
    fields = (history.loss, history.train_loss, history.train_accuracy, history.validation_loss)
    return [to_host(r) for r in results] + [*fields, history.learning_rate]


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("loss", **named(LOSSES))
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_fit_never_leaves_the_device(device, optimizer, loss, lanes):
    assert_same_on_both(lambda: history_of(optimizer, loss, Row(dl.Tanh), lanes))


@pytest.mark.parametrize("activation", **named(ACTIVATIONS))
def test_activations_never_leave_the_device(device, activation):
    assert_same_on_both(lambda: history_of(OPTIMIZERS[1], LOSSES[0], activation))


def test_images_never_leave_the_device(device, rng):
    x, y = rng.normal(size=(20, 4, 3, 2)), rng.integers(0, 2, 20)

    def run():
        network = dl.Network([dl.Flatten(), dl.Dense(2)], (4, 3, 2), lanes=2)
        history = dl.fit(network, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), (x, y), epochs=1, batch_size=6)
        return history.loss, to_host(network.parameters.theta)

    assert_same_on_both(run)


def test_a_column_inside_a_layer_never_leaves_the_device(device):
    slopes = np.array([0.0, 0.1, 0.5])[:, None, None]
    assert_same_on_both(lambda: history_of(OPTIMIZERS[0], LOSSES[0], Row(lambda: dl.LeakyReLU(slopes)), 3))


@pytest.mark.parametrize("lanes", [None, 3])
def test_check_gradient_never_leaves_the_device(device, lanes):
    def run():
        network, loss = small_network(dl.Tanh, lanes=lanes), dl.SoftmaxCrossEntropy()
        report = dl.check_gradient(network, loss, *problem(loss, n=6))
        assert report, report
        return [np.array([c.compared for c in report.checks])]

    assert_same_on_both(run)


def test_both_backends_start_from_the_same_numbers(device):
    start = lambda: to_host(small_network().parameters.theta)  # noqa: E731
    np.testing.assert_array_equal(on("cupy", start), on("numpy", start))


def test_progress_bar_works_on_the_device(device, capsys):
    loss = dl.SoftmaxCrossEntropy()
    run = lambda: dl.fit(small_network(), loss, dl.SGD(), problem(loss), epochs=1, batch_size=45, progress=True)  # noqa: E731
    on("cupy", run)
    assert "1/1" in capsys.readouterr().err


def test_stand_in_refuses_to_mix(cupy):
    device, host = cupy.asarray(np.ones(3)), np.ones(3)
    strays = [
        lambda: device + host,
        lambda: host * device,
        lambda: np.exp(device),
        lambda: np.concatenate([device]),
        lambda: np.asarray(device),
        lambda: cupy.maximum(device, host),
        lambda: cupy.concatenate([device, host]),
        lambda: device.__setitem__(..., host),
        lambda: device.__iadd__(host),
        lambda: device[np.array([0])],
        lambda: cupy.dot(device, b=host),
    ]
    for stray in strays:
        with pytest.raises(TypeError):
            stray()
    for name in ("mro", "vecmat"):  # NumPy's functions that CuPy lacks
        with pytest.raises(AttributeError):
            getattr(cupy, name)


def test_stand_in_computes_as_numpy_does(cupy):
    device = cupy.asarray(np.arange(6.0).reshape(2, 3))
    window = device[0]
    window += 1
    np.testing.assert_array_equal((2 * device.mT @ cupy.ones((2, 1))).get(), [[8], [12], [16]])
    assert float(device.sum()) == 18.0
    assert isinstance(device.sum(), fake_cupy.ndarray)


def test_use_returns_the_name_and_switches(cupy):
    assert use("cupy") == "cupy"
    assert isinstance(xp.ones(2), fake_cupy.ndarray)
    assert use("numpy") == "numpy"
    assert xp.exp is np.exp


def test_using_comes_back_even_after_an_error(cupy):
    with pytest.raises(ZeroDivisionError), using("cupy") as name:
        assert name == xp.backend_name == "cupy"
        raise ZeroDivisionError
    assert xp.backend_name == "numpy"


@pytest.mark.parametrize(("devices", "expected"), [(1, "cupy"), (0, "numpy")])
def test_auto_takes_the_gpu_where_there_is_one(monkeypatch, devices, expected):
    fake_cupy.install(monkeypatch, devices)
    assert use("auto") == expected


def test_use_without_cupy_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cupy", None)
    with pytest.raises(BackendError, match=r"Install it: pip install 'dlcourse\[gpu\]'"):
        use("cupy")
    assert use("auto") == "numpy"


@pytest.mark.parametrize("count", [lambda: 0, lambda: 1 / 0])
def test_use_without_a_gpu_says_to_check_the_driver(cupy, count):
    cupy.cuda.runtime.getDeviceCount = count
    with pytest.raises(BackendError, match="nvidia-smi"):
        use("cupy")
    assert xp.backend_name == "numpy"


@pytest.mark.parametrize("name", ["torch", "", None])
def test_use_refuses_an_unknown_name(name):
    with pytest.raises(SettingError, match=f'"numpy", "cupy", "numba" or "auto"; got name={name!r}'):
        use(name)


@pytest.mark.parametrize(
    ("value", "words"), [("numpy", "numpy"), ("auto", "numpy"), (None, "numpy"), ("torch", "must be"), ("cupy", "pip")]
)
def test_environment_chooses_the_backend(value, words):
    program = "import sys; sys.modules['cupy'] = None; from dlcourse.backend import xp; xp.exp; print(xp.backend_name)"
    env = {} if value is None else {"DLCOURSE_BACKEND": value}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT, env=env)
    assert words in done.stdout + done.stderr
    assert (done.returncode == 0) == (words == "numpy")


def test_switching_after_a_network_was_built_is_refused(cupy):
    network, loss = small_network(), dl.SoftmaxCrossEntropy()
    use("cupy")
    with pytest.raises(SettingError, match="Build the network after switching"):
        network.predict(np.ones((2, 5)))
    with pytest.raises(SettingError, match="Build the network after switching"):
        dl.fit(network, loss, dl.SGD(), problem(loss), epochs=1, batch_size=5)


def test_to_host_copies_from_the_device_and_passes_numpy_through(cupy):
    array = np.ones(3)
    assert to_host(array) is array
    device = cupy.asarray(array)
    assert type(to_host(device)) is np.ndarray
    assert type(to_host([1, 2])) is np.ndarray


def test_to_device_moves_where_the_backend_computes(cupy):
    device = cupy.asarray(np.ones(3))
    assert to_device(np.ones(3, "float32")).dtype == "float32"
    assert isinstance(to_device(device), np.ndarray)
    use("cupy")
    assert to_device(device) is device
    assert to_device([1, 2], "float32").dtype == "float32"


def test_is_array_is_false_for_numbers(cupy):
    assert [is_array(v) for v in (1.0, np.float32(1), [1.0], np.ones(1), cupy.asarray(np.ones(1)))] == [0, 0, 0, 1, 1]
