import random
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dlcourse import datasets
from dlcourse.datasets import Dataset, digits, mnist1d, moons, spirals, split

ALL = {
    "digits": lambda seed: digits(seed)[0],
    "mnist1d": lambda _: mnist1d()[0],
    "moons": lambda seed: moons(seed=seed),
    "spirals": lambda seed: spirals(seed=seed),
}
SHIPPED = {"digits": (digits, 1437, 360, 64), "mnist1d": (mnist1d, 4000, 1000, 40)}


# Dataset


def test_dataset_unpacks_counts_and_prints():
    data = Dataset(np.zeros((6, 3), np.float32), [0, 1, 2, 0, 1, 2])
    x, y = data
    assert (x.shape, y.dtype, len(data), data.classes) == ((6, 3), np.int64, 6, 3)
    assert repr(data) == "Dataset(x (6, 3) float32, y (6,) int64, 3 classes)"
    assert repr(Dataset(x, np.zeros((6, 1)))) == "Dataset(x (6, 3) float32, y (6, 1) float64)"


def test_dataset_takes_rows():
    data = Dataset(np.arange(12).reshape(6, 2), np.arange(6))
    assert data[:2].x.tolist() == [[0, 1], [2, 3]]
    assert data[[5, 0]].y.tolist() == [5, 0]
    assert len(data[data.y > 3]) == 2


@pytest.mark.parametrize(
    ("given", "kept"), [(np.float32, np.float32), (np.float64, np.float64), (np.float16, np.float32), (int, np.float32)]
)
def test_dataset_keeps_the_floats_that_training_uses(given, kept):
    assert Dataset(np.ones((2, 2), given), np.ones(2)).x.dtype == kept


def test_dataset_labels_from_any_whole_numbers():
    assert Dataset(np.ones((2, 2)), np.array([True, False])).y.dtype == np.int64
    assert Dataset(np.ones((2, 2)), np.array([3, 1], np.uint8)).y.tolist() == [3, 1]


def test_dataset_cannot_be_reassigned_past_its_checks():
    with pytest.raises(AttributeError):
        moons().x = None


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (np.ones(3), np.ones(3), r"Dataset\.x must have shape \(examples, features, ...\); got x=\(3,\)"),
        (np.ones((3, 2)), np.ones(2), r"Dataset\.y must have 3 targets, as x has examples; got y=\(2,\)"),
        (np.ones((3, 2)), 1, r"Dataset\.y must have 3 targets"),
        (np.ones((0, 2)), np.ones(0), r"Dataset\.x must hold at least one example"),
        (np.ones((2, 0)), np.ones(2), r"Dataset\.x must hold at least one example"),
        ([[1.0], [np.nan]], [0, 1], r"Dataset\.x must be finite everywhere; got x=nan. It is entry 1"),
        ([[1.0], [np.inf]], [0, 1], r"Dataset\.x must be finite everywhere; got x=inf"),
        (np.ones((2, 1)), [0.0, np.nan], r"Dataset\.y must be finite"),
        ([["a"], ["b"]], [0, 1], r"Dataset\.x must be an array of real numbers"),
        (np.ones((2, 1)), ["cat", "dog"], r"Dataset\.y must be an array of real numbers"),
        (np.ones((2, 1), complex), [0, 1], r"Dataset\.x must be an array of real numbers"),
        ([[1.0], [1.0, 2.0]], [0, 1], r"Dataset\.x must be an array of numbers on the host"),
        (None, [0, 1], r"Dataset\.x must be an array of real numbers"),
    ],
)
def test_dataset_refuses(x, y, message):
    with pytest.raises(ValueError, match=message):
        Dataset(x, y)


def test_dataset_refuses_rows_that_are_no_rows():
    with pytest.raises(ValueError, match=r"One example is data\[3:4\]"):
        moons()[3]
    with pytest.raises(ValueError, match="at least one example"):
        moons()[:0]


# What all of them share


@pytest.mark.parametrize("name", ALL)
def test_same_seed_same_data(name):
    a, b, other = ALL[name](3), ALL[name](3), ALL[name](4)
    assert np.array_equal(a.x, b.x) and np.array_equal(a.y, b.y)
    assert np.array_equal(a.x, other.x) == (name == "mnist1d")  # which has no seed


@pytest.mark.parametrize("name", ALL)
def test_dtypes(name):
    x, y = ALL[name](0)
    assert x.dtype == np.float32 and y.dtype == np.int64


@pytest.mark.parametrize("name", ALL)
def test_leaves_the_global_generators_alone(name):
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    ALL[name](0)
    after = random.random(), np.random.rand()  # noqa: NPY002
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002
    assert after == (random.random(), np.random.rand())  # noqa: NPY002


@pytest.mark.parametrize("name", ALL)
def test_needs_no_network(name, monkeypatch, tmp_path):
    def refuse_to_connect(*_):
        raise AssertionError("a dataset went online")

    monkeypatch.setattr(socket.socket, "connect", refuse_to_connect)
    monkeypatch.setattr(socket, "getaddrinfo", refuse_to_connect)
    monkeypatch.chdir(tmp_path)
    assert len(ALL[name](0)) > 0


