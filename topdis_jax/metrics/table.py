"""The scores that a run can ask for by name. A new one is a file and a line."""

from collections.abc import Callable, Mapping
import inspect
from typing import Any, NamedTuple

from topdis_jax import metrics
from topdis_jax.metrics.dci import STAGES
from topdis_jax.metrics.samples import Samples
from topdis_jax.metrics.sap import C


class Score(NamedTuple):
    """A score.

    Attributes:
      label: what tables and plots call it.
      compute: Samples -> {name: value}, with what goes beside it.
      settings: {name: value}, what it is computed with, for scores.json.
    """
    label: str
    compute: Callable[[Samples], dict[str, float]]
    settings: Mapping[str, Any] = {}


def _default(function, name):
    return inspect.signature(function).parameters[name].default


def _dci(samples, name='dci', rows=None):
    train, labels, *test = samples.both
    result = metrics.dci(train[:rows], labels[:rows], *test,
                         **samples.options)
    return {name: result.disentanglement,
            f'{name}_completeness': result.completeness,
            f'{name}_informativeness': result.informativeness_test}


SCORES = {
    'mig': Score('MIG', lambda s: {'mig': metrics.mig(*s.train)},
                 {'bins': _default(metrics.mig, 'bins')}),
    'factor_vae': Score(
        'FactorVAE',
        lambda s: {'factor_vae': metrics.factor_vae(
            s.represent, s.factor_sizes, **s.options)},
        {'vote_batch_size': _default(metrics.factor_vae, 'batch_size'),
         'num_votes': _default(metrics.factor_vae, 'num_train'),
         'num_test_votes': _default(metrics.factor_vae, 'num_eval'),
         'num_variance': _default(metrics.factor_vae, 'num_variance'),
         'threshold': _default(metrics.factor_vae, 'threshold')}),
    'sap': Score('SAP', lambda s: {'sap': metrics.sap(*s.both)},
                 {'sap_c': C}),
    'sap_continuous': Score(
        'SAP (continuous)',
        lambda s: {'sap_continuous': metrics.sap(*s.both, continuous=True)}),
    'dci': Score('DCI', _dci, {'dci_stages': STAGES}),
    # In seconds where the other takes minutes.
    'dci_2000': Score('DCI (2000 points)',
                      lambda s: _dci(s, 'dci_2000', 2000)),
    'beta_vae': Score(
        'beta-VAE score',
        lambda s: {'beta_vae': metrics.beta_vae(
            s.represent, s.factor_sizes, **s.options)}),
    'modularity': Score(
        'modularity', lambda s: {'modularity': metrics.modularity(*s.train)}),
    'explicitness': Score(
        'explicitness',
        lambda s: {'explicitness': metrics.explicitness(*s.both)}),
    'irs': Score('IRS', lambda s: {'irs': metrics.irs(*s.train)},
                 {'irs_quantile': _default(metrics.irs, 'quantile')}),
}


def settings() -> dict[str, Any]:
    """What all scores are computed with."""
    return {name: value for score in SCORES.values()
            for name, value in score.settings.items()}
