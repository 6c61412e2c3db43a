"""Chapter 03, the relatives: group norm, between layer norm and one norm for each channel."""

from typing import Any

import numpy as np

from dlcourse.checks.exercise import Exercise
from dlcourse.checks.families import batch, between, same
from dlcourse.checks.normalization import HOME


def in_groups(x: Any, groups: int) -> Any:
    """(batch, positions, groups, channels of one)."""
    return x.reshape(len(x), -1, groups, x.shape[-1] // groups)


def normal(x: Any, eps: Any, groups: int, *, along: tuple[int, ...] = (1, 3), ddof: int = 0, mean: bool = True,
           inside: bool = True, root: bool = True) -> Any:  # fmt: skip
    """x_hat; `along` are axes of in_groups(x, groups)."""
    parts = in_groups(x, groups)
    centred = parts - parts.mean(axis=along, keepdims=True) if mean else parts
    v = parts.var(axis=along, ddof=ddof, keepdims=True) if mean else (parts**2).mean(axis=along, keepdims=True)
    by = np.sqrt(v + eps) if inside else np.sqrt(v) + eps
    return (centred / (by if root else v + eps)).reshape(x.shape)


def woven(x: Any, eps: Any, groups: int) -> Any:
    """As if channels 0, groups, 2 groups, … were one group."""
    order = np.arange(x.shape[-1]).reshape(-1, groups).T.ravel()
    return normal(x[..., order], eps, groups)[..., np.argsort(order)]


def sliced(x: Any, eps: Any, groups: int) -> Any:
    """As if channels came first, as in PyTorch."""
    parts = x.reshape(len(x), groups, -1)
    centred = parts - parts.mean(axis=2, keepdims=True)
    return (centred / np.sqrt(parts.var(axis=2, keepdims=True) + eps)).reshape(x.shape)


def images(rng: np.random.Generator) -> list[tuple]:
    calls = []
    for shape, groups in (((2, 2, 3, 6), 2), ((3, 1, 2, 8), 2), ((2, 3, 2, 6), 3), ((1, 2, 2, 4), 1)):
        gamma = rng.choice([-1.0, 1.0], shape[-1]) * rng.uniform(0.5, 2.0, shape[-1])
        calls.append((batch(rng, shape), gamma, rng.normal(size=shape[-1]), groups, between(rng, 0.05, 0.3)))
    return calls


# fmt: off
group_norm_forward = Exercise(
    **HOME,
    name="group_norm_forward",
    title="Group norm, forward",
    points=3,
    draw=images,
    examples=[(np.array([[[[1.0, 3.0, 8.0, 2.0]]]]), np.ones(4), np.zeros(4), 2, 0.0)],
    equal={
        "1 → 2": "NumPy takes any length below 0 for the one to be found",
        "1 changes places with 2": "the order of axes means nothing to a mean",
        "1 changes places with 4": "the same",
        "2 changes places with 4": "the same",
    },
    reference=lambda x, gamma, beta, groups, eps: gamma * normal(x, eps, groups) + beta,
    properties={
        "before gamma and beta, every group of every example has the mean 0":
            lambda given, got: same(in_groups((got - given.beta) / given.gamma, given.groups).mean((1, 3)), 0, 1e-4),
    },
    mistakes={
        "The batch is normalized too: each example has means and variances of its own.":
            lambda x, g, b, n, e: g * normal(x, e, n, along=(0, 1, 3)) + b,
        "The channels of a group are not neighbours: group 0 has the first channels, not every second or third.":
            lambda x, g, b, n, e: g * woven(x, e, n) + b,
        "Every channel is normalized by itself: that is instance norm, with as many groups as channels.":
            lambda x, g, b, n, e: g * normal(x, e, x.shape[-1]) + b,
        "All channels are normalized together: that is a single group.":
            lambda x, g, b, n, e: g * normal(x, e, 1) + b,
        "`groups` is taken for the number of channels in a group. It is the number of groups.":
            lambda x, g, b, n, e: g * normal(x, e, x.shape[-1] // n) + b,
        "Every position has a mean of its own. A group's mean is over all positions of the image.":
            lambda x, g, b, n, e: g * normal(x, e, n, along=(3,)) + b,
        "It goes down the batch for every channel: that is batch norm.":
            lambda x, g, b, n, e: g * normal(x, e, x.shape[-1], along=(0, 1, 3)) + b,
        "The variance is the unbiased one, over n − 1. Here it is over n.":
            lambda x, g, b, n, e: g * normal(x, e, n, ddof=1) + b,
        "ε stands outside the root. It belongs inside: √(σ² + ε).":
            lambda x, g, b, n, e: g * normal(x, e, n, inside=False) + b,
        "It divides by the variance. It must be its root.":
            lambda x, g, b, n, e: g * normal(x, e, n, root=False) + b,
        "The mean is not taken off.": lambda x, g, b, n, e: g * normal(x, e, n, mean=False) + b,
        "gamma and beta are left out.": lambda x, g, b, n, e: normal(x, e, n),
        "ε is left out.": lambda x, g, b, n, e: g * normal(x, 0.0, n) + b,
        "reshape(batch, groups, -1) cuts the image into stretches of positions. Channels are the last axis: cut that.":
            lambda x, g, b, n, e: g * sliced(x, e, n) + b,
    },
    variants=(
        lambda x, g, b, n, e: g * np.concatenate([
            (part - part.mean((1, 2, 3), keepdims=True)) / np.sqrt(part.var((1, 2, 3), keepdims=True) + e)
            for part in np.split(x, n, axis=-1)], axis=-1) + b,
        lambda x, g, b, n, e: (g * np.stack([normal(one[None], e, n)[0] for one in x]) + b).astype("float32"),
    ),
    hints=(
        "Cut the channels into `groups` stretches of neighbours. Each stretch of each example is normalized as one.",
        "x.reshape(batch, height, width, groups, -1) makes an axis of groups. Means are over axes 1, 2 and 4.",
        "p = x.reshape(*x.shape[:3], groups, -1); (p - p.mean((1, 2, 4), keepdims=True)) / np.sqrt(p.var((1, 2, 4), "
        "keepdims=True) + eps), then back to x.shape, times gamma, plus beta",
    ),
)
# fmt: on

EXERCISES = [group_norm_forward]
