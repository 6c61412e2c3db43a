"""Make dlcourse/data/ out of the packages that the data come from: `pip install -e ".[test]" && python tools/data.py`.

digits.npz    x (1797, 64) whole numbers from 0 to 16, y
mnist1d.npz   x (5000, 40) float32, the first 4000 to train on, y, and the positions of the shuffled edition
"""

from pathlib import Path

import numpy as np
from mnist1d.data import get_dataset_args, make_dataset
from sklearn.datasets import load_digits

DATA = Path(__file__).parent.parent / "dlcourse" / "data"


def digits() -> dict[str, np.ndarray]:
    x, y = load_digits(return_X_y=True)
    return {"x": x.astype(np.uint8), "y": y.astype(np.uint8)}


def mnist1d() -> dict[str, np.ndarray]:
    plain, shuffled = generate(False), generate(True)
    positions = [np.flatnonzero((plain["x"] == column[:, None]).all(axis=0)) for column in shuffled["x"].T]
    return plain | {"positions": np.concatenate(positions).astype(np.uint8)}


def generate(shuffled: bool) -> dict[str, np.ndarray]:
    settings = get_dataset_args()
    settings.seed, settings.shuffle_seq = 42, shuffled
    made = make_dataset(settings)
    x, y = np.concatenate([made["x"], made["x_test"]]), np.concatenate([made["y"], made["y_test"]])
    return {"x": x.astype(np.float32), "y": y.astype(np.uint8)}


if __name__ == "__main__":
    for name, arrays in {"digits": digits(), "mnist1d": mnist1d()}.items():
        np.savez_compressed(DATA / f"{name}.npz", **arrays)
        print(f"{name}.npz: {(DATA / f'{name}.npz').stat().st_size / 1024:.0f} KB")
