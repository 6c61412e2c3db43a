"""A plain convolutional network on 8 × 8 digits: `python benchmarks/digits_cnn.py [--quick]`, one seed for three.

Two 3 × 3 convolutions of 16 and 32 filters, ReLU, 2 × 2 maximum, a dense layer; Adam at 0.001, batches of 64, 30
epochs; no augmentation, no dropout. The split is fixed (seed 0, 1437 and 360 examples); a seed decides where theta
starts and the order of the examples. The last accuracy counts.
"""

import sys
import time
from datetime import date

from common import machine  # first: it sets the threads

import dlcourse as dl

EPOCHS, BATCH = 30, 64


def make_network(seed):
    convolutions = [dl.Conv2D(16, 3), dl.ReLU(), dl.Conv2D(32, 3), dl.ReLU(), dl.MaxPool2D(2)]
    return dl.Network([*convolutions, dl.Flatten(), dl.Dense(10)], (8, 8, 1), seed=seed)


def train(seed):
    """The network, its test accuracy in percent, and processor seconds."""
    data, test = dl.datasets.digits(images=True)
    network, start = make_network(seed), time.process_time()
    settings = {"epochs": EPOCHS, "batch_size": BATCH, "seed": seed}
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Adam(0.001), data, **settings)
    seconds = time.process_time() - start
    return network, 100 * (network.predict(test.x).argmax(axis=1) == test.y).mean(), seconds


if __name__ == "__main__":
    seeds = range(1 if "--quick" in sys.argv else 3)
    print(f"# Digits, 8 × 8, a plain CNN, {len(seeds)} seed(s)\n")
    print(f"{date.today()}: {machine('dlcourse', 'scikit-learn')}\n")
    print(f"Test accuracy in percent after {EPOCHS} epochs; seconds: processor time of one run.\n")
    print("| seed | parameters | accuracy | seconds |\n|---|--:|--:|--:|")
    runs = [train(seed) for seed in seeds]
    for seed, (network, accuracy, seconds) in zip(seeds, runs, strict=True):
        print(f"| {seed} | {network.parameters.size} | {accuracy:.2f} | {seconds:.1f} |")
    accuracy, seconds = (sum(run[part] for run in runs) / len(runs) for part in (1, 2))
    print(f"| mean | {runs[0][0].parameters.size} | {accuracy:.2f} | {seconds:.1f} |")
