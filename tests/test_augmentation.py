"""New images from old ones: same shape, same seed same picture, the original untouched."""

import numpy as np
import pytest

import dlcourse as dl
from dlcourse.augmentation import (
    Augmentation,
    ColorJitter,
    Compose,
    HorizontalFlip,
    RandomCrop,
    RandomRotation,
    RandomZoom,
    tint,
)
from dlcourse.backend import to_device, to_host
from dlcourse.settings import SettingError

ALL = [
    HorizontalFlip(),
    RandomCrop(2),
    RandomRotation(20),
    RandomZoom(0.8, 1.3),
    ColorJitter(0.3, 0.5),
    Compose(RandomCrop(1), HorizontalFlip(), RandomRotation(5)),
    Compose(),
]
EACH = pytest.mark.parametrize("augment", ALL, ids=repr)


def dice(seed=0):
    return np.random.default_rng(seed)


@pytest.fixture
def images(rng):
    return rng.random((6, 5, 7, 3)).astype("float32")


@EACH
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shape", [(6, 5, 7, 3), (1, 8, 8, 1), (2, 1, 1, 1), (0, 8, 8, 1), (3, 6, 4, 2)])
def test_shape_and_dtype_are_kept_and_the_input_is_left_alone(augment, shape, dtype, rng):
    images = rng.random(shape).astype(dtype)
    before = images.copy()
    changed = augment(images, dice())
    assert changed.shape == shape
    assert changed.dtype == dtype
    assert not np.shares_memory(changed, images)
    np.testing.assert_array_equal(images, before)
    assert np.isfinite(changed).all()


@EACH
def test_the_same_seed_makes_the_same_pictures(augment, images):
    first = augment(images, dice(3))
    np.testing.assert_array_equal(first, augment(images, dice(3)))
    if augment is not ALL[-1]:
        assert not np.array_equal(first, augment(images, dice(4)))
        twice = dice(3)
        augment(images, twice)
        assert not np.array_equal(first, augment(images, twice))  # the next batch is another one


@EACH
def test_each_image_draws_its_own_luck(augment, images):
    many = np.repeat(images[:1], 50, axis=0)
    changed = augment(many, dice())
    if augment is not ALL[-1]:
        assert len(np.unique(changed, axis=0)) > 1
    for picture in changed if isinstance(augment, HorizontalFlip) else []:
        assert any(np.array_equal(picture, p) for p in (images[0], images[0][:, ::-1]))


@EACH
def test_an_image_does_not_see_its_neighbours(augment, images):
    other = images.copy()
    other[1:] = 0.5
    np.testing.assert_array_equal(augment(images, dice())[0], augment(other, dice())[0])


def test_flip_changes_left_and_right_only(images):
    np.testing.assert_array_equal(HorizontalFlip(1.0)(images, dice()), images[:, :, ::-1])
    np.testing.assert_array_equal(HorizontalFlip(0.0)(images, dice()), images)
    np.testing.assert_array_equal(HorizontalFlip(1)(images, dice()), images[:, :, ::-1])


@pytest.mark.parametrize("probability", [0.1, 0.5, 0.9])
def test_flip_happens_as_often_as_it_says(probability):
    images = np.zeros((20000, 1, 2, 1), "float32")
    images[:, :, 1] = 1
    share = HorizontalFlip(probability)(images, dice())[:, 0, 0, 0].mean()
    assert abs(share - probability) < 5 * np.sqrt(probability * (1 - probability) / 20000)


def test_crop_shifts_every_way_alike_and_fills_with_zeros():
    images = np.zeros((5000, 3, 3, 1), "float32")
    images[:, 1, 1] = 1
    shifted = RandomCrop(1)(images, dice())[..., 0]
    where = shifted.reshape(5000, 9)
    assert (where.sum(axis=1) == 1).all()
    assert np.abs(where.mean(axis=0) - 1 / 9).max() < 5 * np.sqrt(1 / 9 * 8 / 9 / 5000)


def test_crop_is_a_cut_of_the_padded_image(images):
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    for number, crop in enumerate(RandomCrop(2)(images, dice())):
        cuts = [padded[number, i : i + 5, j : j + 7] for i in range(5) for j in range(5)]
        assert sum(np.array_equal(crop, cut) for cut in cuts) == 1


class Fixed:
    """A generator that always draws the upper bound."""

    def __new__(cls):
        class Highest(np.random.Generator):
            def uniform(self, low, high, size):
                return np.full(size, high)

        return Highest(np.random.PCG64(0))


