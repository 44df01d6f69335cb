"""A generator whose factors are known: one smooth blob an image.

Images are differentiable in the codes, and each code is one factor, so that
what a search for directions finds can be compared with the truth.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np

# Position, log of the size and of the length by the width, angle, contrast,
# brightness of the background: what one standard deviation changes.
FACTORS = {'x': 0.15, 'y': 0.15, 'size': 0.3, 'stretch': 0.3, 'angle': 0.5,
           'contrast': 0.3, 'background': 0.15}
_PIXELS = 20
_RADIUS = 0.16  # of half an image, so that blobs stay inside
_STRETCH = 0.3  # at rest, where there is an angle; else blobs are round


def render(codes: jax.Array, names: Sequence[str]) -> jax.Array:
    """Images [n, h, w, 1] of codes [n, k], standard normal by intent.

    Args:
      codes: a column for each name.
      names: of FACTORS; others are at rest.
    """
    values = dict.fromkeys(FACTORS, jnp.zeros((len(codes), 1, 1)))
    for column, name in zip(codes.T, names):
        values[name] = FACTORS[name] * column[:, None, None]
    grid = (jnp.arange(_PIXELS) + 0.5) / _PIXELS * 2 - 1
    x = grid[None, None, :] - values['x']
    y = grid[None, :, None] - values['y']
    cos, sin = jnp.cos(values['angle']), jnp.sin(values['angle'])
    at_rest = _STRETCH if 'angle' in names else 0.0
    stretch = jnp.exp(at_rest + values['stretch'])
    square = ((cos * x + sin * y) ** 2 / stretch
              + (cos * y - sin * x) ** 2 * stretch)
    radius = _RADIUS * jnp.exp(values['size'])
    blob = jnp.exp(values['contrast'] - square / (2 * radius ** 2))
    return (blob + values['background'])[..., None]


def rotated(names: Sequence[str], seed: int | None, dead: int = 0) -> tuple[
        Callable[[jax.Array], jax.Array], np.ndarray]:
    """A generator behind a random rotation, and the axes of its factors.

    Args:
      names: of FACTORS.
      seed: of the rotation; None: none, axis i is factor i.
      dead: how many directions more there are, which it ignores.

    Returns:
      (function of codes [n, d] to images, axes [k, d]: a row for each name).
    """
    d = len(names) + dead
    turn = np.eye(d)
    if seed is not None:
        normal = np.random.default_rng(seed).normal(size=(d, d))
        turn, _ = np.linalg.qr(normal)
    axes = turn[:len(names)].astype(np.float32)
    return lambda codes: render(codes @ axes.T, names), axes
