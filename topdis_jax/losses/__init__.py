"""Losses: arrays in, arrays out. Needs jax, numpy and numba, nothing more."""

from topdis_jax.losses.adversarial import adversarial_weights
from topdis_jax.losses.adversarial import binary_cross_entropy
from topdis_jax.losses.adversarial import image_accuracy
from topdis_jax.losses.adversarial import image_discriminator_loss
from topdis_jax.losses.adversarial import resample_coordinates
from topdis_jax.losses.autoencoder import rtd_autoencoder_loss
from topdis_jax.losses.control import dava_advance
from topdis_jax.losses.control import dava_capacity
from topdis_jax.losses.control import pi_controller
from topdis_jax.losses.control import pi_init
from topdis_jax.losses.control import pi_set_point
from topdis_jax.losses.control import PIState
from topdis_jax.losses.elbo import bernoulli_nll
from topdis_jax.losses.elbo import gaussian_kl
from topdis_jax.losses.elbo import sample_gaussian
from topdis_jax.losses.latent_shift import latent_shift
from topdis_jax.losses.objectives import beta_tcvae
from topdis_jax.losses.objectives import beta_vae
from topdis_jax.losses.objectives import control_vae
from topdis_jax.losses.objectives import dava
from topdis_jax.losses.objectives import factor_vae
from topdis_jax.losses.objectives import vae
from topdis_jax.losses.projection import conflicting_part
from topdis_jax.losses.projection import project_conflict
from topdis_jax.losses.topdis import topdis_loss
from topdis_jax.losses.topdis import TopDisAux
from topdis_jax.losses.total_correlation import decompose_kl
from topdis_jax.losses.total_correlation import density_ratio_tc
from topdis_jax.losses.total_correlation import discriminator_loss
from topdis_jax.losses.total_correlation import KLParts
from topdis_jax.losses.total_correlation import permute_coordinates
from topdis_jax.topology import rtd as rtd_loss

__all__ = (
    'KLParts',
    'PIState',
    'TopDisAux',
    'adversarial_weights',
    'bernoulli_nll',
    'beta_tcvae',
    'beta_vae',
    'binary_cross_entropy',
    'conflicting_part',
    'control_vae',
    'dava',
    'dava_advance',
    'dava_capacity',
    'decompose_kl',
    'density_ratio_tc',
    'discriminator_loss',
    'factor_vae',
    'gaussian_kl',
    'image_accuracy',
    'image_discriminator_loss',
    'latent_shift',
    'permute_coordinates',
    'pi_controller',
    'pi_init',
    'pi_set_point',
    'project_conflict',
    'resample_coordinates',
    'rtd_autoencoder_loss',
    'rtd_loss',
    'sample_gaussian',
    'topdis_loss',
    'vae',
)
