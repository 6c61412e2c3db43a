"""Chapter 05, second half: rates that stand in a list, that rise first, that look before they fall."""

import math
from typing import Any

import numpy as np

from dlcourse.checks.decay import HOME, cosine, start_and_length
from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import along, between
from dlcourse.checks.generalization import wander


# fmt: off
def staircases(rng: np.random.Generator) -> list[tuple]:
    """Falling values, rising ones, and any; one boundary, several, and one at step 0."""
    calls = []
    for count, places in ((3, [0, 1, 2, 3]), (4, [2, 0, 4, 1, 3]), (1, [0, 1]), (3, [3, 2, 1, 0])):
        boundaries = sorted(int(b) for b in rng.choice(np.arange(5, 60), count, replace=False))
        boundaries[0] = boundaries[0] if count != 4 else 0
        values = [between(rng, 0.5, 1.0) * 0.4**place for place in places]
        steps = sorted({0, 1, *(b + near for b in boundaries for near in (-1, 0, 1)), 99} - {-1})
        calls += [(step, boundaries, values) for step in steps]
    return calls


piecewise_constant = Exercise(
    **HOME,
    name="piecewise_constant",
    title="Piecewise constant: your own stairs",
    draw=staircases,
    examples=[(100, [100, 200], [1.0, 0.1, 0.01])],
    equal={
        "boundaries sorted": "boundaries rise, and are counted: their order plays no part",
        "boundaries sorted, falling": "the same",
        "boundaries reversed": "the same",
    },
    reference=lambda step, boundaries, values: values[sum(b < step for b in boundaries)],
    mistakes={
        "At a boundary the old value still holds: step 100 is the last one before boundary 100 counts.":
            lambda s, b, v: v[sum(x <= s for x in b)],
        "It gives the value before the last boundary passed: count the boundaries below the step.":
            lambda s, b, v: v[max(sum(x < s for x in b) - 1, 0)],
        "After the last boundary the last value holds; this stays with the one before.":
            lambda s, b, v: v[min(sum(x < s for x in b), len(b) - 1)],
        "Only the first boundary is looked at.": lambda s, b, v: v[int(b[0] < s)],
        "It takes the value of the nearest boundary, ahead or behind.":
            lambda s, b, v: v[int(np.argmin([abs(x - s) for x in b]))],
        "The values are joined by lines. They are stairs: constant between the boundaries.":
            lambda s, b, v: float(np.interp(s, [0, *b], v)),
        "Passed boundaries are those above the step here: the stairs climb from the last value to the first.":
            lambda s, b, v: v[sum(x >= s for x in b)],
        "After the last boundary nothing comes back. There the last value holds.":
            lambda s, b, v: next((value for edge, value in zip(b, v, strict=False) if s <= edge), None),
    },
    variants=(
        lambda s, b, v: v[int(np.searchsorted(b, s))],
        lambda s, b, v: next((value for edge, value in zip(b, v, strict=False) if s <= edge), v[-1]),
    ),
    hints=(
        "How many boundaries has the step passed? That number is the place in values.",
        "A boundary is passed when it is below the step; at the boundary itself the old value still holds.",
        "values[sum(b < step for b in boundaries)]",
    ),
)

warmup = Exercise(
    **HOME,
    name="warmup",
    title="Warm-up",
    draw=lambda rng: [*along(start_and_length)(rng), *[(step, between(rng, 0.1, 1.0), 1) for step in (0, 1, 5)]],
    examples=[(1, 1.0, 5)],
    reference=lambda step, learning_rate, warmup_steps: learning_rate * min(1.0, (step + 1) / warmup_steps),
    properties={"the first step moves: its rate is above 0": lambda given, got: got > 0},
    mistakes={
        "The first rate is 0, a step that is wasted: count (step + 1) / warmup_steps.":
            lambda s, lr, D: lr * min(1.0, s / D),
        "It goes on rising beyond the rate. After warmup_steps it stays.": lambda s, lr, D: lr * (s + 1) / D,
        "It falls from the start: that is decay. A warm-up begins small.": lambda s, lr, D: lr * max(1 - s / D, 1 / D),
        "It jumps: tiny while step < warmup_steps, then all at once. It must rise evenly.":
            lambda s, lr, D: lr if s >= D else lr / D,
        "It is one step late: the full rate is there at step warmup_steps − 1 already.":
            lambda s, lr, D: lr * min(1.0, (s + 1) / (D + 1)),
        "After the warm-up the rate is 0. It must stay at learning_rate.":
            lambda s, lr, D: lr * (s + 1) / D if s < D else 0.0,
        "It rises with the square. Evenly means by the same amount at each step.":
            lambda s, lr, D: lr * min(1.0, ((s + 1) / D) ** 2),
        "It rises with the root. Evenly means by the same amount at each step.":
            lambda s, lr, D: lr * math.sqrt(min(1.0, (s + 1) / D)),
    },
    variants=(
        lambda s, lr, D: lr if s + 1 >= D else lr * (s + 1) / D,
        lambda s, lr, D: float(np.clip((s + 1) / D, 0, 1)) * lr,
    ),
    hints=(
        "The rate of step number step is a share of learning_rate, and the share is never above 1.",
        "Step 0 is the first update, so its share is 1/warmup_steps, not 0.",
        "learning_rate * min(1.0, (step + 1) / warmup_steps)",
    ),
)


