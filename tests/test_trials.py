"""The engine of trials: designs, effects, verdicts, fair tuning, stored results, the command, and the page."""

import json
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import scipy.stats

import dlcourse as dl
from dlcourse.labs.frame import LabBox
from dlcourse.settings import SettingError
from dlcourse.trials import TRIALS, __main__, engine, nets, outcome, results, space
from dlcourse.trials.engine import trial
from dlcourse.trials.outcome import CONFIRMED, DEPENDS, REFUTED, UNDECIDED, Effect
from dlcourse.trials.tuning import reached_and_kept, tuned

SPACE = {"rate": space.Log(0.01, 1.0, "η"), "units": space.Whole(1, 64), "data": space.OneOf(("moons", "digits"))}


def toy(rule, designs=60, **parts):
    """A trial of which the rule is known: effect = rule(rate, units, data, rng)."""

    def toy_trial(rate, units, data, seed):
        return rule(rate, units, data, np.random.default_rng(seed))

    words = {"claim": "It helps.", "sides": "with and without", "measure": "gain", "unit": "points"}
    return trial(**words, space=SPACE, designs=designs, **parts)(toy_trial)


# Designs


def test_designs_are_those_of_their_seed_and_number():
    one = toy(lambda *_: 1.0)
    assert one.design(3, 7) == one.design(3, 7)
    assert len({str(one.design(seed, number)) for seed in range(5) for number in range(5)}) == 25


@pytest.mark.parametrize(
    ("factor", "share_below_middle", "middle"),
    [
        (space.Uniform(2.0, 6.0), 0.5, 4.0),
        (space.Log(0.01, 100.0), 0.5, 1.0),
        (space.Whole(1, 4), 0.5, 2.5),
        (space.Whole(1, 255, log=True), 0.5, 15.5),
    ],
    ids=str,
)
def test_factors_fill_their_range_as_they_say(factor, share_below_middle, middle):
    rng = np.random.default_rng(0)
    values = np.array([factor.draw(rng) for _ in range(4000)])
    assert factor.low <= values.min() and values.max() <= factor.high
    assert abs((values < middle).mean() - share_below_middle) < 0.03


@pytest.mark.parametrize(
    "make",
    [
        lambda: space.Uniform(1, 1),
        lambda: space.Log(0, 1),
        lambda: space.Whole(0, 4, log=True),
        lambda: space.OneOf(("only",)),
        lambda: space.OneOf(["a", "b"]),
    ],
)
def test_ranges_that_are_none_are_refused(make):
    with pytest.raises(SettingError, match="must have"):
        make()


def test_the_space_names_what_the_experiment_takes():
    with pytest.raises(SettingError, match=r"name what the experiment takes"):
        trial(claim="", space={"rate": space.Log(1, 2)}, sides="", measure="", unit="")(lambda width: width)
    with pytest.raises(SettingError, match=r"leave effect and noise to the results"):
        trial(claim="", space={"noise": space.Log(1, 2)}, sides="", measure="", unit="")(lambda noise: noise)


# From effects to a verdict


@pytest.mark.parametrize(("k", "n"), [(0, 12), (12, 12), (5, 40), (39, 40), (1, 1), (50, 100)])
def test_intervals_are_those_of_clopper_and_pearson(k, n):
    exact = scipy.stats.binomtest(k, n).proportion_ci(0.95, "exact")
    np.testing.assert_allclose(outcome.interval(k, n), (exact.low, exact.high), rtol=1e-9)


def test_noise_is_half_the_interval_of_the_mean_over_seeds():
    values = np.random.default_rng(0).normal(3.0, 2.0, 6)
    low, high = scipy.stats.t.interval(0.95, 5, values.mean(), scipy.stats.sem(values))
    found = outcome.effect(values)
    np.testing.assert_allclose((found.mean - found.noise, found.mean + found.noise), (low, high))
    assert outcome.effect(2.5) == (2.5, 0.0)


