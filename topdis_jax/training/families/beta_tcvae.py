"""beta-TCVAE: a weight of the total correlation. Chen et al., NeurIPS 2018."""

from typing import Any

from topdis_jax import losses
from topdis_jax.collectives import AxisName
from topdis_jax.losses import total_correlation
from topdis_jax.training.families.family import elbo_inputs, Family, Objective
from topdis_jax.training.families.family import Release
from topdis_jax.training.keys import Key, NOT_NEGATIVE, one_of, require

KEYS = {
    # Weight of the total correlation.
    'beta': Key(6.0, *NOT_NEGATIVE),
    # How a batch stands for the aggregate posterior: 'weighted' or
    # 'stratified' sampling.
    'tc_estimator': Key('weighted', *one_of(total_correlation.ESTIMATORS)),
}
LABELS = {
    'mutual_information': 'Mutual information (nats)',
    'total_correlation': 'Total correlation (nats)',
    'dimension_wise': 'Dimension-wise KL (nats)',
}


def build(config: Any, dataset_size: int, axis_name: AxisName) -> Objective:
    """The objective of beta-TCVAE; see `Family`."""
    options = config.objective

    def loss(forward, carry, step, rng):
        del step, rng
        return *losses.beta_tcvae(
            *elbo_inputs(forward), forward.z, beta=options.beta,
            dataset_size=dataset_size, estimator=options.tc_estimator,
            axis_name=axis_name), carry

    return Objective(loss)


def check(config: Any) -> None:
    """Refuses batches that an estimator cannot use; see `Family`."""
    if config.objective.tc_estimator == 'stratified':
        require(config, 'train.batch_size', "be at least 2 for "
                "config.objective.tc_estimator 'stratified'",
                lambda size: size >= 2)


FAMILY = Family(build, KEYS, labels=LABELS, check=check,
                release=Release(from_delay=True, log_sigma=True))