def plateau(losses: Any, lr: float, factor: float, patience: int, *, extra: int = 0, keep: bool = False,
            forget: bool = True, strict: bool = True, last: bool = False, total: bool = False,
            first: bool = False) -> list[float]:
    """The rule, with a switch for every way to get it wrong."""
    best, bad, rates = losses[0] if first else math.inf, 0, []
    for loss in losses:
        better = loss < best if strict else loss <= best
        best, bad = (loss, bad if total else 0) if better else (loss if last else best, bad + 1)
        if bad > patience - extra:
            lr, bad = lr * factor, bad if keep else 0
            best = best if forget else math.inf
        rates.append(lr)
    return rates


def runs_with_plateaus(rng: np.random.Generator) -> list[tuple]:
    calls: list[tuple] = []
    for patience in (1, 2, 3):
        flat = [1.0, 1.2, 0.9, 0.9, 1.0, 0.95, 0.93, 0.92, 0.91, 0.905, 0.9, 0.95, 0.94, 0.93, 0.92]
        flat += [0.8, 0.8, 0.81, 0.82, 0.83, 0.84, 0.85, 0.86]
        losses = np.round(np.array(flat) * rng.uniform(1, 3), 3)
        calls.append((losses, between(rng, 0.1, 1.0), between(rng, 0.2, 0.6), patience))
    settings = [(between(rng, 0.1, 1.0), between(rng, 0.2, 0.6), patience) for patience in (0, 1, 2, 4)]
    return calls + [(wander(rng, 20).round(3), *setting) for setting in settings]


reduce_on_plateau = Exercise(
    **HOME,
    name="reduce_on_plateau",
    title="Lower the rate when the loss stops falling",
    points=3,
    draw=runs_with_plateaus,
    examples=[(np.array([1.0, 0.9, 0.95, 0.92, 0.91]), 1.0, 0.5, 1)],
    equal={
        "0 → 1": "the first loss is below infinity, and sets the count",
        "losses half": "only which of two losses is lower counts",
        "losses of length 1": "the same",
    },
    reference=lambda losses, learning_rate, factor, patience: np.array(
        plateau(losses, learning_rate, factor, patience)),
    properties={"the rate never rises": lambda given, got: np.diff(got) <= 0},
    mistakes={
        "It cuts one epoch early, as Keras does. patience bad epochs are forgiven; the next one cuts.":
            lambda x, lr, f, p: plateau(x, lr, f, p, extra=1),
        "The count of bad epochs is not set back after a cut: from then on every bad epoch cuts.":
            lambda x, lr, f, p: plateau(x, lr, f, p, keep=True),
        "Each loss is compared with the one before. It must be compared with the best so far.":
            lambda x, lr, f, p: plateau(x, lr, f, p, last=True),
        "An equal loss counts as better. Better means below the best.":
            lambda x, lr, f, p: plateau(x, lr, f, p, strict=False),
        "It never cuts.": lambda x, lr, f, p: [lr] * len(x),
        "It cuts at every bad epoch: patience plays no part.": lambda x, lr, f, p: plateau(x, lr, f, 0),
        "The best loss is forgotten after a cut. It stays the one to beat.":
            lambda x, lr, f, p: plateau(x, lr, f, p, forget=False),
        "The cut shows one epoch late: the rate after an epoch already knows that epoch's loss.":
            lambda x, lr, f, p: [lr, *plateau(x, lr, f, p)[:-1]],
        "The first epoch counts as bad, since it is not below itself. Begin with best = infinity.":
            lambda x, lr, f, p: plateau(x, lr, f, p, first=True),
        "A better epoch does not set the count back to 0. It is bad epochs in a row that count.":
            lambda x, lr, f, p: plateau(x, lr, f, p, total=True),
        "Only the last rate comes back. Every epoch has one: keep a list.":
            lambda x, lr, f, p: plateau(x, lr, f, p)[-1],
    },
    variants=(lambda x, lr, f, p: plateau(list(x), lr, f, p), lambda x, lr, f, p: tuple(plateau(x, lr, f, p))),
    hints=(
        "Three things to remember from epoch to epoch: the best loss, how many bad epochs in a row, the rate.",
        "Below the best: new best, bad = 0. Else bad + 1; and once bad exceeds patience, cut and set bad to 0.",
        "for loss in losses: if loss < best: …, else: bad += 1; if bad > patience: rate *= factor, bad = 0; append.",
    ),
)


