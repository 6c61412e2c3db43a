"""The labs of 04_regularization: what they say is what happened, at the ends of their sliders too."""

import itertools
import re

import numpy as np
import pytest

import dlcourse as dl
from dlcourse import shrinkage
from dlcourse.labs.controls import Choice
from dlcourse.labs.lab import Art
from dlcourse.labs.measure import share_right
from dlcourse.labs.regularization import brakes, committee, noise, overfitting, penalties, scarce, stopping
from dlcourse.plots.style import new_figure

LABS = [
    overfitting.moons, overfitting.digits, overfitting.random_labels, stopping.stopping, penalties.weights,
    penalties.lengths, penalties.deblur, noise.dropout, noise.pictures, committee.committee,
    brakes.smoothing, brakes.clipping,
]  # fmt: skip


def canvas():
    """A figure as a lab gives it to draw()."""
    figure = new_figure()
    figure.art = Art()
    return figure


def ends(name, control):
    if name == "seed":
        return [0]
    return [control.options[0], control.options[-1]] if isinstance(control, Choice) else [control.low, control.high]


@pytest.mark.parametrize("make", LABS, ids=lambda make: make.__name__)
def test_findings_are_sentences_at_every_corner(make):
    lab = make()
    for values in itertools.product(*(ends(name, c) for name, c in lab.controls.items())):
        settings = lab.settings(**dict(zip(lab.controls, values, strict=True)))
        (*_, state) = lab.states(settings)
        with np.errstate(all="ignore"):
            finding = lab.describe(state, settings)
        assert finding.endswith(".") and finding[0] == finding[0].upper(), finding
        assert not re.search(r"\b(nan|inf)\b|%%|\+-|-0\b", finding, re.IGNORECASE), finding


@pytest.mark.parametrize("make", LABS, ids=lambda make: make.__name__)
def test_a_picture_does_not_depend_on_those_before(make):
    """Forwards and backwards through the choices of a lab, on one figure each: the same pictures."""
    lab, other = make(), make()
    choices = [{name: o} for name, c in lab.controls.items() if isinstance(c, Choice) for o in c.options]
    high = {name: c.high for name, c in lab.controls.items() if not isinstance(c, Choice) and name != "seed"}
    walk = [lab.settings(**choice, **high) for choice in choices or [{}]] + [lab.settings()]
    states = [(list(lab.states(settings))[-1], settings) for settings in walk]
    there = [lab.frame(*state).png for state in states]
    back = [other.frame(*state).png for state in reversed(states)]
    assert there == back[::-1]


# The jobs


def test_jobs_keep_test_examples_out_of_training():
    for name, examples in scarce.JOBS.items():
        train, test = scarce.job(name, seed=3)
        assert len(train) == examples and len(test) >= 1000
        seen = {row.tobytes() for row in train.x}
        assert sum(row.tobytes() in seen for row in test.x) == 0


def test_wrong_labels_are_as_many_as_asked_for():
    true, _ = scarce.digits(1000, 0.0, seed=0)
    wrong, _ = scarce.digits(1000, 0.5, seed=0)
    assert (true.x == wrong.x).all()
    assert np.mean(true.y != wrong.y) == pytest.approx(0.45, abs=0.04)  # a tenth of the draws hits the true label


def test_accuracies_are_those_of_single_runs():
    both = scarce.accuracies("few digits", scarce.dense, lanes=2, seeds=[1], steps=40, regularizers=[
        dl.L2(scarce.column(0, 0.01))
    ])  # fmt: skip
    train, test = scarce.job("few digits", 1)
    network = dl.Network(scarce.dense(), (64,), seed=1)
    more = {"epochs": 10, "batch_size": 25, "seed": 1, "regularizers": [dl.L2(0.01)]}
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Momentum(0.05, 0.9), train, **more)
    assert both.shape == (1, 2) and both[0, 1] == share_right(network, test)
    assert scarce.points(np.array([[0.5, 0.6, 0.4], [0.5, 0.7, 0.2]])) == pytest.approx([15, -20])


@pytest.mark.parametrize("share, words", [(1, "all"), (0, "none"), (0.995, "99.5%"), (0.834, "83%"), (0.004, "0%")])
def test_shares_in_words(share, words):
    assert scarce.percent(share) == words


@pytest.mark.parametrize("gain, words", [(2.6, "+3"), (-12.2, "−12"), (-0.3, "+0"), (0.0, "+0")])
def test_gains_in_words(gain, words):
    assert scarce.signed(gain) == words


# What the labs do


