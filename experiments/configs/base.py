"""Every key of a configuration, once. The other files change a few of them."""

import ml_collections


def get_config(family='vae'):
    """A small run; `family` is what follows the colon of --config=FILE:FAMILY.

    Any key can be set on the command line, as in a first, short run:
    --config.train.steps=2000 --config.topdis.delay=1000.
    """
    config = ml_collections.ConfigDict()
    config.seed = 0

    config.data = ml_collections.ConfigDict()
    config.data.name = 'sprites_small'
    # The folder of a downloaded data set's files, or the file itself.
    config.data.root = ''
    # 'file': the published files; 'tfds': TensorFlow Datasets; 'auto': the
    # file that root names, else what was converted before, else a file in the
    # current folder, else a copy that TFDS has prepared.
    config.data.source = 'auto'
    # Factors that go together in training, not in the scores: pairs with the
    # standard deviation of their difference, as in (('x', 'y', 0.2),).
    config.data.correlation = ()

    config.model = ml_collections.ConfigDict()
    # vae, beta_vae, factor_vae, beta_tcvae, control_vae or dava.
    config.model.family = family
    # 'conv': the published convolutional network; 'mlp'.
    config.model.network = 'conv'
    config.model.latents = 10
    # Of the convolutional network: size of the layer next to the latents; 0
    # is 128 for gray images and 256 for coloured ones.
    config.model.width = 0
    # Of the MLP: sizes of the hidden layers.
    config.model.hidden = (1200, 1200)
    config.model.decoder_hidden = (1200, 1200, 1200)

    config.objective = ml_collections.ConfigDict()
    # beta_vae: weight of the KL term; beta_tcvae: of the total correlation.
    config.objective.beta = 6.0
    # factor_vae: weight of the total correlation.
    config.objective.gamma = 5.0
    # factor_vae: the discriminator of codes.
    config.objective.discriminator_hidden = (1000,) * 6
    # dava: channels of the discriminator of images; (): those of the encoder.
    config.objective.discriminator_channels = ()
    # factor_vae, dava.
    config.objective.discriminator_learning_rate = 1e-4
    # beta_tcvae: 'weighted' or 'stratified' sampling of the aggregate.
    config.objective.tc_estimator = 'weighted'
    # control_vae: gains of the controller, and its set point of the KL (nats),
    # which rises by kl_rise every kl_rise_every steps. From a kl_start of
    # proportional / -integral (10 nats) on, the weight of the KL stays at 1.
    config.objective.proportional = 0.01
    config.objective.integral = -0.001
    config.objective.kl_start = 0.5
    config.objective.kl_rise = 0.15
    config.objective.kl_rise_every = 5000
    config.objective.kl_stop = 18.0

    # dava: weight and even exponent (0: absolute) of the mean KL's distance
    # from the capacity (nats per latent), which the discriminator's mistakes
    # raise: to its largest after twice this many images, if it is always wrong.
    config.objective.dava_gamma = 500.0
    config.objective.capacity_degree = 4
    config.objective.capacity = 8.0
    config.objective.capacity_threshold = 12_800_000
    config.objective.kl_step_start = 0
    # dava: weights of the encoder's and the decoder's adversarial terms.
    config.objective.encoder_weight = 0.3
    config.objective.decoder_weight = 0.001
    # dava: how codes are resampled for the discriminator: 'replacement',
    # 'permutation', 'gaussian' or 'uniform'; its labels' smoothing, and the
    # probability from which on it takes an image for a reconstruction.
    config.objective.resampling = 'replacement'
    config.objective.label_smoothing = 0.6
    config.objective.confidence = 0.6
    # dava: gradients are clipped to this norm.
    config.objective.max_grad_norm = 1.0

    config.topdis = ml_collections.ConfigDict()
    # Weight of the topological loss; 0 turns it off.
    config.topdis.weight = 5.0
    # Steps before it is turned on; below train.steps.
    config.topdis.delay = 100_000
    # Probability by which codes are moved along a latent.
    config.topdis.shift = 0.125
    # Codes whose probability comes nearer than this to 0 or 1 are left out;
    # 0 as published.
    config.topdis.margin = 1e-3
    # What compares the two clouds: 'rtd' (published), 'srtd' or 'rtd_lite'.
    config.topdis.divergence = 'rtd'
    # Exponent of the bars' lengths: 1 or 2.
    config.topdis.power = 1
    # Of RTD: 'min', 'max' or both.
    config.topdis.forms = ('min', 'max')
    # Bars of each barcode that count, the longest.
    config.topdis.num_bars = 50
    # Quantile of the distances that they are divided by.
    config.topdis.quantile = 0.9
    # ... but by this share of the largest distance at least, for batches of
    # which nearly all images coincide; 0 as published.
    config.topdis.floor = 0.05
    # Sampled codes, or (False) the means of the posteriors.
    config.topdis.sample = True
    # A sample of its own, as published; False takes the sample and the
    # reconstructions that the batch has anyway, which saves a decoding.
    config.topdis.fresh = True
    # Latents drawn by the norm of the decoder's weights that read them, or
    # (False) uniformly.
    config.topdis.weighted = True
    # Keep its gradient from working against the reconstruction's.
    config.topdis.orthogonalize = False
    # Where barcodes are computed: 'host', 'xla', or 'auto', which is the host
    # on CPUs and XLA on accelerators.
    config.topdis.engine = 'auto'
    # Generators that engine 'xla' has room for; 0: four for each image.
    config.topdis.capacity = 0

    config.train = ml_collections.ConfigDict()
    config.train.steps = 1_000_000
    # Over all devices together.
    config.train.batch_size = 64
    config.train.learning_rate = 1e-4
    # A step whose loss or gradient is not finite changes nothing and is
    # counted, in the log as `skipped`; False: it ends the run.
    config.train.skip_nonfinite = False
    # In steps; 0: only at the end.
    config.train.log_every = 100
    config.train.checkpoint_every = 5000
    config.train.eval_every = 250_000

    config.eval = ml_collections.ConfigDict()
    # Any of mig, factor_vae, sap, dci, beta_vae, modularity, explicitness,
    # irs, sap_continuous, dci_2000 (of 2000 points: seconds, not minutes). The
    # first of them says which checkpoint is the best.
    config.eval.scores = ('mig', 'factor_vae', 'sap', 'dci')
    # Images encoded at once.
    config.eval.batch_size = 256
    if family == 'dava':  # as published
        config.train.batch_size = 128
        config.train.steps = 150_000
    return config