@pytest.mark.parametrize("value", [np.nan, np.inf, [1.0, np.nan]])
def test_an_effect_is_a_number(value):
    with pytest.raises(ValueError, match="must be finite"):
        outcome.effect(value)


def test_a_claim_holds_beyond_its_noise_and_tolerance():
    effects = [Effect(1.0, 0.0), Effect(1.0, 1.5), Effect(0.4, 0.1), Effect(-2.0, 0.1), Effect(0.0, 0.0)]
    assert outcome.holds(effects).tolist() == [True, False, True, False, False]
    assert outcome.holds(effects, tolerance=0.5).tolist() == [True, False, False, False, False]
    assert outcome.holds(effects, margin=1.0).tolist() == [True, False, True, False, True]


@pytest.mark.parametrize(
    ("k", "n", "verdict"),
    [
        (36, 36, CONFIRMED), (35, 35, UNDECIDED), (35, 36, DEPENDS), (96, 100, CONFIRMED), (95, 100, DEPENDS),
        (0, 36, REFUTED), (0, 12, UNDECIDED), (6, 12, DEPENDS), (20, 40, DEPENDS), (4, 100, REFUTED), (5, 100, DEPENDS),
    ],
)  # fmt: skip
def test_verdicts_are_what_the_interval_says(k, n, verdict):
    assert outcome.verdict_of(outcome.interval(k, n), n) == verdict


def test_a_few_fresh_designs_differ_only_if_they_speak_against_it():
    def of(k, n):
        share = outcome.interval(k, n)
        return outcome.Outcome(outcome.verdict_of(share, n), k, n, share, outcome.Size(1, 1, 1, ""))

    assert not of(12, 12).differs_from(of(100, 100))
    assert of(3, 12).differs_from(of(100, 100)) and of(9, 12).differs_from(of(0, 100))
    assert not of(12, 12).differs_from(of(50, 100))
    assert of(100, 100).differs_from(of(50, 100)) and not of(45, 100).differs_from(of(50, 100))


@pytest.mark.parametrize(
    ("rule", "factor", "words"),
    [
        (lambda rate, *_: rate - 0.1, "rate", "above η = "),
        (lambda rate, units, *_: 20.5 - units, "units", "above units = "),
        (lambda rate, units, data, _: 1.0 if data == "moons" else -1.0, "data", "with "),
    ],
)
def test_the_factor_that_decides_is_found_and_named(rule, factor, words):
    found = toy(rule).run()
    assert found.verdict == DEPENDS
    assert found.split.factor == factor and found.depends_on.startswith(words)
    assert 0 in (found.split.here[0], found.split.there[0])
    borders = {"rate": 0.1, "units": 20.5}
    if factor in borders:
        assert found.split.border == pytest.approx(borders[factor], rel=0.15)


def test_chance_is_not_taken_for_a_factor():
    splits = [toy(lambda *given: given[-1].normal()).run(fresh=seed).split for seed in range(60)]
    assert sum(split is not None for split in splits) <= 6  # 5 %, and luck


def test_borders_are_round_and_between():
    rng = np.random.default_rng(0)
    for low, high in np.sort(rng.lognormal(0, 3, (200, 2)), axis=1):
        assert low <= outcome.roundest(low, high) < high
    assert outcome.roundest(0.093, 0.117) == 0.1 and outcome.roundest(2, 3) == 2


def test_the_line_has_verdict_share_interval_and_size():
    line = str(toy(lambda rate, *_: rate, designs=40).run())
    assert line.startswith("confirmed, holds in 40 of 40 designs (91–100 %), size +0.")
    assert str(toy(lambda *_: -1.5, designs=40).run()).endswith("size −1.5 points (−1.5 to −1.5)")


# Running


def test_a_failing_design_costs_only_itself():
    def fails(rate, units, data, rng):
        if units > 60:
            raise ZeroDivisionError("no network")
        return 1.0

    with pytest.warns(UserWarning, match="no network"):
        found = toy(fails).run()
    assert 0 < found.failed < 12 and found.designs == 60 - found.failed and found.holds == found.designs


