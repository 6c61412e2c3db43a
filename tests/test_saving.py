"""A network in a file, and back: the same numbers, the same future, and a sentence for every broken file."""

import io
import json
import os
import pickle
import tempfile
import zipfile

import numpy as np
import pytest
from concepts import LAYERS, OPTIMIZERS, named, problem, small_network

import dlcourse as dl
from dlcourse import schedules
from dlcourse.augmentation import Compose, HorizontalFlip, RandomCrop
from dlcourse.backend import to_host
from dlcourse.columns import Column
from dlcourse.layers.base import Layer
from dlcourse.saving import FORMAT, load_optimizer, own_classes
from dlcourse.settings import SettingError

OWNED = os.path.join(tempfile.mkdtemp(), "owned")  # a hostile file would make this folder

LOSS = dl.SoftmaxCrossEntropy()
DATA = problem(LOSS)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "network.npz"


def train(network, optimizer, epochs=2, **settings):
    return dl.fit(network, LOSS, optimizer, DATA, epochs=epochs, batch_size=8, **settings)


def same(one, other):
    """Two networks, alike to the last bit."""
    assert repr(one) == repr(other)
    assert one.state().keys() == other.state().keys()
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, other.state()[name], err_msg=name)
        assert array.dtype == other.state()[name].dtype


def saved(network, path, optimizer=None):
    network.save(path, optimizer)
    return dl.Network.load(path)


@pytest.mark.parametrize("lanes", [None, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("row", **named(LAYERS))
def test_every_layer_comes_back(row, dtype, lanes, path, rng):
    network = dl.Network([row.single(), dl.Flatten(), dl.Dense(3)], row.input_shape, lanes=lanes, dtype=dtype, seed=3)
    network.parameters.theta[...] = rng.normal(size=network.parameters.theta.shape)
    network.forward(rng.normal(size=(8, *row.input_shape)), training=True)
    again, x = saved(network, path), rng.normal(size=(4, *row.input_shape))
    same(network, again)
    assert again.seed == 3
    np.testing.assert_array_equal(network.predict(x), again.predict(x))
    np.testing.assert_array_equal(network.forward(x, training=True), again.forward(x, training=True))  # dice too


@pytest.mark.parametrize(
    "options",
    [{}, {"seed": [4, 5], "lanes": 2}, {"seed": range(3), "lanes": 3}, {"seed": np.arange(2), "lanes": 2}, {"seed": 9}],
)
def test_seeds_and_lanes_come_back(options, path):
    network = small_network(**options)
    again = saved(network, path)
    np.testing.assert_array_equal(again.parameters.theta, network.parameters.theta)
    network.reset()
    again.reset()
    np.testing.assert_array_equal(again.parameters.theta, network.parameters.theta)


def test_a_column_inside_a_layer_comes_back(path):
    slopes = np.array([0.1, 1 / 3])[:, None, None]
    again = saved(small_network(lambda: dl.LeakyReLU(slopes), lanes=2), path)
    assert again.layers[1].slope.tolist() == slopes.tolist()


def test_initializers_come_back_with_their_settings(path):
    network = dl.Network([dl.Dense(3, weight_init=dl.Xavier("out", "normal"), bias_init=dl.Constant(0.1))], (2,))
    same(network, saved(network, path))


def test_what_is_frozen_stays_frozen(path):
    network = small_network()
    network.freeze(0)
    again = saved(network, path)
    before = again.parameters.theta.copy()
    train(again, dl.SGD(0.1))
    np.testing.assert_array_equal(again.parameters.theta[:42], before[:42])
    assert again.layers[0].frozen
    assert not again.layers[2].frozen


def test_a_single_window_that_is_frozen_stays_frozen(path):
    network = small_network()
    network.parameters.freeze([network.layers[0].windows["b"]])
    again = saved(network, path)
    assert [window.frozen for window in again.parameters.windows] == [False, True, False, False]
    before = again.parameters.theta.copy()
    train(again, dl.SGD(0.1))
    np.testing.assert_array_equal(again.parameters.theta[35:42], before[35:42])
    assert not np.array_equal(again.parameters.theta[:35], before[:35])


def by_hand(network, optimizer, steps):
    x, y = DATA
    for _ in range(steps):
        LOSS.forward(network.forward(x, training=True), y)
        network.backward(LOSS.backward())
        optimizer.step(network.parameters.theta, network.parameters.grad)


@pytest.mark.parametrize("lanes", [None, 3])
@pytest.mark.parametrize("row", **named(OPTIMIZERS))
def test_steps_go_on_bit_for_bit(row, lanes, path):
    network, optimizer = small_network(lanes=lanes), row.columns() if lanes else row.single()
    optimizer.start(network.parameters.theta, network.parameters.decay_mask)
    by_hand(network, optimizer, 5)
    again = saved(network, path, optimizer)
    resumed = load_optimizer(path, again)
    assert repr(resumed) == repr(optimizer)
    assert resumed.steps == 5
    by_hand(network, optimizer, 5)
    by_hand(again, resumed, 5)
    same(network, again)


@pytest.mark.parametrize("row", **named(OPTIMIZERS))
def test_fit_goes_on_as_if_there_had_been_no_pause(row, path):
    straight, pausing, optimizer = small_network(), small_network(), row.single()
    whole = train(straight, row.single(), 5, seed=7)
    first = train(pausing, optimizer, 2, seed=7)
    again = saved(pausing, path, optimizer)
    second = train(again, load_optimizer(path, again), 3, seed=7, resume=True)
    same(straight, again)
    np.testing.assert_array_equal(whole.loss, np.concatenate([first.loss, second.loss]))
    np.testing.assert_array_equal(whole.learning_rate, np.concatenate([first.learning_rate, second.learning_rate]))


SCHEDULES = [
    schedules.PiecewiseConstantDecay([5, 15], [0.3, 0.1, 0.05]),
    schedules.ExponentialDecay(0.1, 10, 0.5, staircase=True),
    schedules.NoisyLinearCosineDecay(0.1, 20, seed=3),
    schedules.Warmup(10, schedules.CosineDecay(0.2, 20)),
    schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0, cooldown=1),
    schedules.Warmup(10, then=schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0)),
]


