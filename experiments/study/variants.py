"""Settings of a study beside one of them, paired by seed.

    python -m experiments.study.variants --results=FILE --reference=LABEL

FILE is the results.json of a report. The variant FAMILY+..._LABEL is the
reference of those that differ from it in LABEL alone. Prints two tables: means
with their differences, and the differences over all families, where each pair
of a family and seed counts as one value.
"""

from absl import flags

from experiments import console
from experiments.study import cells, paired, report_results, report_text
from topdis_jax.training import workfolder

SHOWN = 'mig', 'factor_vae', 'sap', 'dci_2000', 'reconstruction', 'minutes'
_HEADER = 'variant', 'setting', 'seeds'


def tables(results, reference):
    """Two tables in Markdown, of the seeds that both of a pair have.

    Args:
      results: what a report's results.json holds.
      reference: the end of a variant's name, such as none in
        beta_vae+beta_16_none; beta_vae+beta_16_rtd is compared with it.

    Raises:
      WorkFolderError: no finished variant is the reference of another.
    """
    rows, changes = [], {}
    for start, label, found in _compared(results, reference):
        rows.append([start.rstrip('_'), label, str(len(found['seeds'])),
                     *_cells(found)])
        if label != reference:
            _add(changes.setdefault(label, {}), found)
    if not changes:
        names = {name for group in results['runs'].values() for name in group}
        raise workfolder.WorkFolderError(
            f'no finished variant has a reference that ends in _{reference}; '
            f'the variants are {", ".join(sorted(names))}')
    header = [*map(report_text.label, SHOWN), 'price above the floor']
    return (cells.table([*_HEADER, *header], rows) + '\n'
            + cells.table(['setting', 'pairs', *header[:-2]],
                          [[label, *_pooled(found)]
                           for label, found in changes.items()]))


def _compared(results, reference):
    """(START, label, see report_results.compare) of variants START + label.

    The reference comes first and has no differences. A variant without a
    finished pair is left out.
    """
    for data, variants in results['runs'].items():
        runs = {name: group['arms'].get('on', {})
                for name, group in variants.items()}
        for base in runs:
            if base.endswith(f'_{reference}'):
                yield from _beside(runs, base.removesuffix(reference),
                                   reference, results['floors'].get(data))


def _beside(runs, start, reference, floor):
    base = runs[start + reference]
    arms = {reference: {'on': base}} | {
        name.removeprefix(start): {'off': base, 'on': own}
        for name, own in runs.items()
        if name.startswith(start) and name != start + reference}
    for label, pair in arms.items():
        found = report_results.compare(pair, floor)
        if found['seeds']:
            yield start, label, found


def _cells(found):
    """Of each measure its mean and the difference with its interval."""
    def cell(name, measure):
        text = f'{measure["on"]["mean"]:.{cells.digits(name)}f}'
        if 'difference' not in measure or name == 'minutes':
            return text
        return text + ', ' + cells.change(
            measure['difference'], cells.digits(name))

    measures = found['measures']
    shown = [cell(name, measures[name]) if name in measures else '-'
             for name in SHOWN]
    price = measures.get('reconstruction', {}).get('above_floor')
    return [*shown, f'{cells.change(price, 1)}%' if price else '-']


def _add(changes, found):
    for name, measure in found['measures'].items():
        off, on = (measure[key]['values'] for key in ('off', 'on'))
        changes.setdefault(name, []).extend(on[seed] - off[seed]
                                            for seed in found['seeds'])


def _pooled(changes):
    """How many pairs; of each measure the mean, how many rise, and p."""
    def cell(name, values):
        return (f'{sum(values) / len(values):+.{cells.digits(name)}f}, '
                f'{sum(value > 0 for value in values)} rise, '
                f'p {cells.p_value(paired.sign_flip_test(values))}')

    return [str(max(map(len, changes.values()))), *(
        cell(name, changes[name]) if name in changes else '-'
        for name in SHOWN[:-1])]


def main():
    path = flags.DEFINE_string('results', None, "A report's results.json.",
                               required=True)
    reference = flags.DEFINE_string(
        'reference', 'none', 'The variant that others are compared with: the '
        'end of its name.')

    def start():
        print(tables(report_results.read(path.value), reference.value))

    console.start(start)


if __name__ == '__main__':
    main()
