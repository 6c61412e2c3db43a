"""New images from old ones, by changes that should leave the label true: a flip does for a cat, not for a 2.

    images = augment(images, rng)               (batch, height, width, channels), floats → the same, a new array

`fit(..., augment=HorizontalFlip())` does this anew for every batch. Each image draws its own luck from rng, a
NumPy generator, so the same seed gives the same pictures on a processor and on a GPU.

Whether a change is allowed is knowledge about the data: a mirrored cat is a cat, a mirrored 2 is no digit.
"""

from typing import Annotated, Any

import numpy as np

from dlcourse.backend import Array, scipy, to_device, xp
from dlcourse.settings import Rule, count, is_number, positive, refuse, settings

fraction = Rule("be in [0, 1]", lambda v: is_number(v) and 0 <= v <= 1)
turn = Rule("be a number from 0 to 180", lambda v: is_number(v) and 0 <= v <= 180)
Jitter = Annotated[float, fraction, "0 changes nothing."]


class Augmentation:
    """The interface of every augmentation. A subclass writes `change`."""

    def __call__(self, images: Array, rng: np.random.Generator) -> Array:
        return self.change(check_images(type(self).__name__, images, rng), rng)

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        """A new array; `images` is left as it was."""
        raise NotImplementedError


def check_images(name: str, images: Any, rng: Any) -> Array:
    images = to_device(images)
    if images.ndim != 4:
        remedy = "Rows of features have no left and right: use images and a Conv2D, or Flatten() first in the network."
        refuse(f"{name}.images", "have the shape (batch, height, width, channels)", images.shape, remedy)
    if images.dtype.kind != "f":
        refuse(f"{name}.images", "be floating-point numbers", str(images.dtype), "Use images / 255, say.")
    if not isinstance(rng, np.random.Generator):
        refuse(f"{name}.rng", "be a NumPy generator", rng, "np.random.default_rng(0) makes one.")
    return images


@settings
class HorizontalFlip(Augmentation):
    """Left and right change places, in this share of the images."""

    probability: Annotated[float, fraction, "0.5 shows both sides alike."] = 0.5

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        flip = rng.random((len(images), 1, 1, 1)) < self.probability
        return xp.where(to_device(flip), images[:, :, ::-1], images)


@settings
class RandomCrop(Augmentation):
    """A border of `padding` zeros, then a cut of the old size anywhere: a shift by up to `padding` pixels."""

    padding: Annotated[int, count, "4 is usual for 32 × 32 pixels, 1 for 8 × 8."]

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        batch, height, width, _ = images.shape
        border = (self.padding, self.padding)
        padded = xp.pad(images, ((0, 0), border, border, (0, 0)))
        top, left = rng.integers(0, 2 * self.padding + 1, (2, batch, 1, 1))
        rows, columns = top + np.arange(height)[:, None], left + np.arange(width)
        image = np.arange(batch)[:, None, None]
        return padded[to_device(image), to_device(rows), to_device(columns)]


@settings
class RandomRotation(Augmentation):
    """A turn about the centre by an angle ~ U[−degrees, degrees], counter-clockwise if above 0; zeros come in."""

    degrees: Annotated[float, turn, "10 to 20 keeps a 6 from being a 9."]

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        angle = np.deg2rad(rng.uniform(-self.degrees, self.degrees, len(images)))
        cos, sin = np.cos(angle), np.sin(angle)
        return resample(images, np.array([[cos, sin], [-sin, cos]]))


@settings
class RandomZoom(Augmentation):
    """Larger or smaller about the centre by a factor ~ U[low, high]; 1 is as before, zeros come in below it."""

    low: Annotated[float, positive, "0.9, say: it must not exceed high."]
    high: Annotated[float, positive, "1.1, say: it must not be below low."]

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        if self.low > self.high:
            refuse("RandomZoom.low", f"be at most high={self.high!r}", self.low, "Swap the two.")
        factor = rng.uniform(self.low, self.high, len(images))
        still = np.zeros(len(images))
        return resample(images, np.array([[1 / factor, still], [still, 1 / factor]]))


def resample(images: Array, matrices: np.ndarray) -> Array:
    """Every image through its own linear map about the centre, backwards: each pixel asks where it comes from.

    source = centre + M (pixel − centre)        M = matrices[:, :, image]; between pixels the value is bilinear
    """
    batch, height, width, channels = images.shape
    middle = np.array([height - 1, width - 1]).reshape(2, 1, 1) / 2
    pixel = np.indices((height, width)) - middle  # (2, height, width)
    row, column = np.einsum("ijb,jhw->ibhw", matrices, pixel) + middle[:, None]
    image = np.broadcast_to(np.arange(batch)[:, None, None], row.shape)
    source, ndimage = to_device(np.stack([image, row, column])), scipy("ndimage")
    moved = xp.empty_like(images)
    for channel in range(channels):
        moved[..., channel] = ndimage.map_coordinates(images[..., channel], source, order=1, mode="grid-constant")
    return moved


@settings
class ColorJitter(Augmentation):
    """Another light, another film.

    x ← b (m + c (x − m))       b ~ U[1 − brightness, 1 + brightness] for each channel
                                c ~ U[1 − contrast, 1 + contrast]; m = the mean of the image

    A light of its own for each channel turns into colour: grey images, once they have three channels (`tint`),
    come out coloured. Values may leave [0, 1]; nothing is cut off.
    """

    brightness: Jitter
    contrast: Jitter

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        batch, _, _, channels = images.shape
        b = rng.uniform(1 - self.brightness, 1 + self.brightness, (batch, 1, 1, channels))
        c = rng.uniform(1 - self.contrast, 1 + self.contrast, (batch, 1, 1, 1))
        m = images.mean(axis=(1, 2, 3), keepdims=True)
        return to_device(b, images.dtype) * (m + to_device(c, images.dtype) * (images - m))


class Compose(Augmentation):
    """One step after the other: Compose(RandomCrop(1), RandomRotation(10))."""

    def __init__(self, *steps: Any):
        for step in steps:
            if not callable(step) or isinstance(step, type):
                refuse("Compose.steps", "be augmentations: (images, rng) -> images", step, "With the brackets.")
        self.steps = steps

    def change(self, images: Array, rng: np.random.Generator) -> Array:
        images = images.copy()  # also without any step the result is new
        for step in self.steps:
            images = step(images, rng)
        return images

    def __repr__(self) -> str:
        return f"Compose({', '.join(map(repr, self.steps))})"


def tint(images: Array, rng: np.random.Generator) -> Array:
    """Grey images (batch, height, width, 1) in random colours, (batch, height, width, 3).

    colour ~ U[0, 1)³, divided by its largest part: white ink becomes that colour, black paper stays black.

    Colour says nothing about which digit it is. A network trained on tinted digits has to find that out, as
    one trained on photographs has to. It changes the shape, so it goes before training, not into `augment`.
    """
    images = check_images("tint", images, rng)
    if images.shape[-1] != 1:
        refuse("tint.images", "have one channel, grey", images.shape, "ColorJitter changes coloured images.")
    colour = rng.random((len(images), 1, 1, 3))
    return images * to_device(colour / colour.max(axis=-1, keepdims=True), images.dtype)