@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
def test_schedules_go_on_and_remember_what_they_saw(schedule, path):
    straight, pausing, optimizer = small_network(), small_network(), dl.Momentum(schedule)
    whole = train(straight, optimizer, 6)
    train(pausing, optimizer, 3)
    again = saved(pausing, path, optimizer)
    resumed = load_optimizer(path, again)
    assert repr(resumed) == repr(optimizer)
    second = train(again, resumed, 3, resume=True)
    same(straight, again)
    np.testing.assert_array_equal(whole.learning_rate[18:], second.learning_rate)
    assert len(set(whole.learning_rate.tolist())) > 1


def test_a_rate_that_was_cut_comes_back_cut(path):
    network = small_network()
    optimizer = dl.Momentum(schedules.ReduceOnPlateau(0.3, factor=0.5, patience=0, threshold=1.0))  # never content
    train(network, optimizer, 3)
    assert optimizer.learning_rate(0) == 0.3 / 4
    resumed = load_optimizer(path, saved(network, path, optimizer))
    assert resumed.learning_rate(0) == 0.3 / 4
    assert resumed.learning_rate.best == optimizer.learning_rate.best


@pytest.mark.parametrize("lanes", [None, 2])
def test_layers_inside_layers_come_back(lanes, path):
    inside = dl.layers.Residual(dl.Dense(5), dl.layers.BatchNorm(), dl.layers.Dropout(0.5), dl.Dense(5))
    network, optimizer = dl.Network([inside, dl.Dense(3)], (5,), lanes=lanes), dl.Momentum(0.1)
    train(network, optimizer)
    again = saved(network, path, optimizer)
    same(network, again)
    assert {"0.1.running_mean", "0.1.running_var"} < again.state().keys()
    train(network, optimizer, resume=True)
    train(again, load_optimizer(path, again), resume=True)
    same(network, again)


