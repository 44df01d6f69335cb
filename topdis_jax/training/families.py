"""How a training step calls the objective of each VAE family.

A new family is one function in losses.objectives, one entry of FAMILIES and
its keys in the `objective` section of experiments/configs/base.py.
"""

from topdis_jax import losses
from topdis_jax.training import adversarial
from topdis_jax.training.family import elbo_inputs, Family


def make_family(config, dataset_size, axis_name=None):
    """The family that a configuration asks for.

    Args:
      config: see experiments/configs/base.py.
      dataset_size: number of images, which beta-TCVAE's estimator needs.
      axis_name: name of the mapped axis over which batches are spread.

    Raises:
      ValueError: unknown name.
    """
    name = config.model.family
    if name not in FAMILIES:
        raise ValueError(f'model.family must be one of {", ".join(FAMILIES)}, '
                         f'received {name!r}')
    return FAMILIES[name](config, dataset_size, axis_name)


def _vae(config, dataset_size, axis_name):
    del config, dataset_size, axis_name

    def objective(forward, carry, step, rng):
        del step, rng
        return *losses.vae(*elbo_inputs(forward)), carry

    return Family(_nothing, objective)


def _beta_vae(config, dataset_size, axis_name):
    del dataset_size, axis_name
    beta = config.objective.beta

    def objective(forward, carry, step, rng):
        del step, rng
        return *losses.beta_vae(*elbo_inputs(forward), beta=beta), carry

    return Family(_nothing, objective)


def _beta_tcvae(config, dataset_size, axis_name):
    options = config.objective

    def objective(forward, carry, step, rng):
        del step, rng
        return *losses.beta_tcvae(
            *elbo_inputs(forward), forward.z, beta=options.beta,
            dataset_size=dataset_size, estimator=options.tc_estimator,
            axis_name=axis_name), carry

    return Family(_nothing, objective)


def _control_vae(config, dataset_size, axis_name):
    del dataset_size
    options = config.objective

    def objective(forward, carry, step, rng):
        del rng
        return losses.control_vae(
            *elbo_inputs(forward), carry, step,
            proportional=options.proportional, integral=options.integral,
            start=options.kl_start, rise=options.kl_rise,
            every=options.kl_rise_every, stop=options.kl_stop,
            axis_name=axis_name)

    return Family(lambda rng, images: losses.pi_init(), objective)


def _nothing(rng, images):
    del rng, images
    return {}


FAMILIES = {
    'vae': _vae,
    'beta_vae': _beta_vae,
    'factor_vae': adversarial.factor_vae,
    'beta_tcvae': _beta_tcvae,
    'control_vae': _control_vae,
    'dava': adversarial.dava,
}
