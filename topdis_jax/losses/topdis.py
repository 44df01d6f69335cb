"""The TopDis loss: shift, decode, distances, RTD."""

from collections.abc import Callable, Sequence
from typing import NamedTuple
import warnings

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax import topology
from topdis_jax.collectives import AxisName
from topdis_jax.losses import divergences
from topdis_jax.losses.inputs import check_images
from topdis_jax.losses.latent_shift import latent_shift
from topdis_jax.topology import validity


# Two codes have one distance; its scale makes it 1, before and after a shift.
LEAST_POINTS = 3
# So many times the largest entry of the images that take part.
_OUTLYING = 1000.0


class TopDisAux(NamedTuple):
    """dimension [] int32: index of the latent that was shifted; num_valid []
    int32: rows whose shift stays within the margin, which alone count."""
    dimension: jax.Array
    num_valid: jax.Array


def topdis_loss(decode: Callable[[jax.Array], jax.Array], z: ArrayLike,
                rng: jax.Array, *, divergence: str | Callable = 'rtd',
                images: ArrayLike | None = None,
                weights: ArrayLike | None = None, shift: ArrayLike = 0.125,
                margin: ArrayLike = 0.001, num_bars: int | None = 50,
                power: ArrayLike = 1,
                forms: str | Sequence[str] = ('min', 'max'),
                quantile: ArrayLike = 0.9, floor: ArrayLike = 0.05,
                axis_name: AxisName = None, engine: str = 'auto',
                capacity: int | None = None) -> tuple[jax.Array, TopDisAux]:
    """How far the topology of a decoded batch changes when one latent shifts.

    Codes and shifted codes (see `latent_shift`) are decoded to two clouds of
    images in correspondence; their distances, each cloud's divided by its own
    quantile, are compared by RTD, in both directions, or by another
    divergence. Rows without a valid shift do not take part, exactly as if they
    were not there.

    Gradients under `axis_name`. To get those of one device with the whole
    batch,

                                     parameters              this device's codes
        shard_map (check_vma=True)   change nothing          change nothing
        check_vma=False, pmap        take the mean over      divide by the
                                     the devices             number of devices

    With check_vma=True, JAX itself sums gradients of parameters that all
    devices have. Other terms of a loss that are means over own rows must be
    averaged over the devices (jax.lax.pmean) before they are added to this
    one; gradients must not. Under jit with sharded arrays, leave axis_name
    None.

    Source: Balabin et al., Disentanglement Learning via Topology, ICML 2024.
    Departures from the published code: the margin of the shift (margin=0 is
    published), the floor of the scale (floor=0 is published), and the exact
    gradient of the bars (see `topology.rtd`).

    Args:
      decode: function of codes [m, d] to images [m, ...] in [0, 1]; what it
        closes over is differentiated. Other ranges do as well, from 1e-28 to
        1e35.
      z: [n, d] float codes. Under `axis_name`, this device's rows.
      rng: key, the same on every device.
      divergence: 'rtd' (published), 'srtd' (one barcode in place of four),
        'rtd_lite' (spanning trees, no barcode; names are rows of
        losses/divergences.py), or a function
        (dist_x [n, n], dist_y [n, n], mask [n] bool) -> [] that takes
        distances and the rows that take part.
      images: [n, ...] decode(z), if it is known already: saves one decoding.
      weights: [d] float, odds of the latents; see `latent_shift`.
      shift, margin: see `latent_shift`; may be traced.
      num_bars, power, forms, engine, capacity: see `topology.rtd`. 'srtd'
        has no forms; 'rtd_lite' has forms alone.
      quantile, floor: what divides each cloud's distances, see
        `topology.scale_by_quantile`; may be traced. The floor keeps the loss
        moderate where nearly all images of a cloud coincide.
      axis_name: name of the mapped axis, or names of the axes, over which the
        batch is spread. The loss is then that of the whole batch, on each
        device; barcodes are shared out over the devices.

    Returns:
      (loss [] float32, TopDisAux). Fewer than three valid rows, or images
      that all coincide: loss 0 with gradient 0. NaN if a code, or an image of
      a row that takes part, is not finite, or a traced option out of its
      range. An image of another row may be anything; but where `decode`
      itself overflows there, autodiff makes NaN of its derivative.

    Raises:
      ValueError: wrong shapes or options.
      TypeError: codes or images that are not floating, or rng not a key.
    """
    if num_bars is not None:
        validity.check_count('num_bars', num_bars)
    z = jnp.asarray(z)
    _warn_of_few(z, axis_name)
    z_shifted, valid, dimension = latent_shift(
        z, rng, weights=weights, shift=shift, margin=margin,
        axis_name=axis_name)
    before, after = (_without_outliers(cloud, valid, axis_name) for cloud
                     in _decode(decode, z, z_shifted, images))
    count = collectives.total(jnp.sum(valid, dtype=jnp.int32), axis_name)
    valid = collectives.gather(valid, axis_name)
    dist, dist_shifted = (
        topology.scale_by_quantile(
            topology.pairwise_distances(cloud, axis_name=axis_name),
            mask=valid, quantile=quantile, floor=floor)
        for cloud in (before, after))
    loss = divergences.compare(
        divergence, dist, dist_shifted, valid, forms=forms,
        axis_name=axis_name, bars=dict(num_bars=num_bars, power=power,
                                       engine=engine, capacity=capacity))
    # Of two images the distances are 1, but for rounding.
    loss = jnp.where(count < LEAST_POINTS, 0.0, loss)
    # Codes or options that are not finite would leave no valid row, and so a
    # loss of 0. Shifted codes show both.
    bad = collectives.total(jnp.sum(~jnp.isfinite(z_shifted)), axis_name)
    loss = jnp.where(bad > 0, jnp.nan, loss)
    return loss, TopDisAux(dimension, count)


