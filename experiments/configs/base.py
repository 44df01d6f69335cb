"""The defaults. Every key, with its meaning: topdis_jax/training/config.py."""

from topdis_jax.training import config as configs


def get_config(family='vae'):
    """The defaults; `family` is what follows the colon of --config.

    Any key can be set on the command line, as in a first, short run:
    --config.train.steps=2000 --config.topdis.delay=1000.
    """
    return configs.default(family)
