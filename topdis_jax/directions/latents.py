"""The codes of a generator, and the space that directions are sought in."""

from collections.abc import Callable

import jax
from jax import lax
import jax.numpy as jnp
from jax.typing import ArrayLike
import numpy as np

from topdis_jax import topology
from topdis_jax.directions import shifts
from topdis_jax.losses.inputs import check_images
from topdis_jax.topology import validity

_SAMPLE = 10_000  # codes whose principal components are taken
_IMAGES = 64  # whose mean distance is taken
_PROBES, _PROBE = 16, 0.5  # codes, and deviations to either side
# A component of less of the largest deviation is rounding.
_NEGLIGIBLE = 1e-4


def sampler(codes: ArrayLike | Callable, key: jax.Array,
            batch_size: int) -> tuple[Callable, jax.Array]:
    """(function of a key and a number -> codes, a sample [n, d]).

    Raises:
      ValueError, TypeError: see `find`.
    """
    if callable(codes):
        known = jnp.asarray(codes(key, _SAMPLE))
        _check_codes('codes(key, n)', known)
        if len(known) != _SAMPLE:
            raise ValueError(f'codes(key, {_SAMPLE}) must have shape '
                             f'[{_SAMPLE}, d], received {known.shape}')
        return codes, known
    known = jnp.asarray(codes)
    _check_codes('codes', known)
    if len(known) < batch_size:
        raise ValueError(f'codes must have at least batch_size={batch_size} '
                         f'rows, received {known.shape}; give more codes, a '
                         'function that samples them, or a smaller batch_size')
    return lambda key, n: jax.random.choice(
        key, known, (n,), replace=False), known


def _check_codes(name, codes):
    if codes.ndim != 2 or 0 in codes.shape:
        raise ValueError(f'{name} must have shape [n, d], '
                         f'received {codes.shape}')
    if not jnp.issubdtype(codes.dtype, jnp.floating):
        raise TypeError(f'{name} must be floating, received {codes.dtype}; '
                        'convert with codes.astype(jnp.float32)')
    validity.check_finite(name, codes)


def spread_along(codes: jax.Array, components: np.ndarray) -> np.ndarray:
    """A root [c, c] of the covariance of codes [n, d] along rows [c, d]."""
    covariance = np.atleast_2d(np.cov(
        np.asarray(codes, np.float64) @ components.T, rowvar=False, ddof=0))
    variances, vectors = np.linalg.eigh(covariance)
    return vectors * np.sqrt(np.maximum(variances, 0))


def principal(codes: jax.Array, candidates: int | None) -> tuple[
        np.ndarray, np.ndarray]:
    """Leading principal components [c, d], and deviations along them [c].

    Raises:
      ValueError: candidates that are no count, or too many; codes that are
        all the same.
    """
    if candidates is not None:
        validity.check_count('candidates', candidates)
        if candidates > codes.shape[1]:
            raise ValueError(
                f'candidates must be at most {codes.shape[1]}, as codes are '
                f'{codes.shape}, received {candidates}')
    codes = np.asarray(codes, np.float64)
    variances, vectors = np.linalg.eigh(
        np.cov(codes.T, ddof=0).reshape(codes.shape[1], -1))
    deviations = np.sqrt(np.maximum(variances[::-1], 0))[:candidates]
    if deviations[0] == 0:
        raise ValueError('codes must differ, received the same code '
                         f'{len(codes)} times')
    used = deviations > _NEGLIGIBLE * deviations[0]
    return vectors.T[::-1][:candidates][used], deviations[used]


def effective(generate: Callable, codes: jax.Array, components: np.ndarray,
              deviations: np.ndarray, least: float) -> np.ndarray:
    """Orthonormal rows [e, d] that span what the generator responds to.

    Axes may mix in what it ignores without any change of the divergence. So
    that is left out: where one standard deviation of the codes changes images
    by less than the least that counts.

    Args:
      generate: see `find`.
      codes: [n, d], of which a few are used.
      components, deviations: from `principal`.
      least: share of the images' mean distance.

    Raises:
      ValueError, TypeError: see `check_generate`.
    """
    scale = check_generate(generate, codes[:_IMAGES])
    steps = jnp.asarray(deviations[:, None] * components, jnp.float32)

    @jax.jit
    def products(code):
        there, back = (generate(code + sign * _PROBE * steps)
                       for sign in (1, -1))
        slopes = (there - back).reshape(len(steps), -1) / (2 * _PROBE)
        return jnp.matmul(slopes, slopes.T, precision=lax.Precision.HIGHEST)

    mean = np.mean([products(code[None]) for code in codes[:_PROBES]], axis=0)
    if not np.all(np.isfinite(mean)):
        raise ValueError(
            'generate must be finite near the codes, too; received NaN or '
            f'infinity within {_PROBE} standard deviations of them')
    squares, vectors = np.linalg.eigh(mean)
    kept = vectors.T[squares > (least * scale) ** 2]
    return np.linalg.qr((kept @ steps).T)[0].T


def check_generate(generate: Callable, codes: jax.Array) -> float:
    """Mean distance of the images of codes [n, d].

    Raises:
      ValueError, TypeError: images of a wrong shape or type, not finite, or
        all the same.
    """
    images = generate(codes)
    check_images('generate(codes)', images)
    if images.ndim < 2 or len(images) != len(codes):
        raise ValueError(f'generate(codes) must have shape [{len(codes)}, '
                         f'...], received {images.shape}')
    validity.check_finite('generate(codes)', images)
    scale = float(shifts.mean_off_diagonal(topology.pairwise_distances(images)))
    if scale == 0:
        raise ValueError('generate gives the same image for all codes; it '
                         f'must depend on them, received {len(codes)} codes')
    return scale
