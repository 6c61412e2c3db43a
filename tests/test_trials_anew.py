"""The course's trials: each stored result belongs to its code, says what its effects say, and new designs agree."""

import pytest

from dlcourse.trials import CHAPTERS, TRIALS, results
from dlcourse.trials.outcome import UNDECIDED

SECONDS, SEED = 2.0, 20_250  # for the fresh designs of one trial; a seed that no result was made with


@pytest.fixture(params=list(TRIALS))
def trial(request):
    return TRIALS[request.param]


def test_the_stored_result_is_of_this_code(trial):
    assert trial.stored.fingerprint == results.fingerprint(trial), f"run: python -m dlcourse.trials {trial.name}"
    assert trial.stored.outcome.designs + trial.stored.outcome.failed == trial.designs


def test_the_stored_verdict_is_what_the_effects_say(trial):
    again = trial.judge(trial.stored.designs, trial.stored.effects)
    stored = trial.stored.outcome
    assert (again.verdict, again.designs) == (stored.verdict, stored.designs)
    assert abs(again.holds - stored.holds) <= 1  # effects are stored with four digits
    assert stored.verdict != UNDECIDED and not stored.failed


def test_the_designs_are_those_of_the_space(trial):
    assert trial.stored.designs == [trial.design(0, number) for number in range(trial.designs)]


def test_new_designs_do_not_speak_against_the_stored_verdict(trial):
    designs = int(min(max(2, SECONDS // max(trial.stored.seconds, 1e-3)), 12))
    fresh = trial.run(fresh=SEED, designs=designs)
    assert not fresh.differs_from(trial.stored.outcome), f"{trial.name}: {fresh}; stored {trial.stored.outcome}"


def test_a_claim_is_one_plain_sentence(trial):
    assert trial.claim[0].isupper() and trial.claim.endswith(".") and len(trial.claim.split()) <= 30
    assert trial.sides and trial.measure and trial.unit


def test_no_result_outlives_its_trial():
    assert {path.stem for path in results.FOLDER.glob("*.json")} == set(TRIALS)
    assert len(CHAPTERS) == 10