BAD = [
    (moons, {"n": 0}, r"moons\.n must be a whole number, 2 or more; got n=0. Ask for at least 2 points."),
    (moons, {"n": 1}, r"moons\.n must"),
    (moons, {"n": True}, r"moons\.n must"),
    (moons, {"n": 10.0}, r"moons\.n must"),
    (moons, {"n": "10"}, r"moons\.n must"),
    (moons, {"noise": -0.1}, r"moons\.noise must be a number from 0 to 100; got noise=-0.1"),
    (moons, {"noise": float("nan")}, r"moons\.noise must"),
    (moons, {"noise": float("inf")}, r"moons\.noise must"),
    (moons, {"noise": None}, r"moons\.noise must"),
    (moons, {"seed": -1}, r"moons\.seed must be a whole number from 0"),
    (moons, {"seed": None}, r"moons\.seed must"),
    (moons, {"seed": 0.5}, r"moons\.seed must"),
    (spirals, {"n": -5}, r"spirals\.n must"),
    (spirals, {"classes": 1}, r"spirals\.classes must"),
    (spirals, {"classes": 2.0}, r"spirals\.classes must"),
    (spirals, {"turns": float("nan")}, r"spirals\.turns must"),
    (spirals, {"turns": "2"}, r"spirals\.turns must"),
    (digits, {"seed": 2**32}, r"digits\.seed must"),
    (digits, {"seed": "a"}, r"digits\.seed must"),
    (digits, {"images": 1}, r"digits\.images must be True or False; got images=1"),
    (mnist1d, {"shuffled": "yes"}, r"mnist1d\.shuffled must be True or False"),
]


@pytest.mark.parametrize(("make", "settings", "message"), BAD)
def test_bad_setting_is_named(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**settings)


# Clouds


@pytest.mark.parametrize("cloud", [moons, spirals])
@pytest.mark.parametrize("n", [2, 3, 100, 1001])
def test_clouds_are_standardized_and_balanced(cloud, n):
    x, y = cloud(n)
    assert x.shape == (n, 2)
    assert np.allclose(x.mean(axis=0), 0.0, atol=1e-6)
    assert np.allclose(x.std(axis=0), 1.0, atol=1e-5)
    assert np.ptp(np.bincount(y)) <= 1


def test_moon_arcs_are_those_of_scikit_learn():
    theirs, labels = pytest.importorskip("sklearn.datasets").make_moons(200, shuffle=False, noise=None)
    angle = np.repeat(np.linspace(0, np.pi, 100), 2)
    ours, y = datasets.moon_arcs(angle)
    assert np.allclose(ours[y == 0], theirs[labels == 0])
    assert np.allclose(ours[y == 1], theirs[labels == 1])


def test_clean_moons_lie_on_two_half_circles():
    x, y = moons(500, noise=0.0)
    for label in (0, 1):  # an ellipse a u² + b v² + c u + d v = 1 after the features were scaled
        u, v = x[y == label].astype(np.float64).T
        terms = np.stack([u * u, v * v, u, v], axis=1)
        fit = np.linalg.lstsq(terms, np.ones(len(u)))[0]
        assert np.allclose(terms @ fit, 1.0, atol=1e-4)


def test_noise_is_the_standard_deviation_added():
    angle = np.random.default_rng(5).uniform(0.0, np.pi, 100_000)
    clean, _ = datasets.moon_arcs(angle)
    noisy = moons(100_000, noise=0.3, seed=5).x
    expected = np.sqrt(clean.std(axis=0) ** 2 + 0.3**2)
    recovered = noisy * expected - clean + clean.mean(axis=0)
    assert np.allclose(recovered.std(axis=0), 0.3, rtol=0.01)


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_spirals_have_one_arm_per_class(classes):
    radius = np.linspace(0.1, 1.0, 30 * classes)
    x, y = datasets.spiral_arms(radius, classes, turns=1.5)
    assert np.allclose(np.hypot(*x.T), radius)
    angle = np.arctan2(x[:, 1], x[:, 0]) - 2 * np.pi * (1.5 * radius + y / classes)
    assert np.allclose(np.sin(angle / 2), 0.0, atol=1e-12)
    assert spirals(60, classes=classes).classes == classes


# Digits and MNIST-1D


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_shapes(name):
    make, train_size, test_size, features = SHIPPED[name]
    train, test = make()
    assert train.x.shape == (train_size, features)
    assert test.x.shape == (test_size, features)
    assert train.classes == test.classes == 10


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_train_and_test_share_no_example(name):
    train, test = SHIPPED[name][0]()
    assert not {row.tobytes() for row in train.x} & {row.tobytes() for row in test.x}


