"""MNIST-1D by its authors' protocol: `python benchmarks/mnist1d.py [--quick]`, one seed instead of three.

Greydanus & Kobak 2024, arXiv 2011.14439. Adam at 0.01, batches of 100, 6000 steps, the test set looked at every 250;
weights and biases from U[−1/√fan_in, 1/√fan_in), PyTorch's default. Networks of the same layers and sizes; the
multilayer perceptron has, like theirs, a way round its second hidden layer. Once with the positions in order, once
shuffled, which takes from the convolutions what they live on.

Where we differ: every epoch has a fresh order of the examples (theirs is always the same), the shuffled data have
the generator's permutation, and the last accuracy counts, not the best: the test set is not there to choose a step.
"""

import sys
import time
from datetime import date

from common import machine  # first: it sets the threads

import dlcourse as dl

STEPS, BATCH, LOOK = 6000, 100, 250
PUBLISHED = {  # their stored run at step 6000, in order and shuffled (mnist1d-classification.ipynb), and the goal
    "logistic regression": ((31.5, 31.5), (29.5, 32.5)),
    "MLP": ((65.1, 66.0), (63, 69)),
    "CNN": ((92.3, 58.7), (90, 100)),
}
GAP = 30  # points that shuffling costs the CNN, at least


def uniform(fan_in):
    draw = dl.Uniform(-(fan_in**-0.5), fan_in**-0.5)
    return {"weight_init": draw, "bias_init": draw}


def dense(inputs, units):
    return dl.Dense(units, **uniform(inputs))


def convolution(channels, kernel_size):
    return dl.Conv1D(25, kernel_size, padding=1, stride=2, **uniform(channels * kernel_size))


def layers(name):
    if name == "logistic regression":
        return [dl.Flatten(), dense(40, 10)]
    if name == "MLP":
        return [dl.Flatten(), dense(40, 100), dl.ReLU(), dl.Residual(dense(100, 100), dl.ReLU()), dense(100, 10)]
    convolutions = [part for sizes in ((1, 5), (25, 3), (25, 3)) for part in (convolution(*sizes), dl.ReLU())]
    return [*convolutions, dl.Flatten(), dense(125, 10)]


def train(name, data, seed):
    """Test accuracies in percent, one every LOOK steps; processor seconds, looks included; parameters."""
    (x, y), (x_test, y_test) = ((each.x[..., None], each.y) for each in data)
    network, loss = dl.Network(layers(name), (40, 1), seed=seed), dl.SoftmaxCrossEntropy()
    epochs, start, accuracies = STEPS * BATCH // len(x), time.process_time(), []
    for step in dl.training_steps(network, loss, dl.Adam(0.01), (x, y), epochs=epochs, batch_size=BATCH, seed=seed):
        if (step.number + 1) % LOOK == 0:
            accuracies.append(100 * (network.predict(x_test).argmax(axis=1) == y_test).mean())
    return accuracies, time.process_time() - start, network.parameters.size


def mean(values):
    return sum(values) / len(values)


if __name__ == "__main__":
    sys.path.pop(0)  # this folder: there, `import mnist1d` would find this file instead of the data's generator
    seeds = range(1 if "--quick" in sys.argv else 3)
    print(f"# MNIST-1D, {len(seeds)} seed(s)\n\n{date.today()}: {machine('dlcourse', 'mnist1d')}\n")
    print("Test accuracy in percent after 6000 steps; best: of 24 looks; seconds: processor time of one run.\n")
    print("| data | network | parameters | accuracy, by seed | mean | best, mean | published run | seconds |")
    print("|---|---|--:|--:|--:|--:|--:|--:|")
    reached = {}
    for shuffled in (False, True):
        data = dl.datasets.mnist1d(shuffled=shuffled)
        for name, (published, _) in PUBLISHED.items():
            runs = [train(name, data, seed) for seed in seeds]
            last, best = [run[0][-1] for run in runs], mean([max(run[0]) for run in runs])
            reached[name, shuffled] = mean(last)
            row = ["shuffled" if shuffled else "in order", name, runs[0][2], ", ".join(f"{each:.1f}" for each in last)]
            row += [f"{mean(last):.1f}", f"{best:.1f}", published[shuffled], f"{mean([run[1] for run in runs]):.1f}"]
            print("|", " | ".join(map(str, row)), "|", flush=True)
    print()
    for name, (_, (low, high)) in PUBLISHED.items():
        verdict = "met" if low <= reached[name, False] <= high else "MISSED"
        print(f"- {name}: {reached[name, False]:.1f}, goal {low} to {high}: {verdict}")
    gap = reached["CNN", False] - reached["CNN", True]
    print(f"- CNN, lost by shuffling: {gap:.1f} points, goal {GAP} or more: {'met' if gap >= GAP else 'MISSED'}")
