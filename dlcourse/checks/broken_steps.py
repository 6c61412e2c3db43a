"""Chapter 06: more scripts to repair, steps: gradients, rates, rules (see broken_data.py)."""

from typing import Any

import numpy as np

from dlcourse.checks.broken_data import up_and_down
from dlcourse.checks.exercise import Exercise

HOME: Any = {"chapter": "06_capstone", "notebook": "repair", "repair": True}

# fmt: off


# A sum for a mean


def descend(x, y, w, rate, steps):
    for _ in range(steps):
        error = x @ w - y
        w = w - rate * x.T @ error / len(x)
    return w


def descend_broken(x, y, w, rate, steps):
    for _ in range(steps):
        error = x @ w - y
        w = w - rate * x.T @ error
    return w


def lines_to_fit(rng: np.random.Generator) -> list[tuple]:
    return [
        (rng.normal(size=(n, f)), rng.normal(size=n), up_and_down(rng, f), rng.uniform(0.02, 0.06), steps)
        for n, f, steps in ((4, 3, 1), (12, 4, 4), (7, 1, 2), (1, 3, 3))
    ]


repair_mean = Exercise(
    **HOME,
    name="repair_mean",
    title="It explodes as soon as the batch is larger",
    draw=lines_to_fit,
    examples=[(np.array([[1.0], [1.0]]), np.array([1.0, 1.0]), np.array([0.0]), 0.5, 1)],
    reference=descend,
    mistakes={
        "As it was handed out: twice the examples, twice the step. With 4 it is fine, with 400 it flies apart.":
            descend_broken,
        "It divides by the number of weights. What grows is the number of examples.":
            lambda x, y, w, rate, steps: descend_broken(x, y, w, rate / x.shape[1], steps),
        "It divides by √n: the step still grows with the batch.":
            lambda x, y, w, rate, steps: descend_broken(x, y, w, rate / np.sqrt(len(x)), steps),
        "It divides twice: the more examples, the shorter the step.":
            lambda x, y, w, rate, steps: descend(x, y, w, rate / len(x), steps),
        "Now it takes one step too few.": lambda x, y, w, rate, steps: descend(x, y, w, rate, steps - 1),
        "The mean of x times the mean of the errors is taken. That product is not the mean of the products.":
            lambda x, y, w, rate, steps: _steps(w, steps, lambda w, t: rate * x.mean(axis=0) * (x @ w - y).mean()),
        "`return` stands in the loop: after the first step it is over.":
            lambda x, y, w, rate, steps: descend(x, y, w, rate, 1),
        "The rate is divided by n anew in every step, so that they become shorter and shorter.":
            lambda x, y, w, rate, steps: _steps(
                w, steps, lambda w, t: rate * x.T @ (x @ w - y) / len(x) ** (t + 1.0)),
        "The error is that at the start, in every step. It changes with w.":
            lambda x, y, w, rate, steps: w - steps * rate * x.T @ (x @ w - y) / len(x),
    },
    variants=(
        lambda x, y, w, rate, steps: _mean_steps(x, y, w, rate, steps),
    ),
    hints=(
        "Give it the same examples twice. What should happen to the step, and what does?",
        "The loss is a mean over examples, so its gradient is one too.",
        "w = w - rate * x.T @ error / len(x)",
    ),
)


def _mean_steps(x: Any, y: Any, w: Any, rate: float, steps: int) -> Any:
    for _ in range(steps):
        w = w - rate * np.mean([(row @ w - target) * row for row, target in zip(x, y, strict=True)], axis=0)
    return w


def _steps(w: Any, steps: int, step: Any) -> Any:
    for t in range(steps):
        w = w - step(w, t)
    return w


# The rate outside the velocity


def with_a_cut(w, grads, rates, momentum):
    velocity = 0.0
    for grad, rate in zip(grads, rates):
        velocity = momentum * velocity - rate * grad
        w = w + velocity
    return w


def with_a_cut_broken(w, grads, rates, momentum):
    velocity = 0.0
    for grad, rate in zip(grads, rates):
        velocity = momentum * velocity + grad
        w = w - rate * velocity
    return w