def test_digits_are_scikit_learns_each_once():
    x, y = pytest.importorskip("sklearn.datasets").load_digits(return_X_y=True)
    theirs = sorted((*row, label) for row, label in zip((x / 16).tolist(), y.tolist(), strict=True))
    train, test = digits(seed=7)
    ours = np.column_stack([np.concatenate([train.x, test.x]), np.concatenate([train.y, test.y])])
    assert sorted(map(tuple, ours.tolist())) == theirs
    assert (ours[:, :-1].min(), ours[:, :-1].max()) == (0.0, 1.0)


def test_digits_give_a_fifth_of_every_class_to_the_test_set():
    for seed in range(3):
        train, test = digits(seed)
        share = np.bincount(test.y) / (np.bincount(test.y) + np.bincount(train.y))
        assert np.all(np.abs(share - 0.2) < 0.006)
        assert np.bincount(train.y[:300]).min() > 10  # not sorted by class


def test_the_split_is_the_same_everywhere():
    y = np.random.default_rng(1).integers(0, 3, 500)
    order = np.random.default_rng(7).permutation(500)
    test_rows = set(sorted(order.tolist(), key=lambda row: y[row])[::5])  # Python's sort keeps the order of equals
    train, test = split(np.arange(500.0)[:, None], y, 7)
    assert test.x.ravel().tolist() == [row for row in order.tolist() if row in test_rows]
    assert train.x.ravel().tolist() == [row for row in order.tolist() if row not in test_rows]


def test_digits_as_images_are_the_same_digits():
    flat, images = digits(seed=1)[0], digits(seed=1, images=True)[0]
    assert images.x.shape == (1437, 8, 8, 1)
    assert np.array_equal(images.x.reshape(-1, 64), flat.x)


def test_mnist1d_is_the_frozen_dataset():
    train, test = mnist1d()
    assert np.allclose(train.x[0, :4], [-0.33200567, -0.47191037, -0.77869708, -1.00974083], atol=1e-6)
    assert np.allclose(test.x[0, :4], [-0.07877078, -0.21073171, -0.09175138, 0.28267112], atol=1e-6)
    assert train.y[:20].tolist() == [2, 6, 4, 5, 6, 6, 6, 0, 3, 1, 6, 9, 4, 3, 4, 5, 1, 9, 0, 3]
    assert test.y[:10].tolist() == [2, 6, 3, 9, 4, 3, 1, 9, 5, 2]
    assert np.bincount(train.y).tolist() == [398, 396, 411, 394, 394, 402, 401, 404, 402, 398]
    assert np.abs(train.x).sum(dtype=np.float64) == pytest.approx(118338.29510719894, rel=1e-7)
    everything = np.concatenate([train.x, test.x])
    assert everything.mean() == pytest.approx(0.0, abs=1e-6) and everything.std() == pytest.approx(1.0)


def test_mnist1d_shuffled_permutes_the_positions_of_every_example_alike():
    plain, shuffled = mnist1d()[0], mnist1d(shuffled=True)[0]
    place = [int(np.argmin(np.abs(plain.x[0] - value))) for value in shuffled.x[0]]
    assert sorted(place) == list(range(40)) and place != list(range(40))
    assert np.allclose(plain.x[:, place], shuffled.x, atol=1e-6)
    assert np.array_equal(plain.y, shuffled.y)
    assert shuffled.x[0, :4] == pytest.approx([1.03587403, 0.4101985, -0.88235257, -1.09348571], abs=1e-6)


def test_mnist1d_is_what_its_authors_generator_makes():
    data = pytest.importorskip("mnist1d.data")
    settings = data.get_dataset_args()
    for shuffled in (False, True):
        settings.seed, settings.shuffle_seq = 42, shuffled
        made = data.make_dataset(settings)
        for part, name in zip(mnist1d(shuffled=shuffled), ("", "_test"), strict=True):
            assert np.array_equal(part.x, made[f"x{name}"].astype(np.float32))
            assert np.array_equal(part.y, made[f"y{name}"])


# The files


def test_data_need_numpy_alone():
    blocked = "import sys; sys.modules.update(sklearn=None, mnist1d=None, scipy=None, matplotlib=None)\n"
    code = "from dlcourse.datasets import *; moons(), spirals(), digits(), mnist1d(shuffled=True)"
    subprocess.run([sys.executable, "-c", blocked + code], check=True)


def test_files_are_small():
    folder = Path(datasets.__file__).parent / "data"
    assert sum(path.stat().st_size for path in folder.iterdir()) < 900_000


def test_files_are_read_once_and_what_they_hold_is_the_callers(monkeypatch):
    for make in (digits, mnist1d):
        make()
    monkeypatch.setattr(np, "load", None)
    for make in (digits, mnist1d):
        before = make()
        for part in make():
            part.x[...], part.y[...] = 7, 7
        for part, again in zip(before, make(), strict=True):
            np.testing.assert_array_equal(part.x, again.x)
            np.testing.assert_array_equal(part.y, again.y)
