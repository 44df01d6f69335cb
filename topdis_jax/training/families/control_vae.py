"""ControlVAE: a controller sets the weight of the KL. Shao et al., 2020."""

from typing import Any

from topdis_jax import losses
from topdis_jax.collectives import AxisName
from topdis_jax.losses import control
from topdis_jax.training.families.family import elbo_inputs, Family, Objective
from topdis_jax.training.families.family import Release
from topdis_jax.training.keys import AT_LEAST_ONE, Key

KEYS = {
    # Gains of the controller.
    'proportional': Key(0.01),
    'integral': Key(-0.001),
    # Its set point of the KL (nats), which rises by kl_rise every
    # kl_rise_every steps up to kl_stop. From a kl_start of
    # proportional / -integral (10 nats) on, the weight of the KL stays at 1.
    'kl_start': Key(0.5),
    'kl_rise': Key(0.15),
    'kl_rise_every': Key(5000, *AT_LEAST_ONE),
    'kl_stop': Key(18.0),
}
LABELS = {
    'set_point': 'Set point of the KL (nats)',
    'kl_weight': 'Weight of the KL',
}


def build(config: Any, dataset_size: int, axis_name: AxisName) -> Objective:
    """The objective of ControlVAE; see `Family`."""
    del dataset_size
    options = config.objective
    # The release counts the step that it is in: its set point rises one step
    # earlier.
    begun = 1 if config.get('published', False) else 0

    def loss(forward, carry, step, rng):
        del rng
        return losses.control_vae(
            *elbo_inputs(forward), carry, step + begun,
            proportional=options.proportional, integral=options.integral,
            start=options.kl_start, rise=options.kl_rise,
            every=options.kl_rise_every, stop=options.kl_stop,
            axis_name=axis_name)

    return Objective(loss, init=lambda rng, images: losses.pi_init())


def warnings(config: Any) -> list[str]:
    """Tells of a controller that would freeze; see `Family`."""
    options = config.objective
    start = min(options.kl_start, options.kl_stop)
    most = control.largest_start(options.proportional, options.integral)
    if start < most:
        return []
    return [
        f'Warning: the set point of the KL starts at {start:g} nats '
        "(config.objective.kl_start), and ControlVAE's controller, as "
        'published, freezes with a weight of 1 for the KL to the end of the '
        'run if that is proportional / -integral = '
        f'{most:.3g} nats or more above the KL of the untrained network, '
        'which is near 0. Start lower, and let it rise '
        '(config.objective.kl_rise)']


FAMILY = Family(build, KEYS, labels=LABELS, warnings=warnings,
                release=Release(from_delay=True, initialization='kaiming'))
