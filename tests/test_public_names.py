"""The names a course is written against: they stay, and each explains itself."""

import importlib

import pytest

import dlcourse as dl

# dlcourse.optimizers.Momentum is dl.Momentum, and so on.
HOMES = {
    "backend": "use using to_host",
    "initializers": "Constant Gaussian MSRA Orthogonal Uniform Xavier Zeros fans",
    "layers": "Dense Flatten GELU LeakyReLU ReLU Sigmoid Tanh",
    "losses": "MeanSquaredError SoftmaxCrossEntropy",
    "network": "Network",
    "optimizers": "SGD Momentum Nesterov",
    "history": "History",
    "training": "fit training_steps",
    "diagnostics": "check_gradient",
    "claims": "judge",
    "settings": "SettingError",
    "source": "show_source",
    "surfaces": "newton_path",
    "labs": "Lab",
}
MODULES = ["datasets", "labs", "plots", "surfaces", "theory"]
PUBLIC = [name for names in HOMES.values() for name in names.split()] + MODULES


def test_public_names_are_these():
    assert sorted(dl.__all__) == sorted(PUBLIC)
    assert set(dir(dl)) == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_public_name_explains_itself(name):
    assert len(getattr(dl, name).__doc__.strip()) > 10


@pytest.mark.parametrize("home", HOMES)
def test_public_names_live_in_the_module_of_their_family(home):
    module = importlib.import_module(f"dlcourse.{home}")
    for name in HOMES[home].split():
        assert getattr(module, name) is getattr(dl, name)


def test_unknown_name_is_answered_with_the_list():
    with pytest.raises(AttributeError, match=r"dlcourse has no name 'Adamm'. It has: .*Momentum"):
        dl.Adamm  # noqa: B018
