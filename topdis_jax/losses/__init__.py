"""Losses: arrays in, arrays out. Needs jax, numpy and numba, nothing more."""

from topdis_jax.losses.elbo import bernoulli_nll
from topdis_jax.losses.elbo import gaussian_kl
from topdis_jax.losses.elbo import sample_gaussian
from topdis_jax.losses.latent_shift import latent_shift
from topdis_jax.losses.objectives import beta_vae
from topdis_jax.losses.objectives import vae
from topdis_jax.losses.projection import project_conflict
from topdis_jax.losses.topdis import topdis_loss
from topdis_jax.losses.topdis import TopDisAux
from topdis_jax.topology import rtd as rtd_loss

__all__ = (
    'TopDisAux',
    'bernoulli_nll',
    'beta_vae',
    'gaussian_kl',
    'latent_shift',
    'project_conflict',
    'rtd_loss',
    'sample_gaussian',
    'topdis_loss',
    'vae',
)
