"""The VAE families. A new one is a file here and its line in FAMILIES."""

from typing import Any

from topdis_jax.collectives import AxisName
from topdis_jax.training.families import beta_tcvae, beta_vae, control_vae
from topdis_jax.training.families import dava, factor_vae, vae
from topdis_jax.training.families.family import Family, Objective
from topdis_jax.training.families.family import Release

FAMILIES: dict[str, Family] = {
    'vae': vae.FAMILY,
    'beta_vae': beta_vae.FAMILY,
    'factor_vae': factor_vae.FAMILY,
    'beta_tcvae': beta_tcvae.FAMILY,
    'control_vae': control_vae.FAMILY,
    'dava': dava.FAMILY,
}


def release(config: Any) -> Release:
    """What a configuration's run does as the authors' release does."""
    # Older runs have no such key.
    if config.get('published', False):
        return FAMILIES[config.model.family].release
    return Release()


def make_objective(config: Any, dataset_size: int,
                   axis_name: AxisName = None) -> Objective:
    """The Objective of the family that a configuration asks for.

    Args:
      config: see training.config.
      dataset_size: number of images, which beta-TCVAE's estimator needs.
      axis_name: name of the mapped axis over which batches are spread.
    """
    objective = FAMILIES[config.model.family].build(
        config, dataset_size, axis_name)
    if not release(config).second_batch:
        return objective
    return objective._replace(batches=('images', 'second'))