def images_network():
    layers = [dl.Flatten(), dl.Dense(12), dl.layers.BatchNorm(), dl.ReLU(), dl.layers.Dropout(0.3), dl.Dense(10)]
    return dl.Network(layers, (8, 8, 1))


def test_dice_augmentation_and_running_statistics_go_on_too(path):
    data = dl.datasets.digits(images=True)[0][:100]

    def run(network, optimizer, epochs, **more):
        augment = Compose(RandomCrop(1), HorizontalFlip())
        dl.fit(network, LOSS, optimizer, data, epochs=epochs, batch_size=30, augment=augment, seed=3, **more)

    straight, pausing, optimizer = images_network(), images_network(), dl.Momentum(0.1)
    run(straight, dl.Momentum(0.1), 4)
    run(pausing, optimizer, 2)
    again = saved(pausing, path, optimizer)
    run(again, load_optimizer(path, again), 2, resume=True)
    same(straight, again)
    run(pausing, optimizer, 2, resume=True)  # also without a file in between
    same(straight, pausing)


def test_resume_starts_at_the_end_of_an_epoch():
    network, optimizer = small_network(), dl.SGD(0.1)
    with pytest.raises(SettingError, match=r"fit.resume must be False for an optimizer that has not trained"):
        train(network, optimizer, resume=True)
    steps = dl.training_steps(network, LOSS, optimizer, DATA, epochs=2, batch_size=8)
    for _ in range(4):
        next(steps)
    with pytest.raises(SettingError, match=r"fit.resume must go on from the end of an epoch, 6 steps each; .* taken 4"):
        train(network, optimizer, resume=True)
    with pytest.raises(SettingError, match="has not trained this network"):
        train(dl.Network([dl.Dense(3)], (5,)), optimizer, resume=True)


def test_resumed_steps_count_on():
    network, optimizer = small_network(), dl.SGD(0.1)
    train(network, optimizer, 2)
    step = next(dl.training_steps(network, LOSS, optimizer, DATA, epochs=1, batch_size=8, resume=True))
    assert (step.number, step.epoch) == (12, 2)


def test_an_optimizer_that_took_no_step_comes_back_without_memory(path):
    again = saved(small_network(), path, dl.Momentum(0.3))
    optimizer = load_optimizer(path, again)
    assert repr(optimizer) == repr(dl.Momentum(0.3))
    assert optimizer.steps == 0
    train(again, optimizer)


@pytest.mark.parametrize("suffix", [".npz", "", ".dlcourse"])
def test_any_name_and_kind_of_path_will_do(tmp_path, suffix):
    path = str(tmp_path / f"net{suffix}")
    same(small_network(), saved(small_network(), path))
    assert os.listdir(tmp_path) == [f"net{suffix}"]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_column_keeps_its_values(dtype, path):
    network, optimizer = small_network(lanes=2), dl.SGD(np.array([[0.1], [0.2]], dtype))
    again = load_optimizer(path, saved(network, path, optimizer))
    assert type(again.learning_rate) is Column
    assert again.learning_rate.tolist() == optimizer.learning_rate.tolist()


def test_the_file_is_numpys_and_holds_no_pickle(path):
    small_network().save(path, dl.Momentum(0.1))
    with np.load(path, allow_pickle=False) as stored:
        assert json.loads(str(stored["about"]))["format"] == FORMAT
        np.testing.assert_array_equal(stored["network theta"], small_network().parameters.theta)


def test_files_are_the_same_on_every_backend(device, path):
    network = small_network()
    network.save(path)
    dl.use("cupy")
    there = dl.Network.load(path)
    np.testing.assert_array_equal(to_host(there.parameters.theta), network.parameters.theta)
    optimizer = dl.Momentum(0.1)
    train(there, optimizer)
    there.save(path, optimizer)
    resumed = load_optimizer(path, dl.Network.load(path))
    np.testing.assert_array_equal(to_host(resumed.v), to_host(optimizer.v))
    dl.use("numpy")
    np.testing.assert_array_equal(dl.Network.load(path).parameters.theta, to_host(there.parameters.theta))


