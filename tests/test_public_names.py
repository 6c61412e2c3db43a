"""The names a course is written against: they stay, and each explains itself."""

import importlib

import pytest

import dlcourse as dl

# dlcourse.optimizers.Momentum is dl.Momentum, and so on.
HOMES = {
    "backend": "to_host use using",
    "settings": "SettingError",
    "initializers": (
        "MSRA Constant Gaussian Orthogonal PositiveUnitball Sparse TruncatedGaussian Uniform Xavier Zeros fans lsuv"
    ),
    "layers": (
        "GELU AveragePool2D BatchNorm Conv1D Conv2D Dense DropConnectDense Dropout Flatten "
        "GlobalAveragePool2D GroupNorm LayerNorm LeakyReLU MaxPool2D ReLU Residual Sigmoid Tanh "
        "WeightNormDense"
    ),
    "network": "Network",
    "losses": "Hinge MeanSquaredError SoftmaxCrossEntropy",
    "optimizers": "ANGD SGD SGDW AdaDelta AdaGrad Adam AdamW AMSGrad Momentum Nadam Nesterov RMSProp",
    "schedules": (
        "CosineDecay CosineDecayRestarts ExponentialDecay InverseTimeDecay LinearCosineDecay "
        "NaturalExponentialDecay NoisyLinearCosineDecay OneCycle PiecewiseConstantDecay PolynomialDecay "
        "ReduceOnPlateau Warmup"
    ),
    "augmentation": "ColorJitter Compose HorizontalFlip RandomCrop RandomRotation RandomZoom tint",
    "clipping": "clip_by_norm clip_by_value",
    "constraints": "MaxNorm UnitNorm",
    "regularizers": "L1 L2 ElasticNet",
    "history": "History",
    "saving": "load_optimizer",
    "stopping": "EarlyStopping",
    "training": "fit training_steps",
    "ensembles": "Ensemble average_weights snapshot_ensemble train_members",
    "sweeps": "sweep",
    "curvature": "largest_curvature",
    "diagnostics": "activation_statistics check_gradient learning_rate_range_test",
    "recording": "operations",
    "source": "show_source",
    "surfaces": "newton_path",
    "labs": "Lab",
    "checks": "Report check",
    "trials": "trial",
}
MODULES = ["checks", "datasets", "labs", "plots", "surfaces", "theory", "trials"]
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
