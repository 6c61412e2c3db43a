"""The labs of 06_capstone: true findings everywhere, sound data parts, cures that cure, a board that loses nothing."""

import itertools
import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest

import dlcourse as dl
from dlcourse.labs.capstone import choosing, clinic, leaderboard, lines, three_ways, whole
from dlcourse.labs.capstone.leaderboard import Leaderboard
from dlcourse.labs.controls import Choice, Slider


@pytest.fixture(autouse=True)
def no_traces(tmp_path, monkeypatch):
    """A board's file lies in the present folder; and warnings are errors."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


LABS = {
    "one_network": whole.one_network,
    "choosing": choosing.choosing,
    "three_ways": three_ways.three_ways,
    "clinic": clinic.clinic,
}


def corners(lab, how_many=5):
    """The start, and corners of the controls drawn at random: all choices, the ends of the sliders."""
    ends = {}
    for name, control in lab.controls.items():
        match control:
            case Choice():
                ends[name] = list(control.options)
            case Slider():
                ends[name] = [control.low, control.high]
    rng = np.random.default_rng(0)
    every = [{name: v[rng.integers(len(v))] for name, v in ends.items()} for _ in range(how_many)]
    return [lab.settings(), *every]


@pytest.mark.parametrize("name", LABS)
def test_findings_are_sentences_at_every_corner(name):
    lab = LABS[name]()
    for settings in corners(lab):
        (*_, state) = lab.states(settings)
        finding = lab.describe(state, settings)
        assert finding[0].isupper() and finding.endswith("."), finding
        assert not re.search(r"\b(nan|inf)\b", finding, re.IGNORECASE), finding


@pytest.mark.parametrize("name", LABS)
def test_a_frame_does_not_depend_on_those_before(name):
    lab, fresh = LABS[name](), LABS[name]()
    settings = corners(lab, 1)[-1]
    lab.last_frame()
    assert lab.last_frame(**settings).png == fresh.last_frame(**settings).png


# The parts and the networks


def test_no_line_is_in_two_parts():
    parts = lines.parts(3000)
    seen = [{x.tobytes() for x in part.x} for part in parts]
    assert [len(part) for part in parts] == [3000, 1000, 1000]
    assert all(a.isdisjoint(b) for a, b in itertools.combinations(seen, 2))


@pytest.mark.parametrize("structure", lines.STRUCTURES)
@pytest.mark.parametrize("norm", lines.NORMS)
def test_every_network_has_a_right_gradient(structure, norm):
    network = lines.network(structure, "He", norm, dropout=0.1, seed=0)
    x, y = lines.parts(1000)[0][:12]
    assert dl.check_gradient(network, dl.SoftmaxCrossEntropy(), x, y, entries=5, tolerance=1e-5)


def test_shifted_lines_are_the_lines_moved_round():
    x = np.arange(80.0).reshape(2, 40, 1)
    moved = lines.shift(x, np.random.default_rng(0))
    for before, after in zip(x, moved, strict=True):
        by = int(np.flatnonzero(after[:, 0] == before[0, 0])[0])
        by = by - 40 if by > 20 else by
        assert abs(by) <= 5
        np.testing.assert_array_equal(after, np.roll(before, by, axis=0))
    far = lines.shift(np.tile(np.arange(40.0)[:, None], (1000, 1, 1)), np.random.default_rng(1))[:, 0, 0]
    assert len(set(far.tolist())) == 11  # −5 … 5 all occur


def test_the_published_networks_have_the_published_sizes():
    sizes = {name: dl.Network(lines.published(name), (40, 1)).parameters.size for name in lines.FULL}
    assert sizes == {lines.LOGISTIC: 410, lines.MLP: 15210, lines.CNN: 5210}


def test_the_full_table_is_what_the_benchmark_wrote():
    rows = (Path(__file__).parent.parent / "benchmarks" / "results" / "mnist1d.md").read_text().splitlines()
    cells = [
        [cell.strip() for cell in row.split("|")[1:-1]] for row in rows if row.startswith(("| in order", "| shuf"))
    ]
    for column, table in ((4, lines.FULL), (6, lines.THEIRS)):
        found = {(row[0], row[1]): float(row[column]) for row in cells}
        assert found == {
            (order, name): value
            for name, pair in table.items()
            for order, value in zip(("in order", "shuffled"), pair, strict=True)
        }


def test_the_baseline_is_where_the_lab_starts():
    assert whole.one_network().settings() == whole.BASELINE
    assert 0.20 < whole.baseline().mean() < 0.31


def test_a_few_changes_beat_the_baseline_by_far():
    better = {"structure": lines.CNN, "optimizer": "Adam", "normalization": "batch norm", "learning_rate": 0.0316}
    assert whole.validation_of(whole.last(**{**whole.BASELINE, **better})) > 100 * whole.baseline().mean() + 35


def test_the_envelope_holds_the_test_part_of_the_very_run():
    curves, *_ = whole.last(**whole.BASELINE)
    _, test = dl.datasets.mnist1d()
    right = (curves.network.predict(test.x[..., None]).argmax(axis=-1) == test.y).mean()
    assert whole.test_of(**whole.BASELINE) == pytest.approx(100 * right)


# Choosing, the three ways, the clinic


def test_the_best_of_one_is_neither_lucky_nor_unlucky():
    for count in (50, 1000):
        said, reads = choosing.promises(count)
        assert abs(said[0] - reads[0]) < 1.5  # 200 draws of 50 lines: 0.5
        assert (np.diff(said) > -0.3).all() and said[-1] > reads[-1] + 1


def test_gains_are_differences_along_the_edges_of_the_cube():
    shares = np.arange(8.0).reshape(2, 2, 2, 1) ** 2
    points = three_ways.gains(shares)
    assert points[0].tolist() == [16, 24, 32, 40]  # a + 4 instead of a, squared
    assert points[2].tolist() == [1, 5, 9, 13]


def test_lanes_of_a_corner_are_single_runs():
    lanes = three_ways.reads(lines.MLP, "He", "SGD, η = 0.1", seeds=2)
    train, validation, _ = lines.parts(1000)
    network = lines.network(lines.MLP, "He", seed=1)
    dl.fit(network, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), train, epochs=15, batch_size=50)
    assert lanes[1] == pytest.approx(lines.read(network, validation))


@pytest.mark.parametrize("patient", clinic.CURES)
def test_every_patient_is_ill_and_its_cures_cure(patient):
    assert not clinic.last(patient, seed=4).healthy
    for treatment in clinic.CURES[patient]:
        assert clinic.last(patient, treatment, seed=0).healthy, treatment


def test_a_healthy_one_is_healthy():
    assert clinic.last(clinic.HEALTHY, seed=3).healthy


def test_a_share_that_rises_is_calm_and_one_that_falls_is_not():
    assert clinic.largest_fall(np.linspace(0.1, 0.9, 10)) == 0
    assert clinic.largest_fall([0.5, 0.8, 0.7, 0.9, 0.6, 0.95]) == pytest.approx(0.3)
    chart = clinic.last(clinic.HEALTHY, "a thirtieth of the rate", seed=0)
    assert np.ptp(chart.curves.right["test"][-10:]) > 0.09 and chart.signs()["is calm"][0]  # it still learns


@pytest.mark.parametrize("seeds", [3, 12])
def test_gains_of_nothing_stay_below_their_noise(seeds, rng, monkeypatch):
    monkeypatch.setattr(three_ways, "SEEDS", seeds)
    lucky = []
    for _ in range(200):
        shares = 50 + 1.5 * rng.normal(size=(2, 2, 2, seeds))  # eight networks, all alike, and their seeds
        lucky.append(np.abs(three_ways.gains(shares)) > three_ways.noise_of(shares))
    assert np.mean(lucky) < 0.06


def test_the_seed_changes_start_and_order_and_nothing_else():
    one, other = (whole.last(**whole.BASELINE | {"seed": seed}) for seed in (0, 1))
    assert (one[-1] != other[-1]).any() and (one[-1] == whole.last(**whole.BASELINE)[-1]).all()
    finding = whole.describe(other, whole.BASELINE | {"seed": 1})
    assert f"{100 * other[-1].mean():.1f}% of 1000 lines, ±2.7" in finding and "the untuned baseline" in finding


# The board


def test_new_seeds_rank_by_their_mean():
    board = Leaderboard()
    board.add(A, 60.0)
    board.add(B, 58.0)
    assert board.again(C, [1.0]) == "Keep the run on the board first."
    assert "place 2 of 2" in board.again(A, [55.0, 56.0, 57.0, 54.0, 58.0])
    assert [run["settings"] for run in Leaderboard().runs] == [B, A]
    assert leaderboard.over_seeds([55.0, 56.0, 57.0, 54.0, 58.0]) == "56.0 ± 2.0"  # 2.776 · 1.581 / √5
    assert "56.0 ± 2.0" in Leaderboard()._repr_html_()


A, B, C = ({"optimizer": name, "learning_rate": 0.01} for name in ("Adam", "SGD", "<b>&"))


def test_the_board_ranks_and_remembers():
    board = Leaderboard()
    assert board.add(B, 40.0) == "The run is on the board: place 1 of 1."
    assert board.add(A, 61.234) == "The run is on the board: place 1 of 2."
    assert board.add(C, 40.0) == "The run is on the board: place 3 of 3."  # as good as B, but later
    assert board.add(dict(B), 40.0) == "This run is on the board already: place 2 of 3."
    assert [run["settings"] for run in Leaderboard().runs] == [A, B, C]


def test_two_windows_do_not_overwrite_each_other():
    one, two = Leaderboard(), Leaderboard()
    one.add(A, 50.0)
    two.add(B, 60.0)
    assert [run["settings"] for run in Leaderboard().runs] == [B, A]


def test_the_envelope_opens_once():
    board, opened = Leaderboard(), []

    def examine(**settings):
        opened.append(settings)
        return 55.5

    assert board.open(examine).startswith("There is nothing to examine.")
    board.add(A, 60.0)
    board.add(B, 50.0)
    assert "best of 2 runs by validation, 60.0%, reads 55.5% of the test part: 4.5 points less" in board.open(examine)
    assert board.open(examine).startswith("The envelope was opened before:")
    assert Leaderboard().open(examine).startswith("The envelope was opened before:")
    assert opened == [A]
    board.add(C, 70.0)
    table = Leaderboard()._repr_html_()
    assert "70.0 †" in table and table.count("55.5") == 2  # in the caption, and in the row of A


def test_what_cannot_be_examined_leaves_the_envelope_shut():
    board = Leaderboard()
    board.add({"color": "blue"}, 60.0)
    assert board.open(whole.test_of).startswith("These settings cannot be examined:")
    assert Leaderboard().envelope is None


DAMAGED = {
    "half": b'{"runs": [{"settings": {"a": 1}, "valid',
    "bytes": b"\xff\xfe\x00",
    "list": b"[]",
    "no runs": b'{"envelope": null}',
    "words": b'{"runs": [{"settings": {}, "validation": "best"}], "envelope": null}',
    "settings": b'{"runs": [{"settings": {"a": [1]}, "validation": 3}], "envelope": null}',
    "nan": b'{"runs": [{"settings": {}, "validation": NaN}], "envelope": null}',
    "envelope": b'{"runs": [], "envelope": {"settings": {}, "validation": 1}}',
}


@pytest.mark.parametrize("kind", DAMAGED)
def test_a_damaged_file_is_said_and_kept(kind, tmp_path):
    path = tmp_path / leaderboard.FILE
    path.write_bytes(DAMAGED[kind])
    (tmp_path / f"{leaderboard.FILE}.damaged").write_text("an earlier one")
    board = Leaderboard()
    assert "cannot be read" in board._repr_html_() and path.read_bytes() == DAMAGED[kind]
    assert f"It is kept as {leaderboard.FILE}.damaged-2" in board.add(A, 50.0)
    assert (tmp_path / f"{leaderboard.FILE}.damaged-2").read_bytes() == DAMAGED[kind]
    assert (tmp_path / f"{leaderboard.FILE}.damaged").read_text() == "an earlier one"
    assert [run["settings"] for run in Leaderboard().runs] == [A] and not Leaderboard().damage


def test_a_crash_while_writing_leaves_the_old_board(monkeypatch, tmp_path):
    Leaderboard().add(A, 50.0)
    before = (tmp_path / leaderboard.FILE).read_bytes()

    def crash(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("dlcourse.workspace.os.replace", crash)
        assert "could not be kept: No space left" in Leaderboard().add(B, 60.0)
    assert (tmp_path / leaderboard.FILE).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [leaderboard.FILE]


def test_the_table_is_a_table_and_nothing_in_it_is_run():
    board = Leaderboard()
    board.add(C, 40.0)
    table = board._repr_html_()
    assert table.startswith('<table class="dlcourse-board"><caption>') and 'scope="col"' in table
    assert "&lt;b&gt;&amp;" in table and "<b>" not in table
    assert 'aria-current="true"' in table and 'aria-current="true"' not in Leaderboard()._repr_html_()


def test_the_buttons_of_the_lab():
    lab = whole.one_network()
    lab.show()
    assert "No runs yet" in lab.table.value
    lab.keep_button.click()
    assert "place 1 of 1" in lab.said.value and f"{100 * whole.baseline().mean():.1f}" in lab.table.value
    lab.again_button.click()
    shares = [100 * whole.baseline(seed).mean() for seed in range(1, 6)]
    assert f"5 new seeds: {leaderboard.over_seeds(shares)}%, place 1 of 1" in lab.said.value
    assert f"{np.mean(shares):.1f} ± " in lab.table.value and Leaderboard().runs[0]["again"] == pytest.approx(shares)
    lab.widgets["structure"].value = lines.LOGISTIC
    lab.keep_button.click()
    assert "of 2" in lab.said.value
    lab.open_button.click()
    assert "This works once" in lab.said.value and Leaderboard().envelope is None
    lab.keep_button.click()  # not so sure after all
    lab.open_button.click()
    lab.open_button.click()
    test = whole.test_of(**lab.board.runs[0]["settings"])
    assert f"reads {test:.1f}% of the test part" in lab.said.value and lab.open_button.disabled
    assert json.loads((lab.board.path).read_bytes())["envelope"]["test"] == pytest.approx(test, abs=0.01)
