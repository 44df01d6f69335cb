"""The studies: data sets x variants x TopDis off and on x seeds.

    python -m experiments.study --config=experiments/configs/study.py:PART \
        --workdir=runs/PART

A variant is a family, or FAMILY+LABEL: the family with settings of its own.
"""

import sys

import ml_collections

from experiments.configs import base, sprites


def get_config(part='families'):
    """The grid of a part, a key of PARTS.

    A smaller one: --config.seeds='(10,11)', and so on.
    """
    if part not in PARTS:
        # Another error would come with the traceback of the flag's parser.
        sys.exit(f'Error in --config: no part {part!r} of the study; there '
                 f'are {", ".join(PARTS)}')
    config = ml_collections.ConfigDict()
    config.data = ('sprites_small',)
    config.variants = ('beta_vae', 'beta_tcvae', 'factor_vae', 'vae',
                       'control_vae', 'dava')
    config.topdis = ('off', 'on')
    # Hyperparameters were compared on seeds below 10, which do not come here;
    # docs/results/selection.md says what was known of these.
    config.seeds = (10, 11, 12, 13, 14)

    # The configuration of every run; its data.name, model.family and seed are
    # those of the grid, and TopDis off is topdis.weight = 0.
    config.run = sprites.get_config()
    del config.run.objective  # each family has its own
    config.run.topdis.orthogonalize = True
    config.run.train.eval_every = 0

    # What a variant has of its own, after what its family has. See
    # docs/results/selection.md.
    config.overrides = ml_collections.ConfigDict()
    for family, objective in sprites.OBJECTIVES.items():
        config.overrides[family] = _of(objective=objective)
    # Those of the grid that was run first.
    config.overrides.factor_vae = _of(objective={
        'gamma': 40.0, 'discriminator_hidden': (400,) * 3})
    PARTS[part](config)
    return config


def _families(config):
    """All families, as they are."""


# Of comparisons whose predictions were written down before any run of these.
_LATER_SEEDS = (20, 21, 22, 23, 24)

# Strengths that suit the plain families best: stronger opponents.
_STRONG = (
    ('beta_vae', 'beta_16', {'beta': 16.0}),
    ('beta_tcvae', 'beta_24', {'beta': 24.0}),
    ('factor_vae', 'gamma_20_fast', {'gamma': 20.0,
                                     'discriminator_learning_rate': 5e-4}))


def _strong(config):
    """Stronger opponents."""
    config.variants = ()
    for family, label, objective in _STRONG:
        _add(config, family, label, objective=objective)


def _scenes(config):
    """Another data set, with the strengths of the stronger opponents."""
    _strong(config)
    config.data = ('scenes_small',)
    # A scene's reconstruction is 35 times a sprite's.
    config.run.topdis.weight = 20.0


def _arc(config):
    """Scenes whose hues do not go around the whole color circle."""
    _scenes(config)
    config.data = ('scenes_arc',)


def _four(config):
    """As many hues as on the arc, around the whole circle; plain."""
    _strong(config)
    config.variants = config.variants[:2]
    config.data = ('scenes_four',)
    config.topdis = ('off',)
    config.seeds = (10, 11)


def _scenes_plain(config):
    """Plain models of scenes to choose from, on a seed of its own.

    Strengths and lengths of the MLP, and the convolutional network.
    """
    config.data = ('scenes_small',)
    config.topdis = ('off',)
    config.seeds = (0,)
    config.run.train.eval_every = 12_000
    config.run.eval.scores = ('mig', 'dci_2000')
    config.variants = ()
    for beta in (2.0, 4.0, 8.0):
        _add(config, 'beta_vae', f'beta_{beta:g}', objective={'beta': beta},
             train={'steps': 96_000})
    _add(config, 'beta_vae', 'beta_4_conv', objective={'beta': 4.0},
         model={'network': 'conv'}, train={'steps': 24_000})