def test_if_all_designs_fail_there_is_no_verdict():
    with pytest.warns(UserWarning), pytest.raises(RuntimeError, match="all 60 designs failed"):
        toy(lambda *_: np.nan).run()


def test_executors_give_the_same(monkeypatch):
    one = toy(lambda rate, units, data, rng: rng.normal())
    monkeypatch.setattr(TRIALS, "found", {one.name: one})
    with ThreadPoolExecutor(2) as executor:
        assert one.run(fresh=3, executor=executor) == one.run(fresh=3)


@pytest.mark.parametrize("given", [{"fresh": -1}, {"fresh": 0.5}, {"designs": 0}])
def test_what_is_no_seed_or_number_is_refused(given):
    with pytest.raises(SettingError):
        toy(lambda *_: 1.0).run(**given)


# Fair sides


def test_a_best_at_the_edge_widens_the_grid():
    for best in (1e-4, 0.1, 300.0):
        found = tuned(lambda rates, best=best: np.log(rates / best) ** 2, start=0.1, tries=5)
        assert found.value == pytest.approx(best, rel=0.42) and not found.at_edge
    assert tuned(lambda rates: rates, low=1e-3).at_edge


def test_what_is_no_number_is_never_best():
    found = tuned(lambda rates: np.where(rates > 0.1, np.nan, -rates), start=0.1, tries=5)
    assert found.value == 0.1


def test_with_seeds_the_mean_decides_and_each_score_is_kept():
    found = tuned(lambda rates: np.log(rates / 0.2)[:, None] ** 2 + [0.0, 1.0, 2.0])
    assert found.value == 0.2 and found.score.tolist() == [0.0, 1.0, 2.0]


def test_reached_is_reached_and_kept():
    errors = np.array([[3.0, 0.5, 0.5, 3.0, 0.1], [0.5, 0.5, 3.0, 3.0, np.nan], [0.5, 0.5, 0.5, 3.0, 0.1]])
    assert reached_and_kept(errors, 1.0).tolist() == [1, 0, 2, 3, 2]


def test_parts_of_the_data_share_no_example():
    for name, size in (("digits", 300), ("moons", 100)):
        data = nets.split(name, size, seed=1)
        rows = [{tuple(row) for row in part.x} for part in data]
        assert len(data.train.x) == size and not rows[0] & rows[2] and not rows[1] & rows[2]
    with pytest.raises(ValueError, match="too few"):
        nets.split("digits", 1700, seed=0)


def test_lanes_are_the_trainings_one_by_one():
    data = nets.split("moons", 60, seed=0)

    def layers():
        return nets.hidden(4, 1, dl.Tanh, 2)

    runs = nets.train(layers, data, dl.SGD, [0.1, 1.0], seeds=3, epochs=4, batch_size=16, seed=5)
    starts = np.random.default_rng(5).integers(2**31, size=3)
    network = dl.Network(layers(), input_shape=(2,), seed=int(starts[2]))
    optimizer, loss = dl.SGD(1.0), dl.SoftmaxCrossEntropy()
    dl.fit(network, loss, optimizer, data.train, epochs=4, batch_size=16, seed=5)
    assert runs.test_loss.shape == (4, 2, 3)
    np.testing.assert_allclose(
        runs.test_loss[-1, 1, 2], loss.forward(network.predict(data.test.x), data.test.y), rtol=1e-6
    )


def test_rate_and_epoch_are_chosen_without_the_test_data():
    shape = (3, 2, 2)
    validation = np.full(shape, 9.0)
    validation[1, 1, 0] = validation[2, 1, 1] = 1.0
    accuracy = np.arange(12.0).reshape(shape)
    runs = nets.Runs(validation, validation, accuracy, validation, accuracy)
    assert nets.best_test_accuracy(runs).tolist() == [accuracy[1, 1, 0], accuracy[2, 1, 1]]