def test_the_soft_threshold_is_a_proximal_step():
    network = dl.Network([dl.Dense(3)], (4,), dtype="float64")
    before = network.layers[0].W.copy()
    network.layers[0].b[...] = 0.01
    penalties.SoftThreshold(0.2).project(network.parameters)
    assert (shrinkage.soft_threshold(before, 0.2) == network.layers[0].W).all()
    assert (network.layers[0].W == 0).any() and (network.layers[0].b == 0.01).all()


def test_a_proximal_l1_has_zeros_where_gradient_steps_have_none():
    plain, proximal = (penalties.learn_weights(p, 0.01, seed=0)[0] for p in ("L1", "L1, proximal"))
    assert not (plain == 0).any() and (proximal == 0).mean() > 0.3


@pytest.mark.parametrize("rule, learning_rate", [("max-norm", 0.05), ("none", 1.0)])
def test_held_weights_are_shown_as_they_are_trained(rule, learning_rate):
    """After every epoch a picture of its own, and at the end what fit says happened."""
    lab = penalties.lengths()
    settings = lab.settings(rule=rule, learning_rate=learning_rate, limit=1.0)
    states = list(lab.states(settings))
    assert len(states) == 50 and len({lab.frame(states[n], settings).png for n in (0, 1, 24, 49)}) == 4
    train, test = scarce.job("wrong digits", 0)
    network = dl.Network(scarce.dense(32), (64,), seed=0)
    more = {"epochs": 50, "batch_size": 25, "validation": test[:500]}
    more["constraints"] = [dl.MaxNorm(1.0)] if rule == "max-norm" else []
    history = dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Momentum(learning_rate, 0.9), train, **more)
    _, _, _, end, right, losses = states[-1]
    np.testing.assert_array_equal(end, penalties.lengths_of(network))
    np.testing.assert_array_equal(losses, history.loss)
    assert right == pytest.approx(np.stack([history.train_accuracy, history.validation_accuracy]))
    said = f"step {history.divergence.step}:" if history.divergence else f"{end[0]:.2f}, the shortest"
    assert said in lab.describe(states[-1], settings)


def test_an_elastic_net_halves_its_strength():
    (net,) = penalties.penalized("elastic net", 0.02, 0.5)["regularizers"]
    assert repr(net) == repr(dl.ElasticNet(0.01, 0.01))


def test_blurring_keeps_the_ink_of_an_even_page():
    matrix = penalties.blur()
    assert matrix.shape == (64, 64) and matrix @ np.ones(64) == pytest.approx(np.ones(64))


def test_the_stopping_lab_agrees_with_a_training_that_stops():
    best, last, done = stopping.end_of(*stopping.stop_in_time(0.03, 0.3, 3, seed=0))
    train, rest = scarce.digits(300, 0.3, 0)
    network, stop = dl.Network(scarce.dense(128), (64,), seed=0), dl.EarlyStopping(3)
    more = {"epochs": 50, "batch_size": 25, "validation": rest[:300], "stop": stop}
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.Momentum(0.03, 0.9), train, **more)
    assert done and (best, last) == (stop.best_epoch + 1, stop.epoch + 1)  # the lab counts from the untrained network


def test_masks_are_the_rate_and_lie_where_they_belong():
    train, _ = scarce.job("few digits")
    units, weights = noise.mask("Dropout", 0.5, train), noise.mask("DropConnect", 0.25, train)
    assert units.shape == (64, noise.SHOWN) and weights.shape == (64, 10)
    assert units.mean() == pytest.approx(0.5, abs=0.05) and weights.mean() == pytest.approx(0.25, abs=0.05)


@pytest.mark.parametrize("kind", noise.KINDS)
def test_augmentation_of_strength_zero_changes_nothing(kind, rng):
    train, tests = noise.worlds(0)
    assert noise.augmentation(kind, 0.0)(train.x, rng) == pytest.approx(train.x, abs=1e-6)
    assert np.abs(noise.augmentation(kind, 1.0)(train.x, rng) - train.x).max() > 0.1
    assert len(tests) == len(noise.WORLDS) and all((test.y == tests[0].y).all() for test in tests)


def test_members_from_different_starts_are_single_trainings():
    (_, second), _ = committee.members("different starts", 2, "few digits", seed=4)
    train, _ = scarce.job("few digits", 4)
    alone = dl.Network(scarce.dense(), (64,), seed=5)
    dl.fit(alone, dl.SoftmaxCrossEntropy(), dl.Momentum(0.1, 0.9), train, epochs=100, batch_size=25, seed=4)
    assert (second.parameters.theta == alone.parameters.theta).all()


