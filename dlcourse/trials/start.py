"""Claims of 00, the first chapter, on trial."""

import numpy as np

import dlcourse as dl
from dlcourse.trials import nets
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log, OneOf, Whole


@trial(
    claim="One step lowers the loss on the examples that it has looked at.",
    space={
        "rate": Log(1e-3, 300, "η"), "batch_size": Whole(1, 500, "batch size", log=True),
        "units": Whole(2, 128, "hidden units", log=True),
    },
    sides="one step of plain descent on a new network, on digits",
    measure="loss on the batch before the step, less loss after it",
    unit="nats",
)  # fmt: skip
def one_step_lowers_the_loss(rate, batch_size, units, seed):
    digits = dl.datasets.digits()[0]
    rows = np.random.default_rng(seed).permutation(len(digits))[:batch_size]
    x, y = digits.x[rows], digits.y[rows]
    network = dl.Network([dl.Dense(units), dl.ReLU(), dl.Dense(10)], input_shape=(64,), seed=seed)
    loss = dl.SoftmaxCrossEntropy()
    before = loss.forward(network.forward(x, training=True), y)
    network.backward(loss.backward())
    dl.SGD(rate).step(network.parameters.theta, network.parameters.grad)
    return before - loss.forward(network.predict(x), y)


@trial(
    claim="Another draw of the start changes the share of digits that are read by two points or more.",
    space={
        "units": Whole(4, 128, "hidden units", log=True), "size": OneOf((200, 600), "examples"),
        "rate": Log(0.01, 0.2, "η"), "epochs": Whole(5, 20, "epochs"),
    },
    sides="five draws of the start; the same digits in the same order, momentum 0.9",
    measure="test accuracy at the end: the best draw's less the worst one's, beyond two points",
    unit="points",
    designs=60,
)  # fmt: skip
def another_draw_matters(units, size, rate, epochs, seed):
    def layers():
        return nets.hidden(units, 1, dl.ReLU, 10)

    data = nets.split("digits", size, seed)
    runs = nets.train(layers, data, lambda eta: dl.Momentum(eta, 0.9), [rate], seeds=5, epochs=epochs, seed=seed)
    return np.ptp(runs.test_accuracy[-1, 0]) - 2