def _scenes_long(config):
    """What rule 10 of the selection chose there, and the loss beside it."""
    config.data = ('scenes_small',)
    config.seeds = _LATER_SEEDS
    config.variants = ()
    for family, beta in (('beta_vae', 4.0), ('beta_tcvae', 6.0)):
        _add(config, family, f'beta_{beta:g}_long', objective={'beta': beta})
    config.run.topdis.weight = 20.0
    config.run.topdis.delay = 16_000
    config.run.train.steps = 96_000
    config.run.train.eval_every = 24_000
    config.run.eval.scores = ('mig', 'factor_vae', 'sap', 'dci_2000')


def _scenes_weights(config):
    """The loss's weight on scenes, to choose from, on a seed of its own."""
    config.data = ('scenes_small',)
    config.topdis = ('on',)
    config.seeds = (0,)
    config.run.eval.scores = ('mig',)
    config.variants = ()
    for family, label, objective in _STRONG:
        for weight in (0, 20, 80):
            _add(config, family, f'{label}_weight_{weight}',
                 objective=objective, topdis={'weight': float(weight)})


def _correlated(config):
    """Two factors that go together in training, not in the scores."""
    config.variants = ('beta_tcvae', 'factor_vae')
    config.run.data.correlation = (('scale', 'x', 0.2),)


def _selection(config):
    """Strengths of the plain families to choose from, on seeds of their own."""
    config.seeds = (0, 1, 2, 3, 4)
    config.topdis = ('off',)
    config.run.eval.scores = ('mig',)
    config.variants = ()
    for family, key, values in (('beta_vae', 'beta', (4, 8, 16)),
                                ('beta_tcvae', 'beta', (6, 12, 24)),
                                ('factor_vae', 'gamma', (20, 40, 80))):
        for value in values:
            _add(config, family, f'{key}_{value}', objective={key: value})
    # Its discriminator at the rate of the model, as published (1e-4 for both).
    for gamma in (20, 40, 80):
        _add(config, 'factor_vae', f'gamma_{gamma}_fast', objective={
            'gamma': gamma, 'discriminator_learning_rate': 5e-4})


# Four times the training.
_LONG = {'steps': 48_000}


def _add_long_factor_vae(config):
    family, label, objective = _STRONG[-1]
    _add(config, family, f'{label}_long', objective=objective, train=_LONG)


def _opponents(config):
    """A stronger FactorVAE to choose from, on seeds of its own.

    Its discriminator still quicker, or four times the training.
    """
    config.topdis = ('off',)
    config.seeds = (0, 1)
    config.run.eval.scores = ('mig',)
    config.variants = ()
    for gamma, rate in ((20, 1e-3), (20, 2e-3), (40, 2e-3)):
        _add(config, 'factor_vae', f'gamma_{gamma}_rate_{rate:.0e}',
             objective={'gamma': float(gamma),
                        'discriminator_learning_rate': rate})
    _add_long_factor_vae(config)


_GENTLER = {
    'weight_1': {'weight': 1.0},  # where none of the others is within 5 %
    'weight_2': {'weight': 2.0},
    'weight_1_shift_1_4': {'weight': 1.0, 'shift': 1 / 4},
    'weight_2_shift_1_4': {'weight': 2.0, 'shift': 1 / 4}}


def _prices(config):
    """Gentler settings of the loss, to choose from, on seeds of their own.

    For the families that give up most of their reconstruction.
    """
    config.topdis = ('on',)
    config.seeds = (0, 1)
    config.run.eval.scores = ('mig',)
    config.variants = ()
    for family in ('vae', 'control_vae', 'dava'):
        for label, topdis in ({'weight_0': {'weight': 0.0}} | _GENTLER).items():
            if family == 'dava' or label != 'weight_1':
                _add(config, family, label, topdis=topdis)


def _gentle(config):
    """Those of the gentler settings that were chosen."""
    config.variants = ()
    for family, label in (('vae', 'weight_2_shift_1_4'),
                          ('control_vae', 'weight_1_shift_1_4'),
                          ('dava', 'weight_1')):
        _add(config, family, label, topdis=_GENTLER[label])


def _longer(config):
    """Four times the training; twice for DAVA, whose steps cost most."""
    config.variants = ()
    _add_long_factor_vae(config)
    for family, label, train in (
            ('control_vae', 'weight_1_shift_1_4', _LONG),
            ('dava', 'weight_1', {'steps': 24_000})):
        _add(config, family, f'{label}_long', topdis=_GENTLER[label],
             train=train)


