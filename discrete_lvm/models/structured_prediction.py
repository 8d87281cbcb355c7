"""Stochastic networks of categorical layers that predict a target."""

from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import estimators
from discrete_lvm import metrics
from discrete_lvm import ops
from discrete_lvm.estimators import estimator as estimator_lib
from discrete_lvm.layers import given_networks
from discrete_lvm.models import batching
from discrete_lvm.models import latent_variable_model
from discrete_lvm.models import likelihoods
from discrete_lvm.models import serialization
from discrete_lvm.models import signatures
from discrete_lvm.ops import assertions
from discrete_lvm.ops import counts

# Their signals depend on the costs of the samples alone, whatever was drawn.
_COMPARING = (estimators.LeaveOneOut, estimators.VIMCO)


@keras.saving.register_keras_serializable(package='discrete_lvm')
class StructuredPrediction(latent_variable_model.LatentVariableModel):
  """Predicts y from x by way of L layers of N categorical variables.

      p(y | x) = E_{z_1 ~ p(z_1 | x)} ... E_{z_L ~ p(z_L | z_{L-1})} p(y | z_L)

  The variables of a layer are independent given the layer before. With two
  classes it is a stochastic binary network. It is trained on the term
  'distortion', an estimate of `-E log p(y | z_L)`, or with an estimator that is
  importance weighted on 'negative_bound', of `-E log mean_s p(y | z_L^s)` with
  S joint samples of all layers: the bound of `-log p(y | x)` that falls to it
  with S. With a relaxed estimator neither is a bound, so `evaluate` uses exact
  samples.

  Each layer calls an estimator of its own, with its own temperature or
  baseline, in the objective of the layer before. For a bound of S samples
  through several layers, whose logarithm is not the sum of parts, the S samples
  of N variables are one sample of S * N variables, whose score is weighed with
  the bound of all. `LeaveOneOut` and `VIMCO`, which compare samples, weigh the
  score of a joint sample with its own share instead; `RODEO`, which needs the
  slopes at each layer, takes a bound of one layer alone. Without importance
  weights `LeaveOneOut`, `RODEO` and `UnorderedSet` draw S samples at each
  layer, `S**L` in all. A baseline sees
  the target and what its layer's network sees.

  A batch is a pair `(x, y)`, or a dict with the keys 'x' and 'y'.

  Args:
    networks: L Keras layers or models, from x `[batch, *x_event]` and then from
      codes `[batch, N, K]` to logits `[batch, N, K]` or `[batch, N*K]`.
    decoder: Keras layer or model from codes `[batch, N, K]` to the likelihood's
      parameters.
    num_latents: Number of variables N of a layer.
    num_classes: Number of classes K, at least 2.
    estimator: The `estimators.Estimator` of which each layer gets a copy, with
      its weights as they are; by default `GumbelSoftmax()`.
    likelihood: As for `DiscreteVAE`.
    **kwargs: Arguments of `keras.Model`.

  Call arguments:
    inputs: x, shape `[batch, *x_event]`, or a batch that is a dict.

  Output shape:
    `[batch, *event]`: the likeliest y, or its mean, from the modes of the codes
    of one layer after another.

  Signatures (see `save_signatures`):
    encode: `x`, `num_samples` and `seed` to draws `codes` of the last layer,
      `[S, batch, N, K]`.
    decode: `codes`, `[batch, N, K]`, to `y`, the likeliest or its mean.
    sample: `x`, `num_samples` and `seed` to `y`, `[S, batch, *event]`.
    log_prob: `x`, `y`, `num_samples` and `seed` to `log_prob`, `[batch]`: the
      bound of `log p(y | x)` in nats.

  Attributes:
    estimators: The estimator of each layer, or the one of a bound that compares
      joint samples.

  Raises:
    ValueError: If `num_latents`, `num_classes`, `networks` or `likelihood` is
      not one of these, if the estimator cannot do with one sample where it has
      to, if a network's output is not N x K, or if a batch has no y or one of
      another shape than the decoder makes or of another size than x.
    tf.errors.InvalidArgumentError: If that size is not static.

  Example:
    >>> networks = [
    ...     keras.layers.Dense(4 * 2),
    ...     keras.Sequential([keras.layers.Flatten(),
    ...                       keras.layers.Dense(4 * 2)])]
    >>> decoder = keras.Sequential(
    ...     [keras.layers.Flatten(), keras.layers.Dense(5)])
    >>> model = dlvm.models.StructuredPrediction(networks, decoder, 4, 2)
    >>> batch = tf.zeros([3, 6]), tf.zeros([3, 5])
    >>> terms = model.loss_terms(batch, seed=[0, 1])
    >>> {name: term.shape for name, term in terms.items()}
    {'distortion': TensorShape([3])}

  References:
    Tapani Raiko, Mathias Berglund, Guillaume Alain, Laurent Dinh. Techniques
    for Learning Binary Stochastic Feedforward Neural Networks. ICLR 2015.
    https://arxiv.org/abs/1406.2989. Equation 3 is the bound of S samples.

    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 4.1.
  """

  # Those of either kind of estimator.
  _term_names = ('distortion', 'negative_bound')

  def __init__(
      self,
      networks: Sequence[keras.layers.Layer],
      decoder: keras.layers.Layer,
      num_latents: int,
      num_classes: int,
      estimator: estimators.Estimator | None = None,
      likelihood: str | likelihoods.Likelihood = 'bernoulli',
      **kwargs,
  ):
    # Keras would cast data down under a mixed policy: they are targets, too.
    super().__init__(autocast=False, **kwargs)
    counts.check_count(num_latents, 'num_latents')
    counts.check_count(num_classes, 'num_classes', minimum=2)
    networks = list(networks)
    if not networks:
      raise ValueError('Expected at least one network; received none.')
    estimator = estimator or estimators.GumbelSoftmax()
    self.networks = networks
    self.decoder = decoder
    self.num_latents = num_latents
    self.num_classes = num_classes
    self.importance_weighted = estimator.importance_weighted
    is_joint = estimator.importance_weighted and len(networks) > 1
    # Whether one estimator compares joint samples, or else how many are joined
    # to one; see the docstring.
    self._compares_joint = is_joint and isinstance(estimator, _COMPARING)
    self._num_joined = 1
    if is_joint and not self._compares_joint:
      self._num_joined = estimator.num_samples
    if self._compares_joint:
      self.estimators = [_copy(estimator)]
    else:
      self.estimators = _copies(estimator, len(networks), self._num_joined)
    # Not the estimator, whose weights would be weights of the model.
    self._estimator_config = keras.saving.serialize_keras_object(estimator)
    self._likelihood = likelihood
    self._distribution = likelihoods.get(likelihood)
    self._elbo = metrics.MeanWithError(name='elbo')
    self._bound = metrics.MeanWithError(name='importance_weighted_bound')
    self._effective_sample_size = keras.metrics.Mean(
        name='effective_sample_size'
    )

  def build(self, input_shape):
    shape = _get_x(input_shape)
    codes_shape = (None, self.num_latents, self.num_classes)
    for network in [*self.networks, self.decoder]:
      given_networks.build(network, shape)
      shape = codes_shape
    params = self.decoder(keras.KerasTensor(codes_shape, 'float32'))
    y_size = self._distribution(
        tf.zeros([1, *params.shape[1:]])
    ).batch_shape.num_elements()
    num_latents = self._num_joined * self.num_latents
    size = tf.TensorShape(_get_x(input_shape)[1:]).num_elements()
    for estimator in self.estimators:
      if not estimator.built:
        estimator.build(
            (None, num_latents, self.num_classes), (None, size + y_size)
        )
      size = num_latents * self.num_classes

  def logits(
      self, layer: int, inputs: tf.Tensor, training: bool = False
  ) -> tf.Tensor:
    """Computes the logits of a layer.

    Args:
      layer: Python `int` from 0 to L - 1.
      inputs: x, shape `[batch, *x_event]`, for layer 0; then codes of the layer
        before, shape `[..., N, K]`, one-hot or relaxed.
      training: Python `bool`, passed to the network.

    Returns:
      float32 `Tensor`, shape `[batch, N, K]` or `[..., N, K]`, in nats.

    Raises:
      ValueError: If there is no such layer, the inputs are not such codes, or
        the network's output is not `[batch, N, K]` or `[batch, N*K]`.
    """
    if not 0 <= layer < len(self.networks):
      raise ValueError(
          f'Expected a `layer` from 0 to {len(self.networks) - 1}; received '
          f'{layer}.'
      )
    # One estimator of joint samples is that of all layers.
    estimator = self.estimators[0 if self._compares_joint else layer]
    return estimator.law_logits(self._encode(layer, inputs, training))

  def _encode(self, layer, inputs, training=False):
    """Computes what the estimator of a layer makes its law of."""
    network = self.networks[layer]
    if not layer:
      if not self.built:  # `fit` goes by way of `loss_terms`, not of `call`.
        self.build(inputs.shape)
      outputs = tf.cast(network(inputs, training=training), tf.float32)
      batch_ndims = 1
    else:
      codes = self._check_codes(inputs)
      batch_ndims = codes.shape.rank - 2
      outputs = batching.call_on_batch(
          network, codes, event_ndims=2, training=training
      )
    return batching.as_logits(
        outputs, batch_ndims, self.num_latents, self.num_classes
    )

  def decode(
      self, codes: tf.Tensor, training: bool = False
  ) -> tfd.Distribution:
    """Makes the distribution `p(y | z_L)`.

    Args:
      codes: Floating `Tensor`, shape `[..., N, K]`, one-hot or relaxed.
      training: Python `bool`, passed to the decoder.

    Returns:
      Distribution of batch shape `[...]` and event shape `[*event]`.

    Raises:
      ValueError: If `codes` are not of shape `[..., N, K]`.
    """
    codes = self._check_codes(codes)
    params = batching.call_on_batch(
        self.decoder, codes, event_ndims=2, training=training
    )
    return likelihoods.independent(
        self._distribution(params), codes.shape.rank - 2
    )

  def sample_codes(
      self, x: tf.Tensor, num_samples: int, seed: Any
  ) -> tf.Tensor:
    """Draws exact codes of the last layer.

    Args:
      x: Tensor, shape `[batch, *x_event]`.
      num_samples: Number of samples S of an example.
      seed: As for `ops.as_seed`.

    Returns:
      float32 `Tensor`, shape `[S, batch, N, K]`, exactly one-hot.
    """
    return self.sample_layers(x, num_samples, seed)[-1]

  def sample_layers(
      self, x: tf.Tensor, num_samples: int, seed: Any
  ) -> list[tf.Tensor]:
    """Draws exact codes of all layers, each given those of the one before.

    Args:
      x: Tensor, shape `[batch, *x_event]`.
      num_samples: Number of samples S of an example.
      seed: As for `ops.as_seed`.

    Returns:
      float32 `Tensor` of each layer, shape `[S, batch, N, K]`, exactly one-hot.
    """
    codes, _ = self._sample_layers(self.logits(0, x), num_samples, seed)
    return codes

  def _sample_layers(self, logits, num_samples, seed, training=False):
    """Draws from all layers; returns the codes of each, and `log p` of all."""
    logits = tf.repeat(logits[tf.newaxis], num_samples, axis=0)
    codes: list[tf.Tensor] = []
    log_p = 0.0
    for layer in range(len(self.networks)):
      if layer:
        logits = self.logits(layer, codes[-1], training=training)
      codes.append(ops.sample_one_hot(logits, seed=ops.fold_in(seed, layer)))
      log_p += tf.reduce_sum(ops.one_hot_log_prob(codes[-1], logits), axis=-1)
    return codes, log_p

  def sample(self, x: tf.Tensor, num_samples: int, seed: Any) -> tf.Tensor:
    """Draws predictions.

    Args:
      x: Tensor, shape `[batch, *x_event]`.
      num_samples: Number of samples S of an example.
      seed: As for `ops.as_seed`.

    Returns:
      `Tensor`, shape `[S, batch, *event]`.
    """
    codes_seed, y_seed = ops.split(seed, 2)
    codes = self.sample_codes(x, num_samples, codes_seed)
    return self.decode(codes).sample(seed=y_seed)

  def call(self, inputs, training=False):
    codes = _get_x(inputs)
    for layer in range(len(self.networks)):
      codes = ops.one_hot_argmax(self.logits(layer, codes, training=training))
    return likelihoods.point_estimate(self.decode(codes, training=training))

  def _loss_terms(self, batch, training, seed):
    x, y = _get_pair(batch)
    y_features = tf.cast(tf.reshape(y, [tf.shape(y)[0], -1]), tf.float32)
    y_features = tf.ensure_shape(
        y_features, [None, tf.TensorShape(y.shape[1:]).num_elements()]
    )

    def cost(codes):
      return -likelihoods.log_prob(self.decode(codes, training=training), y)

    def estimate(layer, inputs, logits):
      """Returns the cost of an example, in expectation from a layer on."""

      def objective(codes):
        if layer + 1 == len(self.networks):
          return self._reduce_joined(cost, codes)
        next_logits = self._map_joined(
            lambda z: self._encode(layer + 1, z, training), codes
        )
        return estimate(layer + 1, codes, next_logits)

      return self.estimators[layer](
          logits,
          objective=objective,
          seed=ops.fold_in(seed, layer),
          features=_features(inputs, logits, y_features),
          training=training,
      )

    if self._compares_joint:
      (estimator,) = self.estimators
      codes, log_p = self._sample_layers(
          self.logits(0, x, training), estimator.num_samples, seed, training
      )
      return {'negative_bound': estimator.weigh(cost(codes[-1]), log_p)}
    logits = self._encode(0, x, training)
    logits = tf.concat([logits] * self._num_joined, axis=-2)
    name = 'negative_bound' if self.importance_weighted else 'distortion'
    return {name: estimate(0, x, logits)}

  def _map_joined(self, fn, codes):
    """Applies a function of `[..., N, K]` to each of the joined samples."""
    if self._num_joined == 1:
      return fn(codes)
    return estimator_lib.join(fn(estimator_lib.split(codes, self._num_joined)))

  def _reduce_joined(self, cost, codes):
    """Computes the cost of `[..., N, K]`, or the bound of joined samples."""
    if self._num_joined == 1:
      return cost(codes)
    costs = cost(estimator_lib.split(codes, self._num_joined))
    return -ops.log_mean_exp(-costs)

  def _sampler(self, batch, seed):
    x, y = _get_pair(batch)
    logits = self.logits(0, x)

    def draw(size, index):
      codes, _ = self._sample_layers(logits, size, ops.fold_in(seed, index))
      return likelihoods.log_prob(self.decode(codes[-1]), y)

    return draw, batching.dims(x)[0]

  def update_metrics(self, batch: Any, *, seed: Any = None) -> None:
    """Updates the metrics of `evaluate` from a batch, with exact samples.

    Args:
      batch: A pair `(x, y)`, or a dict with the keys 'x' and 'y'.
      seed: As for `ops.as_seed`; by default the model's own generator, folded
        with the replica.
    """
    estimate = self.importance_weighted_estimate(
        batch, self.num_importance_samples, self._seed(seed)
    )
    self._elbo.update_state(estimate.elbo)
    self._bound.update_state(estimate.bound)
    self._effective_sample_size.update_state(estimate.effective_sample_size)

  def get_metrics_result(self) -> dict[str, tf.Tensor]:
    """Returns what `evaluate` reports, in nats.

    Returns:
      A dict of scalars: 'elbo', the bound of one sample, `E log p(y | z_L)`,
      and 'importance_weighted_bound', each with the standard error of its mean
      over the examples ('..._stderr'); 'effective_sample_size', the mean over
      the examples of that of the bound.
    """
    return {
        **self._elbo.result(),
        **self._bound.result(),
        'effective_sample_size': self._effective_sample_size.result(),
    }

  def _check_codes(self, codes):
    return batching.as_events(
        codes, [self.num_latents, self.num_classes], 'codes'
    )

  def _get_batch(self, data):
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if sample_weight is not None:
      raise ValueError('Expected data without sample weights; received some.')
    return _get_pair(x if y is None else (x, y))

  def _signatures(self, x):
    codes = signatures.batch_spec([self.num_latents, self.num_classes])
    y = signatures.data_spec(self.decode(tf.zeros([1, *codes.shape[1:]])))
    if x is None:
      shape = _get_x(self.get_build_config()['input_shape'])
      x = signatures.batch_spec(shape[1:])

    def encode(x, num_samples, seed):
      return {'codes': self.sample_codes(x, num_samples, seed)}

    def decode(codes):
      return {'y': likelihoods.point_estimate(self.decode(codes))}

    def sample(x, num_samples, seed):
      return {'y': self.sample(x, num_samples, seed)}

    def log_prob(x, y, num_samples, seed):
      bound = self.importance_weighted_bound((x, y), num_samples, seed)
      return {'log_prob': bound}

    draws = signatures.DRAWS
    return {
        'encode': signatures.Signature(encode, {'x': x, **draws}),
        'decode': signatures.Signature(decode, {'codes': codes}),
        'sample': signatures.Signature(sample, {'x': x, **draws}),
        'log_prob': signatures.Signature(log_prob, {'x': x, 'y': y, **draws}),
    }

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'networks': [serialize(network) for network in self.networks],
        'decoder': serialize(self.decoder),
        'num_latents': self.num_latents,
        'num_classes': self.num_classes,
        'estimator': self._estimator_config,
        'likelihood': serialize(self._likelihood),
    }

  @classmethod
  def from_config(cls, config):
    nested = ('networks', 'decoder', 'estimator', 'likelihood')
    return cls(**serialization.deserialized(config, *nested))


