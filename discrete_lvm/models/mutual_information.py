"""Keras model: how much x tells of y, by a critic that it trains."""

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from discrete_lvm import metrics
from discrete_lvm import objectives
from discrete_lvm import ops
from discrete_lvm.layers import given_networks
from discrete_lvm.models import model
from discrete_lvm.models import serialization

# Of a score matrix and the keywords of `_options`.
_BOUNDS: dict[str, Callable[..., tf.Tensor]] = {
    'donsker_varadhan': objectives.donsker_varadhan_bound,
    'info_nce': objectives.info_nce_bound,
    'interpolated': objectives.interpolated_bound,
    'jensen_shannon': objectives.jensen_shannon_bound,
    'nwj': objectives.nwj_bound,
    'tuba': objectives.tuba_bound,
}
_WITH_BASELINE = ('interpolated', 'tuba')
# In nats; finite in the sum over a batch, too.
_LEAST_LOGGED = -1e30


@keras.saving.register_keras_serializable(package='discrete_lvm')
class MutualInformation(model.Model):
  """Trains a critic on pairs (x, y) to estimate their mutual information.

  The loss of a batch of K pairs is its negative bound, the same for each pair:
  so a batch is one draw of the bound, whose bias and variance depend on K. One
  pair alone, as the last batch may be, says nothing: its loss is 0, and the
  metrics leave it out.
  Under a strategy each replica has the bound of its own pairs.

  Args:
    critic: Keras layer from x and y, `critic(x, y)`, to scores, `[K, K]`:
      `scores[i, j] = f(x_j, y_i)`, such as `layers.SeparableCritic`.
    bound: 'donsker_varadhan', 'info_nce', 'interpolated', 'jensen_shannon',
      'nwj' or 'tuba': that of `objectives` which is maximised and reported. The
      critic of 'jensen_shannon' maximises `jensen_shannon_objective`, and where
      that is finite and the exponential of the bound overflows, its loss is
      1e30.
    log_baseline: Keras layer from y to `[K]`, such as `layers.LogBaseline`, for
      'tuba', and if wanted for 'interpolated'.
    alpha: Number from 0 to 1, for 'interpolated' alone.
    **kwargs: Arguments of `keras.Model`.

  Call arguments:
    inputs: A pair (x, y) of batches of K examples.

  Output shape:
    `[K, K]`: the scores.

  Raises:
    ValueError: If `bound` is not one of these, or `log_baseline` or `alpha`
      missing or not for it, or if a batch is no pair.

  Example:
    >>> critic = dlvm.layers.BilinearCritic(seed=0)
    >>> model = dlvm.models.MutualInformation(critic, 'nwj')
    >>> model.compile(dlvm.training.FusedAdam(1e-2))
    >>> x = np.random.default_rng(0).normal(size=[640, 2]).astype('float32')
    >>> history = model.fit(x, x, batch_size=64, epochs=1, verbose=0)
    >>> sorted(model.evaluate(x, x, verbose=0, return_dict=True))
    ['bound', 'bound_stderr']

  References:
    Ben Poole, Sherjil Ozair, Aaron van den Oord, Alexander A. Alemi, George
    Tucker. On Variational Bounds of Mutual Information. ICML 2019.
    https://arxiv.org/abs/1905.06922.
  """

  _term_names = ('negative_bound',)
  _keras_builds = False

  def __init__(
      self,
      critic: keras.layers.Layer,
      bound: str = 'info_nce',
      log_baseline: keras.layers.Layer | None = None,
      alpha: float | None = None,
      **kwargs,
  ):
    # Keras would cast data down under a mixed policy; the networks do.
    super().__init__(autocast=False, **kwargs)
    if bound not in _BOUNDS:
      raise ValueError(
          f'Expected `bound` to be one of {sorted(_BOUNDS)}; received '
          f'{bound!r}.'
      )
    if (alpha is None) == (bound == 'interpolated'):
      raise ValueError(
          f"Expected an `alpha` for 'interpolated' alone; received {alpha} for "
          f'{bound!r}.'
      )
    if alpha is not None and not 0 <= alpha <= 1:
      raise ValueError(f'Expected `alpha` from 0 to 1; received {alpha}.')
    has_baseline = log_baseline is not None
    if (
        bound == 'tuba'
        and not has_baseline
        or (bound not in _WITH_BASELINE and has_baseline)
    ):
      raise ValueError(
          "Expected a `log_baseline` for 'tuba', and for none but it and "
          f"'interpolated'; received {log_baseline} for {bound!r}."
      )
    self.critic = critic
    self.bound_name = bound
    self.log_baseline = log_baseline
    self.alpha = alpha
    self._bound = metrics.MeanWithError(name='bound')

  def build(self, input_shape):
    if len(input_shape) != 2 or any(
        not isinstance(shape, tuple | list | tf.TensorShape)
        for shape in input_shape
    ):
      raise ValueError(
          f'Expected a pair of shapes, of x and of y; received {input_shape}.'
      )
    x_shape, y_shape = input_shape
    given_networks.build(self.critic, x_shape, y_shape)
    if self.log_baseline is not None:
      given_networks.build(self.log_baseline, y_shape)

  def call(self, inputs, training=False):
    x, y = _get_pair(inputs)
    return self.critic(x, y, training=training)

  def bound(self, batch: Any) -> tf.Tensor:
    """Computes the bound of a batch.

    Args:
      batch: A pair (x, y) of K examples each.

    Returns:
      float32 `Tensor`, shape `[]`, in nats; 0 where K is known to be 1.

    Raises:
      ValueError: If the batch is no pair.
    """
    return self._scores_and_bound(batch)[1]

  def _scores_and_bound(self, batch, training=False):
    x, y = _get_pair(batch)
    if not self.built:  # `fit` goes by way of `loss_terms`, not of `call`.
      self.build((x.shape, y.shape))
    scores = self.critic(x, y, training=training)
    options = {}
    if self.log_baseline is not None:
      options['log_baseline'] = self.log_baseline(y, training=training)
    if self.alpha is not None:
      options['alpha'] = self.alpha
    if scores.shape[0] == 1:
      # The bounds refuse it. The gradient is zero, not None.
      zero = tf.math.multiply_no_nan(scores[0, 0], 0.0)
      return scores, tf.cast(zero, tf.float32)
    return scores, _BOUNDS[self.bound_name](scores, **options)

  def _loss_terms(self, batch, training, seed):
    scores, bound = self._scores_and_bound(batch, training)
    if self.bound_name == 'jensen_shannon' and scores.shape[0] != 1:
      objective = objectives.jensen_shannon_objective(scores)
      # An overflow of what is only reported must not end the training.
      reported = tf.where(
          tf.math.is_finite(objective),
          tf.maximum(bound, _LEAST_LOGGED),
          objective,
      )
      # The value to report, with the gradient to follow.
      bound = ops.straight_through(reported, objective)
    size = tf.shape(scores)[:1]
    bound = tf.where(size[0] > 1, bound, tf.zeros_like(bound))
    return {'negative_bound': tf.fill(size, -bound)}

  def update_metrics(self, batch: Any, *, seed: Any = None) -> None:
    """Updates the metrics of `evaluate` with the bound of a batch.

    Args:
      batch: A pair (x, y).
      seed: Not used: there is no noise.
    """
    del seed
    scores, bound = self._scores_and_bound(batch)
    self._bound.update_state(
        bound[tf.newaxis], sample_weight=tf.shape(scores)[:1] > 1
    )

  def get_metrics_result(self) -> dict[str, tf.Tensor]:
    """Returns what `evaluate` reports, in nats.

    Returns:
      A dict of scalars: 'bound', the mean over the batches, and 'bound_stderr',
      its standard error. All batches count alike; let them be of one size.
    """
    return self._bound.result()

  def _signatures(self, x):
    raise ValueError(
        'Expected a model that encodes, decodes, samples or has a log-'
        'probability; received a critic, which `save` writes.'
    )

  def _get_batch(self, data):
    x, y, sample_weight = keras.utils.unpack_x_y_sample_weight(data)
    if sample_weight is not None:
      raise ValueError('Expected data without sample weights; received some.')
    return _get_pair(x if y is None else (x, y))

  def get_config(self):
    serialize = keras.saving.serialize_keras_object
    return {
        **super().get_config(),
        'critic': serialize(self.critic),
        'bound': self.bound_name,
        'log_baseline': serialize(self.log_baseline),
        'alpha': self.alpha,
    }

  @classmethod
  def from_config(cls, config):
    return cls(**serialization.deserialized(config, 'critic', 'log_baseline'))


def _get_pair(batch):
  if not (isinstance(batch, tuple | list) and len(batch) == 2):
    raise ValueError(
        f'Expected a batch (x, y); received {type(batch).__name__}.'
    )
  return tuple(tf.convert_to_tensor(value) for value in batch)
