"""The Markdown of a study's report."""

import statistics

from experiments.study import cells, summary
from topdis_jax.metrics.table import SCORES, main_results
from topdis_jax.training import workfolder

LABELS = {
    **{score.main: score.label for score in SCORES.values()},
    'reconstruction': 'reconstruction (nats)', 'minutes': 'time (min)'}
# So many seeds are too few for the intervals to hold what they promise.
_FEW = 10

_INTRODUCTION = '''\
# {name}

TopDis off and on, mean ± standard deviation over seeds; the better mean of the
two is bold. Only seeds whose runs are finished in both arms count. Scores are
of the last step. Time is that of a run's whole process, with its start and its
scores, on cores that may have been shared; it says little about speed.
Written by `python -m experiments.study.report`; every figure, run by run, and
the configurations are in [results.json](results.json).
'''

_FLOOR = '''\
The floor, {floor:.2f} nats, is the mean entropy of an image's pixels: no model
can have a lower reconstruction.
'''

_DIFFERENCES = '''\
Paired differences, on minus off: mean over seeds, its 95 % interval (Student's
t), in how many seeds on was larger, and p of the two-sided sign-flip test. The
last column is the difference in per cent of what off has above the floor.
'''

_ALL = '''\
All settings of a family, and all families, together.
'''

_TOO_FEW = '''\
**Seeds: {seeds}, which is few.** The sign-flip test of {least} differences
cannot give a p below {p:.2g}.
'''
_ONE = '''\
**One pair of runs** says nothing of how the difference varies over seeds.
'''
# What a family's strength is called.
_STRENGTHS = {
    'beta_vae': 'objective.beta', 'beta_tcvae': 'objective.beta',
    'factor_vae': 'objective.gamma', 'control_vae': 'objective.kl_stop',
    'dava': 'objective.dava_gamma'}


def label(name):
    return LABELS.get(name, name.replace('_', ' '))


def shown(family):
    """The measures that tables and pictures show, of a compared family."""
    scores = family['config']['eval']['scores']
    names = (*main_results(scores), *cells.COSTS)
    return [name for name in names if name in family['measures']]


def markdown(name, results, pictures, notes=()):
    """The report's text.

    Args:
      name: its heading.
      results: see report_results.collect.
      pictures: {data set: [(file name, caption), ...]}.
      notes: names of files to link.
    """
    parts = [_INTRODUCTION.format(name=name)]
    if notes:
        links = ', '.join(f'[{note}]({note})' for note in notes)
        parts.append(f'Notes: {links}.\n')
    for data, families in results['data'].items():
        parts += _data_set(data, families, results['floors'].get(data),
                           pictures.get(data, ()))
    parts.append(_unfinished(results['unfinished']))
    return '\n'.join(parts)


def _data_set(data, families, floor, pictures):
    parts = [f'## {data}\n']
    done = {key: family for key, family in families.items()
            if family['measures']}
    if not done:
        return parts + ['No seed is finished in every arm.\n']
    configs = {key: _flat(family['config']) for key, family in done.items()}
    usual = _usual(configs)
    parts += [_settings(usual), _own_settings(configs, usual)]
    columns = list(dict.fromkeys(
        name for family in done.values() for name in shown(family)))
    parts.append(_scores(done, columns))
    if any('difference' in m for family in done.values()
           for m in family['measures'].values()):
        parts += _comparison(done, columns, floor)
    return parts + [f'![{caption}]({path})\n' for path, caption in pictures]


def _comparison(families, columns, floor):
    """The differences of each variant, and of families together."""
    columns = [name for name in columns if name != 'minutes']
    counts = [len(family['seeds']) for family in families.values()]
    parts = [] if floor is None else [_FLOOR.format(floor=floor)]
    parts += [_DIFFERENCES, _differences(families, columns)]
    if min(counts) < _FEW:
        parts.append(_few(min(counts), max(counts)))
    if len(families) > 1:
        found = summary.summarize(
            [(key.partition('+')[0], family)
             for key, family in families.items()], columns)
        parts += [_ALL + summary.note(found), cells.table(
            ['family', *map(label, found)], summary.rows(found))]
    return parts


def _few(least, most):
    if most == 1:
        return _ONE
    seeds = f'{least} to {most}' if least < most else f'{least}'
    least = max(least, 2)
    return _TOO_FEW.format(seeds=seeds, least=least, p=2.0 ** (1 - least))


