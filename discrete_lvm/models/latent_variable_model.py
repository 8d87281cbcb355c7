"""What models with latent variables share: bounds of importance weights."""

import abc
from typing import Any

import tensorflow as tf

from discrete_lvm import objectives
from discrete_lvm.models import batching
from discrete_lvm.models import model
from discrete_lvm.ops import counts


class LatentVariableModel(model.Model, abc.ABC):
  """A model of latents and data that weighs samples of its posterior.

  Attributes:
    num_importance_samples: Python `int`, samples of the bounds that `evaluate`
      reports: 10, or what `compile` says.
  """

  num_importance_samples = 10

  @abc.abstractmethod
  def _sampler(self, *args: Any, **options: Any) -> Any:
    """Returns `draw`, which weighs exact samples, and the size of the batch.

    Of the arguments `batch`, `seed` and the model's further ones.
    `draw(size, index)` returns the logarithms of the weights of the chunk of
    samples of that index, float32 of shape `[size, batch]`.
    """

  def log_weights(
      self, batch: Any, num_samples: int, seed: Any, **options
  ) -> tf.Tensor:
    """Draws exact samples and computes the logarithm of the weight of each.

    Args:
      batch: Data, as for `loss_terms`.
      num_samples: Number of samples S; memory does not grow with it but for the
        result.
      seed: As for `ops.as_seed`.
      **options: Further arguments of the model: `auxiliary` of a `DeltaVAE`.

    Returns:
      float32 `Tensor`, shape `[S, batch]`, in nats: `log p(x, z) - log q(z |
      x)`, or what else has a mean weight of `p(x)`.

    Raises:
      ValueError: If `num_samples` is no integer of at least 1, or the batch is
        not one of the model.
    """
    draw, batch_size = self._sampler(batch, seed, **options)
    return batching.map_samples(draw, num_samples, batch_size)

  def importance_weighted_estimate(
      self, batch: Any, num_samples: int, seed: Any, **options
  ) -> objectives.ImportanceWeightedEstimate:
    """Estimates a lower bound of `log p(x)`, and how near it is.

    Args:
      batch: Data, as for `log_weights`.
      num_samples: Number of samples S; memory does not grow with it.
      seed: As for `ops.as_seed`.
      **options: Further arguments of `log_weights`.

    Returns:
      An `objectives.ImportanceWeightedEstimate` of float32 `Tensor`s, shape
      `[batch]`: the bound of the samples that `log_weights` draws from this
      seed, the bound of one sample, the effective sample size, and the error.

    Raises:
      ValueError: As `log_weights` raises.
    """
    draw, batch_size = self._sampler(batch, seed, **options)
    return batching.stream_samples(draw, num_samples, batch_size)

  def importance_weighted_bound(
      self, batch: Any, num_samples: int, seed: Any, **options
  ) -> tf.Tensor:
    """Estimates a lower bound of `log p(x)` from exact samples.

    Args:
      batch: Data, as for `log_weights`.
      num_samples: Number of samples S; memory does not grow with it.
      seed: As for `ops.as_seed`.
      **options: Further arguments of `log_weights`.

    Returns:
      float32 `Tensor`, shape `[batch]`, in nats.

    Raises:
      ValueError: As `log_weights` raises.
    """
    return self.importance_weighted_estimate(
        batch, num_samples, seed, **options
    ).bound

  def compile(self, *args, num_importance_samples: int = 10, **kwargs) -> None:
    """Configures `fit` and `evaluate`.

    Args:
      *args: Arguments of `keras.Model.compile`.
      num_importance_samples: Samples of the bounds that `evaluate` reports.
      **kwargs: Arguments of `keras.Model.compile`; no losses, their weights or
        metrics, since the model states its own.

    Raises:
      ValueError: If one of those is given, or `num_importance_samples` is no
        integer of at least 1.
    """
    counts.check_count(num_importance_samples, 'num_importance_samples')
    super().compile(*args, **kwargs)
    self.num_importance_samples = num_importance_samples

  def get_compile_config(self):
    config = super().get_compile_config()
    samples = self.num_importance_samples
    return config and {**config, 'num_importance_samples': samples}
