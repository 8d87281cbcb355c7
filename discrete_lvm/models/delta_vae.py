"""A variational autoencoder whose rate cannot fall below what was committed."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import metrics
from discrete_lvm import objectives
from discrete_lvm import ops
from discrete_lvm.layers import given_networks
from discrete_lvm.models import batching
from discrete_lvm.models import decoders
from discrete_lvm.models import latent_variable_model
from discrete_lvm.models import latents as latents_lib
from discrete_lvm.models import likelihoods
from discrete_lvm.models import serialization
from discrete_lvm.models import signatures


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DeltaVAE(latent_variable_model.LatentVariableModel):
  """A VAE of any decoder whose posterior keeps a distance from its prior.

  A decoder that is strong by itself has no use for latents that cost nats, so
  an ordinary VAE of it ends with a posterior that is the prior. Here the family
  of the posterior does not hold the prior: `latents.committed_rate` nats are
  paid in any case, and the decoder finds out what to get for them.

  It is trained on the terms 'distortion', an estimate of `-log p(x | z)`, and
  'rate', the KL of the posterior from the prior in closed form. Their sum is a
  bound of `-log p(x)` for normal latents; for categorical ones it is what their
  estimator makes of it. Two more terms come where they are asked for:

  - 'rate_control': what a `rate_control` adds to the rate.
  - 'auxiliary_prior': `-log p_aux(z)`, by which a causal network learns the
    aggregate posterior, beside the rest and without moving it. It takes the
    prior's place in sampling, and in a tighter bound: `log_weights` and the
    bounds take `auxiliary=True`. To learn it afterwards
    instead, freeze the rest: `model.encoder.trainable = False`, and so on.

  Args:
    encoder: Keras model from data to features `[batch, length, features]`. A
      `layers.AntiCausal` of a causal network lets a step see the data from its
      own position on, as in the paper.
    latents: `GaussianLatents`, `CategoricalLatents` or `NoLatents`.
    decoder: `IndependentDecoder`, `PixelDecoder` or `TokenDecoder`.
    rate_control: None, or a Keras layer from the KL of each latent, `[batch,
      ...]`, to what stands in the loss for their sum, `[batch]`: `RateWeight`,
      `FreeBits` or `TargetRate`.
    auxiliary_prior: None, or a causal Keras layer on latents: see the class of
      the latents for its number of outputs.
    **kwargs: Arguments of `keras.Model`.

  Call arguments:
    inputs: Data, shape `[batch, *event]`.

  Output shape:
    `[batch, length, dim]`: the means of the posterior.

  Signatures (see `save_signatures`):
    encode: `x` to the parameters of the posterior, named as `latents` says:
      `loc` and `scale`, or `logits`; `[batch, length, dim]`.
    decode: `z`, `[batch, length, dim]`, and `seed` to a draw `x`.
    sample: `num_samples` and `seed` to `x`.
    log_prob: `x`, `num_samples` and `seed` to `log_prob`, `[batch]`: the
      importance-weighted bound in nats.
    sample_auxiliary, log_prob_auxiliary: The same with the auxiliary prior, if
      there is one.

  Raises:
    ValueError: If the encoder, the latents, the decoder or the data do not fit
      each other.

  Example:
    >>> encoder = keras.Sequential(
    ...     [keras.layers.Dense(8 * 4), keras.layers.Reshape([8, 4])])
    >>> network = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> model = dlvm.models.DeltaVAE(
    ...     encoder, dlvm.models.GaussianLatents(length=8, dim=2, alpha=.9),
    ...     dlvm.models.IndependentDecoder(network))
    >>> terms = model.loss_terms(tf.zeros([3, 5]), seed=[0, 1])
    >>> {name: term.shape for name, term in terms.items()}
    {'distortion': TensorShape([3]), 'rate': TensorShape([3])}
    >>> bool(tf.reduce_all(terms['rate'] >= model.latents.committed_rate))
    True

  References:
    Ali Razavi, Aaron van den Oord, Ben Poole, Oriol Vinyals. Preventing
    Posterior Collapse with delta-VAEs. ICLR 2019.
    https://arxiv.org/abs/1901.03416.
  """

  _term_names = ('distortion', 'rate', 'rate_control', 'auxiliary_prior')

  def __init__(
      self,
      encoder: keras.Model,
      latents: latents_lib.Latents,
      decoder: decoders.Decoder,
      rate_control: keras.layers.Layer | None = None,
      auxiliary_prior: keras.layers.Layer | None = None,
      **kwargs,
  ):
    # Keras would cast data down under a mixed policy: they are targets, too.
    super().__init__(autocast=False, **kwargs)
    self.encoder = encoder
    self.latents = latents
    self.decoder = decoder
    self.rate_control = rate_control
    self.auxiliary_prior = auxiliary_prior
    bounds = ['elbo', 'importance_weighted_bound']
    if auxiliary_prior is not None:
      bounds += [f'auxiliary_{name}' for name in bounds]
    self._means = {
        name: metrics.MeanWithError(name=name)
        for name in ('distortion', 'rate', *bounds)
    }
    self._active_units = metrics.ActiveUnits(
        [latents.length, latents.dim], event_ndims=latents.unit_ndims
    )
    # Eager, their loops would take each step in Python.
    self._draw_in_graph = tf.function(self._draw, autograph=False)
    self._draw_given = tf.function(
        lambda z, seed: self.decode(z).sample(seed=seed), autograph=False
    )

  def build(self, input_shape):
    data = keras.KerasTensor((None, *input_shape[1:]), 'float32')
    features = self.encoder(data)
    event = (None, self.latents.length, self.latents.dim)
    for layer, shape in (
        (self.latents, features.shape),
        (self.decoder, event),
    ):
      if not layer.built:
        layer.build(shape)
    if self.auxiliary_prior is not None and not self.auxiliary_prior.built:
      self.auxiliary_prior(keras.KerasTensor(event, 'float32'))

  def encode(self, x: tf.Tensor, training: bool = False) -> Any:
    """Computes the parameters of the posterior `q(z | x)`.

    Args:
      x: Data, shape `[batch, *event]`.
      training: Python `bool`, passed to the encoder.

    Returns:
      What `latents` returns of features: `(loc, scale)`, or logits; float32.

    Raises:
      ValueError: If the features do not fit the latents.
    """
    self._build_for(x)
    params = self.latents(self.encoder(x, training=training))
    return tf.nest.map_structure(lambda p: tf.cast(p, tf.float32), params)

  def decode(self, z: tf.Tensor, training: bool = False) -> tfd.Distribution:
    """Makes the distribution `p(x | z)`.

    Args:
      z: Floating `Tensor`, shape `[..., length, dim]`.
      training: Python `bool`, passed to the decoder.

    Returns:
      Distribution of batch shape `[...]` and event shape `[*event]`.

    Raises:
      ValueError: If `z` is of another shape.
    """
    z = batching.as_events(
        z, [self.latents.length, self.latents.dim], 'latents'
    )
    return self.decoder.distribution(z, training=training)

  def prior(
      self, auxiliary: bool = False, training: bool = False
  ) -> tfd.Distribution:
    """Makes the prior of the latents.

    Args:
      auxiliary: Python `bool`: whether to make the auxiliary prior.
      training: Python `bool`, passed to the network of the auxiliary prior.

    Returns:
      Distribution of event shape `[length, dim]`.

    Raises:
      ValueError: If the model has no auxiliary prior.
    """
    if not auxiliary:
      return self.latents.prior()
    if self.auxiliary_prior is None:
      raise ValueError(
          'Expected a model with an `auxiliary_prior`; received one without.'
      )
    network = given_networks.in_mode(self.auxiliary_prior, training)
    return self.latents.autoregressive(network)

  def sample(
      self, num_samples: int, seed: Any, auxiliary: bool = False
  ) -> tf.Tensor:
    """Draws data, in a graph: a first call traces it, once for all seeds.

    Args:
      num_samples: How many.
      seed: As for `ops.as_seed`.
      auxiliary: Python `bool`: whether latents are of the auxiliary prior.

    Returns:
      `Tensor`, shape `[num_samples, *event]`.

    Raises:
      ValueError: If the model is not built, or as `prior` raises.
    """
    if not self.built:
      raise ValueError(
          'Expected a model that is built; received one that is not.'
      )
    return self._draw_in_graph(num_samples, ops.as_seed(seed), auxiliary)

  def _draw(self, num_samples, seed, auxiliary):
    z_seed, x_seed = ops.split(seed, 2)
    z = self.prior(auxiliary).sample(num_samples, seed=z_seed)
    return self.decode(z).sample(seed=x_seed)

  def reconstruct(self, x: tf.Tensor, seed: Any) -> tf.Tensor:
    """Draws data like given data, by way of their latents, in a graph.

    Args:
      x: Data, shape `[batch, *event]`.
      seed: As for `ops.as_seed`.

    Returns:
      `Tensor` of the shape of `x`.
    """
    z_seed, x_seed = ops.split(seed, 2)
    z = self.latents.posterior(self.encode(x)).sample(seed=z_seed)
    return self.sample_given(z, x_seed)

  def sample_given(self, z: tf.Tensor, seed: Any) -> tf.Tensor:
    """Draws data given latents, in a graph.

    Args:
      z: Floating `Tensor`, shape `[..., length, dim]`.
      seed: As for `ops.as_seed`.

    Returns:
      `Tensor`, shape `[..., *event]`.

    Raises:
      ValueError: If `z` is of another shape.
    """
    return self._draw_given(tf.convert_to_tensor(z), ops.as_seed(seed))

  def call(self, inputs, training=False):
    return self._means_of(self.encode(inputs, training=training))

  def _means_of(self, params):
    means = self.latents.posterior(params).mean()
    # TFP may lose a size of 1 where the batch is unknown.
    return tf.ensure_shape(means, [None, self.latents.length, self.latents.dim])

  def _loss_terms(self, batch, training, seed):
    batching.check_data(batch)
    params = self.encode(batch, training=training)
    kl = self.latents.kl(params)
    rate = _sum_over_event(kl)
    distortion = self.latents.expect(
        params,
        lambda z: -likelihoods.log_prob(
            self.decode(z, training=training), batch
        ),
        seed,
        training=training,
    )
    terms = {'distortion': distortion, 'rate': rate}
    if training and self.rate_control is not None:
      terms['rate_control'] = self.rate_control(kl) - rate
    if training and self.auxiliary_prior is not None:
      z = self.latents.posterior(params).sample(
          seed=ops.fold_in(seed, 'auxiliary_prior')
      )
      prior = self.prior(auxiliary=True, training=training)
      terms['auxiliary_prior'] = -prior.log_prob(tf.stop_gradient(z))
    return terms

  def _sampler(self, batch, seed, auxiliary=False):
    draw, batch_size = self._samples(
        batch, self.encode(batch), seed, [auxiliary]
    )

    def draw_log_weights(size, index):
      distortion, log_ratio = draw(size, index)
      return log_ratio - distortion

    return draw_log_weights, batch_size

  def _samples(self, batch, params, seed, auxiliaries):
    """Returns how to draw distortions and, for each prior, log-ratios.

    These are `log p(z) - log q(z | x)`; and the size of the batch.
    """
    posterior = self.latents.posterior(params)
    priors = [self.prior(auxiliary) for auxiliary in auxiliaries]

    def draw(size, index):
      z = posterior.sample(size, seed=ops.fold_in(seed, index))
      log_q = posterior.log_prob(z)
      log_ratios = [
          tf.cast(prior.log_prob(z), log_q.dtype) - log_q for prior in priors
      ]
      distortion = -likelihoods.log_prob(self.decode(z), batch)
      return [distortion, *log_ratios]

    return draw, batching.dims(batch)[0]

  def update_metrics(self, batch: tf.Tensor, *, seed: Any = None) -> None:
    """Updates the metrics of `evaluate` from a batch, with exact samples.

    Args:
      batch: Data, shape `[batch, *event]`.
      seed: As for `ops.as_seed`; by default the model's own generator, folded
        with the replica.

    Raises:
      ValueError: If the batch is a tuple or a list.
    """
    batching.check_data(batch)
    params = self.encode(batch)
    rate = _sum_over_event(self.latents.kl(params))
    has_auxiliary = self.auxiliary_prior is not None
    draw, batch_size = self._samples(
        batch, params, self._seed(seed), [False, True][: 1 + has_auxiliary]
    )
    distortions, *log_ratios = batching.map_samples(
        draw,
        self.num_importance_samples,
        batch_size,
        num_outputs=2 + has_auxiliary,
    )
    distortion = tf.reduce_mean(distortions, axis=0)
    values = {
        'distortion': distortion,
        'rate': rate,
        # The rate is known exactly, which leaves less to chance.
        'elbo': objectives.elbo(-distortion, rate),
        'importance_weighted_bound': objectives.importance_weighted_bound(
            log_ratios[0] - distortions
        ),
    }
    if has_auxiliary:
      log_weights = log_ratios[1] - distortions
      values['auxiliary_elbo'] = tf.reduce_mean(log_weights, axis=0)
      values['auxiliary_importance_weighted_bound'] = (
          objectives.importance_weighted_bound(log_weights)
      )
    for name, value in values.items():
      self._means[name].update_state(value)
    self._active_units.update_state(self._means_of(params))

  def get_metrics_result(self) -> dict[str, tf.Tensor]:
    """Returns what `evaluate` reports, in nats but for the active units.

    Returns:
      A dict of scalars: 'distortion', 'rate', 'elbo' and
      'importance_weighted_bound', with an auxiliary prior also 'auxiliary_elbo'
      and 'auxiliary_importance_weighted_bound', each with the standard error of
      its mean over the examples ('..._stderr'); and 'active_units'.
    """
    results = {'active_units': self._active_units.result()}
    for metric in self._means.values():
      results |= metric.result()
    return results

  def _build_for(self, x):
    if not self.built:
      self.build(x.shape)

  def _signatures(self, x):
    z = signatures.batch_spec([self.latents.length, self.latents.dim])
    if x is None:
      x = signatures.data_spec(self.decode(tf.zeros([1, *z.shape[1:]])))

    def encode(x):
      params = tf.nest.flatten(self.encode(x))
      return dict(zip(self.latents.param_names, params, strict=True))

    def decode(z, seed):
      return {'x': self.sample_given(z, seed)}

    def of_prior(auxiliary):
      def sample(num_samples, seed):
        return {'x': self.sample(num_samples, seed, auxiliary)}

      def log_prob(x, num_samples, seed):
        bound = self.importance_weighted_bound(
            x, num_samples, seed, auxiliary=auxiliary
        )
        return {'log_prob': bound}

      draws = signatures.DRAWS
      return (
          signatures.Signature(sample, draws),
          signatures.Signature(log_prob, {'x': x, **draws}),
      )

    named = {
        'encode': signatures.Signature(encode, {'x': x}),
        'decode': signatures.Signature(decode, {'z': z, **signatures.SEED}),
    }
    named['sample'], named['log_prob'] = of_prior(False)
    if self.auxiliary_prior is not None:
      named['sample_auxiliary'], named['log_prob_auxiliary'] = of_prior(True)
    return named

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'encoder': serialize(self.encoder),
        'latents': serialize(self.latents),
        'decoder': serialize(self.decoder),
        'rate_control': serialize(self.rate_control),
        'auxiliary_prior': serialize(self.auxiliary_prior),
    }

  @classmethod
  def from_config(cls, config):
    nested = (
        'encoder',
        'latents',
        'decoder',
        'rate_control',
        'auxiliary_prior',
    )
    return cls(**serialization.deserialized(config, *nested))


def _sum_over_event(kl):
  return tf.reduce_sum(kl, axis=list(range(1, kl.shape.rank)))