# An interrupted save leaves the old file.


def no_space(file, **arrays):
    file.write(b"half of it")
    raise OSError("No space left on device")


def broken(*args):
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "fault", "error"),
    [
        ("numpy.savez", no_space, OSError),
        ("os.fsync", broken, KeyboardInterrupt),
        ("os.replace", broken, KeyboardInterrupt),
    ],
)
def test_an_interrupted_save_leaves_the_file_of_before(name, fault, error, path, monkeypatch):
    network = small_network()
    network.save(path)
    network.parameters.theta += 1
    with monkeypatch.context() as patch, pytest.raises(error):
        patch.setattr(name, fault)
        network.save(path)
    same(dl.Network.load(path), small_network())
    assert os.listdir(path.parent) == [path.name]  # and no litter


def test_saving_into_a_folder_that_is_not_there_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        small_network().save(tmp_path / "nowhere" / "net.npz")
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        dl.Network.load(tmp_path / "none.npz")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real.npz").touch()
    os.symlink(tmp_path / "real.npz", tmp_path / "link.npz")
    small_network().save(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    same(dl.Network.load(tmp_path / "real.npz"), small_network())


# What cannot be saved.


class Mine(Layer):
    def forward(self, x, training=False):
        return x


class Momentum(dl.Momentum):
    """Another class by the name of one of ours."""


@pytest.mark.parametrize(
    ("layers", "optimizer", "words"),
    [
        ([dl.Dense(3), Mine()], None, "Network.save.layers must be made of this package's own classes"),
        ([dl.Dense(3, weight_init=lambda shape, rng: np.ones(shape))], None, "Network.save.layers.weight_init must be"),
        ([dl.Dense(3)], dl.SGD(lambda step: 0.1), "Network.save.optimizer.learning_rate must be"),
        ([dl.Dense(3)], Momentum(0.1), "Network.save.optimizer must be made of this package's own classes"),
        ([dl.Dense(3)], "Adam", "Network.save.optimizer must be"),
    ],
)
def test_what_no_file_can_bring_back_is_refused_before_anything_is_written(layers, optimizer, words, path):
    with pytest.raises(SettingError) as refused:
        dl.Network(layers, (5,)).save(path, optimizer)
    assert words in str(refused.value)
    assert not path.exists()


def test_only_own_classes_can_be_named():
    assert {"Dense", "Momentum", "MSRA", "ReLU"} <= own_classes().keys()
    assert all(cls.__module__.startswith("dlcourse.") for cls in own_classes().values())
    assert not {"Generator", "Path", "Network", "Parameters"} & own_classes().keys()


# Files that are damaged, cut, foreign, or from another time.


def changed(path, change):
    """The file with another text in it."""
    with np.load(path) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays["about"]))
    change(about, arrays)
    arrays["about"] = np.array(json.dumps(about))
    with path.open("wb") as file:
        np.savez(file, **arrays)


def set_in(*place, value):
    def change(about, arrays):
        spot = about
        for name in place[:-1]:
            spot = spot[name]
        spot[place[-1]] = value

    return change


def drop(name):
    return lambda about, arrays: arrays.pop(name)


def renamed(old, *new):
    def change(about, arrays):
        array = arrays.pop(old)
        arrays.update(dict.fromkeys(new, array))
        about["arrays"] = sorted(arrays.keys() - {"about"})

    return change


def replace(name, array):
    return lambda about, arrays: arrays.update({name: array})


