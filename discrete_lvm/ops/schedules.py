"""Schedules: serialisable objects that map a step to a value.

They are Keras learning-rate schedules, so that one object serves as a
temperature, a weight of the KL or a learning rate, and any Keras config can
hold it. All compute in float32, from an integer step, without state.
"""

import math
import numbers
from typing import Any
from typing import TypeAlias

import keras
import tensorflow as tf

_Step: TypeAlias = int | tf.Tensor


# Below it, the variance that RAdam makes even is all but infinite.
_LEAST_LENGTH = 5.0


class _Schedule(keras.optimizers.schedules.LearningRateSchedule):
  """Keeps the constructor's arguments as the config; subclasses add `value`."""

  def __init__(self, **config):
    for name in ('num_steps', 'period', 'every'):
      if name in config and not config[name] >= 1:
        raise ValueError(
            f'Expected `{name}` of at least 1; received {config[name]}.'
        )
    for name in ('period', 'every', 'begin'):
      if name in config and not isinstance(config[name], numbers.Integral):
        raise ValueError(
            f'Expected an integer `{name}`; received {config[name]}.'
        )
    self._config = config

  def get_config(self) -> dict[str, Any]:
    return dict(self._config)

  def __eq__(self, other):
    return type(self) is type(other) and self._config == other._config

  def __hash__(self):
    return hash((type(self), tuple(self._config.items())))

  def __repr__(self):
    args = ', '.join(f'{k}={v!r}' for k, v in self._config.items())
    return f'{type(self).__name__}({args})'


@keras.saving.register_keras_serializable(package='discrete_lvm')
class ExponentialSchedule(_Schedule):
  """`max(minimum, initial * exp(-rate * step))`, updated every `every` steps.

  Args:
    initial: Value at step 0.
    rate: Rate of decay per step, not negative.
    minimum: Least value.
    every: The value changes at multiples of this many steps.

  Raises:
    ValueError: If `every` is below 1 or no integer, or `rate` negative.

  Example:
    >>> schedule = ExponentialSchedule(1., rate=1e-3, minimum=.5, every=500)
    >>> [round(float(schedule(step)), 3) for step in (0, 499, 500, 5000)]
    [1.0, 1.0, 0.607, 0.5]

  References:
    Eric Jang, Shixiang Gu, Ben Poole. Categorical Reparameterization with
    Gumbel-Softmax. ICLR 2017. https://arxiv.org/abs/1611.01144. Section 4.2.
  """

  def __init__(
      self,
      initial: float,
      rate: float,
      minimum: float = 0.0,
      every: int = 1,
  ):
    super().__init__(initial=initial, rate=rate, minimum=minimum, every=every)
    if not rate >= 0:
      raise ValueError(f'Expected a `rate` of at least 0; received {rate}.')
    self.initial, self.rate, self.minimum = initial, rate, minimum
    self.every = every

  def __call__(self, step: _Step) -> tf.Tensor:
    step = tf.cast(step, tf.int64)
    step = tf.cast(step - step % self.every, tf.float32)
    return tf.maximum(
        tf.constant(self.minimum, tf.float32),
        self.initial * tf.exp(-self.rate * step),
    )


@keras.saving.register_keras_serializable(package='discrete_lvm')
class LinearSchedule(_Schedule):
  """Goes from `initial` to `final` in a straight line, then stays there.

  Args:
    initial: Value up to step `begin`.
    final: Value from step `begin + num_steps` on.
    num_steps: Length of the line.
    begin: Step at which the line begins.

  Raises:
    ValueError: If `num_steps` is below 1, or `begin` no integer.

  Example:
    >>> schedule = LinearSchedule(0., 1., num_steps=4)
    >>> [float(schedule(step)) for step in (0, 1, 4, 9)]
    [0.0, 0.25, 1.0, 1.0]
  """

  def __init__(
      self, initial: float, final: float, num_steps: int, begin: int = 0
  ):
    super().__init__(
        initial=initial, final=final, num_steps=num_steps, begin=begin
    )
    self.initial, self.final = initial, final
    self.num_steps, self.begin = num_steps, begin

  def __call__(self, step: _Step) -> tf.Tensor:
    fraction = _fraction(step, self.begin, self.num_steps)
    return self.initial + (self.final - self.initial) * fraction


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CosineSchedule(_Schedule):
  """Goes from `initial` to `final` along half a cosine, then stays there.

  Args:
    initial: Value up to step `begin`.
    final: Value from step `begin + num_steps` on.
    num_steps: Length of the curve.
    begin: Step at which the curve begins.

  Raises:
    ValueError: If `num_steps` is below 1, or `begin` no integer.

  Example:
    >>> schedule = CosineSchedule(1., 0., num_steps=4)
    >>> [round(float(schedule(step)), 3) for step in (0, 1, 2, 4, 9)]
    [1.0, 0.854, 0.5, 0.0, 0.0]
  """

  def __init__(
      self, initial: float, final: float, num_steps: int, begin: int = 0
  ):
    super().__init__(
        initial=initial, final=final, num_steps=num_steps, begin=begin
    )
    self.initial, self.final = initial, final
    self.num_steps, self.begin = num_steps, begin

  def __call__(self, step: _Step) -> tf.Tensor:
    fraction = _fraction(step, self.begin, self.num_steps)
    weight = 0.5 * (1 - tf.cos(math.pi * fraction))
    return self.initial + (self.final - self.initial) * weight


