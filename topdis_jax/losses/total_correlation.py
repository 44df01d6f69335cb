"""Total correlation: how far the latents are from independent.

TC = KL(q(z) || prod_j q(z_j)), q(z) the posterior averaged over the data set.
Estimated from a batch (beta-TCVAE) or by a classifier (FactorVAE).
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.losses.inputs import as_float32, check_key
from topdis_jax.topology import validity

ESTIMATORS = ('weighted', 'stratified')


class KLParts(NamedTuple):
    """The parts of the mean KL of a batch, scalars in nats.

    Attributes:
      mutual_information: between image and code, E log q(z|x) / q(z).
      total_correlation: E log q(z) / prod_j q(z_j).
      dimension_wise: E log prod_j q(z_j) / p(z_j).
    """
    mutual_information: jax.Array
    total_correlation: jax.Array
    dimension_wise: jax.Array


def decompose_kl(z: ArrayLike, mean: ArrayLike, log_var: ArrayLike, *,
                 dataset_size: int, estimator: str = 'weighted',
                 axis_name: AxisName = None) -> KLParts:
    """Splits the KL term of a batch in three, which sum to log q(z|x) / p(z).

    With a batch of m codes z_i and posteriors q(.|x_j), and N images,

        q(z_i) ~ sum_j w_ij q(z_i|x_j),

    w_ij = 1 / (N m) ('weighted': minibatch weighted sampling), or
    w_ii = 1 / N, w_ij = (N - m + 1) / (N (m - 1)) for j = i + 1 (cyclically)
    and 1 / (m - 1) else ('stratified': minibatch stratified sampling). The
    same with single latents gives q(z_j).

    Source: Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS
    2018, eq. 2, appendix C.1 and C.2. Their code gives the two special weights
    of the stratified form to columns 0 and 1 of every row; here, as in their
    text, to a row's own image and to the next one.

    Args:
      z, mean, log_var: [b, d] float. Under `axis_name`, this device's rows.
      dataset_size: N.
      estimator: 'weighted' or 'stratified'.
      axis_name: name of the mapped axis over which the batch is spread; q is
        then estimated from the whole batch, and the means are over this
        device's rows.

    Returns:
      KLParts, float32.

    Raises:
      ValueError: shapes that differ, a dataset_size that is no positive
        whole number, unknown estimator, or one that needs two images and has
        one.
      TypeError: not floating.
    """
    if estimator not in ESTIMATORS:
        raise ValueError(f'estimator must be one of {ESTIMATORS}, '
                         f'received {estimator!r}')
    dataset_size = validity.check_count('dataset_size', dataset_size)
    z, mean, log_var = as_float32(z=z, mean=mean, log_var=log_var)
    if z.ndim != 2 or not z.shape == mean.shape == log_var.shape:
        raise ValueError('z, mean and log_var must have one shape [b, d], '
                         f'received {z.shape}, {mean.shape} and '
                         f'{log_var.shape}')
    means, log_vars = collectives.gather((mean, log_var), axis_name)
    pairs = _log_normal(z[:, None], means[None], log_vars[None])  # [b, m, d]
    weights = _log_weights(z.shape[0], means.shape[0], dataset_size,
                           estimator, axis_name)
    log_joint = jax.nn.logsumexp(jnp.sum(pairs, axis=2) + weights, axis=1)
    log_product = jnp.sum(
        jax.nn.logsumexp(pairs + weights[:, :, None], axis=1), axis=1)
    log_posterior = jnp.sum(_log_normal(z, mean, log_var), axis=1)
    log_prior = jnp.sum(
        _log_normal(z, jnp.zeros_like(z), jnp.zeros_like(z)), axis=1)
    return KLParts(jnp.mean(log_posterior - log_joint),
                   jnp.mean(log_joint - log_product),
                   jnp.mean(log_product - log_prior))


def _log_normal(x, mean, log_var):
    """log N(x; mean, exp(log_var)); its precision at most exp(60).

    Bounded, so that sums and differences of such logarithms are finite.
    """
    log_var = jnp.clip(log_var, -1e30, 1e30)
    precision = jnp.exp(-jnp.maximum(log_var, -60.0))
    square = jnp.clip(x - mean, -1e18, 1e18) ** 2
    return -(math.log(2 * math.pi) + log_var
             + jnp.minimum(square * precision, 1e30)) / 2


def _log_weights(rows, batch, dataset_size, estimator, axis_name):
    """log w_ij, [rows, batch]."""
    if estimator == 'weighted':
        return jnp.full((rows, batch), -math.log(dataset_size * batch),
                        jnp.float32)
    others = batch - 1
    if others < 1:
        raise ValueError('the stratified estimator needs a batch of at least '
                         'two images, received one')
    own = collectives.own_rows(jnp.arange(batch)[:, None], rows, axis_name)
    column = jnp.arange(batch)[None, :]
    # A batch of the whole data set: the second special weight is not negative.
    stratum = max(dataset_size - others, 0) / (dataset_size * others)
    weights = jnp.where(column == own, 1 / dataset_size, 1 / others)
    return jnp.log(jnp.where(column == (own + 1) % batch, stratum, weights))


def density_ratio_tc(logits: ArrayLike) -> jax.Array:
    """Total correlation by a classifier: mean of logits[0] - logits[1].

    Class 0 are codes, class 1 codes with each coordinate permuted over the
    batch; the logits' difference estimates log q(z) / prod_j q(z_j).

    Source: Kim & Mnih, Disentangling by Factorising, ICML 2018, eq. 3.

    Args:
      logits: [b, 2] float, of codes.

    Returns:
      [] float32, nats.

    Raises:
      ValueError: not [b, 2].
      TypeError: not floating.
    """
    logits = _two_classes(logits=logits)
    return jnp.mean(logits[:, 0] - logits[:, 1])


def discriminator_loss(logits: ArrayLike,
                       logits_permuted: ArrayLike) -> jax.Array:
    """Half the sum of the cross-entropies of codes and permuted codes.

    Source: Kim & Mnih 2018, algorithm 2.

    Args:
      logits: [b, 2] float, of codes (class 0).
      logits_permuted: [b, 2] float, of permuted codes (class 1).

    Returns:
      [] float32, nats.

    Raises:
      ValueError: not [b, 2].
      TypeError: not floating.
    """
    logits = _two_classes(logits=logits)
    logits_permuted = _two_classes(logits_permuted=logits_permuted)
    real = jax.nn.log_softmax(logits)[:, 0]
    permuted = jax.nn.log_softmax(logits_permuted)[:, 1]
    return -(jnp.mean(real) + jnp.mean(permuted)) / 2


def _two_classes(**logits):
    array = as_float32(**logits)
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f'{list(logits)[0]} must have shape [b, 2], received '
                         f'{array.shape}')
    return array


def permute_coordinates(rng: jax.Array, z: ArrayLike, *,
                        axis_name: AxisName = None) -> jax.Array:
    """Permutes each latent over the batch, independently of the others.

    Source: Kim & Mnih 2018, algorithm 1.

    Args:
      rng: key, the same on every device.
      z: [b, d] float. Under `axis_name`, this device's rows; the permutations
        are over the whole batch.

    Returns:
      [b, d] in the type of `z`.
    """
    check_key(rng)
    z = jnp.asarray(z)
    whole = collectives.gather(z, axis_name)
    order = jnp.argsort(jax.random.uniform(rng, whole.shape), axis=0)
    permuted = jnp.take_along_axis(whole, order, axis=0)
    return collectives.own_rows(permuted, z.shape[0], axis_name)