# Weights that make the loss as large as RTD's at weight 5 when it begins:
# experiments.checks.first_losses, on seeds 0 and 1.
_DIVERGENCES = {'none': ('rtd', 0.0), 'rtd': ('rtd', 5.0),
                'srtd': ('srtd', 5.3), 'rtd_lite': ('rtd_lite', 6.05)}


def _divergences(config):
    """Which divergence the loss is made of, on seeds of their own."""
    config.topdis = ('on',)
    config.seeds = _LATER_SEEDS
    config.variants = ()
    for family, label, objective in _STRONG[:2]:
        for name, (divergence, weight) in _DIVERGENCES.items():
            _add(config, family, f'{label}_{name}', objective=objective,
                 topdis={'divergence': divergence, 'weight': weight})


def _paper(config):
    """Nearer to the paper: all sprites, published strengths, long runs.

    What the authors ran on dSprites, but for the network and the length; of
    FactorVAE, of which they ran none there, gamma is Kim & Mnih's (2018).
    """
    config.data = ('sprites',)
    config.seeds = _LATER_SEEDS
    config.variants = ('beta_tcvae', 'factor_vae')
    config.overrides.beta_tcvae = _of(
        objective=_published('beta_tcvae'), train={'learning_rate': 1e-3},
        topdis={'orthogonalize': False})
    config.overrides.factor_vae = _of(
        objective=_published('factor_vae') | {'gamma': 35.0},
        train={'learning_rate': 1e-4})
    config.run.topdis.delay = 15_000
    config.run.topdis.fresh = base.get_config().topdis.fresh
    config.run.train.steps = 150_000
    config.run.train.eval_every = 30_000
    config.run.eval.scores = ('mig', 'factor_vae', 'sap', 'dci')


def _published(family):
    return base.get_config(family).objective.to_dict()


def _sensitivity(config):
    """One thing changed at a time, with learning curves of quick scores."""
    config.variants = ('beta_vae',)
    config.topdis = ('on',)
    config.seeds = (10, 11, 12)
    config.run.train.eval_every = 2000
    config.run.eval.scores = ('mig', 'factor_vae', 'sap')
    for label, topdis in (
            ('weight_0', {'weight': 0.0}), ('weight_1', {'weight': 1.0}),
            ('weight_20', {'weight': 20.0}), ('weight_100', {'weight': 100.0}),
            ('shift_1_16', {'shift': 1 / 16}), ('shift_1_4', {'shift': 1 / 4}),
            ('bars_10', {'num_bars': 10}), ('min', {'forms': ('min',)}),
            ('power_2', {'power': 2}), ('mean', {'sample': False}),
            ('uniform', {'weighted': False}),
            ('added', {'orthogonalize': False})):
        _add(config, 'beta_vae', label, topdis=topdis)


def _directions(config):
    """Plain runs to find directions in: experiments.study.directions."""
    config.variants = ('beta_vae', 'beta_tcvae', 'factor_vae')
    config.overrides.factor_vae = _of(
        objective=sprites.OBJECTIVES['factor_vae'])
    config.topdis = ('off',)
    config.run.train.steps = 8000
    config.run.eval.scores = ('mig',)


PARTS = {'families': _families, 'strong': _strong, 'scenes': _scenes,
         'arc': _arc, 'four': _four, 'scenes_plain': _scenes_plain,
         'scenes_long': _scenes_long, 'correlated': _correlated,
         'selection': _selection, 'opponents': _opponents, 'prices': _prices,
         'gentle': _gentle, 'longer': _longer,
         'scenes_weights': _scenes_weights,
         'divergences': _divergences, 'paper': _paper,
         'sensitivity': _sensitivity, 'directions': _directions}


def _add(config, family, label, **sections):
    """A variant, with settings of its own after those of its family."""
    name = f'{family}+{label}'
    config.variants += (name,)
    config.overrides[name] = _of(**sections)


def _of(**sections):
    return ml_collections.ConfigDict(sections)