# What is stored


def module(tmp_path, monkeypatch, name, code):
    (tmp_path / f"{name}.py").write_text(textwrap.dedent(code))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(results, "OURS", (name,))
    return __import__(name)


CODE = """
from dlcourse.trials.engine import trial
from dlcourse.trials.space import Log
STEPS = 10
def helper(rate):
    "Words."
    return rate * STEPS
@trial(claim="It helps.", space={"rate": Log(1, 2)}, sides="", measure="", unit="")
def helps(rate):
    return helper(rate)
"""


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ('"Words."', '"Other words."', True),
        ("    return rate * STEPS", "    # why\n    return (rate\n        * STEPS)", True),
        ("It helps.", "It does help.", True),
        ("STEPS = 10", "STEPS = 20", False),
        ("rate * STEPS", "rate + STEPS", False),
        ("Log(1, 2)", "Log(1, 3)", False),
        ("return helper(rate)", "return 2 * helper(rate)", False),
    ],
)
def test_a_fingerprint_follows_the_code_and_not_the_words(tmp_path, monkeypatch, old, new, same):
    name = f"found_{abs(hash((old, new)))}"
    first = module(tmp_path, monkeypatch, f"{name}a", CODE)
    before = results.fingerprint(first.helps)
    second = module(tmp_path, monkeypatch, f"{name}b", CODE.replace(old, new))
    assert (results.fingerprint(second.helps) == before) == same


