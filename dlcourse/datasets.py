"""Data to train on, all of it offline: two clouds drawn here, and two small classics.

    train, test = digits()
    x, y = train                # float32 (examples, ...), int64 (examples,)

`moons` and `spirals` are a few lines of NumPy. `digits` and `mnist1d` are small files in data/, made by tools/data.py.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from dlcourse.settings import Rule, check, is_number, is_whole, refuse

seed_rule = Rule("be a whole number from 0 to 2**32 - 1", lambda v: is_whole(v) and 0 <= v < 2**32)
size_rule = Rule("be a whole number, 2 or more", lambda v: is_whole(v) and v >= 2)
noise_rule = Rule("be a number from 0 to 100", lambda v: is_number(v) and 0 <= v <= 100)
turns_rule = Rule("be a number from -100 to 100", lambda v: is_number(v) and abs(v) <= 100)
switch_rule = Rule("be True or False", lambda v: isinstance(v, bool | np.bool_))


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """Examples and their targets, side by side; `x, y = dataset` takes them apart.

    x: (examples, ...) finite numbers; float32 and float64 stay as they are, all else becomes float32.
    y: (examples, ...) whole-number labels, as int64, or floats for regression.
    len(dataset) counts the examples; dataset[:100] or dataset[rows] is a smaller Dataset.

    Raises SettingError (a ValueError) for empty, unequally long, non-numeric or non-finite arrays.
    """

    x: np.ndarray
    y: np.ndarray

    def __post_init__(self) -> None:
        x = numbers_of("Dataset.x", self.x, np.float32)
        y = numbers_of("Dataset.y", self.y, np.int64)
        if x.ndim < 2:
            refuse("Dataset.x", "have shape (examples, features, ...)", x.shape, "Use x[:, None].")
        if y.shape[:1] != x.shape[:1]:
            refuse("Dataset.y", f"have {len(x)} targets, as x has examples", y.shape, "Cut both alike.")
        if x.size == 0:
            refuse("Dataset.x", "hold at least one example and one feature", x.shape, "Keep some rows.")
        object.__setattr__(self, "x", x)
        object.__setattr__(self, "y", y)

    @property
    def classes(self) -> int:
        """How many different labels there are."""
        return len(np.unique(self.y))

    def __len__(self) -> int:
        return len(self.x)

    def __iter__(self) -> Iterator[np.ndarray]:
        return iter((self.x, self.y))

    def __getitem__(self, rows: Any) -> "Dataset":
        if is_whole(rows):
            refuse("Dataset.rows", "be a slice or an array of rows", rows, "One example is data[3:4].")
        return Dataset(self.x[rows], self.y[rows])

    def __repr__(self) -> str:
        labels = f", {self.classes} classes" if self.y.dtype.kind == "i" else ""
        return f"Dataset(x {self.x.shape} {self.x.dtype}, y {self.y.shape} {self.y.dtype}{labels})"


def numbers_of(what: str, values: Any, whole: type) -> np.ndarray:
    """A finite array on the host: floats of 32 or 64 bits stay, other floats become float32."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):  # ragged lists; arrays that live on a GPU
        refuse(what, "be an array of numbers on the host", type(values), "Use dl.to_host(array).")
    if array.dtype.kind not in "biuf":
        refuse(what, "be an array of real numbers", array.dtype, "Give numbers; labels are 0, 1, 2, ...")
    if not np.isfinite(array).all():
        bad = np.flatnonzero(~np.isfinite(array))[0]
        refuse(what, "be finite everywhere", float(array.flat[bad]), f"It is entry {bad}: drop its row.")
    if array.dtype in (np.float32, np.float64):
        return array
    return array.astype(np.float32 if array.dtype.kind == "f" else whole)


def moons(n: int = 1000, noise: float = 0.2, seed: int = 0) -> Dataset:
    """Two interleaving half circles, the geometry of scikit-learn's `make_moons`.

    class 0: (cos a, sin a);  class 1: (1 - cos a, 1/2 - sin a);  a uniform in [0, pi]
    then N(0, noise^2) on both coordinates, then each feature to mean 0 and standard deviation 1.

    x (n, 2), y (n,) in {0, 1}; labels alternate, so every slice is balanced. Raises SettingError for n < 2.
    """
    n, noise, seed = cloud_settings("moons", n, noise, seed)
    rng = np.random.default_rng(seed)
    x, y = moon_arcs(rng.uniform(0.0, np.pi, n))
    return standardized(x + noise * rng.standard_normal(x.shape), y)


def moon_arcs(angle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(len(angle)) % 2
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)  # (n, 2)
    return np.where(y[:, None] == 0, upper, [1.0, 0.5] - upper), y


