"""Objectives of the VAE families: arrays in, (loss, named terms) out.

Each is a mean over the batch of sums over an image, in nats. The terms are
scalars for the log; 'reconstruction' and 'kl' are always among them.
"""

import jax.numpy as jnp

from topdis_jax.losses.elbo import bernoulli_nll, gaussian_kl


def vae(logits, images, mean, log_var):
    """reconstruction + KL: the negative evidence lower bound.

    Source: Kingma & Welling, Auto-Encoding Variational Bayes, 2014, eq. 3.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.

    Returns:
      (loss [], {'reconstruction': [], 'kl': []}).
    """
    return beta_vae(logits, images, mean, log_var, beta=1.0)


def beta_vae(logits, images, mean, log_var, *, beta):
    """reconstruction + beta * KL.

    Source: Higgins et al., beta-VAE, ICLR 2017, eq. 4.

    Args:
      logits, images: [b, h, w, c] float; images in [0, 1].
      mean, log_var: [b, d] float, of the posterior.
      beta: weight of the KL term.

    Returns:
      (loss [], {'reconstruction': [], 'kl': []}).
    """
    reconstruction = jnp.mean(bernoulli_nll(logits, images))
    kl = jnp.mean(jnp.sum(gaussian_kl(mean, log_var), axis=1))
    terms = {'reconstruction': reconstruction, 'kl': kl}
    return reconstruction + beta * kl, terms