POPEN = {"kind": "Popen", "with": {}}
EVIL = {"kind": "os.system", "with": {"command": "touch /tmp/owned"}}
CHANGED = {
    "newer": (set_in("format", value=FORMAT + 1), f"its format is {FORMAT + 1}, and this dlcourse knows {FORMAT} and"),
    "no format": (set_in("format", value=None), "it is a file of another kind"),
    "unknown class": (set_in("layers", 0, value=EVIL), "there is no class 'os.system' here"),
    "foreign class": (set_in("layers", 0, "with", "weight_init", value=POPEN), "there is no class 'Popen' here"),
    "not a layer": (set_in("layers", 1, value={"kind": "Zeros", "with": {}}), "'Zeros' object has no attribute"),
    "bad setting": (set_in("layers", 0, "with", "units", value=-3), "Dense.units must be a whole number, 1 or more"),
    "unknown setting": (set_in("layers", 0, "with", "unit", value=3), "Dense.unit must be a setting that exists"),
    "other size": (set_in("layers", 0, "with", "units", value=8), "theta does not fit the layers"),
    "huge": (set_in("layers", 0, "with", "units", value=10**12), "theta does not fit the layers"),
    "lanes": (set_in("lanes", value=2), "theta does not fit the layers"),
    "dtype": (set_in("dtype", value="float64"), "theta has"),
    "input": (set_in("input_shape", value="ab"), "What is wrong: "),
    "frozen": (set_in("frozen", value=[True]), "What is wrong: "),
    "frozen layer": (set_in("frozen_layers", value=[7]), "What is wrong: "),
    "no theta": (drop("network theta"), "it lacks arrays, or has too many"),
    "no theta from the start": (renamed("network theta", "network thetas"), "KeyError: 'network theta'"),
    "unasked": (renamed("network theta", "network theta", "network b"), "its arrays do not fit the layers"),
    "other theta": (replace("network theta", np.zeros((66, 1), "float32")), "theta has the shape (66, 1), not (66,)"),
    "more": (replace("network 1.running_mean", np.zeros(3)), "it lacks arrays, or has too many"),
    "no layers": (lambda about, arrays: about.pop("layers"), "KeyError: 'layers'"),
    "text": (lambda about, arrays: about.update(layers="Dense"), "What is wrong: "),
}  # fmt: skip


@pytest.mark.parametrize("kind", CHANGED)
def test_a_file_that_is_not_right_is_refused_in_words(kind, path):
    change, words = CHANGED[kind]
    small_network().save(path)
    changed(path, change)
    with pytest.raises(SettingError) as refused:
        dl.Network.load(path)
    start = f"Network.load.path must be a whole file that network.save wrote; got path={str(path)!r}. What is wrong: "
    assert str(refused.value).startswith(start)
    assert words in str(refused.value)
    assert not os.path.exists("/tmp/owned")


MEMORY = {
    "size": (replace("optimizer v", np.zeros(3, "float32")), "v does not fit theta"),
    "method": (set_in("optimizer", "memory", "step", value=1), "step is no memory"),
    "class": (set_in("optimizer", "memory", "__class__", value=1), "__class__ is no memory"),
    "name": (set_in("optimizer", "memory", "a b", value=1), "a b is no memory"),
    "settings": (set_in("optimizer", "with", "momentum", value=2), "Momentum.momentum must be in [0, 1)"),
    "kind": (set_in("optimizer", "kind", value="Zeros"), "What is wrong: "),
    "none": (lambda about, arrays: about.pop("optimizer"), "it was saved without an optimizer"),
}


@pytest.mark.parametrize("kind", MEMORY)
def test_a_memory_that_is_not_right_is_refused_in_words(kind, path):
    change, words = MEMORY[kind]
    network, optimizer = small_network(), dl.Momentum(0.1)
    train(network, optimizer)
    network.save(path, optimizer)
    changed(path, change)
    with pytest.raises(SettingError) as refused:
        load_optimizer(path, dl.Network.load(path))
    assert str(path) in str(refused.value)
    assert words in str(refused.value)