def test_a_quarter_turn_is_counter_clockwise():
    images = dice().random((2, 6, 6, 3))
    for degrees, quarters in ((90, 1), (180, 2)):
        turned = RandomRotation(degrees)(images, Fixed())
        np.testing.assert_allclose(turned, np.rot90(images, quarters, axes=(1, 2)), atol=1e-12)


def test_rotation_agrees_with_scipy_image_by_image(images):
    from scipy.ndimage import rotate

    angles = dice(5).uniform(-30, 30, 6)
    turned = RandomRotation(30)(images.astype(float), dice(5))
    for picture, image, angle in zip(turned, images.astype(float), angles, strict=True):
        expected = rotate(image, angle, axes=(0, 1), reshape=False, order=1, mode="grid-constant")
        np.testing.assert_allclose(picture, expected, atol=1e-12)


def test_zoom_agrees_with_scipy_image_by_image(images):
    from scipy.ndimage import affine_transform

    factors, middle = dice(5).uniform(0.5, 2, 6), np.array([2.0, 3.0])
    zoomed = RandomZoom(0.5, 2)(images.astype(float), dice(5))
    for picture, image, factor in zip(zoomed, images.astype(float), factors, strict=True):
        for channel in range(3):
            expected = affine_transform(
                image[..., channel], np.eye(2) / factor, middle - middle / factor, order=1, mode="grid-constant"
            )
            np.testing.assert_allclose(picture[..., channel], expected, atol=1e-12)


def test_zooming_out_lets_zeros_in_and_zooming_in_does_not():
    images = np.ones((4, 9, 9, 1), "float32")
    out, closer = RandomZoom(0.5, 0.5)(images, dice()), RandomZoom(2, 2)(images, dice())
    assert (out[:, 0] == 0).all()
    assert (out[:, 4, 4] == 1).all()
    np.testing.assert_allclose(closer, 1, rtol=1e-6)


@pytest.mark.parametrize("augment", [RandomRotation(0), RandomZoom(1, 1), ColorJitter(0, 0), HorizontalFlip(0)])
def test_nothing_to_change_changes_nothing(augment, images):
    np.testing.assert_allclose(augment(images, dice()), images, atol=1e-6)


def test_jitter_of_brightness_is_a_factor_for_each_channel(images):
    factors = dice(7).uniform(0.7, 1.3, (6, 3))
    np.testing.assert_allclose(ColorJitter(0.3, 0)(images, dice(7)), images * factors[:, None, None], atol=1e-5)


def test_jitter_of_contrast_keeps_the_mean_and_scales_the_spread(images):
    changed = ColorJitter(0, 0.5)(images, dice())
    np.testing.assert_allclose(changed.mean(axis=(1, 2, 3)), images.mean(axis=(1, 2, 3)), rtol=1e-5)
    ratio = changed.std(axis=(1, 2, 3)) / images.std(axis=(1, 2, 3))
    assert ((ratio >= 0.5) & (ratio <= 1.5)).all()
    assert np.ptp(ratio) > 0.1


def test_jitter_tints_grey_images_with_three_channels():
    grey = np.repeat(dice().random((4, 8, 8, 1)), 3, axis=-1)
    assert np.ptp(ColorJitter(0.5, 0)(grey, dice()), axis=-1).max() > 0.1


def test_tint_colours_the_ink_and_leaves_the_paper():
    train, _ = dl.datasets.digits(images=True)
    digits = train.x[:200]
    coloured = tint(digits, dice())
    assert coloured.shape == (200, 8, 8, 3)
    assert coloured.dtype == digits.dtype
    np.testing.assert_allclose(coloured.max(axis=-1), digits[..., 0], rtol=1e-6)
    assert np.ptp(coloured, axis=-1).max(axis=(1, 2)).mean() > 0.3
    np.testing.assert_array_equal(coloured, tint(digits, dice()))
    assert tint(digits[:0], dice()).shape == (0, 8, 8, 3)


def test_compose_is_one_step_after_the_other(images):
    rng = dice()
    expected = RandomRotation(5)(HorizontalFlip()(RandomCrop(1)(images, rng), rng), rng)
    np.testing.assert_array_equal(ALL[5](images, dice()), expected)
    assert repr(ALL[5]) == "Compose(RandomCrop(padding=1), HorizontalFlip(probability=0.5), RandomRotation(degrees=5))"


def network():
    return dl.Network([dl.Flatten(), dl.Dense(10)], (8, 8, 1), seed=0)


