"""Chapter 05: the learning rate as a function of the step."""

import math
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import along, between
from dlcourse.checks.regimes import SCHEDULE

HOME: Any = {"chapter": "05_decay", "notebook": "schedules", "regimes": SCHEDULE, "curve": "step"}


def start_and_length(rng: np.random.Generator, n: int) -> tuple:
    """Of three that differ. The last length is odd: no half of it is a whole number of steps."""
    low, high = ((0.1, 0.35), (0.4, 0.7), (0.75, 1.5))[n]
    return between(rng, low, high), (int(rng.integers(8, 11)), int(rng.integers(12, 16)), 17)[n]


def cosine(share: float) -> float:
    return 0.5 * (1 + math.cos(math.pi * share))


# fmt: off
exponential_decay = Exercise(
    **HOME,
    name="exponential_decay",
    title="Exponential decay, smooth and in stairs",
    draw=along(lambda rng, n: (*start_and_length(rng, n), between(rng, 0.3, 0.9), n == 1)),
    examples=[(15, 1.0, 10, 0.25, False)],
    reference=lambda step, initial_learning_rate, decay_steps, decay_rate, staircase: (
        initial_learning_rate * decay_rate ** (step // decay_steps if staircase else step / decay_steps)),
    properties={
        "step 0 has the initial rate":
            lambda given, got: given.step > 0 or np.isclose(got, given.initial_learning_rate),
    },
    mistakes={
        "The stairs are missing: with staircase only whole periods count, step // decay_steps.":
            lambda s, lr, D, r, stairs: lr * r ** (s / D),
        "There are always stairs: without staircase the exponent is step / decay_steps, in full.":
            lambda s, lr, D, r, stairs: lr * r ** (s // D),
        "The exponent is the step itself. The factor decay_rate is for decay_steps steps together.":
            lambda s, lr, D, r, stairs: lr * r**s,
        "This is natural decay, e to the −decay_rate · s/D. Here decay_rate itself is the base.":
            lambda s, lr, D, r, stairs: lr * math.exp(-r * (s // D if stairs else s / D)),
        "A stair falls one step late: at s = D the new level is there already.":
            lambda s, lr, D, r, stairs: lr * r ** (max(s - 1, 0) // D if stairs else s / D),
        "The exponent is rounded, not cut: a stair falls half a period early.":
            lambda s, lr, D, r, stairs: lr * r ** (round(s / D) if stairs else s / D),
        "The base is 1 − decay_rate. decay_rate is what is left after decay_steps steps, not what is lost.":
            lambda s, lr, D, r, stairs: lr * (1 - r) ** (s // D if stairs else s / D),
        "The decay ends at decay_steps. An exponential goes on for ever.":
            lambda s, lr, D, r, stairs: lr * r ** (min(s, D) // D if stairs else min(s, D) / D),
        "The exponent is rounded up: the first stair falls at step 1. Whole periods count, step // decay_steps.":
            lambda s, lr, D, r, stairs: lr * r ** (math.ceil(s / D) if stairs else s / D),
    },
    variants=(
        lambda s, lr, D, r, stairs: lr * math.exp(math.log(r) * (math.floor(s / D) if stairs else s / D)),
        lambda s, lr, D, r, stairs: np.float32(lr * r ** (int(s / D) if stairs else s / D)),
    ),
    hints=(
        "How many periods of decay_steps have passed? For each of them the rate is multiplied by decay_rate.",
        "Smooth: step / decay_steps periods, a fraction. In stairs: only the whole ones, step // decay_steps.",
        "periods = step // decay_steps if staircase else step / decay_steps; then the start times decay_rate**periods.",
    ),
)

polynomial_decay = Exercise(
    **HOME,
    name="polynomial_decay",
    title="Polynomial decay",
    draw=along(lambda rng, n: (*start_and_length(rng, n), between(rng, 0.01, 0.05), (1.0, 2.0, 0.5)[n])),
    examples=[(5, 1.0, 10, 0.2, 2.0)],
    reference=lambda step, initial_learning_rate, decay_steps, end_learning_rate, power: (
        (initial_learning_rate - end_learning_rate) * (1 - min(step, decay_steps) / decay_steps) ** power
        + end_learning_rate),
    mistakes={
        "It goes on after decay_steps. There it has arrived, and stays: take min(step, decay_steps).":
            lambda s, lr, D, end, p: (lr - end) * (1 - s / D) ** p + end,
        "It ends at 0. The last rate is end_learning_rate.": lambda s, lr, D, end, p: lr * (1 - min(s, D) / D) ** p,
        "The end is added on top: the first rate is initial + end. What falls is their difference.":
            lambda s, lr, D, end, p: lr * (1 - min(s, D) / D) ** p + end,
        "The power is left out: this is a straight line.":
            lambda s, lr, D, end, p: (lr - end) * (1 - min(s, D) / D) + end,
        "The power is on s/D, not on 1 − s/D: that curve starts flat and ends steep.":
            lambda s, lr, D, end, p: (lr - end) * (1 - (min(s, D) / D) ** p) + end,
        "It rises from the end to the start: turn the fraction round, 1 − s/D.":
            lambda s, lr, D, end, p: (lr - end) * (min(s, D) / D) ** p + end,
        "It is the larger of the end and a line to 0. The line itself must lead to the end.":
            lambda s, lr, D, end, p: max(lr * (1 - min(s, D) / D) ** p, end),
        "max with the end is not enough: with power 2 the curve climbs again after decay_steps. Stop the step at it.":
            lambda s, lr, D, end, p: max((lr - end) * (1 - s / D) ** p + end, end),
        "After decay_steps the rate is 0. It must stay at end_learning_rate.":
            lambda s, lr, D, end, p: (lr - end) * (1 - s / D) ** p + end if s <= D else 0.0,
    },
    variants=(
        lambda s, lr, D, end, p: end if s >= D else end + (lr - end) * ((D - s) / D) ** p,
    ),
    hints=(
        "The rate falls from the start to the end; only the difference of the two gets smaller.",
        "The share of the way that is left is 1 − step/decay_steps, and never below 0.",
        "left = 1 - min(step, decay_steps) / decay_steps; (start - end) * left**power + end.",
    ),
)

cosine_decay = Exercise(
    **HOME,
    name="cosine_decay",
    title="Cosine decay",
    draw=along(lambda rng, n: (*start_and_length(rng, n), between(rng, 0.05, 0.3) if n < 2 else 0.0)),
    examples=[(5, 1.0, 10, 0.1)],
    reference=lambda step, initial_learning_rate, decay_steps, alpha: (
        initial_learning_rate * ((1 - alpha) * cosine(min(step, decay_steps) / decay_steps) + alpha)),
    mistakes={
        "It climbs again after decay_steps: a cosine comes back. Here it stays at the bottom.":
            lambda s, lr, D, a: lr * ((1 - a) * cosine(s / D) + a),
        "This is a whole wave, cos(2πs/D). Half a wave, cos(πs/D), ends at the bottom.":
            lambda s, lr, D, a: lr * ((1 - a) * cosine(2 * min(s, D) / D) + a),
        "The half is missing: cos runs from 1 to −1, so this rate starts twice too high.":
            lambda s, lr, D, a: lr * ((1 - a) * 2 * cosine(min(s, D) / D) + a),
        "alpha is added but not taken off the wave: the first rate is too high by alpha.":
            lambda s, lr, D, a: lr * (cosine(min(s, D) / D) + a),
        "alpha is taken as a rate. It is a share of the initial rate.":
            lambda s, lr, D, a: (lr - a) * cosine(min(s, D) / D) + a,
        "alpha plays no part: this ends at 0.": lambda s, lr, D, a: lr * cosine(min(s, D) / D),
        "This is a quarter of a wave, cos(πs/2D): it starts flat but ends steep.":
            lambda s, lr, D, a: lr * ((1 - a) * math.cos(math.pi / 2 * min(s, D) / D) + a),
        "The angle is in degrees. cos takes radians: half a turn is π, not 180.":
            lambda s, lr, D, a: lr * ((1 - a) * 0.5 * (1 + math.cos(180 * min(s, D) / D)) + a),
        "After decay_steps alpha itself comes back. It is a share: alpha · initial_learning_rate.":
            lambda s, lr, D, a: a if s > D else lr * ((1 - a) * cosine(s / D) + a),
        "It starts again after decay_steps: those are restarts, the next exercise. Here it stays at the bottom.":
            lambda s, lr, D, a: lr * ((1 - a) * cosine(s % D / D) + a),
        "It is the larger of alpha and a wave to 0. The wave itself stands on alpha, and has the height 1 − alpha.":
            lambda s, lr, D, a: lr * max(cosine(min(s, D) / D), a),
    },
    variants=(
        lambda s, lr, D, a: lr * (a + (1 - a) * math.cos(math.pi / 2 * min(s / D, 1)) ** 2),
        lambda s, lr, D, a: np.float32(a * lr if s >= D else lr * (a + (1 - a) * (1 + np.cos(np.pi * s / D)) / 2)),
    ),
    hints=(
        "½(1 + cos(π · share)) falls from 1 to 0 while share goes from 0 to 1.",
        "share = min(step, decay_steps) / decay_steps. The wave has the height 1 − alpha and stands on alpha.",
        "initial_learning_rate * ((1 - alpha) * 0.5 * (1 + math.cos(math.pi * share)) + alpha)",
    ),
)


def period(step: int, length: float, t_mul: float) -> tuple[int, float]:
    """In which period the step lies, and how far into it."""
    starts = [0.0]
    while starts[-1] + length * t_mul ** (len(starts) - 1) <= step:
        starts.append(starts[-1] + length * t_mul ** (len(starts) - 1))
    return len(starts) - 1, step - starts[-1]


def restarts(step: int, lr: float, length: float, t_mul: float, m_mul: float, late: bool = False) -> float:
    height = 1.0
    while length > 0 and (step > length or (step == length and not late)):
        step, length, height = step - length, length * t_mul, height * m_mul  # type: ignore[assignment]
    return lr * height * cosine(step / length)


cosine_restarts = Exercise(
    **HOME,
    name="cosine_restarts",
    title="Cosine decay with restarts",
    points=3,
    draw=along(lambda rng, n: (*start_and_length(rng, n), (2, 1, 1.5)[n], (between(rng, 0.4, 0.9), 0.8, 1.0)[n])),
    examples=[(20, 1.0, 10, 2, 0.5)],
    reference=lambda step, initial_learning_rate, first_decay_steps, t_mul, m_mul: restarts(
        step, initial_learning_rate, first_decay_steps, t_mul, m_mul),
    properties={
        "it never reaches 0: the restart comes first": lambda given, got: got > 0,
    },
    mistakes={
        "Every period has the first one's length. After each restart it must be t_mul times as long.":
            lambda s, lr, D, t, m: restarts(s, lr, D, 1, m),
        "Every restart goes back to full height. It must be m_mul times as high as the one before.":
            lambda s, lr, D, t, m: restarts(s, lr, D, t, 1),
        "There is no restart: after the first period it stays at 0.":
            lambda s, lr, D, t, m: lr * cosine(min(s, D) / D),
        "The restart comes one step late: at s = D itself the new period begins, so while step >= length.":
            lambda s, lr, D, t, m: restarts(s, lr, D, t, m, late=True),
        "Only the first restart is lowered. Each one must be m_mul times as high as the one before.":
            lambda s, lr, D, t, m: restarts(s, lr, D, t, 1) * (m if s >= D else 1),
        "The first period is lowered too: m_mul begins with the first restart.":
            lambda s, lr, D, t, m: m * restarts(s, lr, D, t, m),
        "The wave is not reset: s counts from the very beginning inside each period.":
            lambda s, lr, D, t, m: lr * m ** (n := period(s, D, t)[0]) * cosine(s / (D * t**n)),
    },
    variants=(
        lambda s, lr, D, t, m: lr * m ** (found := period(s, D, t))[0] * cosine(found[1] / (D * t ** found[0])),
        lambda s, lr, D, t, m: (
            restarts(s, lr, D, t, m) if t == 1 else lr * m ** (
                n := int(math.log(s / D * (t - 1) + 1) / math.log(t) + 1e-9)) * cosine(
                    (s - D * (t**n - 1) / (t - 1)) / (D * t**n))),
    ),
    hints=(
        "Find out first in which period the step lies, and how far into it.",
        "While step is not below the length: take it off, multiply length by t_mul and height by m_mul.",
        "while step >= length: step -= length; length *= t_mul; height *= m_mul. Then half a cosine.",
    ),
)
# fmt: on

EXERCISES = [exponential_decay, polynomial_decay, cosine_decay, cosine_restarts]