@pytest.mark.parametrize("source", committee.SOURCES)
def test_the_vote_of_one_is_its_own(source):
    alone, vote, mean = committee.convene(source, 3, "few digits", seed=0)
    assert len(alone) == len(vote) == len(mean) == 3 and alone[0] == vote[0] == mean[0]


def test_smoothed_labels_say_what_the_formula_says():
    target = dl.SoftmaxCrossEntropy(0.3).prepare(np.array([4]), (10,), "float64")
    assert target.max() == pytest.approx(brakes.most_probable(0.3))


def test_a_clipped_gradient_is_measured_before_it_is_clipped():
    losses, lengths, _, limit = brakes.stumble(0.01, 0.5, seed=0)
    assert losses.shape == lengths.shape == (300, 2) and limit == 0.5
    assert (lengths[0, 0] == lengths[0, 1]) and lengths[:, 1].max() > 100


def test_gradients_are_drawn_as_steps_take_them_with_a_line_at_the_limit():
    lab = brakes.clipping()
    figure = canvas()
    (state,) = lab.states(lab.settings(limit=0.5))
    brakes.draw_stumble(figure, state)
    as_it_is, clipped = (line.line.get_ydata() for line in figure.art.lines[1])
    assert max(clipped) == pytest.approx(0.5) and figure.art.limit.get_ydata() == [0.5, 0.5]
    assert max(as_it_is) == pytest.approx(state[1][:, 0].max()) and max(as_it_is) < brakes.LENGTHS[1]


# What findings say


def test_a_gain_is_one_only_beyond_its_noise(rng):
    right = rng.random((400, 2, 50)) < 0.7  # many pairs of networks that are as good as each other
    gains = [scarce.paired(*pair.T.reshape(2, -1)) for pair in right.transpose(0, 2, 1)]
    by_luck = np.mean([abs(gain) > noise for gain, noise in gains])
    assert 0.01 < by_luck < 0.09
    assert scarce.compared(3.0, 3.4) == "the same, within ±3 points of noise"
    assert scarce.compared(-8.2, 3.4) == "−8 points, ±3" and scarce.compared(0.0, 0.0) == "the same"


def test_an_end_that_is_none_is_not_called_one():
    """Half-way the sentence is about so far, and stays true when the run goes on twice as long."""
    curves = overfitting.Curves(None, test=None, train=None)
    for epoch, loss in enumerate([2.0, 1.0, 0.9]):
        curves.epochs.append(epoch)
        curves.loss["test"].append(loss)
        curves.loss["train"].append(loss)
    assert overfitting.course(curves, "test", "new digits") == "The loss on new digits is lowest now, 0.90 nats."
    curves.epochs, curves.loss["test"] = [*range(6)], [2.0, 1.0, 0.9, 1.0, 1.5, 30.0]
    words = overfitting.course(curves, "test", "new digits")
    assert "was lowest after epoch 2, 0.90 nats, and is 30.00 now" in words and "beyond 20" in words


def test_what_the_frame_cuts_off_is_said():
    assert penalties.beyond(np.array([0.1, -1.6, 1.7])) == " 2 beyond ±1.55 are outside the picture."
    assert penalties.beyond(np.array([0.1])) == ""
    assert committee.beyond(np.array([0.4, 0.1]), np.array([0.4, 0.4])).endswith("edge.")
    assert committee.beyond(np.array([0.4, 0.3]), np.array([0.4, 0.4])) == ""
    lab = penalties.lengths()
    settings = lab.settings(learning_rate=0.3)
    (*_, state) = lab.states(settings)
    assert (state[3] > penalties.HIGHEST).any() == ("are drawn there" in lab.describe(state, settings))


def test_the_kept_epoch_of_the_finding_is_the_dot_of_the_picture():
    lab, figure = stopping.stopping(), canvas()
    settings = lab.settings(patience=3)
    (state,) = lab.states(settings)
    stopping.draw_stop(figure, state)
    (epoch,), (share,) = figure.art.kept.get_data()
    finding = lab.describe(state, settings)
    assert f"weights of epoch {epoch} are kept, which read {scarce.percent(share)}" in finding


def test_a_longer_time_learns_what_a_short_one_does_not():
    *_, (short, _) = overfitting.memorize(1.0, 16, 40, 0)
    *_, (long, _) = overfitting.memorize(1.0, 16, 150, 0)
    assert short.right["train"][-1] < 0.9 < 0.98 < long.right["train"][-1]