def test_what_is_saved_is_loaded(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    one = toy(lambda rate, *_: rate - 0.1)
    designs = [one.design(0, number) for number in range(60)]
    effects = [one.try_design(design) for design in designs]
    results.save(one, designs, effects, one.judge(designs, effects), 0.25)
    assert one.stored.outcome == one.judge(designs, effects)
    assert one.stored.designs == designs and one.stored.seconds == 0.25
    np.testing.assert_allclose(one.stored.effects, effects, rtol=1e-3)
    assert one.stored.fingerprint == results.fingerprint(one)


def test_a_trial_that_was_not_run_says_how(tmp_path, monkeypatch):
    monkeypatch.setattr(results, "FOLDER", tmp_path)
    with pytest.raises(SettingError, match=r"python -m dlcourse.trials toy_trial"):
        _ = toy(lambda *_: 1.0).stored


# The command


@pytest.fixture
def command(tmp_path, monkeypatch, capsys):
    """The command, on trials of this file, with threads for processes."""

    def run(trials, *arguments):
        monkeypatch.setattr(results, "FOLDER", tmp_path)
        monkeypatch.setattr(TRIALS, "found", {one.name: one for one in trials})
        monkeypatch.setattr(__main__, "ProcessPoolExecutor", lambda jobs, mp_context: ThreadPoolExecutor(jobs))
        status = __main__.main(list(arguments))
        return status, *capsys.readouterr()

    return run


def named(name, rule, **parts):
    one = toy(rule, **parts)
    object.__setattr__(one, "name", name)
    return one


def test_the_command_stores_and_compares(command, tmp_path):
    good = named("good", lambda *_: 1.0)
    status, out, _ = command([good], "good")
    assert status == 0 and out == "good: confirmed, holds in 60 of 60 designs (94–100 %), size +1 points (1 to 1)\n"
    assert json.loads((tmp_path / "good.json").read_text())["outcome"]["verdict"] == CONFIRMED
    stored = (tmp_path / "good.json").read_bytes()
    assert command([good], "--fresh", "5", "--designs", "40")[0] == 0
    turned = named("good", lambda *_: -1.0)
    status, out, _ = command([turned], "--fresh", "5")
    assert status == 1 and out.endswith("; differs from the stored confirmed\n")
    assert (tmp_path / "good.json").read_bytes() == stored


def test_the_command_counts_what_failed(command):
    def fails(rate, units, data, rng):
        if units > 60:
            raise ZeroDivisionError("no network")
        return 1.0

    status, out, error = command(
        [named("good", lambda *_: 1.0), named("bad", fails), named("broken", lambda *_: np.nan)]
    )
    assert status == 1
    assert "good: confirmed, holds in 60 of 60" in out and "broken: all 60 designs failed" in out
    assert "designs failed" in out.split("bad: ")[1].splitlines()[0] and "no network" in error


def test_an_unknown_name_is_answered_with_the_nearest(command):
    status, out, error = command([named("good", lambda *_: 1.0)], "godo")
    assert status == 2 and "Did you mean good?" in error and not out
    with pytest.raises(SettingError, match=r"Did you mean"):
        dl.trial(next(iter(TRIALS))[:-1])


@pytest.mark.parametrize(
    "arguments", [["--designs", "9"], ["--fresh", "-1"], ["--fresh", "1", "--designs", "0"], ["--jobs", "0"]]
)
def test_the_command_refuses_in_a_sentence(command, arguments):
    status, _, error = command([named("good", lambda *_: 1.0)], *arguments)
    assert status == 2 and len(error.splitlines()) == 1


# The page


@pytest.fixture
def shown(command):
    one = named("good", lambda rate, units, data, rng: rate - 0.1 + 0.01 * rng.normal(size=4))
    command([one], "good")
    page = one.show()
    return one, page


def buttons(widget):
    own = [widget] if hasattr(widget, "click") else []
    return own + [each for child in getattr(widget, "children", ()) for each in buttons(child)]


def test_a_page_asks_first_and_then_shows(shown):
    one, page = shown
    claim, question, found = page.children
    assert isinstance(page, LabBox) and one.claim in claim.value and found.layout.display == "none"
    names = {each.description: each for each in buttons(question)}
    assert set(names) == {"It holds nearly always", "It depends", "It hardly ever holds", "Show me"}
    names["It depends"].click()
    assert found.layout.display == "" and question.layout.display == "none"
    assert "so it is" in found.children[0].value


def test_a_wrong_guess_is_told_the_verdict(shown):
    _, page = shown
    buttons(page.children[1])[0].click()
    assert "The verdict: it depends." in page.children[2].children[0].value


def test_stored_results_are_drawn_without_a_run(command, monkeypatch):
    one = named("good", lambda *_: 1.0)
    command([one], "good")
    monkeypatch.setattr(engine.Trial, "try_design", None)
    data, metadata = one.show()._repr_mimebundle_()
    assert data["text/plain"].startswith("Confirmed: it holds in 60 of 60 designs (94–100 % of all)")
    assert "image/png" in data and "full dots" in metadata["image/png"]["alt"].lower()


def test_new_luck_adds_designs_that_nobody_tried(shown):
    one, page = shown
    luck, before = next(each for each in buttons(page) if each.description == "New luck"), page.frame
    luck.click()
    assert "With new luck it held in" in page.frame.finding and page.frame.png != before.png
    first = page.frame.settings["fresh"]
    assert first == 12
    luck.click()
    assert page.frame.settings["fresh"] == 2 * first
    assert one.stored.outcome.designs == 60


def test_slow_designs_are_few(command):
    one = named("good", lambda *_: 1.0)
    command([one], "good")
    vars(one)["stored"] = replace(one.stored, seconds=1.9)
    page = one.show()
    next(each for each in buttons(page) if each.description == "New luck").click()
    assert page.frame.settings["fresh"] == 2


def test_the_code_of_the_experiment_is_shown(shown):
    _, page = shown
    code = next(
        each
        for each in buttons(page) + list(page.children[2].children[2].children)
        if getattr(each, "description", "") == "Code"
    )
    code.value = True
    assert "def toy_trial" in page.children[2].children[3].value


def test_showing_needs_no_scipy():
    program = "import sys, dlcourse as dl; dl.trial(next(iter(dl.trials.TRIALS))).show(); print('scipy' in sys.modules)"
    import subprocess

    assert subprocess.check_output([sys.executable, "-c", program], text=True).strip() == "False"