def _get_x(batch):
  """Returns the x of a batch, or what is given for an x alone; or its shape."""
  return batch['x'] if isinstance(batch, Mapping) else batch


def _get_pair(batch):
  if isinstance(batch, Mapping) and {'x', 'y'} <= set(batch):
    batch = batch['x'], batch['y']
  if not (isinstance(batch, tuple | list) and len(batch) == 2):
    raise ValueError(
        "Expected a batch (x, y), or a dict with the keys 'x' and 'y'; "
        f'received {type(batch).__name__}.'
    )
  x, y = (tf.convert_to_tensor(value) for value in batch)
  assertions.check_one_per_example(y, x, 'y')
  return x, y


def _features(inputs, logits, y_features):
  """Joins what a network sees and y, `[..., F]` for logits `[..., N, K]`."""
  batch_shape = tf.shape(logits)[:-2]
  inputs = tf.cast(inputs, tf.float32)
  size = tf.TensorShape(inputs.shape[logits.shape.rank - 2 :]).num_elements()
  inputs = tf.reshape(inputs, tf.concat([batch_shape, [size]], 0))
  y_features = tf.broadcast_to(
      y_features, tf.concat([batch_shape, [y_features.shape[-1]]], 0)
  )
  features = tf.concat([inputs, y_features], axis=-1)
  return tf.ensure_shape(features, [*logits.shape[:-2], features.shape[-1]])


def _copies(estimator, num_layers, num_joined):
  """Copies an estimator for each layer, with as many samples as each needs."""
  needs_several = estimator.min_num_samples > 1
  if num_joined > 1 and needs_several:
    raise ValueError(
        'Expected an `estimator` that can do with one sample for a bound of '
        f'{num_joined} samples through {num_layers} layers; received '
        f'{type(estimator).__name__}.'
    )
  one_sample = {'num_samples': 1, 'importance_weighted': False}
  copies = []
  for layer in range(num_layers):
    # Where they are not joined, those of the first layer go on, one by one.
    is_first = layer == 0 and num_joined == 1
    changes = {} if is_first or needs_several else one_sample
    name = f'{estimator.name}_{layer}'
    copies.append(_copy(estimator, **changes, name=name))
  return copies


def _copy(estimator, **changes):
  """Copies an estimator and the values of its weights."""
  copy = type(estimator).from_config({**estimator.get_config(), **changes})
  copy.set_weights(estimator.get_weights())
  return copy
