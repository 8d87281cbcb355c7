from absl.testing import parameterized
import keras
import numpy as np
import pytest
from scipy import special
import tensorflow as tf

from discrete_lvm import models
from discrete_lvm import ops


def _make(num_latents=3, num_classes=3, size=8, scale=2.0):
  """Makes a model whose encoder knows little of the posterior."""
  keras.utils.set_random_seed(1)
  encoder = keras.Sequential([keras.layers.Dense(num_latents * num_classes)])
  decoder = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(size)])
  model = models.DiscreteVAE(
      encoder, decoder, num_latents, num_classes, prior='learned'
  )
  model.build((None, size))
  decoder.weights[0].assign(scale * decoder.weights[0])
  logits = np.random.default_rng(0).normal(size=[num_latents, num_classes])
  model.prior_logits.assign(logits)
  return model


def _draw(model, num_examples):
  codes = model.sample_prior(num_examples, seed=[0, 1])
  return codes, model.decode(codes).sample(seed=[0, 2])


def _ratio(estimates, exact):
  """Returns by how many standard errors a mean weight is not 1."""
  weights = np.exp(np.float64(estimates) - np.float64(exact))
  return (weights.mean() - 1) / (weights.std() / np.sqrt(weights.size))


class AnnealedLogWeightsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 7)
  def test_mean_weight_is_the_ratio_of_normalizers(self, num_steps):
    rng = np.random.default_rng(0)
    initial, target = np.float32(rng.normal(size=[2, 8]))

    def log_prob(table):
      return lambda codes: tf.einsum(
          '...i,...j,...k,ijk->...', *tf.unstack(codes, axis=-2), table
      )

    table = initial.reshape([2, 2, 2]), 2 * target.reshape([2, 2, 2])
    log_mass = tf.constant(initial)
    noise = ops.gumbel([40_000, 3, 2], [0, 1])
    codes, _ = ops.sample_joint(
        tf.tile(log_mass[tf.newaxis], [40_000, 1]), noise
    )
    log_weights = models.annealed_log_weights(
        log_prob(table[0]), log_prob(table[1]), codes, num_steps, [0, 2]
    )
    exact = special.logsumexp(table[1]) - special.logsumexp(table[0])
    self.assertBetween(_ratio(log_weights, exact), -4, 4)
    # There is something to estimate, and steps help.
    self.assertLess(np.std(log_weights), 2.5 / np.sqrt(num_steps))
    self.assertGreater(np.std(log_weights), 0.2)

  def test_rejects_no_steps(self):
    for num_steps in (0, 2.5):
      with self.assertRaisesRegex(ValueError, '`num_steps` of at least 1'):
        models.annealed_log_weights(
            None, None, tf.zeros([1, 1, 2]), num_steps, 0
        )


