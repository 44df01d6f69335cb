"""The table of scores: all that the package knows of each, in one row.

A run's scores, scores.json, the command line, plots and reports take names,
labels and settings from here. A new score is a file and a row.
"""

from collections.abc import Callable, Iterable, Mapping
import inspect
from typing import Any, Literal, NamedTuple

from topdis_jax.metrics.beta_vae import beta_vae
from topdis_jax.metrics.boosting import STAGES
from topdis_jax.metrics.dci import dci
from topdis_jax.metrics.explicitness import explicitness
from topdis_jax.metrics.factor_vae import factor_vae
from topdis_jax.metrics.infomec import infomec
from topdis_jax.metrics.irs import irs
from topdis_jax.metrics.mig import mig
from topdis_jax.metrics.modularity import modularity
from topdis_jax.metrics.samples import Samples
from topdis_jax.metrics.sap import C, sap


class Score(NamedTuple):
    """A row of the table.

    Attributes:
      name: in `config.eval.scores` and scores.json.
      label: in tables and plots.
      function: the score. A `seed` and `progress` are passed to it if it has
        these arguments.
      needs: the attribute of Samples that holds its positional arguments.
      settings: what it is computed with, {name in scores.json: value}.
      options: keyword arguments of the function.
      train_rows: how many training rows it is given; None: all.
      compares: 'latents', 'factors': of these it needs two at least.
      varying: whether it is undefined for a factor with one value.
      fields: of a function with several results, {suffix of the name: field
        of the result}; the first is the main one.
    """
    name: str
    label: str
    function: Callable[..., Any]
    needs: Literal['train', 'train_and_test', 'representation']
    settings: Mapping[str, Any] = {}
    options: Mapping[str, Any] = {}
    train_rows: int | None = None
    compares: tuple[str, ...] = ()
    varying: bool = False
    fields: Mapping[str, str] = {}

    @property
    def main(self) -> str:
        """Name of the result that ranks checkpoints and stands in tables."""
        return self.name + next(iter(self.fields), '')

    def compute(self, samples: Samples) -> dict[str, float]:
        """The score's results by name."""
        arguments = getattr(samples, self.needs)
        if self.train_rows is not None:
            codes, factors, *test = arguments
            rows = slice(self.train_rows)
            arguments = codes[rows], factors[rows], *test
        accepted = inspect.signature(self.function).parameters
        shared = {name: value for name, value in samples.options.items()
                  if name in accepted}
        result = self.function(*arguments, **shared, **self.options)
        if not self.fields:
            return {self.name: result}
        return {self.name + suffix: getattr(result, field)
                for suffix, field in self.fields.items()}


def _default(function, argument):
    return inspect.signature(function).parameters[argument].default


_DCI_FIELDS = {'': 'disentanglement', '_completeness': 'completeness',
               '_informativeness': 'informativeness_test'}
_INFOMEC_FIELDS = {'_modularity': 'modularity',
                   '_explicitness': 'explicitness',
                   '_compactness': 'compactness'}
_BOTH = 'latents', 'factors'

_ROWS = (
    Score('mig', 'MIG', mig, 'train', {'bins': _default(mig, 'bins')},
          compares=('latents',), varying=True),
    Score('factor_vae', 'FactorVAE score', factor_vae, 'representation', {
        'vote_batch_size': _default(factor_vae, 'batch_size'),
        'num_votes': _default(factor_vae, 'num_train'),
        'num_test_votes': _default(factor_vae, 'num_eval'),
        'num_variance': _default(factor_vae, 'num_variance'),
        'threshold': _default(factor_vae, 'threshold')}),
    Score('sap', 'SAP', sap, 'train_and_test', {'sap_c': C},
          compares=('latents',), varying=True),
    Score('sap_continuous', 'SAP (continuous)', sap, 'train_and_test',
          options={'continuous': True}, compares=('latents',), varying=True),
    Score('dci', 'DCI', dci, 'train_and_test', {'dci_stages': STAGES},
          compares=_BOTH, varying=True, fields=_DCI_FIELDS),
    # Takes seconds where all points take minutes.
    Score('dci_2000', 'DCI (2000 points)', dci, 'train_and_test',
          train_rows=2000, compares=_BOTH, varying=True,
          fields=_DCI_FIELDS),
    Score('beta_vae', 'beta-VAE score', beta_vae, 'representation',
          compares=('factors',)),
    Score('modularity', 'modularity', modularity, 'train',
          compares=('factors',)),
    Score('explicitness', 'explicitness', explicitness, 'train_and_test',
          varying=True),
    Score('irs', 'IRS', irs, 'train',
          {'irs_quantile': _default(irs, 'quantile')}),
    Score('infomec', 'InfoMEC modularity', infomec, 'train',
          compares=_BOTH, varying=True, fields=_INFOMEC_FIELDS),
)

SCORES = {score.name: score for score in _ROWS}


def main_results(names: Iterable[str]) -> list[str]:
    """Names of the main results of scores; unknown names stay."""
    return [SCORES[name].main if name in SCORES else name for name in names]


def settings() -> dict[str, Any]:
    """What all scores are computed with, {name in scores.json: value}."""
    return {name: value for score in _ROWS
            for name, value in score.settings.items()}
