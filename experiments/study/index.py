"""The tables of all results: docs/results/index.md.

    python -m experiments.study.index [--floors]

Computes the statistics in the results.json of each study there anew, from the
scores of its runs, and writes two tables: a row for each setting that was
trained without and with the loss, and the effect over all settings. --floors
computes anew the least reconstruction that any model can have, from the images.
"""

import os

from absl import flags

from experiments import console
from experiments.study import cells, grid, report_results, report_text, summary
from topdis_jax import files

FOLDER = os.path.join('docs', 'results')
SHOWN = 'mig', 'factor_vae', 'sap', 'dci_2000'
# In the order of the table; the rule of selection.md that fixed the settings
# before the study's runs.
STUDIES = {'families': 'no', 'strong': 'rule 2', 'gentle': 'rule 3',
           'longer': 'rule 6', 'longer_weight_1': 'rule 6',
           'correlated': 'no', 'scenes': 'rule 4', 'arc': 'rule 7'}
# What is tested together: data sets, but for training on correlated factors.
_DATA = {'sprites_small': 'sprites', 'scenes_small': 'scenes',
         'scenes_arc': 'scenes, hues on an arc'}
_GROUPS = {'correlated': 'sprites, correlated factors'}
# ControlVAE went on to 24 000 steps to test the prediction of rule 3.
_OTHER_RULES = {('longer', 'control_vae+weight_1_shift_1_4'): 'rule 3'}
_PAGES = {'longer_weight_1': 'longer'}  # where not its own
# What a mean hides.
_REMARKS = {('strong', 'beta_vae+beta_16'):
            'seed 10 [collapsed](strong.md) without the loss'}
_LABELS = {
    'vae': 'VAE', 'beta_vae': 'beta-VAE', 'beta_tcvae': 'beta-TCVAE',
    'factor_vae': 'FactorVAE', 'control_vae': 'ControlVAE', 'dava': 'DAVA'}

_FLOORS = flags.DEFINE_boolean('floors', False, 'Compute the floors anew.')


def main():
    for study in sorted(os.listdir(FOLDER)):
        path = os.path.join(FOLDER, study, 'results.json')
        if os.path.exists(path):
            results = grid.read(os.path.join(FOLDER, study), 'results.json')
            files.write_json(path, compared(results, _FLOORS.value))
    page = os.path.join(FOLDER, 'index.md')
    with open(page) as file:
        text = file.read()
    with files.replacing(page) as file:
        file.write(with_tables(text, FOLDER))
    print(f'Written into {page}')


def compared(results, new_floors=False):
    """A study's results with all statistics computed anew from its runs."""
    known = {} if new_floors else results.get('floors', {})
    known = report_results.find_floors(results['runs'], known)
    return results | {
        'data': report_results.compare_all(results['runs'], known),
        'floors': known}


def with_tables(text, folder):
    """A page with the tables of the studies in a folder between their marks."""
    for name, lines in (('settings', settings_table(folder)),
                        ('summary', summary_table(folder))):
        text = cells.put(text, name, lines)
    return text


def settings_table(folder):
    """The lines of the table with a row for each setting."""
    header = ['study', 'setting', 'seeds',
              *map(report_text.label, (*SHOWN, 'reconstruction')),
              'price (nats)', 'price above the floor', 'fixed beforehand']
    rows = [[f'[{study}]({_PAGES.get(study, study)}.md)',
             *_row(found, _REMARKS.get((study, variant))),
             _OTHER_RULES.get((study, variant), STUDIES[study])]
            for study, _, variant, found in _settings(folder)]
    return cells.table(header, rows)


def summary_table(folder):
    """The lines of the table of families, and what its cells mean."""
    groups = {}
    for study, data, variant, found in _settings(folder):
        group = _GROUPS.get(study, _DATA.get(data, data))
        family = _LABELS[variant.partition('+')[0]]
        groups.setdefault(group, []).append((family, found))
    summaries = {group: summary.summarize(variants, SHOWN)
                 for group, variants in groups.items()}
    rows = [[group, *row] for group, found in summaries.items()
            for row in summary.rows(found)]
    largest = next(iter(summaries.values()))
    return summary.note(largest) + '\n' + cells.table(
        ['data', 'family', *map(report_text.label, SHOWN)], rows)


def _settings(folder):
    """[(study, data set, variant, what report_results.compare gives)]."""
    return [(study, data, variant, found) for study in STUDIES
            for data, variants in grid.read(
                os.path.join(folder, study), 'results.json')['data'].items()
            for variant, found in variants.items()]


def _row(found, remark=None):
    measures = found['measures']
    cost, count = measures['reconstruction'], len(found['seeds'])
    share = cost['above_floor']
    name = setting(found['config']) + (f'<br>{remark}' if remark else '')
    return [name, str(count),
            *(f'{_change(measures[name], 3)}<br>'
              f'{_difference(measures[name]["difference"], 3, count)}'
              for name in SHOWN),
            _change(cost, 1),
            f'{cost["difference"]["mean"]:+.1f}<br>'
            + cells.interval(cost['difference'], 1),
            f'{share["mean"]:+.1f}%<br>{cells.interval(share, 1)}']


def _change(measure, digits):
    """Means without and with the loss."""
    off, on = (measure[arm]['mean'] for arm in ('off', 'on'))
    return f'{off:.{digits}f} → {on:.{digits}f}'


def _difference(found, digits, count):
    """Interval of a difference, in how many seeds it is a rise, and p."""
    return (f'{cells.interval(found, digits)}<br>{found["rises"]} of {count}, '
            f'p {cells.p_value(found["sign_flip"])}')


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
