"""Chapter 06: more scripts to repair, loops: what is counted, kept and scheduled (see broken_data.py)."""

from typing import Any

import numpy as np

from dlcourse.checks.broken_data import up_and_down
from dlcourse.checks.exercise import Exercise

HOME: Any = {"chapter": "06_capstone", "notebook": "repair", "repair": True}

# fmt: off


# Adam, for ever young


def adam(theta, grads, rate, beta1, beta2, eps):
    m = v = 0.0
    for t, grad in enumerate(grads, start=1):
        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad**2
        theta = theta - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return theta


def adam_broken(theta, grads, rate, beta1, beta2, eps):
    m = v = 0.0
    for grad in grads:
        t = 1
        m = beta1 * m + (1 - beta1) * grad
        v = beta2 * v + (1 - beta2) * grad**2
        theta = theta - rate * (m / (1 - beta1**t)) / (np.sqrt(v / (1 - beta2**t)) + eps)
    return theta


def a_few_gradients(rng: np.random.Generator) -> list[tuple]:
    return [
        (
            up_and_down(rng, n), rng.normal(size=(steps, n)), rng.uniform(0.02, 0.1), rng.uniform(0.5, 0.9),
            rng.uniform(0.8, 0.99), 10.0 ** rng.uniform(-3, -1),
        )
        for n, steps in ((3, 4), (2, 2), (4, 6), (2, 1))
    ]  # fmt: skip


repair_adam = Exercise(
    **HOME,
    name="repair_adam",
    title="Its first steps are right, and then it rushes",
    draw=a_few_gradients,
    examples=[(np.array([0.0]), np.array([[2.0], [2.0]]), 0.5, 0.5, 0.5, 1e-8)],
    reference=adam,
    mistakes={
        "As it was handed out: the correction that the first step needs is made in every step.": adam_broken,
        "t lags by one: the second step is corrected as if it were the first.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(
                theta, grads, rate, beta1, beta2, eps, lambda t: max(t - 1, 1)),
        "t runs ahead by one: the first step is corrected as if it were the second.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(theta, grads, rate, beta1, beta2, eps, lambda t: t + 1),
        "Now nothing is corrected.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(
                theta, grads, rate, beta1, beta2, eps, lambda t: np.inf),
        "t begins at 0, where 1 − β⁰ is 0 and 0/0 is no number. In the first step t is 1.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(theta, grads, rate, beta1, beta2, eps, lambda t: t - 1),
        "t is the number of all steps, from the first one on. It counts: 1, then 2, then 3.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(
                theta, grads, rate, beta1, beta2, eps, lambda t: len(grads)),
        "The corrected m and v are kept, and corrected again in the next step. Only the step takes the corrected ones.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(
                theta, grads, rate, beta1, beta2, eps, lambda t: t, kept=True),
        "beta is multiplied by t. It is a power, beta1**t.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(
                theta, grads, rate, beta1, beta2, eps, lambda t: t, power=lambda beta, t: beta * t),
        "m is corrected by the right t, but v is still corrected as in the first step.":
            lambda theta, grads, rate, beta1, beta2, eps: _adam(
                theta, grads, rate, beta1, beta2, eps, lambda t: t, young=True),
    },
    variants=(
        lambda theta, grads, rate, beta1, beta2, eps: _adam(theta, grads, rate, beta1, beta2, eps, lambda t: t),
    ),
    equal={
        "rate * (m / (1 - beta1 ** t)) → rate * m / (1 - beta1 ** t)": "Products do not ask for brackets.",
    },
    hints=(
        "Print t.",
        "t counts the steps: 1 in the first, 2 in the second. In the script it is set anew each time.",
        "for t, grad in enumerate(grads, start=1):",
    ),
)


def _adam(theta: Any, grads: Any, rate: float, beta1: float, beta2: float, eps: float, counted: Any, *,
          power: Any = pow, kept: bool = False, young: bool = False) -> Any:
    m, v = np.zeros_like(theta), np.zeros_like(theta)
    for number, grad in enumerate(grads):
        t = counted(number + 1)
        m, v = beta1 * m + (1 - beta1) * grad, beta2 * v + (1 - beta2) * grad * grad
        m_hat, v_hat = m / (1 - power(beta1, t)), v / (1 - power(beta2, 1 if young else t))
        theta = theta - rate * m_hat / (np.sqrt(v_hat) + eps)
        m, v = (m_hat, v_hat) if kept else (m, v)
    return theta


# The best weights, aliased


def best_weights(theta, grads, losses, rate):
    theta, best, lowest = theta.copy(), theta.copy(), np.inf
    for grad, loss in zip(grads, losses):
        if loss < lowest:
            best, lowest = theta.copy(), loss
        theta -= rate * grad
    return best


def best_weights_broken(theta, grads, losses, rate):
    theta, best, lowest = theta.copy(), theta.copy(), np.inf
    for grad, loss in zip(grads, losses):
        if loss < lowest:
            best, lowest = theta, loss
        theta -= rate * grad
    return best