class BoundsTest(tf.test.TestCase, parameterized.TestCase):

  def test_weights_are_unbiased_from_both_sides(self):
    model = _make()
    codes, x = _draw(model, 20_000)
    exact = model.log_marginal(x)
    estimate = tf.function(models.annealed_bound)
    lower = estimate(model, x, 3, 2, seed=[0, 3])
    self.assertBetween(_ratio(lower, exact), -4, 4)
    upper = tf.function(models.annealed_upper_bound)(
        model, x, codes, 3, 2, seed=[0, 3]
    )
    self.assertBetween(_ratio(-upper, -exact), -4, 4)
    # Each on its side of the truth, by more than chance.
    for gap in (exact - lower, upper - exact):
      self.assertGreater(np.mean(gap), 4 * np.std(gap) / np.sqrt(20_000))

  @pytest.mark.slow
  def test_more_steps_and_more_chains_close_the_bracket(self):
    model = _make()
    bounds = tf.function(models.bidirectional_bounds)
    gaps = []
    for num_steps, num_chains in ((1, 1), (10, 1), (10, 8), (60, 8)):
      lower, upper = bounds(model, 500, num_steps, num_chains, seed=[0, 4])
      gaps.append(np.mean(upper - lower))
    self.assertAllLess(np.diff(gaps), 0.0)
    self.assertGreater(gaps[0], 1.0)
    self.assertAllInRange(gaps[-1:], -0.02, 0.02)

  def test_is_above_the_importance_weighted_bound_of_as_many_samples(self):
    model = _make()
    _, x = _draw(model, 500)
    exact = model.log_marginal(x)
    weighted = model.importance_weighted_bound(x, 4, seed=[0, 5])
    annealed = models.annealed_bound(model, x, 10, 4, seed=[0, 5])
    self.assertGreater(np.mean(exact - weighted), 0.2)
    self.assertLess(np.mean(exact - annealed), 0.5 * np.mean(exact - weighted))

  @pytest.mark.slow
  def test_compiles_by_xla(self):
    model = _make(num_latents=2, size=3)
    bounds = tf.function(models.bidirectional_bounds, jit_compile=True)
    lower, upper = bounds(model, 400, 20, 4, seed=tf.constant([0, 1]))
    self.assertEqual(lower.shape, [400])
    # Estimates of one number, from the two sides.
    self.assertAllInRange([np.mean(upper - lower)], -0.02, 0.02)
    self.assertLess(np.mean(lower), 0.0)

  # 2**16 codes, and enough data that a wrong sum would show.
  @pytest.mark.slow
  def test_equals_the_sum_over_the_largest_space(self):
    model = _make(num_latents=16, num_classes=2, size=32, scale=1.0)
    codes, x = _draw(model, 200)
    exact = tf.function(model.log_marginal)(x)
    weighted = model.importance_weighted_estimate(x, 100, seed=[0, 2])
    annealed = tf.function(models.annealed_bound)(model, x, 100, 4, [0, 3])
    upper = tf.function(models.annealed_upper_bound)(
        model, x, codes, 100, 4, [0, 3]
    )
    self.assertBetween(_ratio(annealed, exact), -4, 4)
    self.assertBetween(_ratio(-upper, -exact), -4, 4)
    self.assertAllInRange(
        [np.mean(exact - annealed), np.mean(upper - exact)], -0.01, 0.03
    )
    # Importance weights know only the encoder, and say so.
    self.assertGreater(np.mean(exact - weighted.bound), 0.1)
    self.assertLess(np.mean(weighted.effective_sample_size), 50)

  def test_rejects_no_chains(self):
    model = _make()
    codes, x = _draw(model, 2)
    for call in (
        lambda: models.annealed_bound(model, x, 1, 0, 0),
        lambda: models.annealed_bound(model, x, 1, 2.0, 0),
        lambda: models.annealed_upper_bound(model, x, codes, 1, 0, 0),
    ):
      with self.assertRaisesRegex(ValueError, '`num_chains` of at least 1'):
        call()

  def test_rejects_codes_that_are_not_one_of_each_example(self):
    model = _make(num_latents=2, size=3)
    codes, x = _draw(model, 4)
    for few in (codes[:1], codes[:3], codes[:, :1]):
      with self.assertRaisesRegex(ValueError, r'\(4, 2, 3\), one of each'):
        models.annealed_upper_bound(model, x, few, 1, 1, 0)
    for jit_compile in (True, False):
      bound = tf.function(
          lambda x, codes: models.annealed_upper_bound(
              model, x, codes, 1, 1, [0, 1]
          ),
          input_signature=[
              tf.TensorSpec([None, 3]),
              tf.TensorSpec([None, 2, 3]),
          ],
          jit_compile=jit_compile,
      )
      self.assertEqual(bound(x, codes).shape, [4])
    with self.assertRaisesRegex(tf.errors.InvalidArgumentError, 'of each ex'):
      bound(x, codes[:1])


if __name__ == '__main__':
  tf.test.main()