@pytest.mark.parametrize("name", ["__dict__", "__doc__", "__module__"])
def test_what_python_keeps_in_an_object_is_no_memory(name, path):
    network, optimizer = small_network(), dl.Momentum(0.1)
    train(network, optimizer)
    network.save(path, optimizer)
    changed(path, set_in("optimizer", "memory", name, value={"kind": "dict", "items": {}}))
    with pytest.raises(SettingError, match=f"{name} is no memory"):
        load_optimizer(path, dl.Network.load(path))


def test_an_optimizer_of_another_network_is_refused(path):
    network, optimizer = small_network(), dl.Momentum(0.1)
    train(network, optimizer)
    network.save(path, optimizer)
    with pytest.raises(SettingError, match="v does not fit theta"):
        load_optimizer(path, dl.Network([dl.Dense(2)], (5,)))


def zipped(**files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


def npy(array, **settings):
    buffer = io.BytesIO()
    np.save(buffer, array, **settings)
    return buffer.getvalue()


class Evil:
    def __reduce__(self):
        return (os.mkdir, (OWNED,))


FOREIGN = {
    "empty": b"",
    "text": b"hello",
    "pickle": pickle.dumps(Evil()),
    "array": npy(np.ones(3)),
    "objects": npy(np.array([Evil()], object), allow_pickle=True),
    "zip": zipped(**{"a.txt": "b"}),
    "objects inside": zipped(**{"about.npy": npy(np.array([Evil()], object), allow_pickle=True)}),
    "no json": zipped(**{"about.npy": npy(np.array("hello"))}),
    "other json": zipped(**{"about.npy": npy(np.array("[1, 2]"))}),
}


@pytest.mark.parametrize("kind", FOREIGN)
def test_a_foreign_file_is_refused_and_nothing_in_it_is_run(kind, path):
    path.write_bytes(FOREIGN[kind])
    with pytest.raises(SettingError, match=r"Network.load.path must be a whole file that network.save wrote"):
        dl.Network.load(path)
    assert not os.path.exists(OWNED)


def test_a_file_cut_anywhere_is_refused(path):
    network, optimizer = small_network(), dl.Momentum(0.1)
    train(network, optimizer)
    network.save(path, optimizer)
    whole = path.read_bytes()
    for size in (*range(0, len(whole), 97), len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(SettingError, match="What is wrong: "):
            dl.Network.load(path)


def test_a_flipped_bit_in_the_numbers_is_noticed(path, rng):
    network = small_network()
    network.save(path)
    whole = bytearray(path.read_bytes())
    first = bytes(whole).index(network.parameters.theta.tobytes())
    for place in first + rng.integers(0, network.parameters.theta.nbytes, 30):
        damaged = whole.copy()
        damaged[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        with pytest.raises(SettingError, match="CRC"):
            dl.Network.load(path)


def test_a_folder_is_no_file(tmp_path):
    with pytest.raises(OSError, match=tmp_path.name):
        dl.Network.load(tmp_path)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError) as refused:
        small_network().save(tmp_path / "missing" / "net.npz")
    assert "Network.save.path must lie in a folder that exists; got path=" in str(refused.value)
    assert f"Make {os.path.realpath(tmp_path / 'missing')} first." in str(refused.value)
    assert ".part" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_a_folder_is_no_file_to_save_to(tmp_path):
    with pytest.raises(IsADirectoryError, match=r"Network.save.path must name a file; .*It is a folder"):
        small_network().save(tmp_path)


def test_the_home_folder_may_be_a_tilde(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    network = small_network(seed=3)
    network.save("~/net.npz", dl.SGD(0.1))
    assert [path.name for path in tmp_path.iterdir()] == ["net.npz"]
    again = dl.Network.load("~/net.npz")
    np.testing.assert_array_equal(again.parameters.theta, network.parameters.theta)
    assert repr(load_optimizer("~/net.npz", again)) == "SGD(learning_rate=0.1)"


def test_an_error_of_the_disk_names_the_file_that_was_asked_for(path, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device", "/somewhere/.hidden.part")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left") as error:
        small_network().save(path)
    assert error.value.filename == os.path.realpath(path)
    assert not list(path.parent.iterdir())