def spirals(n: int = 1000, noise: float = 0.1, classes: int = 2, turns: float = 1.0, seed: int = 0) -> Dataset:
    """Arms wound around the origin, one per class: harder than moons, and the arms tighten with `turns`.

    class k: r (cos a, sin a),  a = 2 pi (turns r + k/classes),  r = sqrt(u),  u uniform in [0, 1]
    then N(0, noise^2) on both coordinates, then each feature to mean 0 and standard deviation 1.

    x (n, 2), y (n,) in {0 .. classes-1}, in rotation, so slices are balanced. turns: full turns of an arm.
    Raises SettingError for n < 2 or fewer than 2 classes.
    """
    n, noise, seed = cloud_settings("spirals", n, noise, seed)
    classes = check("spirals.classes", size_rule, classes, "2 or 3 arms are easy to see.")
    turns = check("spirals.turns", turns_rule, turns, "1 turn is a good start, 2 are hard.")
    rng = np.random.default_rng(seed)
    x, y = spiral_arms(np.sqrt(rng.uniform(0.0, 1.0, n)), classes, turns)
    return standardized(x + noise * rng.standard_normal(x.shape), y)


def spiral_arms(radius: np.ndarray, classes: int, turns: float) -> tuple[np.ndarray, np.ndarray]:
    y = np.arange(len(radius)) % classes
    angle = 2.0 * np.pi * (turns * radius + y / classes)
    return radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1), y


def cloud_settings(name: str, n: int, noise: float, seed: int) -> tuple[int, float, int]:
    return (
        check(f"{name}.n", size_rule, n, "Ask for at least 2 points."),
        check(f"{name}.noise", noise_rule, noise, "It is a standard deviation; 0 gives clean curves."),
        check(f"{name}.seed", seed_rule, seed, "Any small whole number will do."),
    )


def standardized(x: np.ndarray, y: np.ndarray) -> Dataset:
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    return Dataset(x.astype(np.float32), y)


def digits(seed: int = 0, *, images: bool = False) -> tuple[Dataset, Dataset]:
    """Handwritten digits, 8 x 8 grey pixels in [0, 1] (Alpaydin & Kaynak 1998, UCI).

    (train, test) of 1437 and 360 examples: x (n, 64), or (n, 8, 8, 1) with images=True; y (n,) in {0 .. 9}.
    The seed shuffles and splits; every class gives a fifth of its examples, to within one, to the test set.
    Source: the UCI test set of 1797 as scikit-learn has it (data CC BY 4.0).
    """
    seed = check("digits.seed", seed_rule, seed, "Any small whole number will do.")
    check("digits.images", switch_rule, images, "True gives (n, 8, 8, 1) for convolutions.")
    stored = shipped("digits")
    x, y = (stored["x"] / 16).astype(np.float32), stored["y"].astype(np.int64)
    return split(x.reshape(-1, 8, 8, 1) if images else x, y, seed)


def split(x: np.ndarray, y: np.ndarray, seed: int) -> tuple[Dataset, Dataset]:
    """Four fifths and one fifth of every class, to within one example, each in random order."""
    order = np.random.default_rng(seed).permutation(len(y))
    by_class = order[np.argsort(y[order], kind="stable")]
    test = np.isin(order, by_class[::5])
    train_rows, test_rows = order[~test], order[test]
    return Dataset(x[train_rows], y[train_rows]), Dataset(x[test_rows], y[test_rows])


def mnist1d(*, shuffled: bool = False) -> tuple[Dataset, Dataset]:
    """MNIST-1D: ten wavy lines, shifted, scaled and noisy (Greydanus & Kobak 2024, arXiv 2011.14439).

    (train, test) of 4000 and 1000 examples: x (n, 40), mean 0 and deviation 1 over all; y (n,) in {0 .. 9}.
    It is the authors' frozen dataset, their generator's seed 42. shuffled=True permutes the 40 positions, alike in
    every example: what a network then loses it owed to neighbours. For Conv1D use x[..., None].
    Source: the `mnist1d` package (Apache-2.0).
    """
    check("mnist1d.shuffled", switch_rule, shuffled, "True permutes the positions.")
    stored = shipped("mnist1d")
    x, y = stored["x"][:, stored["positions"]] if shuffled else stored["x"], stored["y"]
    return Dataset(x[:4000].copy(), y[:4000]), Dataset(x[4000:].copy(), y[4000:])


@cache
def shipped(name: str) -> dict[str, np.ndarray]:
    """The arrays that come with the course, read once: a lab asks for its data in every frame."""
    with np.load(Path(__file__).parent / "data" / f"{name}.npz", allow_pickle=False) as stored:
        return dict(stored)
