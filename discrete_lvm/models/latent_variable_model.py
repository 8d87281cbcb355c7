"""What models with latent variables share: bounds of importance weights."""

import abc
from typing import Any

import tensorflow as tf

from discrete_lvm import objectives
from discrete_lvm.models import model


class LatentVariableModel(model.Model, abc.ABC):
  """A model of latents and data that weighs samples of its posterior.

  Attributes:
    num_importance_samples: Python `int`, samples of the bounds that `evaluate`
      reports: 10, or what `compile` says.
  """

  num_importance_samples = 10

  @abc.abstractmethod
  def log_weights(self, *args: Any, **kwargs: Any) -> tf.Tensor:
    """Draws exact samples and computes the logarithm of the weight of each.

    Returns:
      float32 `Tensor`, shape `[S, batch]`, in nats: `log p(x, z) - log q(z |
      x)`, or what else has a mean weight of `p(x)`.
    """

  def importance_weighted_bound(
      self, batch: Any, num_samples: int, seed: Any, **options
  ) -> tf.Tensor:
    """Estimates a lower bound of `log p(x)` from exact samples.

    Args:
      batch: Data, as for `log_weights`.
      num_samples: Number of samples S; memory does not grow with it but for
        `[S, batch]` weights.
      seed: As for `ops.as_seed`.
      **options: Further arguments of `log_weights`.

    Returns:
      float32 `Tensor`, shape `[batch]`, in nats.

    Raises:
      ValueError: As `log_weights` raises.
    """
    return objectives.importance_weighted_bound(
        self.log_weights(batch, num_samples, seed, **options)
    )

  def compile(self, *args, num_importance_samples: int = 10, **kwargs) -> None:
    """Configures `fit` and `evaluate`.

    Args:
      *args: Arguments of `keras.Model.compile`.
      num_importance_samples: Samples of the bounds that `evaluate` reports.
      **kwargs: Arguments of `keras.Model.compile`; no `loss`, since the model
        states its own.

    Raises:
      ValueError: If a `loss` is given.
    """
    super().compile(*args, **kwargs)
    self.num_importance_samples = num_importance_samples

  def get_compile_config(self):
    config = super().get_compile_config()
    samples = self.num_importance_samples
    return config and {**config, 'num_importance_samples': samples}