def _usual(configs):
    """What most variants with a key have, of {variant: see _flat}."""
    rows = list(configs.values())
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: statistics.mode(row[name] for row in rows if name in row)
            for name in names}


def _flat(config):
    """{'section.key': value}; lists, which JSON has for tuples, as tuples."""
    return {name: _tuples(value)
            for name, value in workfolder.flatten(config).items()}


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _settings(usual):
    """The settings that a reader asks for first."""
    network = usual['model.network']
    if network == 'mlp':
        network += ' ' + '-'.join(map(str, usual['model.hidden']))
    gradient = ('kept from working against the reconstruction\'s'
                if usual['topdis.orthogonalize'] else 'added')
    return (f'{network}, {usual["model.latents"]} latents, '
            f'{usual["train.steps"]} steps of {usual["train.batch_size"]} '
            f'images, learning rate {usual["train.learning_rate"]:g}; TopDis: '
            f'weight {usual["topdis.weight"]:g} from step '
            f'{usual["topdis.delay"]} on, shift {usual["topdis.shift"]:g}, '
            f'margin {usual["topdis.margin"]:g}, gradient {gradient}.'
            + ''.join(f' In training {a} and {b} go together (sigma {sigma:g}).'
                      for a, b, sigma in usual['data.correlation']) + '\n')


def _own_settings(configs, usual):
    """Each variant's strength, and what it has unlike most others."""
    lines, apart = [], {'model.family', *_STRENGTHS.values()}
    for key, config in configs.items():
        strength = _STRENGTHS.get(config['model.family'])
        own = [name for name, value in config.items()
               if name == strength or name not in apart
               and value != usual.get(name)]
        if own:
            values = ', '.join(f'{name} {_value(config[name])}'
                               for name in own)
            lines.append(f'* {key}: {values}\n')
    return ''.join(lines)


def _value(value):
    if isinstance(value, tuple):
        return '(' + ', '.join(map(_value, value)) + ')'
    return f'{value:g}' if isinstance(value, float) else str(value)


def _kind(variants):
    """What a table's rows are: some may have settings of their own."""
    return 'variant' if any('+' in key for key in variants) else 'family'


def _scores(families, columns):
    rows = []
    for key, family in families.items():
        arms = [arm for arm in ('off', 'on')
                if arm in next(iter(family['measures'].values()))]
        rows += [[key, arm, str(len(family['seeds'])),
                  *(_score(name, family['measures'].get(name), arm)
                    for name in columns)] for arm in arms]
    return cells.table(
        [_kind(families), 'TopDis', 'seeds', *map(label, columns)], rows)


def _score(name, measure, arm):
    if measure is None:
        return '-'
    digits = cells.digits(name)
    text = f'{measure[arm]["mean"]:.{digits}f}'
    if measure[arm]['deviation'] is not None:
        text += f' ± {measure[arm]["deviation"]:.{digits}f}'
    return f'**{text}**' if arm == _better(name, measure) else text


def _better(name, measure):
    """'off' or 'on'; None where they are equal or one is not there."""
    if 'difference' not in measure or measure['difference']['mean'] == 0:
        return None
    rises = measure['difference']['mean'] > 0
    return 'on' if rises != (name in cells.COSTS) else 'off'


def _differences(families, columns):
    rows = [[key, *(_difference(name, family, 'difference')
                    for name in columns),
             _difference('reconstruction', family, 'above_floor')]
            for key, family in families.items()]
    return cells.table([_kind(families), *map(label, columns),
                        'above the floor (%)'], rows)


def _difference(name, family, kind):
    found = family['measures'].get(name, {}).get(kind)
    if found is None:
        return '-'
    text = cells.change(found, cells.digits(name))
    text += f', {found["rises"]} of {len(family["seeds"])}'
    if found['low'] is not None:
        text += f', p {cells.p_value(found["sign_flip"])}'
    return text


def _unfinished(cells):
    if not cells:
        return 'All cells of the study are finished.\n'
    lines = [f'* {cell["cell"]}: {cell["state"]}'
             + (f' (`{cell["message"]}`)' if cell['state'] == 'failed' else '')
             for cell in cells]
    return ('## Not finished\n\nCells of the study without scores of the last '
            'step:\n\n' + '\n'.join(lines) + '\n')