@keras.saving.register_keras_serializable(package='discrete_lvm')
class CyclicSchedule(_Schedule):
  """Repeats a line from `initial` to `final` and a plateau, with a period.

  Args:
    initial: Value at the start of each cycle.
    final: Value from `ramp * period` steps into a cycle to its end.
    period: Length of a cycle in steps.
    ramp: Share of the cycle that the line takes, in (0, 1].

  Raises:
    ValueError: If `period` is below 1 or no integer, or `ramp` outside (0, 1].

  Example:
    >>> schedule = CyclicSchedule(0., 1., period=4, ramp=.5)
    >>> [float(schedule(step)) for step in range(6)]
    [0.0, 0.5, 1.0, 1.0, 0.0, 0.5]

  References:
    Hao Fu et al. Cyclical Annealing Schedule: A Simple Approach to Mitigating
    KL Vanishing. NAACL 2019. https://arxiv.org/abs/1903.10145. Equation 6.
  """

  def __init__(
      self, initial: float, final: float, period: int, ramp: float = 0.5
  ):
    super().__init__(initial=initial, final=final, period=period, ramp=ramp)
    if not 0 < ramp <= 1:
      raise ValueError(f'Expected a `ramp` in (0, 1]; received {ramp}.')
    self.initial, self.final = initial, final
    self.period, self.ramp = period, ramp

  def __call__(self, step: _Step) -> tf.Tensor:
    step = tf.cast(step, tf.int64) % self.period
    fraction = _fraction(step, 0, self.ramp * self.period)
    return self.initial + (self.final - self.initial) * fraction


@keras.saving.register_keras_serializable(package='discrete_lvm')
class RectifiedSchedule(_Schedule):
  """Warms up as RAdam does: with it as learning rate, Adam is RAdam.

  `initial` times the factor that makes the variance of Adam's step, in which
  the second moments of few gradients are uncertain, that of later steps. It
  rises to 1 in some `10 / (1 - beta_2)` steps. A departure from the paper: of
  the first steps, 5 at the default, for which there is no such factor, it makes
  none; there the paper takes plain steps with momentum.

  Args:
    initial: Value to which it rises.
    beta_2: That of Adam.

  Raises:
    ValueError: If `beta_2` is not in (0.6, 1), where a factor exists.

  Example:
    >>> schedule = RectifiedSchedule(1.)
    >>> [round(float(schedule(step)), 3) for step in (4, 5, 100, 1000, 10_000)]
    [0.0, 0.026, 0.216, 0.646, 1.0]

  References:
    Liyuan Liu, Haoming Jiang, Pengcheng He, Weizhu Chen, Xiaodong Liu, Jianfeng
    Gao, Jiawei Han. On the Variance of the Adaptive Learning Rate and Beyond.
    ICLR 2020. https://arxiv.org/abs/1908.03265. Algorithm 2, with 5 for its
    least length of the average as in PyTorch.
  """

  def __init__(self, initial: float, beta_2: float = 0.999):
    super().__init__(initial=initial, beta_2=beta_2)
    if not 0.6 < beta_2 < 1:
      raise ValueError(f'Expected `beta_2` in (0.6, 1); received {beta_2}.')
    self.initial, self.beta_2 = initial, beta_2

  def __call__(self, step: _Step) -> tf.Tensor:
    count = tf.cast(tf.cast(step, tf.int64) + 1, tf.float32)
    longest = 2 / (1 - self.beta_2) - 1
    # Not `beta_2**count / (1 - beta_2**count)`, of which little is left in
    # float32 where it is large.
    excess = tf.math.expm1(-count * math.log(self.beta_2))
    length = longest - 2 * count / excess
    safe = tf.maximum(length, _LEAST_LENGTH)
    squared = (safe - 4) * (safe - 2) * longest
    squared /= (longest - 4) * (longest - 2) * safe
    factor = tf.where(length > _LEAST_LENGTH, tf.sqrt(squared), 0.0)
    return self.initial * factor


def _fraction(step, begin, num_steps):
  # Subtracted as integers: float32 cannot tell steps apart beyond 2**24.
  elapsed = tf.cast(tf.cast(step, tf.int64) - begin, tf.float32)
  return tf.clip_by_value(elapsed / num_steps, 0.0, 1.0)
