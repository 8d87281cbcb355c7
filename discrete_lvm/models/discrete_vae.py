"""A variational autoencoder with categorical latents."""

import math
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import estimators
from discrete_lvm import metrics
from discrete_lvm import objectives
from discrete_lvm import ops
from discrete_lvm.layers import given_networks
from discrete_lvm.models import batching
from discrete_lvm.models import latent_variable_model
from discrete_lvm.models import likelihoods
from discrete_lvm.models import serialization
from discrete_lvm.models import signatures
from discrete_lvm.ops import assertions
from discrete_lvm.ops import counts


@keras.saving.register_keras_serializable(package='discrete_lvm')
class DiscreteVAE(latent_variable_model.LatentVariableModel):
  """A variational autoencoder with N categorical latents of K classes.

  `p(x) = sum_z p(x | z) p(z)` with `q(z | x)` factorised over the latents. It
  is trained on the terms 'distortion', the estimator's values of
  `-log p(x | z)`, and 'rate', the KL of the categorical posterior from the
  prior in closed form. An estimator that needs the whole cost, as one that is
  importance weighted or `estimators.NVIL`, which rescales its gradient, gets
  all of `log q(z | x) - log p(x, z)` instead: its values are the one term
  'negative_bound'. A baseline sees the data as its features. With a relaxed
  estimator none of this is a bound of `-log p(x)`, so every metric of
  `evaluate` but the gap uses exact samples.

  Args:
    encoder: Keras model from data to logits, `[batch, N, K]` or `[batch, N*K]`.
    decoder: Keras model from codes `[batch, N, K]` to the likelihood's
      parameters.
    num_latents: Number of latents N.
    num_classes: Number of classes K, at least 2.
    prior: 'uniform', or 'learned' (factorised, a weight of logits `[N, K]`).
    estimator: An `estimators.Estimator`; by default `GumbelSoftmax()`.
    likelihood: A name of `models.likelihoods.LIKELIHOODS` ('bernoulli',
      'categorical', 'discretized_logistic_mixture'), or a function from the
      decoder's output to a distribution with one batch member per element of
      an example.
    **kwargs: Arguments of `keras.Model`.

  Call arguments:
    inputs: Data, shape `[batch, *event]`.

  Output shape:
    `[batch, *event]`: the most likely reconstruction, from the modes of the
    codes. (The mean for a Bernoulli or a mixture, the mode for a categorical.)

  Signatures (see `save_signatures`):
    encode: `x` to `logits` of the posterior, `[batch, N, K]`.
    decode: `codes`, `[batch, N, K]`, to `x`, the most likely as above.
    sample: `num_samples` and `seed` to `x`.
    log_prob: `x`, `num_samples` and `seed` to `log_prob`, `[batch]`: the
      importance-weighted bound in nats.

  Raises:
    ValueError: If `num_latents`, `num_classes`, `prior` or `likelihood` is not
      one of these, or the encoder's output is not N x K.

  Example:
    >>> encoder = keras.Sequential([keras.layers.Dense(4 * 3)])
    >>> decoder = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> model = dlvm.models.DiscreteVAE(encoder, decoder, 4, 3)
    >>> terms = model.loss_terms(tf.zeros([2, 5]), seed=[0, 1])
    >>> {name: term.shape for name, term in terms.items()}
    {'distortion': TensorShape([2]), 'rate': TensorShape([2])}

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 4.2.
  """

  # Those of either kind of estimator.
  _term_names = ('distortion', 'rate', 'negative_bound')

  def __init__(
      self,
      encoder: keras.Model,
      decoder: keras.Model,
      num_latents: int,
      num_classes: int,
      prior: str = 'uniform',
      estimator: estimators.Estimator | None = None,
      likelihood: str | likelihoods.Likelihood = 'bernoulli',
      **kwargs,
  ):
    super().__init__(**kwargs)
    counts.check_count(num_latents, 'num_latents')
    counts.check_count(num_classes, 'num_classes', minimum=2)
    if prior not in ('uniform', 'learned'):
      raise ValueError(
          f"Expected `prior` 'uniform' or 'learned'; received {prior!r}."
      )
    self.encoder = encoder
    self.decoder = decoder
    self.num_latents = num_latents
    self.num_classes = num_classes
    self.estimator = estimator or estimators.GumbelSoftmax()
    self._prior = prior
    self._likelihood = likelihood
    self._distribution = likelihoods.get(likelihood)
    self.prior_logits = None
    if prior == 'learned':
      self.prior_logits = self.add_weight(
          name='prior_logits',
          shape=(num_latents, num_classes),
          dtype='float32',
          autocast=False,
          initializer='zeros',
      )
    self._elbo = metrics.MeanWithError(name='elbo')
    self._mean_rate = keras.metrics.Mean(name='rate')
    self._bound = metrics.MeanWithError(name='importance_weighted_bound')
    self._effective_sample_size = keras.metrics.Mean(
        name='effective_sample_size'
    )
    self._gap = keras.metrics.Mean(name='soft_hard_gap')
    self._code_usage = metrics.CodeUsage(num_latents, num_classes)

  def build(self, input_shape):
    codes_shape = (None, self.num_latents, self.num_classes)
    given_networks.build(self.encoder, input_shape)
    given_networks.build(self.decoder, codes_shape)
    if not self.estimator.built:
      self.estimator.build(codes_shape, input_shape)

  def encode(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
    """Computes the logits of the posterior `q(z | x)`.

    Args:
      x: Data, shape `[batch, *event]`.
      training: Python `bool`, passed to the encoder.

    Returns:
      float32 `Tensor`, shape `[batch, N, K]`, in nats.

    Raises:
      ValueError: If the encoder's output is not `[batch, N, K]` or
        `[batch, N*K]`.
    """
    return self.estimator.law_logits(self._encode(x, training))

  def _encode(self, x, training=False):
    """Computes what the estimator makes the posterior of."""
    if not self.built:  # `fit` goes by way of `loss_terms`, not of `call`.
      self.build(x.shape)
    logits = tf.cast(self.encoder(x, training=training), tf.float32)
    return batching.as_logits(logits, 1, self.num_latents, self.num_classes)

  def decode(
      self, codes: tf.Tensor, training: bool = False
  ) -> tfd.Distribution:
    """Makes the distribution `p(x | z)`.

    Args:
      codes: Floating `Tensor`, shape `[..., N, K]`, one-hot or relaxed.
      training: Python `bool`, passed to the decoder.

    Returns:
      Distribution of batch shape `[...]` and event shape `[*event]`.

    Raises:
      ValueError: If `codes` are not of shape `[..., N, K]`.
    """
    codes = batching.as_events(
        codes, [self.num_latents, self.num_classes], 'codes'
    )
    params = batching.call_on_batch(
        self.decoder, codes, event_ndims=2, training=training
    )
    return likelihoods.independent(
        self._distribution(params), codes.shape.rank - 2
    )

  def sample_prior(self, num_samples: int, seed: Any) -> tf.Tensor:
    """Draws codes from the prior.

    Args:
      num_samples: How many.
      seed: As for `ops.as_seed`.

    Returns:
      float32 `Tensor`, shape `[num_samples, N, K]`, exactly one-hot.
    """
    return ops.sample_one_hot(
        self._prior_logits(), seed=seed, sample_shape=[num_samples]
    )

  def sample(self, num_samples: int, seed: Any) -> tf.Tensor:
    """Draws data from the model.

    Args:
      num_samples: How many.
      seed: As for `ops.as_seed`.

    Returns:
      `Tensor`, shape `[num_samples, *event]`.
    """
    prior_seed, data_seed = ops.split(seed, 2)
    codes = self.sample_prior(num_samples, prior_seed)
    return self.decode(codes).sample(seed=data_seed)

  def call(self, inputs, training=False):
    codes = ops.one_hot_argmax(self.encode(inputs, training=training))
    return likelihoods.point_estimate(self.decode(codes, training=training))

  def _loss_terms(self, batch, training, seed):
    batching.check_data(batch)
    logits = self._encode(batch, training)
    values = self._estimate(self.estimator, batch, logits, training, seed)
    if self.estimator.needs_whole_cost:
      return {'negative_bound': values}
    rate = self._rate(self.estimator.law_logits(logits))
    return {'distortion': values, 'rate': rate}

  def _estimate(self, estimator, batch, logits, training, seed):
    """Evaluates what the estimator of the model is given, by `estimator`."""
    law_logits = estimator.law_logits(logits)

    def objective(codes):
      if self.estimator.needs_whole_cost:
        return -self._log_weight(batch, law_logits, codes, training)
      return self._distortion(batch, codes, training)

    return estimator(
        logits,
        objective=objective,
        seed=seed,
        features=batch,
        training=training,
    )

  def _sampler(self, batch, seed):
    return self._sampler_of(batch, self.encode(batch), seed)

  def _sampler_of(self, batch, logits, seed):
    def draw(size, index):
      codes = ops.sample_one_hot(
          logits, seed=ops.fold_in(seed, index), sample_shape=[size]
      )
      return self._log_weight(batch, logits, codes)

    return draw, batching.dims(batch)[0]

  def _log_weight(self, batch, logits, codes, training=False):
    """Computes `log p(x, z) - log q(z | x)`."""
    log_q = tf.reduce_sum(ops.one_hot_log_prob(codes, logits), axis=-1)
    return self._log_joint(batch, codes, training) - log_q

  def log_joint(
      self, batch: tf.Tensor, codes: tf.Tensor, training: bool = False
  ) -> tf.Tensor:
    """Computes `log p(x, z)`.

    Args:
      batch: Data, shape `[batch, *event]`.
      codes: Floating `Tensor`, shape `[..., batch, N, K]`, one-hot or relaxed.
      training: Python `bool`, passed to the decoder.

    Returns:
      float32 `Tensor`, shape `[..., batch]`, in nats.

    Raises:
      ValueError: If `codes` are not of shape `[..., batch, N, K]`.
      tf.errors.InvalidArgumentError: If a batch that is not static differs.
    """
    batch = tf.convert_to_tensor(batch)
    codes = batching.as_events(
        codes, [self.num_latents, self.num_classes], 'codes'
    )
    assertions.check_one_per_example(codes, batch, 'codes', axis=-3)
    return self._log_joint(batch, codes, training)

  def _log_joint(self, batch, codes, training=False):
    """Computes `log p(x, z)` of codes that may be the same for a batch."""
    distortion = self._distortion(batch, codes, training)
    if self.prior_logits is None:  # Of all codes the same.
      return -self.num_latents * math.log(self.num_classes) - distortion
    log_p = ops.one_hot_log_prob(codes, self.prior_logits.value)
    return tf.reduce_sum(log_p, axis=-1) - distortion

  def log_marginal(self, batch: tf.Tensor) -> tf.Tensor:
    """Computes `log p(x)` exactly, as the sum over all codes.

    Args:
      batch: Data, shape `[batch, *event]`.

    Returns:
      float32 `Tensor`, shape `[batch]`, in nats.

    Raises:
      ValueError: If `K**N` is above `2**16`.
    """
    num_codes = ops.num_codes(self.num_latents, self.num_classes)

    def draw(size, index):
      codes = ops.codes_at(
          size * index + tf.range(size), self.num_latents, self.num_classes
      )
      # The decoder sees each code once, whatever the batch.
      return self._log_joint(batch, tf.expand_dims(codes, axis=1))

    estimate = batching.stream_samples(draw, num_codes, batching.dims(batch)[0])
    # A sum, not a mean.
    return estimate.bound + math.log(num_codes)

  def _distortion(self, batch, codes, training=False):
    distribution = self.decode(codes, training=training)
    return -likelihoods.log_prob(distribution, batch)

  def _rate(self, logits):
    kl = ops.categorical_kl(logits, self.prior_logits)
    return tf.reduce_sum(kl, axis=-1)

  def _prior_logits(self):
    if self.prior_logits is None:
      return tf.zeros([self.num_latents, self.num_classes])
    return self.prior_logits.value

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
    seed = self._seed(seed)
    bound_seed = ops.fold_in(seed, 'bound')
    encoded = self._encode(batch)
    logits = self.estimator.law_logits(encoded)
    codes = ops.sample_one_hot(logits, seed=seed)
    distortion = self._distortion(batch, codes)
    # The same noise and as many samples, so that the difference is precise.
    exact = estimators.ScoreFunction(
        self.estimator.num_samples, self.estimator.importance_weighted
    )
    hard = self._estimate(exact, batch, logits, False, seed)
    soft = self._estimate(self.estimator, batch, encoded, False, seed)
    draw, batch_size = self._sampler_of(batch, logits, bound_seed)
    estimate = batching.stream_samples(
        draw, self.num_importance_samples, batch_size
    )
    rate = self._rate(logits)
    self._elbo.update_state(objectives.elbo(-distortion, rate))
    self._mean_rate.update_state(rate)
    self._gap.update_state(hard - soft)
    self._bound.update_state(estimate.bound)
    self._effective_sample_size.update_state(estimate.effective_sample_size)
    self._code_usage.update_state(codes)

  def get_metrics_result(self) -> dict[str, tf.Tensor]:
    """Returns what `evaluate` reports, in nats but for the usage of codes.

    Returns:
      A dict of scalars: 'elbo' and 'importance_weighted_bound', each with the
      standard error of its mean over the examples ('..._stderr'); 'rate', the
      KL of the posterior from the prior; 'effective_sample_size', the mean over
      the examples of that of the bound; 'soft_hard_gap', by how much the
      estimator's values, of the distortion or of the bound, are too good;
      'code_perplexity' and 'code_usage'.
    """
    return {
        **self._elbo.result(),
        **self._bound.result(),
        'rate': self._mean_rate.result(),
        'effective_sample_size': self._effective_sample_size.result(),
        'soft_hard_gap': self._gap.result(),
        **self._code_usage.result(),
    }

  def _signatures(self, x):
    codes = signatures.batch_spec([self.num_latents, self.num_classes])
    if x is None:
      x = signatures.data_spec(self.decode(tf.zeros([1, *codes.shape[1:]])))

    def encode(x):
      return {'logits': self.encode(x)}

    def decode(codes):
      return {'x': likelihoods.point_estimate(self.decode(codes))}

    def sample(num_samples, seed):
      return {'x': self.sample(num_samples, seed)}

    def log_prob(x, num_samples, seed):
      bound = self.importance_weighted_bound(x, num_samples, seed)
      return {'log_prob': bound}

    draws = signatures.DRAWS
    return {
        'encode': signatures.Signature(encode, {'x': x}),
        'decode': signatures.Signature(decode, {'codes': codes}),
        'sample': signatures.Signature(sample, draws),
        'log_prob': signatures.Signature(log_prob, {'x': x, **draws}),
    }

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'encoder': serialize(self.encoder),
        'decoder': serialize(self.decoder),
        'num_latents': self.num_latents,
        'num_classes': self.num_classes,
        'prior': self._prior,
        'estimator': serialize(self.estimator),
        'likelihood': serialize(self._likelihood),
    }

  @classmethod
  def from_config(cls, config):
    nested = ('encoder', 'decoder', 'estimator', 'likelihood')
    return cls(**serialization.deserialized(config, *nested))
