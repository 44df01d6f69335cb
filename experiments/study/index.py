"""The table of all results: docs/results/index.md.

    python -m experiments.study.index [--floors]

Writes a row for each setting that was trained without and with the loss, from
the results.json of each study there. --floors computes anew the least
reconstruction that any model can have, from the images.
"""

import os

from absl import flags
import numpy as np

from experiments import console
from experiments.study import grid, report_text
from topdis_jax import files
from topdis_jax.data import sources

FOLDER = os.path.join('docs', 'results')
MARKS = '<!-- table: begin -->\n', '<!-- table: end -->\n'
SHOWN = 'mig', 'factor_vae', 'sap', 'dci_2000'
# In the order of the table; the rule of selection.md that fixed the settings
# before the study's runs.
STUDIES = {'families': 'no', 'strong': 'rule 2', 'gentle': 'rule 3',
           'longer': 'rule 6', 'longer_weight_1': 'rule 6',
           'correlated': 'no', 'scenes': 'rule 4', 'arc': 'rule 7'}
# ControlVAE went on to 24 000 steps to test the prediction of rule 3.
_OTHER_RULES = {('longer', 'control_vae+weight_1_shift_1_4'): 'rule 3'}
_PAGES = {'longer_weight_1': 'longer'}  # where not its own
_LABELS = {
    'vae': 'VAE', 'beta_vae': 'beta-VAE', 'beta_tcvae': 'beta-TCVAE',
    'factor_vae': 'FactorVAE', 'control_vae': 'ControlVAE', 'dava': 'DAVA'}
_AT_ONCE = 1000  # images

_FLOORS = flags.DEFINE_boolean('floors', False, 'Compute the floors anew.')


def main():
    path = os.path.join(FOLDER, 'floors.json')
    if _FLOORS.value:
        names = {name for study in STUDIES for name in _data(study, FOLDER)}
        files.write_json(path, {name: floor(sources.load(name).images)
                                for name in sorted(names)})
    page = os.path.join(FOLDER, 'index.md')
    with open(page) as file:
        text = file.read()
    with files.replacing(page) as file:
        file.write(with_table(text, table(FOLDER)))
    print(f'Written into {page}')


def floor(images):
    """Least reconstruction in nats: the mean entropy of an image's pixels.

    A pixel of value p between 0 and 1 has the entropy of a coin of that odds,
    which no Bernoulli likelihood can be below.

    Args:
      images: [n, h, w, c] uint8.
    """
    p = np.arange(256) / 255
    inner = np.clip(p, 1e-12, 1 - 1e-12)
    entropy = np.where((p == 0) | (p == 1), 0.0, -(
        p * np.log(inner) + (1 - p) * np.log(1 - inner)))
    sums = [entropy[np.asarray(images[start:start + _AT_ONCE])].sum()
            for start in range(0, len(images), _AT_ONCE)]
    return float(sum(sums) / len(images))


def table(folder):
    """The lines of the table, of the studies in a folder."""
    floors = grid.read(folder, 'floors.json')
    header = ['study', 'setting', 'seeds',
              *map(report_text.label, (*SHOWN, 'reconstruction')),
              'price (nats)', 'price above the floor', 'fixed beforehand']
    rows = []
    for study, settled in STUDIES.items():
        for data, variants in _data(study, folder).items():
            for variant, found in variants.items():
                rows.append([f'[{study}]({_PAGES.get(study, study)}.md)',
                             *_row(found, floors[data]),
                             _OTHER_RULES.get((study, variant), settled)])
    return report_text.table(header, rows)


def _data(study, folder):
    """{data set: {variant: what report_results.compare gives}}."""
    return grid.read(os.path.join(folder, study), 'results.json')['data']


def with_table(text, lines):
    """A page with the table between its marks."""
    before, rest = text.split(MARKS[0])
    return before + MARKS[0] + '\n' + lines + '\n' + MARKS[1] + (
        rest.split(MARKS[1])[1])


def _row(found, floor):
    measures = found['measures']
    cost = measures['reconstruction']
    price = cost['difference']['mean'] / (cost['off']['mean'] - floor)
    return [setting(found['config']), str(len(found['seeds'])),
            *(f'{_change(measures[name], 3)}<br>'
              f'{_interval(measures[name], 3)}' for name in SHOWN),
            _change(cost, 1),
            f'{cost["difference"]["mean"]:+.1f}<br>{_interval(cost, 1)}',
            f'{price:+.0%}']


def _change(measure, digits):
    """Means without and with the loss."""
    off, on = (measure[arm]['mean'] for arm in ('off', 'on'))
    return f'{off:.{digits}f} → {on:.{digits}f}'


def _interval(measure, digits):
    return report_text.interval(measure['difference'], digits)


def setting(config):
    """What a model and its loss are, in a few words."""
    family, objective = config['model']['family'], config['objective']
    strength = {'beta_vae': 'beta', 'beta_tcvae': 'beta',
                'factor_vae': 'gamma'}.get(family)
    words = [_LABELS.get(family, family)]
    if strength is not None:
        words.append(f'{strength} {objective[strength]:g}')
    topdis, train = config['topdis'], config['train']
    if family == 'factor_vae' and (
            objective['discriminator_learning_rate'] > 1e-4):
        words.append('quicker discriminator')
    words.append(f'weight {topdis["weight"]:g}')
    if topdis['shift'] != 0.125:
        words.append(f'shift {topdis["shift"]:g}')
    if train['steps'] != 12_000:
        words.append(f'{train["steps"]} steps')
    return ', '.join(words)


if __name__ == '__main__':
    console.start(main)
