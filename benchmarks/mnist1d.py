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
from dlcourse.labs.capstone import lines

STEPS, BATCH, LOOK = 6000, 100, 250
GOALS = {lines.LOGISTIC: (29.5, 32.5), lines.MLP: (63, 69), lines.CNN: (90, 100)}  # around their stored run
GAP = 30  # points that shuffling costs the CNN, at least


def train(name, data, seed):
    """Test accuracies in percent, one every LOOK steps; processor seconds, looks included; parameters."""
    (x, y), (x_test, y_test) = ((each.x[..., None], each.y) for each in data)
    network, loss = dl.Network(lines.published(name), (40, 1), seed=seed), dl.SoftmaxCrossEntropy()
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
        for name, published in lines.THEIRS.items():
            runs = [train(name, data, seed) for seed in seeds]
            last, best = [run[0][-1] for run in runs], mean([max(run[0]) for run in runs])
            reached[name, shuffled] = mean(last)
            row = ["shuffled" if shuffled else "in order", name, runs[0][2], ", ".join(f"{each:.1f}" for each in last)]
            row += [f"{mean(last):.1f}", f"{best:.1f}", published[shuffled], f"{mean([run[1] for run in runs]):.1f}"]
            print("|", " | ".join(map(str, row)), "|", flush=True)
    print()
    for name, (low, high) in GOALS.items():
        verdict = "met" if low <= reached[name, False] <= high else "MISSED"
        print(f"- {name}: {reached[name, False]:.1f}, goal {low} to {high}: {verdict}")
    gap = reached["CNN", False] - reached["CNN", True]
    print(f"- CNN, lost by shuffling: {gap:.1f} points, goal {GAP} or more: {'met' if gap >= GAP else 'MISSED'}")