@EACH
def test_fit_augments_every_batch_anew_and_decides_by_its_seed(augment):
    train = dl.datasets.digits(images=True)[0][:100]
    seen = []

    def watch(images, rng):
        seen.append(augment(images, rng))
        return seen[-1]

    def run(augment, seed=0):
        net = network()
        dl.fit(net, dl.SoftmaxCrossEntropy(), dl.SGD(0.1), train, epochs=2, batch_size=40, augment=augment, seed=seed)
        return net.parameters.theta

    theta = run(watch)
    np.testing.assert_array_equal(theta, run(augment))
    assert [len(batch) for batch in seen] == [40, 40, 20] * 2
    if augment is ALL[-1]:
        np.testing.assert_array_equal(theta, run(None))
    else:
        assert not np.array_equal(theta, run(None))
        assert not np.array_equal(theta, run(augment, seed=1))


@EACH
def test_augmentation_never_leaves_the_device(device, augment, images):
    ours = augment(images, dice())
    dl.use("cupy")
    np.testing.assert_allclose(to_host(augment(to_device(images), dice())), ours, atol=1e-5)


def test_tint_never_leaves_the_device(device, rng):
    grey = rng.random((3, 4, 4, 1))
    ours = tint(grey, dice())
    dl.use("cupy")
    np.testing.assert_allclose(to_host(tint(to_device(grey), dice())), ours, rtol=1e-6)


IMAGES = np.zeros((2, 4, 4, 1))
MISTAKES = [
    (lambda: HorizontalFlip(1.5), "HorizontalFlip.probability must be in [0, 1]; got probability=1.5"),
    (lambda: HorizontalFlip(np.nan), "HorizontalFlip.probability must be in [0, 1]"),
    (lambda: RandomCrop(0), "RandomCrop.padding must be a whole number, 1 or more"),
    (lambda: RandomCrop(1.5), "RandomCrop.padding must be a whole number, 1 or more"),
    (lambda: RandomRotation(-5), "RandomRotation.degrees must be a number from 0 to 180"),
    (lambda: RandomZoom(0, 1), "RandomZoom.low must be a number above 0"),
    (lambda: RandomZoom(1.2, 0.8)(IMAGES, dice()), "RandomZoom.low must be at most high=0.8; got low=1.2. Swap"),
    (lambda: ColorJitter(2, 0), "ColorJitter.brightness must be in [0, 1]"),
    (lambda: ColorJitter(0, -1), "ColorJitter.contrast must be in [0, 1]"),
    (lambda: Compose(HorizontalFlip), "Compose.steps must be augmentations: (images, rng) -> images; got steps=<class"),
    (lambda: Compose("flip"), "Compose.steps must be augmentations"),
    (
        lambda: HorizontalFlip()(np.zeros((5, 64)), dice()),
        "HorizontalFlip.images must have the shape (batch, height, width, channels); got images=(5, 64). Rows of",
    ),
    (lambda: RandomCrop(1)(np.zeros((8, 8, 1)), dice()), "RandomCrop.images must have the shape"),
    (lambda: HorizontalFlip()(np.zeros((1, 8, 8, 1), "uint8"), dice()), "be floating-point numbers; got images="),
    (lambda: HorizontalFlip()(IMAGES, 0), "HorizontalFlip.rng must be a NumPy generator; got rng=0"),
    (lambda: tint(np.zeros((1, 8, 8, 3)), dice()), "tint.images must have one channel, grey; got images=(1, 8, 8, 3)"),
    (lambda: HorizontalFlip(chance=1), "HorizontalFlip.chance must be a setting that exists"),
]  # fmt: skip


@pytest.mark.parametrize(("call", "words"), MISTAKES, ids=[words[:40] for _, words in MISTAKES])
def test_what_cannot_be_is_refused_in_words(call, words):
    with pytest.raises(SettingError) as refused:
        call()
    assert words in str(refused.value)


def test_fit_refuses_to_flip_rows_of_features():
    train = dl.datasets.digits()[0][:50]
    net = dl.Network([dl.Dense(10)], (64,))
    with pytest.raises(SettingError, match="Rows of features have no left and right"):
        dl.fit(net, dl.SoftmaxCrossEntropy(), dl.SGD(), train, epochs=1, batch_size=10, augment=HorizontalFlip())


def test_augmentation_is_an_interface():
    with pytest.raises(NotImplementedError):
        Augmentation()(IMAGES, dice())