def validation_losses(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for order in ([1, 3, 0, 4, 2], [0, 2, 1, 3], [2, 1, 5, 3, 4, 0]):  # from the lowest, 0, to the highest
        steps, losses = len(order), np.sort(rng.uniform(0.02, 0.08, len(order)))[order]
        calls.append((up_and_down(rng, 3), rng.normal(size=(steps, 3)), losses, rng.uniform(0.1, 0.3)))
    return calls


repair_best = Exercise(
    **HOME,
    name="repair_best",
    title="The best weights are the last ones, whatever happens",
    draw=validation_losses,
    examples=[(np.array([1.0]), np.array([[1.0], [1.0]]), np.array([0.1, 0.5]), 0.5)],
    reference=best_weights,
    mistakes={
        "As it was handed out: what is kept as the best goes on training.": best_weights_broken,
        "It keeps the weights after the step. losses[t] was measured before it.":
            lambda theta, grads, losses, rate: _kept(theta, grads, losses, rate, 1),
        "It keeps the weights of the highest loss.":
            lambda theta, grads, losses, rate: best_weights(theta, grads, -losses, rate),
        "It stops at the first rise of the loss. The lowest of all may come later.":
            lambda theta, grads, losses, rate: _kept(theta, grads, losses[: first_rise(losses)], rate, 0),
        "`lowest` is never set: every loss is below infinity, and the weights are kept in every step.":
            lambda theta, grads, losses, rate: theta - rate * grads[:-1].sum(axis=0),
        "Each loss is compared with the one before. It must be compared with the lowest so far.":
            lambda theta, grads, losses, rate: theta - rate * grads[: last_fall(losses)].sum(axis=0),
        "A loss comes back. The weights are asked for.": lambda theta, grads, losses, rate: losses.min(),
    },
    variants=(
        lambda theta, grads, losses, rate: _kept(theta, grads, losses, rate, 0),
    ),
    equal={
        "loss < lowest → loss <= lowest": "No two losses are alike to the last digit.",
        **dict.fromkeys(("losses half", "losses of length 1"), "The lowest loss stays the lowest."),
    },
    hints=(
        "best = theta gives the same array a second name. What does -= do to it?",
        "An array that is to stay needs numbers of its own: copy.",
        "best, lowest = theta.copy(), loss",
    ),
)


def first_rise(losses: Any) -> int:
    return next((n for n in range(1, len(losses)) if losses[n] > losses[n - 1]), len(losses))


def last_fall(losses: Any) -> int:
    return max((n for n in range(1, len(losses)) if losses[n] < losses[n - 1]), default=0)


def _kept(theta: Any, grads: Any, losses: Any, rate: float, later: int) -> Any:
    """The weights of the lowest loss, so many steps later."""
    return theta - rate * np.sum(grads[: int(np.argmin(losses)) + later], axis=0)


# A schedule that runs by another clock


def cosine_by_step(rate, epochs, steps_per_epoch):
    steps = epochs * steps_per_epoch
    return np.array([rate * (1 + np.cos(np.pi * step / steps)) / 2 for step in range(steps)])


def cosine_by_step_broken(rate, epochs, steps_per_epoch):
    steps = epochs * steps_per_epoch
    return np.array([rate * (1 + np.cos(np.pi * step / epochs)) / 2 for step in range(steps)])


def clocks(rng: np.random.Generator) -> list[tuple]:
    return [(rng.uniform(0.1, 2.0), epochs, steps) for epochs, steps in ((2, 3), (4, 2), (3, 5), (1, 4))]


repair_clock = Exercise(
    **HOME,
    name="repair_clock",
    title="The rate is at zero after a few batches, and rises again",
    draw=clocks,
    examples=[(1.0, 1, 2)],
    reference=cosine_by_step,
    mistakes={
        "As it was handed out: it counts in steps and was told how many epochs there are.": cosine_by_step_broken,
        "The rate falls once an epoch now. It should fall in every step.":
            lambda rate, epochs, steps_per_epoch: np.repeat(cosine_by_step(rate, epochs, 1), steps_per_epoch),
        "It is divided by steps − 1 and ends at exactly 0. In the formula D is the number of all steps.":
            lambda rate, epochs, steps_per_epoch: rate * (
                1 + np.cos(np.pi * np.arange(epochs * steps_per_epoch) / max(epochs * steps_per_epoch - 1, 1))) / 2,
        "It begins one step late: the first rate should be the whole one.":
            lambda rate, epochs, steps_per_epoch: rate * (
                1 + np.cos(np.pi * (np.arange(epochs * steps_per_epoch) + 1) / (epochs * steps_per_epoch))) / 2,
        "It was told how many steps one epoch has. D is the number of all steps.":
            lambda rate, epochs, steps_per_epoch: rate * (
                1 + np.cos(np.pi * np.arange(epochs * steps_per_epoch) / steps_per_epoch)) / 2,
        "The wave begins anew in every epoch. It should fall once, over all of them.":
            lambda rate, epochs, steps_per_epoch: np.tile(cosine_by_step(rate, 1, steps_per_epoch), epochs),
        "This is a whole wave, which climbs again from the middle on. Half of one is asked for: π, not 2π.":
            lambda rate, epochs, steps_per_epoch: rate * (
                1 + np.cos(2 * np.pi * np.arange(epochs * steps_per_epoch) / (epochs * steps_per_epoch))) / 2,
        "This is a straight line. The rate falls along a cosine.":
            lambda rate, epochs, steps_per_epoch: rate * (
                1 - np.arange(epochs * steps_per_epoch) / (epochs * steps_per_epoch)),
    },
    variants=(
        lambda rate, epochs, steps_per_epoch: rate * np.cos(
            np.pi / 2 * np.arange(epochs * steps_per_epoch) / epochs / steps_per_epoch) ** 2,
    ),
    equal={"epochs and steps_per_epoch have changed places": "Only their product counts."},
    hints=(
        "How far has the cosine come when step reaches `epochs`?",
        "Where you count in steps, D must be in steps: epochs times batches per epoch.",
        "np.cos(np.pi * step / steps)",
    ),
)


EXERCISES = [repair_adam, repair_best, repair_clock]
# fmt: on
