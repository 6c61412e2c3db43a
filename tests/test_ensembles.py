"""Many predictions, one answer: what the mean is a mean of, and that members are what single runs make."""

import math

import numpy as np
import pytest
from concepts import OPTIMIZERS, named, problem, small_network

import dlcourse as dl
from dlcourse.backend import to_host
from dlcourse.ensembles import (
    Ensemble,
    average_weights,
    renew_statistics,
    snapshot,
    snapshot_ensemble,
    train_members,
)
from dlcourse.schedules import CosineDecayRestarts
from dlcourse.settings import SettingError

LOSS = dl.SoftmaxCrossEntropy()
DATA = problem(LOSS)
SETTINGS = {"epochs": 2, "batch_size": 9}
X = problem(LOSS, 11, seed=5)[0]


def softmax(z):
    e = np.exp(z - z.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def with_statistics(seed=0, lanes=None):
    layers = [dl.Dense(7), dl.layers.BatchNorm(), dl.ReLU(), dl.layers.Dropout(0.2), dl.Dense(3)]
    return dl.Network(layers, (5,), seed=seed, lanes=lanes)


def same(one, other):
    for name, array in one.state().items():
        np.testing.assert_array_equal(array, other.state()[name], err_msg=name)


def test_an_ensemble_averages_probabilities():
    networks = [small_network(seed=seed, dtype="float64") for seed in range(4)]
    p = Ensemble(networks).predict(X)
    np.testing.assert_allclose(p, np.mean([softmax(n.predict(X)) for n in networks], axis=0), rtol=1e-12)
    np.testing.assert_allclose(p.sum(axis=-1), 1, rtol=1e-12)
    assert len(Ensemble(networks)) == 4
    assert repr(Ensemble(networks[:1])) == f"Ensemble([{networks[0]!r}])"


def test_an_ensemble_of_one_is_its_softmax():
    network = small_network(dtype="float64")
    np.testing.assert_allclose(Ensemble([network]).predict(X), softmax(network.predict(X)), rtol=1e-12)


def test_every_lane_is_a_member():
    lanes = small_network(seed=[1, 2], lanes=2, dtype="float64")
    singles = [small_network(seed=seed, dtype="float64") for seed in (1, 2, 3)]
    together = Ensemble([lanes, singles[2]])
    assert len(together) == 3
    np.testing.assert_allclose(together.predict(X), Ensemble(singles).predict(X), rtol=1e-12)


def test_extreme_scores_stay_probabilities():
    network = small_network()
    network.parameters.theta[...] = 1e15
    assert np.isfinite(Ensemble([network]).predict(X)).all()


@pytest.mark.parametrize("build", [small_network, with_statistics])
@pytest.mark.parametrize("optimizer", **named(OPTIMIZERS))
def test_members_side_by_side_are_members_one_after_the_other(optimizer, build):
    def lanes(seed, lanes=None):
        return build(seed=seed, lanes=lanes)

    def one(seed):
        return build(seed=seed)

    together = train_members(lanes, LOSS, optimizer.single(1), DATA, seeds=range(3), **SETTINGS)
    apart = train_members(one, LOSS, optimizer.single(1), DATA, seeds=range(3), **SETTINGS)
    for seed, (left, right) in enumerate(zip(together, apart, strict=True)):
        same(left, right)
        assert left.lanes is None
        assert left.seed == seed
        assert not np.array_equal(left.parameters.theta, together[seed - 1].parameters.theta)
    alone = build(seed=2)
    dl.fit(alone, LOSS, optimizer.single(1), DATA, **SETTINGS)
    same(together[2], alone)
    np.testing.assert_array_equal(Ensemble(together).predict(X), Ensemble(apart).predict(X))


def test_five_members_are_the_default_and_settings_of_fit_are_passed_on():
    seen = []
    members = train_members(
        lambda seed: small_network(seed=seed), LOSS, dl.SGD(0.1), DATA, augment=lambda x, rng: (seen.append(1), x)[1],
        **SETTINGS,
    )  # fmt: skip
    assert len(members) == 5
    assert len(seen) == 5 * 2 * 5
    with pytest.raises(SettingError, match=r"fit.epoch must be a setting that exists"):
        train_members(small_network, LOSS, dl.SGD(0.1), DATA, epoch=3)


def test_members_beat_the_mean_member():
    """The loss of the mean is at most the mean of the losses: −log is convex."""
    train, test = dl.datasets.moons(120, 0.3, 0), dl.datasets.moons(400, 0.3, 1)

    def build(seed, lanes=None):
        return dl.Network([dl.Dense(20), dl.ReLU(), dl.Dense(2)], (2,), seed=seed, lanes=lanes)

    members = train_members(build, LOSS, dl.Momentum(0.1), train, epochs=60, batch_size=20)
    p = Ensemble(members).predict(test.x)
    ours = -np.log(p[np.arange(400), test.y]).mean()
    alone = [float(LOSS.forward(m.predict(test.x), test.y)) for m in members]
    assert ours < np.mean(alone)
    assert (p.argmax(-1) == test.y).mean() > 0.85


def snapshots(network=None, optimizer=None, **more):
    settings = {"cycles": 3, "epochs_per_cycle": 2, "batch_size": 9, **more}
    network = network or small_network()
    return network, snapshot_ensemble(network, LOSS, optimizer or dl.Momentum(0.2), DATA, **settings)


@pytest.mark.parametrize("build", [small_network, with_statistics])
def test_snapshots_are_moments_of_one_run(build):
    network, ensemble = snapshots(build())
    assert len(ensemble) == 3
    same(ensemble.networks[-1], network)
    again, taken, rate = build(), [], CosineDecayRestarts(0.2, 10, t_mul=1.0)
    for step in dl.training_steps(again, LOSS, dl.Momentum(rate), DATA, epochs=6, batch_size=9):
        paper = 0.2 / 2 * (math.cos(math.pi * (step.number % 10) / 10) + 1)
        assert step.learning_rate == pytest.approx(paper, rel=1e-12)
        if step.number % 10 == 9:
            taken.append({name: array.copy() for name, array in again.state().items()})
    for moment, one in zip(taken, ensemble.networks, strict=True):
        for name, array in one.state().items():
            np.testing.assert_array_equal(array, moment[name])


def test_snapshots_differ_and_live_on_their_own():
    network, ensemble = snapshots()
    first, second, _ = (one.parameters.theta for one in ensemble.networks)
    assert not np.array_equal(first, second)
    before = ensemble.predict(X)
    dl.fit(network, LOSS, dl.SGD(0.5), DATA, **SETTINGS)
    np.testing.assert_array_equal(ensemble.predict(X), before)
    dl.fit(ensemble.networks[0], LOSS, dl.SGD(0.5), DATA, **SETTINGS)  # and can learn on
    assert not np.array_equal(ensemble.predict(X), before)


def test_snapshots_leave_the_optimizer_alone():
    optimizer = dl.Momentum(0.2)
    snapshots(optimizer=optimizer)
    assert optimizer.learning_rate == 0.2
    assert optimizer.steps == 0


def test_snapshots_take_a_dataset_and_the_settings_of_training():
    data = dl.datasets.Dataset(*DATA)
    settings = {"cycles": 2, "epochs_per_cycle": 1, "batch_size": 9, "clip_norm": 0.1, "seed": 4}
    assert len(snapshot_ensemble(small_network(), LOSS, dl.SGD(0.1), data, **settings)) == 2


def test_snapshots_count_the_steps_of_a_cycle_as_training_does():
    for more in ({"batch_size": 20}, {"batch_size": 20, "drop_last": True}, {"batch_size": 45}, {"cycles": 1}):
        _, ensemble = snapshots(**more)
        assert len(ensemble) == more.get("cycles", 3)


def test_a_cycle_without_the_last_batch_still_ends_at_its_lowest_rate():
    seen = []

    class Watch(dl.SGD):
        def step(self, theta, grad):
            theta = super().step(theta, grad)
            seen.append(self.lr)
            return theta

    settings = {"cycles": 2, "epochs_per_cycle": 3, "batch_size": 20, "drop_last": True}
    snapshot_ensemble(small_network(), LOSS, Watch(0.2), problem(LOSS), **settings)
    assert len(seen) == 12
    assert seen[0] == seen[6] == 0.2
    assert seen == pytest.approx([0.1 * (1 + np.cos(np.pi * (s % 6) / 6)) for s in range(12)])


def test_the_mean_network_has_the_mean_weights():
    networks = [small_network(seed=seed) for seed in range(3)]
    average = average_weights(networks)
    expected = np.mean([n.parameters.theta for n in networks], axis=0)
    np.testing.assert_allclose(average.parameters.theta, expected, rtol=1e-6)
    assert all(not np.shares_memory(average.parameters.theta, n.parameters.theta) for n in networks)
    np.testing.assert_array_equal(networks[0].parameters.theta, small_network(seed=0).parameters.theta)
    same(average_weights(networks[:1]), networks[0])


def test_mean_weights_of_one_run_are_a_good_network():
    network, taken = small_network(), []
    for step in dl.training_steps(network, LOSS, dl.SGD(0.2), DATA, epochs=30, batch_size=9):
        if step.epoch >= 20 and step.ends_epoch:
            taken.append(snapshot(network))
    x, y = DATA
    losses = [float(LOSS.forward(each.predict(x), y)) for each in taken]
    assert float(LOSS.forward(average_weights(taken).predict(x), y)) < np.mean(losses)


def test_running_statistics_are_taken_anew_or_a_warning_says_so():
    network, taken = with_statistics(), []
    for step in dl.training_steps(network, LOSS, dl.SGD(0.2), DATA, epochs=4, batch_size=9):
        if step.ends_epoch:
            taken.append(snapshot(network))
    with pytest.warns(
        UserWarning, match=r"average_weights: running statistics are those of the first network\. Give x"
    ):
        stale = average_weights(taken)
    fresh = average_weights(taken, DATA[0])
    np.testing.assert_array_equal(fresh.parameters.theta, stale.parameters.theta)
    seen = DATA[0] @ fresh.layers[0].W + fresh.layers[0].b
    np.testing.assert_allclose(fresh.layers[1].running_mean[0], seen.mean(axis=0), rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fresh.layers[1].running_var[0], seen.var(axis=0, ddof=1), rtol=1e-4)
    assert fresh.layers[1].decay == 0.9
    assert not np.allclose(stale.layers[1].running_mean, fresh.layers[1].running_mean)


def test_renewing_statistics_of_a_network_without_any_changes_nothing():
    network = small_network()
    renew_statistics(network, X)
    same(network, small_network())


@pytest.mark.parametrize("lanes", [None, 2])
def test_a_snapshot_is_a_network_of_its_own(lanes):
    network = with_statistics(lanes=lanes)
    dl.fit(network, LOSS, dl.SGD(0.1), DATA, **SETTINGS)
    twin = snapshot(network)
    same(twin, network)
    np.testing.assert_array_equal(twin.predict(X), network.predict(X))
    for one in (twin, network):
        assert np.shares_memory(one.layers[0].W, one.parameters.theta)
    for name, array in twin.state().items():
        assert not np.shares_memory(array, network.state()[name])


def test_ensembles_never_leave_the_device(device):
    def run():
        def build(seed, lanes=None):
            return small_network(seed=seed, lanes=lanes)

        members = train_members(build, LOSS, dl.SGD(0.1), DATA, seeds=range(2), **SETTINGS)
        _, ensemble = snapshots()
        predictions = [Ensemble(members), ensemble, Ensemble([average_weights(members)])]
        return [to_host(each.predict(X)) for each in predictions]

    ours = run()
    dl.use("cupy")
    for there, here in zip(run(), ours, strict=True):
        np.testing.assert_allclose(there, here, rtol=1e-3, atol=1e-4)


MISTAKES = [
    (lambda: Ensemble([]), "Ensemble.networks must hold one network or more, and nothing else; got networks=[]"),
    (lambda: Ensemble([dl.Dense(3)]), "Ensemble.networks must hold one network or more"),
    (lambda: average_weights([]), "average_weights.networks must hold one network or more"),
    (
        lambda: average_weights([small_network(), small_network(dl.Tanh)]),
        "average_weights.networks must be alike, layer by layer; got networks=Network(",
    ),
    (lambda: average_weights([small_network(), small_network(lanes=2)]), "average_weights.networks must be alike"),
    (
        lambda: average_weights([dl.Network([dl.Dense(3)], (5,)), dl.Network([dl.Dense(3)], (4,))]),
        "average_weights.networks must be alike",
    ),
    (lambda: train_members(small_network, LOSS, dl.SGD(), DATA, seeds=[], **SETTINGS), "train_members.seeds must hold"),
    (lambda: snapshots(cycles=0), "snapshot_ensemble.cycles must be a whole number, 1 or more; got cycles=0"),
    (lambda: snapshots(epochs_per_cycle=0.5), "snapshot_ensemble.epochs_per_cycle must be a whole number"),
    (lambda: snapshots(batch_size=46), "fit.batch_size must be at most the number of examples, 45"),
    (lambda: snapshots(batch_size=0), "fit.batch_size must be a whole number, 1 or more"),
    (lambda: snapshots(optimizer=dl.SGD(lambda step: 0.1)), "optimizer.learning_rate must be a number above 0, where"),
    (lambda: snapshots(cycle=3), "training_steps.cycle must be a setting that exists"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(SettingError) as refused:
        call()
    assert words in str(refused.value)
