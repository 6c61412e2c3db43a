"""Questions to answer by looking: four curves, one of each kind, anew for every ticket."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Question
from dlcourse.initializers import MSRA, Constant, Gaussian, Zeros
from dlcourse.layers import Dense, Tanh
from dlcourse.losses import SoftmaxCrossEntropy
from dlcourse.network import Network
from dlcourse.optimizers import SGD, AdaGrad, Adam, Momentum
from dlcourse.training import training_steps


def valley(rng: np.random.Generator, rule: Any, steps: int) -> np.ndarray:
    """The path of a rule down a valley 25 times steeper across than along: (steps + 1, 2)."""
    curvature, theta = np.array([1.0, 25.0]), rng.uniform(0.8, 1.5, 2) * np.array([2.0, 1.0])
    path = [theta]
    for _ in range(steps):
        path.append(rule.step(path[-1].copy(), curvature * path[-1]))
    return np.array(path)


def rate_run(rng: np.random.Generator, kind: str) -> np.ndarray:
    low, high = {"tiny": (0.0005, 0.002), "cautious": (0.01, 0.02), "bold": (0.05, 0.07), "beyond": (0.082, 0.09)}[kind]
    factor = rng.uniform()
    path = valley(rng, SGD(low + (high - low) * factor), 60)
    return (path**2 @ [0.5, 12.5]).clip(1e-8, 1e8)


def start_run(rng: np.random.Generator, kind: str) -> np.ndarray:
    """The loss of a small tanh network on two classes that a bent line parts."""
    init = {"zeros": Zeros(), "constant": Constant(0.2), "tiny": Gaussian(0.0, 0.002), "msra": MSRA()}[kind]
    x = rng.normal(size=(128, 2))
    y = (x[:, 0] + x[:, 1] ** 2 > 1).astype(int)
    seed = int(rng.integers(1000))
    layers = [Dense(12, init), Tanh(), Dense(2, init)]
    network, rule = Network(layers, input_shape=(2,), seed=seed, dtype="float64"), Momentum(0.15, 0.9)
    run = training_steps(network, SoftmaxCrossEntropy(), rule, (x, y), epochs=150, batch_size=128, seed=seed)
    return np.array([float(step.loss) for step in run])


def path_run(rng: np.random.Generator, kind: str) -> np.ndarray:
    rules = {"plain": SGD(0.03), "momentum": Momentum(0.03, 0.9), "adagrad": AdaGrad(0.3), "adam": Adam(0.05)}
    return valley(rng, rules[kind], 60)[:, 1]


def depth_run(rng: np.random.Generator, kind: str) -> np.ndarray:
    """The spread of what each of 12 tanh layers puts out."""
    gain = {"norm": rng.uniform(0.2, 3.0), "small": 0.6, "large": 2.5, "xavier": 1.0}[kind]
    x, spread = rng.normal(size=(100, 60)), []
    for _ in range(12):
        z = x @ (rng.normal(size=(60, 60)) * gain / np.sqrt(60))
        if kind == "norm":
            z = (z - z.mean(0)) / z.std(0)
        x = np.tanh(z)
        spread.append(x.std())
    return np.array(spread)


def penalty_run(rng: np.random.Generator, kind: str) -> np.ndarray:
    """The sizes of 40 weights of a line through noisy points, largest first; 8 of them matter."""
    x = rng.normal(size=(60, 40))
    true = np.where(np.arange(40) < 8, rng.choice([-1.0, 1.0], 40) * rng.uniform(0.6, 1.5, 40), 0)
    y, w = x @ true + 0.5 * rng.normal(size=60), np.zeros(40)
    for _ in range(400):
        w = w - 0.05 * x.T @ (x @ w - y) / 60
        if kind == "l1":
            w = np.sign(w) * np.maximum(np.abs(w) - 0.05 * 0.25, 0)
        if kind == "l2":
            w = w * (1 - 0.05 * 1.0)
        if kind == "limit":
            w = np.clip(w, -0.35, 0.35)
    return np.sort(np.abs(w))[::-1]


def decay_run(rng: np.random.Generator, kind: str) -> np.ndarray:
    """The loss of noisy descent in a bowl of 50 dimensions, under four schedules of the rate."""
    share = np.arange(300) / 300
    rates = {
        "constant": np.full(300, 0.3),
        "stairs": 0.3 * 0.1 ** (share * 3).astype(int),
        "cosine": 0.15 * (1 + np.cos(np.pi * share)),
        "warmup": 0.3 * np.minimum(1, share * 1.5),
    }[kind]
    theta, losses = rng.normal(size=50) * 4, []
    for rate in rates:
        losses.append(0.5 * float((theta**2).mean()))
        theta = theta - rate * (theta + 0.6 * rng.normal(size=50))
    return np.array(losses)


which_rate = Question(
    name="which_rate",
    chapter="00_start",
    notebook="first_steps",
    title="Which run is beyond the edge?",
    ask="Four runs of gradient descent in the same valley. Which one has a rate too large to ever arrive?",
    run=rate_run,
    axes=("step", "loss"),
    log=True,
    right="beyond",
    kinds={
        "tiny": "That run has a tiny rate: its loss hardly moves, but it never rises.",
        "cautious": "That run has a cautious rate: it falls steadily, and slowly in the end.",
        "bold": "That run has the largest rate that still works well: it falls fastest.",
        "beyond": "Beyond the edge a step overshoots by more than it gains: the loss grows at every step.",
    },
    hints=(
        "A rate that is too large does not stall: it flies apart.",
        "Look for a loss that rises.",
        "Mind the log axis.",
    ),
)

which_used_zeros = Question(
    name="which_used_zeros",
    chapter="01_initialization",
    notebook="initialization",
    title="Which of these runs used zeros?",
    ask="Four networks learn the same task from different starts. Which one began with all weights at zero?",
    run=start_run,
    axes=("step", "loss (nats)"),
    right="zeros",
    kinds={
        "zeros": "From zeros no gradient reaches a weight: only the last biases move, and the loss stays a guess's.",
        "constant": "That run began with a constant: its units stay alike, but it does learn what one unit can.",
        "tiny": "That run began with tiny random weights: it waits near the guess for a while, then breaks away.",
        "msra": "That run began with MSRA: it falls from the first steps on.",
    },
    hints=(
        "With all weights zero the hidden units are silent, and so is the gradient of every weight.",
        "What is left to learn are the biases of the last layer: how frequent each class is.",
        "Look for the one that comes to rest at once, near ln 2 = 0.69, and never moves again.",
    ),
)

which_had_momentum = Question(
    name="which_had_momentum",
    chapter="02_momentum",
    notebook="momentum",
    title="Which walker rolls?",
    ask="Four walkers go down the same valley. You see how far each is from its floor. Which one has momentum?",
    run=path_run,
    axes=("step", "distance across"),
    right="momentum",
    kinds={
        "plain": "That is plain gradient descent: on the floor after a few steps, and nothing ever swings.",
        "momentum": "A ball swings through the floor again and again, each time a little less: by √μ a step.",
        "adagrad": "That is AdaGrad: its steps get shorter and shorter, and it glides in without a swing.",
        "adam": "That is Adam: steps of nearly the same length, a long way at an even pace, and one late overshoot.",
    },
    hints=(
        "A ball does not stop at the floor.",
        "Count how often each curve crosses 0.",
        "The most crossings: momentum.",
    ),
)

which_had_batch_norm = Question(
    name="which_had_batch_norm",
    chapter="03_batch_normalization",
    notebook="normalization",
    title="Which network was normalized?",
    ask="Four fresh networks of 12 tanh layers. You see the spread of each layer's output. Which has batch norm?",
    run=depth_run,
    axes=("layer", "deviation of the output"),
    right="norm",
    kinds={
        "norm": "With batch norm every tanh gets a variance of 1: its output has the same spread in every layer.",
        "small": "That one's weights are too small: the signal vanishes layer by layer.",
        "large": "That one's weights are too large: the outputs sit near ±1, saturated, with a spread of almost 1.",
        "xavier": "That one has Xavier's weights: the signal shrinks slowly, as tanh takes a little at each layer.",
    },
    hints=(
        "Batch norm undoes whatever the weights did to the scale, layer by layer.",
        "So the curve must be flat from the first layer on. Two are nearly flat: at which height?",
        "tanh of a standard normal number has the deviation 0.63.",
    ),
)

which_had_l1 = Question(
    name="which_had_l1",
    chapter="04_regularization",
    notebook="penalties",
    title="Which weights paid for L1?",
    ask="The same 40 weights, trained four times, sorted by size. Which training had an L1 penalty?",
    run=penalty_run,
    axes=("rank", "|weight|"),
    right="l1",
    kinds={
        "none": "Those weights are free: no weight is exactly 0, and the small ones fit the noise.",
        "l1": "L1 pulls each weight to 0 with the same force: those that matter little end at exactly 0.",
        "l2": "That is L2: all weights shrink by a share, the large ones most, and none becomes exactly 0.",
        "limit": "That is a limit for each weight: the large ones all stand at the same height.",
    },
    hints=(
        "L1 has a corner at 0.",
        "Look at the right-hand end: who is exactly 0, not just small?",
        "Count the zeros.",
    ),
)

which_had_stairs = Question(
    name="which_had_stairs",
    chapter="05_decay",
    notebook="schedules",
    title="Which rate fell in stairs?",
    ask="Four runs in the same noise. Which one cut its learning rate to a tenth, twice?",
    run=decay_run,
    axes=("step", "loss"),
    log=True,
    right="stairs",
    kinds={
        "constant": "That rate is constant: the loss rattles at the same height to the end.",
        "stairs": "After each cut of the rate the loss sinks to a new floor, and rattles less.",
        "cosine": "That is a cosine: the floor sinks gently, all the way, and fastest in the middle.",
        "warmup": "That rate warms up: slow at first, then it rattles at the height of the full rate.",
    },
    hints=(
        "The floor on which the loss rattles is proportional to the rate.",
        "Two cuts: two bends downwards.",
        "Log axis: equal steps.",
    ),
)

EXERCISES = [which_rate, which_used_zeros, which_had_momentum, which_had_batch_norm, which_had_l1, which_had_stairs]