def _decode(decode, z, z_shifted, images):
    """Both clouds, [n, ...] each; one call of decode."""
    n = z.shape[0]
    if images is None:
        both = decode(jnp.concatenate([z, z_shifted]))
        _check_rows('decode(codes)', both, 2 * n,
                    f'for {2 * n} codes, the {n} given and their shifts')
        return both[:n], both[n:]
    check_images('images', images)
    after = decode(z_shifted)
    _check_rows('decode(codes)', after, n, f'for {n} shifted codes')
    if jnp.shape(images) != after.shape:
        raise ValueError('images must have the shape of decode(z), '
                         f'{after.shape}, received {jnp.shape(images)}')
    return images, after


def _without_outliers(images, valid, axis_name):
    """The images [n, ...], with 0 for those that would disturb the others.

    An image that does not take part, as of a code far out, may be so large, or
    not finite, that beside it the others lose their digits.
    """
    sizes = jax.lax.stop_gradient(jnp.max(
        jnp.abs(images.astype(jnp.float32)), axis=tuple(range(1, images.ndim)),
        initial=0.0))
    largest = collectives.largest(
        jnp.max(jnp.where(valid, sizes, 0.0), initial=0.0), axis_name)
    # NaN compares as larger. The factor costs three digits of seven at most.
    kept = valid | (sizes < jnp.inf) & (sizes <= _OUTLYING * largest)
    return jnp.where(kept.reshape(-1, *(1,) * (images.ndim - 1)), images, 0)


def _check_rows(name, images, rows, why):
    check_images(name, images)
    if images.ndim < 2 or images.shape[0] != rows:
        raise ValueError(f'{name} must have shape [{rows}, ...] {why}; '
                         f'received {images.shape}')


def _warn_of_few(z, axis_name):
    """A loss of 0 looks like success; here it is known before any value."""
    if z.ndim != 2:
        return  # which latent_shift refuses
    count = z.shape[0] * collectives.count(axis_name)
    if count < LEAST_POINTS:
        warnings.warn(
            f'topdis_loss received {count} codes: the loss of fewer than '
            f'{LEAST_POINTS} is always 0; give a larger batch', stacklevel=3)
