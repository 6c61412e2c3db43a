"""Chapter 06: choose by what was kept apart for choosing, and say how sure a difference is."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise

HOME: Any = {"chapter": "06_capstone", "notebook": "capstone"}
PICKS: dict[str, Callable[[Any, Any], Any]] = {
    "mean": lambda v, t: v.mean(axis=1).argmax(),
    "test": lambda v, t: t.mean(axis=1).argmax(),
    "luck": lambda v, t: v.max(axis=1).argmax(),
    "loss": lambda v, t: v.mean(axis=1).argmin(),
    "both": lambda v, t: (v + t).mean(axis=1).argmax(),
    "care": lambda v, t: v.min(axis=1).argmax(),
    "middle": lambda v, t: np.median(v, axis=1).argmax(),
    "margin": lambda v, t: (v.mean(axis=1) - v.std(axis=1)).argmax(),
    "sure": lambda v, t: (v.mean(axis=1) - v.std(axis=1, ddof=1) / np.sqrt(v.shape[1])).argmax(),
}
# For each way to choose, the setting that it falls for: mean validation and test accuracy, and how seeds differ.
FALLS_FOR = {
    "mean": (0.784, 0.76, 0.08), "test": (0.72, 0.82, 0.02), "luck": (0.74, 0.74, -0.15), "loss": (0.64, 0.64, 0.02),
    "both": (0.775, 0.8, 0.04), "care": (0.77, 0.75, -0.03), "middle": (0.774, 0.752, 0.16),
    "margin": (0.766, 0.755, 0.009), "sure": (0.776, 0.765, 0.034),
}  # fmt: skip


def accuracies(rng: np.random.Generator) -> list[tuple]:
    """Runs in which every way to choose ends at another setting; the right one stands last, first, and anywhere."""
    return [runs_at_odds(rng, *sizes) for sizes in ((0, 4, -1), (1, 5, 0), (2, 6, None))]


def runs_at_odds(rng: np.random.Generator, ordinary: int, seeds: int, place: int | None) -> tuple:
    """Drawn again until they are."""
    rows = [*FALLS_FOR.values(), *[(0.7, 0.7, 0.03)] * ordinary]
    while True:
        order = rng.permutation(len(rows))
        if place is not None:
            order[order == 0], order[place] = order[place], 0
        means = np.array(rows)[order, :2] + rng.uniform(-0.002, 0.002, (len(rows), 2))
        parts = [means[:, part, None] + [apart(rng, seeds, rows[n][2]) for n in order] for part in (0, 1)]
        validation, test = (np.round(part, 4) for part in parts)
        chosen = [pick(validation, test) for pick in PICKS.values()]
        if len(set(chosen)) == len(PICKS):
            return validation, test


def apart(rng: np.random.Generator, seeds: int, spread: float) -> np.ndarray:
    """What the seeds add, 0 on average: one is so much below it or, for a negative spread, above; the others agree."""
    found = np.full(seeds, -1.0 / (seeds - 1)) + rng.uniform(-0.1, 0.1, seeds)
    found[0] = 1.0
    return -spread * rng.permutation(found - found.mean())


def report(pick: str) -> Callable[[Any, Any], tuple[Any, Any]]:
    """That choice, with the mean of its test accuracies."""
    return lambda validation, test: ((best := PICKS[pick](validation, test)), test[best].mean())


def two_series(rng: np.random.Generator) -> list[tuple]:
    """Gains or losses on the whole, and at least one seed that says the opposite."""
    calls = []
    for seeds, sign in zip((5, 8, 12), rng.permutation([1.0, -1.0, rng.choice([-1.0, 1.0])]), strict=True):
        luck, gain = rng.uniform(0.6, 0.9, seeds), rng.uniform(0.01, 0.03) + apart(rng, seeds, 0.06)
        calls.append((np.round(luck, 3), np.round(luck + sign * gain, 3)))
    return calls


def error(d: Any, ddof: int = 1) -> Any:
    return d.std(ddof=ddof) / np.sqrt(len(d))


# fmt: off
choose_setting = Exercise(
    **HOME,
    name="choose_setting",
    title="Choose a setting, and report it",
    returns=("best", "reported"),
    draw=accuracies,
    examples=[(np.array([[0.5, 0.5], [0.25, 1.0]]), np.array([[0.75, 0.75], [0.25, 0.75]]))],
    equal={
        "validation.mean(axis=1) → validation.sum(axis=1)": "every setting has as many seeds",
        "validation sorted": "the order of the seeds means nothing to their mean",
        "test sorted": "the same",
        "validation half": "the largest stays the largest",
        "validation of length 1": "the same",
    },
    reference=report("mean"),
    mistakes={
        "It chooses by the test part. That part is for the report: whoever chooses by it reports their luck.":
            report("test"),
        "What is reported is the validation accuracy that won. It won with the help of luck: report the test part's.":
            lambda validation, test: ((best := PICKS["mean"](validation, test)), validation[best].mean()),
        "It takes the setting of the single best run. One lucky seed is no setting: average over the seeds.":
            report("luck"),
        "It takes the smallest. These are accuracies, not losses.": report("loss"),
        "It chooses by both parts together. The test part must have no say.": report("both"),
        "It takes the setting whose worst run is best. That is another question: average over the seeds.":
            report("care"),
        "It chooses by the median of the seeds. The one that is best on average is asked for: the mean.":
            report("middle"),
        "It takes the spread of the seeds off the mean before it chooses. Here the best mean is asked for, as it is.":
            report("margin"),
        "It takes the error of the mean off before it chooses. Here the best mean is asked for, as it is.":
            report("sure"),
        "The choice is right, but what is reported is the best test accuracy of any setting.":
            lambda validation, test: (PICKS["mean"](validation, test), test.mean(axis=1).max()),
        "The choice is right, but only its luckiest seed is reported.":
            lambda validation, test: ((best := PICKS["mean"](validation, test)), test[best].max()),
        "The choice is right, but what is reported is the mean over all settings.":
            lambda validation, test: (PICKS["mean"](validation, test), test.mean()),
        "Settings are counted from 1. In Python the first is 0.":
            lambda validation, test: ((best := PICKS["mean"](validation, test)) + 1, test[best].mean()),
        "The choice is right. For the report take the mean over the seeds: one number.":
            lambda validation, test: ((best := PICKS["mean"](validation, test)), test[best]),
        "It chooses among seeds. Settings are the rows: average along axis 1.":
            lambda validation, test: ((best := validation.mean(axis=0).argmax()), test[:, best].mean()),
    },
    variants=(
        lambda validation, test: max(
            ((n, sum(test[n]) / len(test[n])) for n in range(len(test))), key=lambda pair: sum(validation[pair[0]])),
        lambda validation, test: (
            int(np.argsort(validation.sum(axis=1))[-1]), float(test.mean(axis=1)[validation.mean(axis=1).argmax()])),
    ),
    hints=(
        "Two parts, two purposes: one chooses, the other is opened afterwards, for the choice alone.",
        "validation.mean(axis=1) has a number for each setting; argmax says which is largest.",
        "best = validation.mean(axis=1).argmax(); return best, test[best].mean()",
    ),
)

paired_difference = Exercise(
    **HOME,
    name="paired_difference",
    title="Is it better, or only lucky?",
    returns=("difference", "error"),
    draw=two_series,
    examples=[(np.array([0.5, 0.75]), np.array([0.75, 0.75]))],
    reference=lambda before, after: ((after - before).mean(), error(after - before)),
    mistakes={
        "The sign is turned: what was gained is after − before.":
            lambda before, after: ((before - after).mean(), error(after - before)),
        "The pairs are torn apart: it adds two variances. A seed that is hard for one is hard for the other, and "
        "their difference does not see it.":
            lambda before, after: (
                (after - before).mean(), np.sqrt((before.var(ddof=1) + after.var(ddof=1)) / len(before))),
        "This is the spread of single differences. That of their mean is smaller: divide by √n.":
            lambda before, after: ((after - before).mean(), (after - before).std(ddof=1)),
        "It divides by n. The error of a mean shrinks with √n.":
            lambda before, after: ((after - before).mean(), (after - before).std(ddof=1) / len(before)),
        "It divides by √(n − 1). The deviation has its n − 1 already, ddof=1; the mean of n numbers goes with √n.":
            lambda before, after: (
                (after - before).mean(), (after - before).std(ddof=1) / np.sqrt(len(before) - 1)),
        "The deviation is over n. With so few seeds it must be over n − 1: ddof=1.":
            lambda before, after: ((after - before).mean(), error(after - before, 0)),
        "The root is missing: this is the variance of the mean.":
            lambda before, after: ((after - before).mean(), error(after - before) ** 2),
        "Losses are counted as gains: the differences keep their signs.":
            lambda before, after: (np.abs(after - before).mean(), error(np.abs(after - before))),
        "The difference is a median. Here it is the mean, for which the error is made.":
            lambda before, after: (np.median(after - before), error(after - before)),
        "Both series are sorted first. That makes pairs of runs that had different seeds.":
            lambda before, after: (
                (after - before).mean(), error(np.sort(after) - np.sort(before))),
        "The error is that of `after` alone. It must be that of the differences.":
            lambda before, after: ((after - before).mean(), error(after)),
        "The differences are divided by `before`. Here they are wanted as they are, in points of accuracy.":
            lambda before, after: (((after - before) / before).mean(), error((after - before) / before)),
    },
    variants=(
        lambda before, after: (
            after.mean() - before.mean(),
            np.sqrt((before.var(ddof=1) + after.var(ddof=1) - 2 * np.cov(before, after)[0, 1]) / len(before))),
        lambda before, after: (
            (m := sum(gains := [a - b for b, a in zip(before, after, strict=True)]) / len(gains)),
            (sum((d - m) ** 2 for d in gains) / (len(gains) - 1) / len(gains)) ** 0.5),
    ),
    hints=(
        "Run n of both had the same seed. So look at n differences, not at two times n runs.",
        "Their mean is the gain. Their deviation over n − 1, divided by √n, is its standard error.",
        "d = after - before; return d.mean(), d.std(ddof=1) / np.sqrt(len(d))",
    ),
)
# fmt: on

EXERCISES = [choose_setting, paired_difference]
