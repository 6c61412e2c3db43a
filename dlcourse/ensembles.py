"""Many predictions, one answer. Simple → hard.

    Ensemble(networks)          asks all of them and averages what they say
    train_members               different starts
    snapshot_ensemble           different valleys of one run
    average_weights             not the answers are averaged but the weights: one network again

Networks that err alike gain nothing from each other: what helps is that they differ.
"""

import copy
import inspect
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import Any

from dlcourse.backend import Array, xp
from dlcourse.losses import Loss
from dlcourse.network import Network
from dlcourse.optimizers import Optimizer
from dlcourse.schedules import CosineDecayRestarts
from dlcourse.settings import check, count, positive, refuse
from dlcourse.training import fit, training_steps


class Ensemble:
    """Classifiers that vote with their probabilities (Hansen & Salamon 1990).

    p = the mean over members of softmax(z)            z = a member's scores, (batch, classes)

    Every lane of a network with lanes is a member.
    """

    def __init__(self, networks: Iterable[Network]):
        self.networks = check_networks("Ensemble", networks)

    def predict(self, x: Any) -> Array:
        """Probabilities (batch, classes); their argmax is the ensemble's answer."""
        votes = [softmax(network.predict(x)) for network in self.networks]
        return xp.concatenate([vote.reshape(-1, *vote.shape[-2:]) for vote in votes]).mean(axis=0)

    def __len__(self) -> int:
        return sum(network.lanes or 1 for network in self.networks)

    def __repr__(self) -> str:
        return f"Ensemble({self.networks!r})"


def softmax(z: Array) -> Array:
    e = xp.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def train_members(
    build: Callable[..., Network],
    loss: Loss,
    optimizer: Optimizer,
    train: Any,
    *,
    seeds: Iterable[int] = range(5),
    **fit_settings: Any,
) -> list[Network]:
    """The same network from several starts: a list of trained networks, for Ensemble.

    build(seed, lanes) -> Network. If it takes lanes, all starts train side by side as lanes of one network and
    are then taken apart; build(seed) trains one after the other. The result is the same, bit for bit.
    Everything else is as in fit: epochs, batch_size, …
    """
    seeds = list(seeds)
    if not seeds:
        refuse("train_members.seeds", "hold one seed or more", seeds, "range(5) gives five members.")
    if "lanes" in inspect.signature(build).parameters:
        together = build(seed=seeds, lanes=len(seeds))
        fit(together, loss, optimizer, train, **fit_settings)
        return [together.lane(number) for number in range(len(seeds))]
    members = [build(seed=seed) for seed in seeds]
    for member in members:
        fit(member, loss, optimizer, train, **fit_settings)
    return members


def snapshot_ensemble(
    network: Network,
    loss: Loss,
    optimizer: Optimizer,
    train: Any,
    *,
    cycles: int,
    epochs_per_cycle: int,
    batch_size: int,
    drop_last: bool = False,
    **fit_settings: Any,
) -> Ensemble:
    """Train one network, get `cycles` of them (Huang et al. 2017, arXiv:1704.00109).

    lr(t) = α₀/2 · (cos(π mod(t − 1, cycle) / cycle) + 1)        t counts from 1; cycle: steps, T/M in the paper

    In every cycle the rate falls along a cosine from α₀, the optimizer's learning rate, to almost 0, where the network
    has settled in a valley: a copy is kept. Then the full rate throws it out again, to the next one.
    Other settings are those of training_steps.

    Returns the Ensemble of the copies, first to last; `network` is left as it was at the end of the last cycle.
    """
    cycles = check("snapshot_ensemble.cycles", count, cycles, "5 is usual.")
    epochs_per_cycle = check("snapshot_ensemble.epochs_per_cycle", count, epochs_per_cycle, "Long enough to settle.")
    top = positive._replace(words="be a number above 0, where each cycle starts", lanes=False)
    rate = check("snapshot_ensemble.optimizer.learning_rate", top, optimizer.learning_rate, "0.1 or 0.2 is usual.")
    batch_size = check("fit.batch_size", count, batch_size, "64 is a usual size.")
    x, _ = train
    steps = epochs_per_cycle * (len(x) // batch_size if drop_last else -(-len(x) // batch_size))
    optimizer = replace(optimizer, learning_rate=CosineDecayRestarts(rate, steps, t_mul=1.0))  # type: ignore[type-var]
    fit_settings |= {"epochs": cycles * epochs_per_cycle, "batch_size": batch_size, "drop_last": drop_last}
    snapshots = []
    for step in training_steps(network, loss, optimizer, train, **fit_settings):
        if step.ends_epoch and (step.epoch + 1) % epochs_per_cycle == 0:
            snapshots.append(snapshot(network))
    return Ensemble(snapshots)


def snapshot(network: Network) -> Network:
    """A copy of the network as it is now; training goes on without it."""
    return copy.deepcopy(network)


def average_weights(networks: Sequence[Network], x: Any = None) -> Network:
    """One network with the mean of all weights (SWA; Izmailov et al. 2018, arXiv:1803.05407).

    θ = the mean over networks of θ

    For moments of one run, which lie in one valley; the mean of different starts is usually no network at all.
    Running statistics of batch norm cannot be averaged, because the mean network has other activations: give x,
    training inputs, and they are taken anew from them. Without x a warning says that they are not right.
    """
    networks = check_networks("average_weights", networks)
    average = snapshot(networks[0])
    for other in networks[1:]:
        same_theta = other.parameters.theta.shape == average.parameters.theta.shape
        if repr(other.layers) != repr(average.layers) or not same_theta:
            refuse("average_weights.networks", "be alike, layer by layer", other, f"The first is {average!r}.")
    average.parameters.theta[...] = sum(network.parameters.theta for network in networks) / len(networks)
    if x is not None:
        renew_statistics(average, x)
    elif len(average.state()) > 1:
        warnings.warn("average_weights: running statistics are those of the first network. Give x.", stacklevel=2)
    return average


def renew_statistics(network: Network, x: Any) -> None:
    """Running statistics := those of x, in one pass over all of it."""
    keeping = [layer for top in network.layers for layer in top.walk() if layer.memory]
    before = [layer.decay for layer in keeping]
    for layer in keeping:
        layer.decay = 0.0  # type: ignore[attr-defined]
    network.forward(x, training=True)
    for layer, decay in zip(keeping, before, strict=True):
        layer.decay = decay  # type: ignore[attr-defined]


def check_networks(name: str, networks: Any) -> list[Network]:
    networks = list(networks)
    if not networks or not all(isinstance(network, Network) for network in networks):
        refuse(
            f"{name}.networks", "hold one network or more, and nothing else", networks, "[network] is a list of one."
        )
    return networks