def cut_rates(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for steps, factor in ((5, 0.1), (4, 0.5), (6, 0.01)):
        rates = rng.uniform(0.1, 0.4) * np.where(np.arange(steps) < steps // 2, 1.0, factor)
        calls.append((rng.normal(), rng.normal(0.5, 1.0, steps), rates, rng.uniform(0.5, 0.95)))
    return calls


repair_cut = Exercise(
    **HOME,
    name="repair_cut",
    rounds=2,
    title="After the cut of the rate it stops dead",
    draw=cut_rates,
    examples=[(0.0, np.array([1.0, 0.0]), np.array([1.0, 0.1]), 0.5)],
    reference=with_a_cut,
    mistakes={
        "As it was handed out: when the rate is cut, the ball's speed is cut with it, from one step to the next. In "
        "this course's rule, v ← μv − ηg, it rolls on and slows down by itself.": with_a_cut_broken,
        "Now the rate acts twice, in the velocity and on it.":
            lambda w, grads, rates, momentum: _cut(w, grads, rates, momentum, lambda v, rate: rate * v),
        "The sign is turned: it climbs.":
            lambda w, grads, rates, momentum: with_a_cut(w, -grads, rates, momentum),
        "It takes the first rate for all steps: the cut is gone.":
            lambda w, grads, rates, momentum: with_a_cut(w, grads, np.full(len(rates), rates[0]), momentum),
        "The velocity forgets: with the momentum left out, each step stands alone.":
            lambda w, grads, rates, momentum: with_a_cut(w, grads, rates, 0.0),
        "The gradient comes in with the weight 1 − μ. In this course's rule it comes in as it is.":
            lambda w, grads, rates, momentum: with_a_cut(w, (1 - momentum) * grads, rates, momentum),
        "It steps by the old velocity. First comes the new velocity, then the step.":
            lambda w, grads, rates, momentum: with_a_cut(w, grads[:-1], rates[:-1], momentum),
        "The momentum brakes the new gradient too: this is μ(v − ηg). It should be μv − ηg.":
            lambda w, grads, rates, momentum: with_a_cut(w, momentum * grads, rates, momentum),
        "The velocity is set back to 0 at the cut. The ball should roll on.":
            lambda w, grads, rates, momentum: with_a_cut(
                with_a_cut(w, grads[: (cut := int((rates == rates[0]).sum()))], rates[:cut], momentum),
                grads[cut:], rates[cut:], momentum),
    },
    variants=(
        lambda w, grads, rates, momentum: w - sum(
            rates[i] * grads[i] * momentum ** (t - i) for t in range(len(grads)) for i in range(t + 1)),
    ),
    equal={"grads and rates have changed places": "A rate times a gradient is that gradient times that rate."},
    hints=(
        "Where does the old rate live on after the cut, in the rule of the chapter? And in the script?",
        "v ← μv − ηg holds past rates in the velocity. θ ← θ − ηv does not.",
        "velocity = momentum * velocity - rate * grad, then w = w + velocity",
    ),
)


def _cut(w: Any, grads: Any, rates: Any, momentum: float, step: Any) -> Any:
    velocity = 0.0
    for grad, rate in zip(grads, rates, strict=True):
        velocity = momentum * velocity - rate * grad
        w = w + step(velocity, rate)
    return w


# Decay on gains


def decayed(theta, grads, is_weight, rate, decay):
    for grad in grads:
        theta = theta - rate * decay * theta * is_weight - rate * grad
    return theta


def decayed_broken(theta, grads, is_weight, rate, decay):
    for grad in grads:
        theta = theta - rate * decay * theta - rate * grad
    return theta


def masks(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for n, steps in ((4, 3), (6, 1), (5, 4)):
        mask = np.ones(n)
        mask[rng.choice(n, 2, replace=False)] = 0.0
        theta = rng.uniform(0.5, 1.5, n) * rng.choice([-1.0, 1.0], n)
        calls.append((theta, rng.normal(size=(steps, n)), mask, rng.uniform(0.1, 0.4), rng.uniform(0.1, 0.5)))
    return calls


repair_decay = Exercise(
    **HOME,
    name="repair_decay",
    title="The batch norm goes to sleep",
    draw=masks,
    examples=[(np.array([1.0, 1.0]), np.array([[0.0, 0.0]]), np.array([1.0, 0.0]), 0.5, 0.5)],
    reference=decayed,
    mistakes={
        "As it was handed out: gains and biases shrink towards 0 as well, and with the gains every signal.":
            decayed_broken,
        "Now only the gains and biases shrink. It is the other way round: is_weight is 1 on weights.":
            lambda theta, grads, is_weight, rate, decay: decayed(theta, grads, 1 - is_weight, rate, decay),
        "Nothing shrinks any more, the weights neither.":
            lambda theta, grads, is_weight, rate, decay: decayed(theta, grads, is_weight, rate, 0.0),
        "The gradient of gains and biases is masked as well: they no longer learn.":
            lambda theta, grads, is_weight, rate, decay: decayed(theta, grads * is_weight, is_weight, rate, decay),
        "The rate is left out of the decay: θ shrinks by λ in every step, however small the rate.":
            lambda theta, grads, is_weight, rate, decay: decayed(theta, grads, is_weight, rate, decay / rate),
        "It shrinks after the step, so that the step shrinks too.":
            lambda theta, grads, is_weight, rate, decay: _shrunk_after(theta, grads, is_weight, rate, decay),
        "The same amount is taken off every weight. Decay takes off a share of θ.":
            lambda theta, grads, is_weight, rate, decay: (
                theta - rate * (grads.sum(axis=0) + len(grads) * decay * is_weight)),
        "The weights shrink once, before the loop. They should shrink in every step.":
            lambda theta, grads, is_weight, rate, decay: (
                theta * (1 - rate * decay * is_weight) - rate * grads.sum(axis=0)),
        "What is taken off is a share of θ as it was at the start. It should be a share of what θ is now.":
            lambda theta, grads, is_weight, rate, decay: (
                theta - rate * (grads.sum(axis=0) + len(grads) * decay * theta * is_weight)),
        "The sign of the decay is turned: the weights grow.":
            lambda theta, grads, is_weight, rate, decay: decayed(theta, grads, is_weight, rate, -decay),
    },
    variants=(
        lambda theta, grads, is_weight, rate, decay: _shrunk_before(theta, grads, is_weight, rate, decay),
    ),
    hints=(
        "Which of the numbers in theta have a reason to be small? A gain of 0 silences its channel.",
        "is_weight is 1 where decay should act and 0 where not.",
        "theta = theta - rate * decay * theta * is_weight - rate * grad",
    ),
)


def _shrunk_before(theta: Any, grads: Any, mask: Any, rate: float, decay: float) -> Any:
    for grad in grads:
        theta = np.where(mask > 0, (1 - rate * decay) * theta, theta) - rate * grad
    return theta


def _shrunk_after(theta: Any, grads: Any, mask: Any, rate: float, decay: float) -> Any:
    for grad in grads:
        theta = (theta - rate * grad) * (1 - rate * decay * mask)
    return theta


EXERCISES = [repair_mean, repair_cut, repair_decay]
# fmt: on
