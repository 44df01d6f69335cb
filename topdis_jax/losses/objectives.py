"""Objectives of the VAE families: arrays in, (loss, named terms) out.

Each is a mean over the batch of sums over an image, in nats. The terms are
scalars for the log; 'reconstruction' and 'kl' are always among them. Arrays
may be of any floating type; losses and terms are float32.
"""

from jax import lax
import jax
import jax.numpy as jnp
from jax.typing import ArrayLike

from topdis_jax import collectives
from topdis_jax.collectives import AxisName
from topdis_jax.losses import control
from topdis_jax.losses.elbo import bernoulli_nll, gaussian_kl
from topdis_jax.losses.total_correlation import decompose_kl
from topdis_jax.losses.total_correlation import density_ratio_tc
from topdis_jax.topology import validity


def vae(logits: ArrayLike, images: ArrayLike, mean: ArrayLike,
        log_var: ArrayLike) -> tuple[jax.Array, dict[str, jax.Array]]:
    """reconstruction + KL: the negative evidence lower bound.

    Source: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, eq. 3.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.

    Returns:
      (loss [], {'reconstruction', 'kl'}).
    """
    return beta_vae(logits, images, mean, log_var, beta=1.0)


def beta_vae(logits: ArrayLike, images: ArrayLike, mean: ArrayLike,
             log_var: ArrayLike, *,
             beta: ArrayLike) -> tuple[jax.Array, dict[str, jax.Array]]:
    """reconstruction + beta * KL.

    Source: Higgins et al., beta-VAE, ICLR 2017, eq. 4.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.
      beta: weight of the KL term.

    Returns:
      (loss [], {'reconstruction', 'kl'}).
    """
    terms = _elbo_terms(logits, images, mean, log_var)
    return terms['reconstruction'] + beta * terms['kl'], terms


def factor_vae(logits: ArrayLike, images: ArrayLike, mean: ArrayLike,
               log_var: ArrayLike, density_logits: ArrayLike, *,
               gamma: ArrayLike) -> tuple[jax.Array, dict[str, jax.Array]]:
    """reconstruction + KL + gamma * TC, TC by a classifier of codes.

    Source: Kim & Mnih, Disentangling by Factorising, ICML 2018, eq. 2.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.
      density_logits: [b, 2] float, the classifier's, of the codes.
      gamma: weight of the total correlation.

    Returns:
      (loss [], {'reconstruction', 'kl', 'total_correlation'}).
    """
    loss, terms = vae(logits, images, mean, log_var)
    tc = density_ratio_tc(density_logits)
    return loss + gamma * tc, {**terms, 'total_correlation': tc}


def beta_tcvae(
        logits: ArrayLike, images: ArrayLike, mean: ArrayLike,
        log_var: ArrayLike, z: ArrayLike, *, beta: ArrayLike,
        dataset_size: int, estimator: str = 'weighted',
        axis_name: AxisName = None) -> tuple[jax.Array, dict[str, jax.Array]]:
    """reconstruction + MI + beta * TC + dimension-wise KL.

    Source: Chen et al., Isolating Sources of Disentanglement in VAEs, NeurIPS
    2018, eq. 4, with alpha = gamma = 1.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var, z: [b, d] float, posterior and its sample.
      beta: weight of the total correlation.
      dataset_size, estimator, axis_name: see `decompose_kl`.

    Returns:
      (loss [], {'reconstruction', 'kl', and the three parts}); 'kl' is the
      closed form, for the log, not the sum of the parts.
    """
    terms = _elbo_terms(logits, images, mean, log_var)
    parts = decompose_kl(z, mean, log_var, dataset_size=dataset_size,
                         estimator=estimator, axis_name=axis_name)
    loss = (terms['reconstruction'] + parts.mutual_information
            + beta * parts.total_correlation + parts.dimension_wise)
    return loss, {**terms, **parts._asdict()}


def control_vae(
        logits: ArrayLike, images: ArrayLike, mean: ArrayLike,
        log_var: ArrayLike, state: control.PIState, step: int | jax.Array, *,
        proportional: float | jax.Array = 0.01,
        integral: float | jax.Array = -0.001,
        start: ArrayLike = 0.5, rise: ArrayLike = 0.15, every: int = 5000,
        stop: ArrayLike = 18.0,
        axis_name: AxisName = None
) -> tuple[jax.Array, dict[str, jax.Array], control.PIState]:
    """reconstruction + weight * KL, the weight held by a controller.

    Source: Shao et al., ControlVAE, ICML 2020, eq. 5.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.
      state: losses.PIState.
      step: [] int, steps done.
      proportional, integral: see `losses.pi_controller`.
      start, rise, every, stop: see `losses.pi_set_point`.
      axis_name: name of the mapped axis over which the batch is spread; the
        controller sees the KL of the whole batch.

    Returns:
      (loss [], {'reconstruction', 'kl', 'kl_weight', 'set_point'}, PIState).
    """
    terms = _elbo_terms(logits, images, mean, log_var)
    kl = collectives.mean(lax.stop_gradient(terms['kl']), axis_name)
    target = control.pi_set_point(step, start=start, rise=rise, every=every,
                                  stop=stop)
    weight, state = control.pi_controller(
        state, kl, target, proportional=proportional, integral=integral)
    loss = terms['reconstruction'] + weight * terms['kl']
    return loss, {**terms, 'kl_weight': weight, 'set_point': target}, state


def dava(logits: ArrayLike, images: ArrayLike, mean: ArrayLike,
         log_var: ArrayLike, *, capacity: ArrayLike, gamma: ArrayLike = 500.0,
         degree: int = 4,
         axis_name: AxisName = None) -> tuple[jax.Array, dict[str, jax.Array]]:
    """reconstruction + gamma * (KL - capacity)^degree: DAVA's annealed VAE.

    KL here is the mean over latents (and the batch), while the term 'kl' is
    the sum over latents, as for the other families. Degree 0 stands for the
    absolute difference. DAVA's adversarial terms are
    `losses.adversarial_weights` and `losses.image_discriminator_loss`.

    Source: Estermann & Wattenhofer, DAVA, ICLR 2023, and its published code.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.
      capacity: [] float, nats per latent, see `losses.dava_capacity`.
      gamma: weight.
      degree: whole number, 0 or even. The power stays below 1e30: a larger
        difference counts as 1e30 ** (1 / degree).
      axis_name: name of the mapped axis over which the batch is spread; the
        KL in the power is then that of the whole batch.

    Returns:
      (loss [], {'reconstruction', 'kl', 'capacity'}).

    Raises:
      ValueError: shapes that differ, or an odd degree.
    """
    if validity.check_count('degree', degree, least=0) % 2:
        raise ValueError(f'degree must be 0 or even, received {degree!r}')
    terms = _elbo_terms(logits, images, mean, log_var)
    kl = collectives.mean(terms['kl'], axis_name)
    excess = kl / jnp.shape(mean)[1] - capacity
    penalty = jnp.abs(excess) if degree == 0 else _power(excess, degree)
    return (terms['reconstruction'] + gamma * penalty,
            {**terms, 'capacity': jnp.asarray(capacity, jnp.float32)})


def _power(x, degree):
    """x ** degree, bounded: infinity times a zero cotangent is NaN."""
    bound = 1e30 ** (1 / degree)
    return jnp.clip(x, -bound, bound) ** degree


def _elbo_terms(logits, images, mean, log_var):
    return {'reconstruction': jnp.mean(bernoulli_nll(logits, images)),
            'kl': jnp.mean(jnp.sum(gaussian_kl(mean, log_var), axis=1))}