def cycles(rng: np.random.Generator) -> list[tuple]:
    """The corners of the curve, and a place on either slope."""
    calls = []
    for total, share in ((20, 0.4), (40, 0.25), (25, 0.3)):
        peak = int(share * total + 1e-9) - 1  # of the last, 7 of 7.5 steps: no step meets the top
        settings = between(rng, 0.1, 1.0), total, share, between(rng, 5.0, 20.0), between(rng, 50.0, 90.0)
        up, down = int(rng.integers(1, peak)), int(rng.integers(peak + 2, total - 2))
        calls += [(step, *settings) for step in (up, 0, peak, peak + 1, down, total - 2, total - 1)]
    return calls


def cycle(s: int, top: float, n: int, share: float, div: float, final: float, *, wave: Any = None, peak: float = -1,
          last: float = -1, start: float | None = None, end: float | None = None) -> float:
    """The rule, with a place for every part that can be wrong."""
    wave, start = wave or cosine, top / div if start is None else start
    peak, last, end = share * n + peak, n + last, start / final if end is None else end
    if s <= peak:
        return float(top + (start - top) * wave(s / peak))
    return float(end + (top - end) * wave((s - peak) / (last - peak)))


one_cycle = Exercise(
    **HOME,
    name="one_cycle",
    rounds=2,
    title="One cycle: up, and down further than it began",
    points=3,
    draw=cycles,
    examples=[(5, 1.0, 22, 0.5, 10.0, 100.0)],
    equal={
        "step <= peak → step < peak": "at the peak both ways have the top",
        "step - peak → peak - step": "a cosine is the same on both sides of 0",
        "total_steps - 1 - peak → peak - (total_steps - 1)": "the same",
    },
    reference=lambda step, max_learning_rate, total_steps, pct_start, div_factor, final_div_factor: cycle(
        step, max_learning_rate, total_steps, pct_start, div_factor, final_div_factor),
    properties={
        "it is never above the top": lambda given, got: got <= given.max_learning_rate * (1 + 1e-6),
    },
    mistakes={
        "The two ways are straight lines. They are halves of a cosine wave, flat at both ends.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, wave=lambda share: 1 - share),
        "It begins at 0. It begins at max_learning_rate / div_factor.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, start=0.0, end=top / d / f),
        "It ends where it began. It goes further down, by final_div_factor.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, end=top / d),
        "The end is the top divided by final_div_factor. It is the beginning divided by it: both divisors count.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, end=top / f),
        "It ends at 0. The end is the beginning divided by final_div_factor.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, end=0.0),
        "The top comes one step late. Steps count from 0: it stands at pct_start · total_steps − 1.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, peak=0),
        "The end comes one step late. Steps count from 0: the last one is total_steps − 1.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, last=0),
        "Both top and end come one step late. Steps count from 0: take 1 off in both places.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, peak=0, last=0),
        "There is no way up: it begins at the top.":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f, start=top, end=top / d / f),
        "The way down is measured from step 0. Take the steps of the way up off first: (step − peak)/(last − peak).":
            lambda s, top, n, p, d, f: cycle(s, top, n, p, d, f) if s <= p * n - 1 else (
                top / d / f + (top - top / d / f) * cosine(s / (n - 1))),
        "The two ways are quarters of a wave. They are halves, flat at both ends: cos from 0 to π.":
            lambda s, top, n, p, d, f: (
                top / d + (top - top / d) * math.sin(math.pi / 2 * s / (p * n - 1)) if s <= p * n - 1 else
                top / d / f + (top - top / d / f) * math.cos(math.pi / 2 * (s - p * n + 1) / (n - p * n))),
    },
    variants=(
        lambda s, top, n, p, d, f: (
            top / d + (top - top / d) * (1 - math.cos(math.pi * s / (p * n - 1))) / 2 if s < p * n - 1 else
            top / d / f + (top - top / d / f) * (1 + math.cos(math.pi * (s - p * n + 1) / (n - p * n))) / 2),
        lambda s, top, n, p, d, f: np.float32(cycle(s, top, n, p, d, f)),
    ),
    hints=(
        "Three corners: where the rate is at step 0, at the top, at the last step. Between two of them: half a wave.",
        "half = 0.5 * (1 + cos(π · share)) falls from 1 to 0. The way from a to b is b + (a − b) · half.",
        "peak = pct_start * total_steps - 1; up: share = step / peak; down: (step - peak) / (total_steps - 1 - peak).",
    ),
)
# fmt: on

EXERCISES = [piecewise_constant, warmup, one_cycle, reduce_on_plateau]
