"""A variational autoencoder of data of which few have a label."""

from typing import Any

import keras
import tensorflow as tf
from tensorflow_probability import distributions as tfd

from discrete_lvm import estimators
from discrete_lvm import metrics
from discrete_lvm import objectives
from discrete_lvm import ops
from discrete_lvm.models import batching
from discrete_lvm.models import class_labels
from discrete_lvm.models import latent_variable_model
from discrete_lvm.models import likelihoods
from discrete_lvm.models import serialization
from discrete_lvm.models import signatures
from discrete_lvm.ops import assertions


@keras.saving.register_keras_serializable(package='discrete_lvm')
class SemiSupervisedVAE(latent_variable_model.LatentVariableModel):
  """A class y and a normal style z make x; the class is known of some x alone.

  `p(x, y, z) = p(x | y, z) p(y) p(z)` with a uniform `p(y)` of K classes and a
  standard normal `p(z)`; `q(y, z | x) = q(y | x) q(z | x, y)`. With

      cost(x, y) = -E_{q(z | x, y)} log p(x | y, z) + KL(q(z | x, y) || p(z))

  estimated by one z, the loss of an example is the sum of three terms:

  - 'conditional_bound': `cost(x, y)` for a label y, else its expectation under
    `q(y | x)`.
  - 'class_rate': `log K` with a label, else the KL of `q(y | x)` from `p(y)`.
  - 'classification': `-alpha log q(y | x)` for a label y, else 0.

  The first two are a bound of `-log p(x, y)` or of `-log p(x)`. Without a label
  `inference` takes the expectation: summed over the classes, or by an estimator
  at one class or at a relaxed one, at a cost that does not grow with K. With an
  estimator that needs the whole cost, as one that is importance weighted or
  `estimators.NVIL`, the first two are the one term 'negative_bound', of S
  samples of (y, z), or of z.

  A batch is x alone, or a pair `(x, y)` with integer labels y, -1 for none. A
  label takes the place of the classes that `inference` proposes, so that an
  example costs as much with a label as without.

  Args:
    classifier: Keras layer or model from data to logits of `q(y | x)`,
      `[batch, K]`.
    encoder: Keras layer or model from data to features `[batch, F]`, which are
      computed once for all classes.
    posterior: Keras layer or model from features and class, `[batch, F + K]`,
      to the location and scale of `q(z | x, y)`, `[batch, D]` each; it ends
      with a `layers.GaussianHead(D)`, for instance.
    decoder: Keras layer or model from class and style, `[batch, K + D]`, to the
      likelihood's parameters.
    inference: 'marginalize', or an `estimators.Estimator`.
    classification_weight: The weight alpha, at least 0. The loss is a mean over
      a batch: the fewer have a label in it, the less their terms weigh.
    likelihood: As for `DiscreteVAE`.
    **kwargs: Arguments of `keras.Model`.

  Call arguments:
    inputs: Data, shape `[batch, *event]`.

  Output shape:
    `[batch, K]`: logits of the class.

  Signatures (see `save_signatures`):
    encode: `x` to `logits` of the class and, for the likeliest class, `loc` and
      `scale` of the style, `[batch, D]`.
    decode: `codes`, `[batch, K]`, and `z`, `[batch, D]`, to `x`, the likeliest
      or its mean.
    sample: `num_samples` and `seed` to `x`, of any class.
    log_prob: `x`, `num_samples` and `seed` to `log_prob`, `[batch]`: the
      importance-weighted bound in nats.

  Attributes:
    num_classes: The number of classes K; 0 before the model is built.
    latent_dim: The dimension D of z; 0 before the model is built.

  Raises:
    ValueError: If `inference`, `classification_weight` or `likelihood` is not
      one of these, if the output of a network is of another shape, or labels
      are not integers of shape `[batch]` from -1 to K - 1. Where their values
      are not known, in a graph, a label out of range makes the 'classification'
      of its example NaN.

  Example:
    >>> model = dlvm.models.SemiSupervisedVAE(
    ...     classifier=keras.layers.Dense(3),
    ...     encoder=keras.layers.Dense(4, 'relu'),
    ...     posterior=dlvm.layers.GaussianHead(2),
    ...     decoder=keras.layers.Dense(5),
    ...     inference=dlvm.estimators.GumbelSoftmax())
    >>> terms = model.loss_terms((tf.zeros([2, 5]), [1, -1]), seed=[0, 1])
    >>> list(terms)
    ['conditional_bound', 'class_rate', 'classification']
    >>> model.sample(3, seed=0, labels=2).shape
    TensorShape([3, 5])

  References:
    Diederik P. Kingma, Danilo J. Rezende, Shakir Mohamed, Max Welling.
    Semi-Supervised Learning with Deep Generative Models. NeurIPS 2014.
    https://arxiv.org/abs/1406.5298. Equations 6 to 9, the model M2.

    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 4.3.
  """

  # Those of any kind of estimator.
  _term_names = (
      'conditional_bound',
      'class_rate',
      'negative_bound',
      'classification',
  )

  def __init__(
      self,
      classifier: keras.layers.Layer,
      encoder: keras.layers.Layer,
      posterior: keras.layers.Layer,
      decoder: keras.layers.Layer,
      inference: str | estimators.Estimator = 'marginalize',
      classification_weight: float = 1.0,
      likelihood: str | likelihoods.Likelihood = 'bernoulli',
      **kwargs,
  ):
    # Keras would cast data down under a mixed policy: they are targets, too.
    super().__init__(autocast=False, **kwargs)
    self._marginalizes = inference == 'marginalize'
    if self._marginalizes:
      inference = estimators.Exact()
    if not isinstance(inference, estimators.Estimator):
      raise ValueError(
          "Expected `inference` to be 'marginalize' or an "
          f'`estimators.Estimator`; received {inference!r}.'
      )
    if not classification_weight >= 0:
      raise ValueError(
          'Expected a `classification_weight` of at least 0; received '
          f'{classification_weight}.'
      )
    self.classifier = classifier
    self.encoder = encoder
    self.posterior = posterior
    self.decoder = decoder
    self.estimator = inference
    self.classification_weight = classification_weight
    # Nothing until `build` sees the networks.
    self.num_classes = 0
    self.latent_dim = 0
    self._likelihood = likelihood
    self._distribution = likelihoods.get(likelihood)
    self._elbo = metrics.MeanWithError(name='elbo')
    self._bound = metrics.MeanWithError(name='importance_weighted_bound')
    self._accuracy = metrics.MeanWithError(name='accuracy')

  def build(self, input_shape):
    data = keras.KerasTensor((None, *input_shape[1:]), 'float32')
    self.num_classes = _vector_size('classifier', self.classifier(data))
    features = _vector_size('encoder', self.encoder(data))
    size = features + self.num_classes
    params = self.posterior(keras.KerasTensor((None, size), 'float32'))
    if not isinstance(params, tuple | list) or len(params) != 2:
      raise ValueError(
          'Expected a posterior that returns (loc, scale), as '
          f'`layers.GaussianHead` does; received {params}.'
      )
    self.latent_dim = _vector_size('posterior', params[0])
    size = self.num_classes + self.latent_dim
    self.decoder(keras.KerasTensor((None, size), 'float32'))
    if not self.estimator.built:
      self.estimator.build((None, 1, self.num_classes), input_shape)

  def classify(self, x: tf.Tensor, training: bool = False) -> tf.Tensor:
    """Computes the logits of `q(y | x)`.

    Args:
      x: Data, shape `[batch, *event]`.
      training: Python `bool`, passed to the classifier.

    Returns:
      float32 `Tensor`, shape `[batch, K]`, in nats.
    """
    return self._law_logits(self._classify(x, training))

  def _classify(self, x, training=False):
    """Computes what the estimator makes `q(y | x)` of."""
    self._build_for(x)
    return tf.cast(self.classifier(x, training=training), tf.float32)

  def _law_logits(self, logits):
    # An estimator takes N variables, here one.
    law_logits = self.estimator.law_logits(logits[:, tf.newaxis])
    return tf.squeeze(law_logits, axis=1)

  def encode(
      self, x: tf.Tensor, codes: tf.Tensor, training: bool = False
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Computes the location and the scale of `q(z | x, y)`.

    Args:
      x: Data, shape `[batch, *event]`.
      codes: Floating `Tensor`, shape `[..., batch, K]`: classes, one-hot or
        relaxed.
      training: Python `bool`, passed to the networks.

    Returns:
      Two float32 `Tensor`s, shape `[..., batch, D]`.

    Raises:
      ValueError: If `codes` are not of shape `[..., batch, K]`.
      tf.errors.InvalidArgumentError: If a batch that is not static differs.
    """
    features = self._features(x, training)
    codes = batching.as_events(codes, [self.num_classes], 'codes')
    assertions.check_one_per_example(codes, features, 'codes', axis=-2)
    return self._style(features, codes, training)

  def decode(
      self, codes: tf.Tensor, z: tf.Tensor, training: bool = False
  ) -> tfd.Distribution:
    """Makes the distribution `p(x | y, z)`.

    Args:
      codes: Floating `Tensor`, shape `[..., K]`: classes, one-hot or relaxed.
      z: Floating `Tensor`, shape `[..., D]`: styles, of the same leading
        dimensions.
      training: Python `bool`, passed to the decoder.

    Returns:
      Distribution of batch shape `[...]` and event shape `[*event]`.

    Raises:
      ValueError: If the model is not built, `codes` are not of shape `[...,
        K]`, or `z` not of shape `[..., D]`.
    """
    self._check_built()
    codes = batching.as_events(codes, [self.num_classes], 'codes')
    z = batching.as_events(z, [self.latent_dim], 'styles')
    params = batching.call_on_batch(
        self.decoder,
        tf.concat([codes, z], axis=-1),
        event_ndims=1,
        training=training,
    )
    return likelihoods.independent(
        self._distribution(params), codes.shape.rank - 1
    )

  def sample_prior(
      self, num_samples: int, seed: Any, labels: Any = None
  ) -> tuple[tf.Tensor, tf.Tensor]:
    """Draws classes and styles.

    Args:
      num_samples: How many.
      seed: As for `ops.as_seed`.
      labels: Integer, or `Tensor` of shape `[num_samples]`: the classes, from 0
        to K - 1, where they are not to be drawn.

    Returns:
      One-hot classes, float32 of shape `[num_samples, K]`, and styles,
      `[num_samples, D]`.

    Raises:
      ValueError: If the model is not built, or the labels are of another shape,
        no integers, or out of range. In a graph the classes of the last are
        NaN.
    """
    self._check_built()
    class_seed, style_seed = ops.split(seed, 2)
    shape = [num_samples, self.num_classes]
    if labels is None:
      codes = ops.sample_one_hot(tf.zeros(shape), seed=class_seed)
    else:
      labels = tf.convert_to_tensor(labels)
      if labels.shape.rank == 0:
        labels = tf.fill([num_samples], labels)
      class_labels.check(labels, num_samples)
      labels = tf.saturate_cast(labels, tf.int32)
      codes = tf.one_hot(labels, self.num_classes)
      zeros = class_labels.zero_in_range(labels, 0, self.num_classes)
      codes += zeros[:, tf.newaxis]
    z = ops.normal_noise([num_samples, self.latent_dim], style_seed)
    return codes, z

  def sample(
      self, num_samples: int, seed: Any, labels: Any = None
  ) -> tf.Tensor:
    """Draws data, of given classes or of any.

    Args:
      num_samples: How many.
      seed: As for `ops.as_seed`.
      labels: As for `sample_prior`.

    Returns:
      `Tensor`, shape `[num_samples, *event]`.

    Raises:
      ValueError: As `sample_prior` raises.
    """
    prior_seed, data_seed = ops.split(seed, 2)
    codes, z = self.sample_prior(num_samples, prior_seed, labels)
    return self.decode(codes, z).sample(seed=data_seed)

  def call(self, inputs, training=False):
    return self.classify(inputs, training=training)

  def _loss_terms(self, batch, training, seed):
    x, labels = class_labels.get_pair(batch)
    proposed = self._classify(x, training)
    logits = self._law_logits(proposed)
    features = self._features(x, training)
    has_label = labels >= 0
    # All zero where there is no label, and so is the log-probability of it.
    one_hot = tf.one_hot(labels, self.num_classes)
    class_rate = tf.where(
        has_label, self._log_num_classes(), ops.categorical_kl(logits)
    )
    is_whole = self.estimator.needs_whole_cost
    style_seed = ops.fold_in(seed, 'style')

    def objective(codes):
      codes = tf.squeeze(codes, axis=-2)
      y = tf.where(has_label[:, tf.newaxis], one_hot, codes)
      loc, scale = self._style(features, y, training)
      if not is_whole:
        # One noise for all: what is compared differs by its class alone.
        noise = ops.normal_noise(tf.shape(loc)[-2:], style_seed)
        z = loc + scale * noise
        return self._distortion(x, y, z, training) + _style_rate(loc, scale)
      z = loc + scale * ops.normal_noise(tf.shape(loc), style_seed)
      log_q_class = tf.where(
          has_label, 0.0, ops.one_hot_log_prob(codes, logits)
      )
      return (
          self._distortion(x, y, z, training)
          - _log_style_ratio(loc, scale, z)
          + log_q_class
          + self._log_num_classes()
      )

    # What a label decides is not up to the classifier, whose score would be
    # noise.
    proposed = tf.where(
        has_label[:, tf.newaxis], tf.stop_gradient(proposed), proposed
    )
    values = self.estimator(
        proposed[:, tf.newaxis],
        objective=objective,
        seed=seed,
        features=x,
        training=training,
    )
    classification = class_labels.zero_in_range(labels, -1, self.num_classes)
    classification -= ops.one_hot_log_prob(one_hot, logits)
    terms = (
        {'negative_bound': values}
        if is_whole
        else {'conditional_bound': values, 'class_rate': class_rate}
    )
    weight = self.classification_weight
    return {**terms, 'classification': weight * classification}

  def _sampler(self, batch, seed):
    """Weighs classes and styles of x; labels have no part in it."""
    x, _ = class_labels.get_pair(batch)
    logits, features = self.classify(x), self._features(x)

    def draw(size, index):
      class_seed, style_seed = ops.split(ops.fold_in(seed, index), 2)
      codes = ops.sample_one_hot(logits, seed=class_seed, sample_shape=[size])
      loc, scale = self._style(features, codes)
      z = loc + scale * ops.normal_noise(tf.shape(loc), style_seed)
      return (
          _log_style_ratio(loc, scale, z)
          - self._distortion(x, codes, z)
          - self._log_num_classes()
          - ops.one_hot_log_prob(codes, logits)
      )

    return draw, batching.dims(x)[0]

  def update_metrics(self, batch: Any, *, seed: Any = None) -> None:
    """Updates the metrics of `evaluate` from a batch, with exact samples.

    Args:
      batch: x alone, or a pair `(x, y)` with labels, -1 for none.
      seed: As for `ops.as_seed`; by default the model's own generator, folded
        with the replica.
    """
    seed = self._seed(seed)
    x, labels = class_labels.get_pair(batch)
    logits, features = self.classify(x), self._features(x)

    def cost(codes):
      codes = tf.squeeze(codes, axis=-2)
      loc, scale = self._style(features, codes)
      noise = ops.normal_noise(tf.shape(loc), seed)
      distortion = self._distortion(x, codes, loc + scale * noise)
      return distortion + _style_rate(loc, scale)

    expected_cost = estimators.Exact()(logits[:, tf.newaxis], objective=cost)
    bound = self.importance_weighted_bound(
        x, self.num_importance_samples, ops.fold_in(seed, 'bound')
    )
    is_right = tf.equal(tf.argmax(logits, -1, output_type=tf.int32), labels)
    is_right = tf.cast(is_right, tf.float32)
    # A label out of range is no missing one: it makes the accuracy NaN.
    is_right += class_labels.zero_in_range(labels, -1, self.num_classes)
    self._elbo.update_state(
        objectives.elbo(-expected_cost, ops.categorical_kl(logits))
    )
    self._bound.update_state(bound)
    self._accuracy.update_state(is_right, sample_weight=labels != -1)

  def get_metrics_result(self) -> dict[str, tf.Tensor]:
    """Returns what `evaluate` reports.

    Returns:
      A dict of scalars: 'elbo', the bound of `log p(x)`, summed over the
      classes, and 'importance_weighted_bound', in nats, and 'accuracy', the
      share of the examples with a label whose likeliest class it is; each with
      the standard error of its mean over the examples ('..._stderr').
    """
    return {
        **self._elbo.result(),
        **self._bound.result(),
        **self._accuracy.result(),
    }

  def _signatures(self, x):
    codes = signatures.batch_spec([self.num_classes])
    z = signatures.batch_spec([self.latent_dim])
    if x is None:
      zeros = (tf.zeros([1, *spec.shape[1:]]) for spec in (codes, z))
      x = signatures.data_spec(self.decode(*zeros))

    def encode(x):
      logits = self.classify(x)
      loc, scale = self.encode(x, ops.one_hot_argmax(logits))
      return {'logits': logits, 'loc': loc, 'scale': scale}

    def decode(codes, z):
      return {'x': likelihoods.point_estimate(self.decode(codes, z))}

    def sample(num_samples, seed):
      return {'x': self.sample(num_samples, seed)}

    def log_prob(x, num_samples, seed):
      bound = self.importance_weighted_bound(x, num_samples, seed)
      return {'log_prob': bound}

    draws = signatures.DRAWS
    return {
        'encode': signatures.Signature(encode, {'x': x}),
        'decode': signatures.Signature(decode, {'codes': codes, 'z': z}),
        'sample': signatures.Signature(sample, draws),
        'log_prob': signatures.Signature(log_prob, {'x': x, **draws}),
    }

  def _features(self, x, training=False):
    self._build_for(x)
    return tf.cast(self.encoder(x, training=training), tf.float32)

  def _style(self, features, codes, training=False):
    """Returns the location and scale of z, `[..., batch, D]` each."""
    codes = batching.as_events(codes, [self.num_classes], 'codes')
    batch = batching.dims(codes)[:-1]
    features = tf.broadcast_to(features, [*batch, features.shape[-1]])
    inputs = tf.concat([features, tf.cast(codes, tf.float32)], axis=-1)
    params = self.posterior(
        tf.reshape(inputs, [-1, inputs.shape[-1]]), training=training
    )
    loc, scale = (
        tf.reshape(tf.cast(value, tf.float32), [*batch, self.latent_dim])
        for value in params
    )
    return loc, scale

  def _distortion(self, x, codes, z, training=False):
    distribution = self.decode(codes, z, training=training)
    return -likelihoods.log_prob(distribution, x)

  def _log_num_classes(self):
    return tf.math.log(tf.cast(self.num_classes, tf.float32))

  def _build_for(self, x):
    if not self.built:  # `fit` goes by way of `loss_terms`, not of `call`.
      self.build(x.shape)

  def _check_built(self):
    if not self.built:
      raise ValueError(
          'Expected a model that is built; received one that is not.'
      )

  def _get_batch(self, data):
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if sample_weight is not None:
      raise ValueError('Expected data without sample weights; received some.')
    return x if y is None else (x, y)

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    inference = 'marginalize' if self._marginalizes else self.estimator
    return {
        **super().get_config(),
        'classifier': serialize(self.classifier),
        'encoder': serialize(self.encoder),
        'posterior': serialize(self.posterior),
        'decoder': serialize(self.decoder),
        'inference': serialize(inference),
        'classification_weight': self.classification_weight,
        'likelihood': serialize(self._likelihood),
    }

  @classmethod
  def from_config(cls, config):
    nested = (
        'classifier',
        'encoder',
        'posterior',
        'decoder',
        'inference',
        'likelihood',
    )
    return cls(**serialization.deserialized(config, *nested))


def _style_rate(loc, scale):
  return tf.reduce_sum(ops.standard_normal_kl(loc, scale), axis=-1)


def _log_style_ratio(loc, scale, z):
  """Computes `log p(z) - log q(z | x, y)`, `[...]`."""
  log_p = tfd.Normal(0.0, 1.0).log_prob(z)
  return tf.reduce_sum(log_p - tfd.Normal(loc, scale).log_prob(z), axis=-1)


def _vector_size(name, outputs):
  """Returns the size of a network's output, checked to be `[batch, size]`."""
  shape = getattr(outputs, 'shape', None)
  if shape is None or len(shape) != 2 or shape[-1] is None:
    raise ValueError(
        f'Expected the {name} to return [batch, size]; received {outputs}.'
    )
  return shape[-1]
