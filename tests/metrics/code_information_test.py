from absl.testing import parameterized
import keras
import numpy as np
import pytest
import tensorflow as tf

from discrete_lvm import metrics
from discrete_lvm import ops

LOGITS = 2 * np.random.default_rng(0).normal(size=[60, 3, 4]).astype('float32')
PRIOR = np.random.default_rng(1).normal(size=[3, 4]).astype('float32')
WEIGHTS = np.random.default_rng(2).integers(0, 4, size=60).astype('float32')


def _update(metric, batch_size=60, logits=LOGITS):
  for begin in range(0, len(logits), batch_size):
    batch = slice(begin, begin + batch_size)
    metric.update_state(logits[batch], PRIOR, WEIGHTS[batch])
  return {name: float(value) for name, value in metric.result().items()}


class CodeInformationTest(tf.test.TestCase, parameterized.TestCase):

  def test_results_are_those_of_the_ops(self):
    metric = metrics.CodeInformation(3, 4, threshold=0.1)
    result = _update(metric)
    statistics = ops.code_statistics(LOGITS, PRIOR, WEIGHTS)
    latents, joint = ops.code_information(statistics)
    self.assertAllClose(metric.latents(), latents)
    marginals = statistics.marginals / statistics.weight
    self.assertAllClose(metric.aggregate_posterior(), marginals)
    self.assertAllClose(
        metric.joint_aggregate_posterior(), statistics.joint / statistics.weight
    )
    modes = LOGITS[WEIGHTS > 0].argmax(-1)
    self.assertNotEmpty(modes)
    active = metrics.ActiveUnits([3, 4], 0.1, event_ndims=1)
    probs = np.repeat(tf.nn.softmax(LOGITS), WEIGHTS.astype(int), axis=0)
    active.update_state(probs)
    expected = {
        'rate': np.sum(latents.rate),
        'separate_mutual_information': np.sum(latents.mutual_information),
        'separate_marginal_kl': np.sum(latents.marginal_kl),
        'entropy': np.mean(latents.entropy),
        'perplexity': np.mean(np.exp(latents.entropy)),
        'usage': np.mean([len(np.unique(m)) / 4 for m in modes.T]),
        'active_units': active.result(),
        'mutual_information': joint.mutual_information,
        'marginal_kl': joint.marginal_kl,
        'total_correlation': np.sum(latents.entropy) - joint.entropy,
        'joint_entropy': joint.entropy,
        'joint_perplexity': np.exp(joint.entropy),
        'joint_usage': len(np.unique(modes, axis=0)) / 4**3,
    }
    expected = {f'latent_{name}': value for name, value in expected.items()}
    self.assertAllClose(result, expected, rtol=1e-5)

  def test_decomposes_the_rate(self):
    result = _update(metrics.CodeInformation(3, 4, name='z'))
    kl = tf.reduce_sum(ops.categorical_kl(LOGITS, PRIOR), -1)
    rate = np.average(kl, weights=WEIGHTS)
    self.assertAllClose(result['z_rate'], rate, atol=1e-5)
    for prefix in ('z_', 'z_separate_'):
      parts = (
          result[f'{prefix}mutual_information'] + result[f'{prefix}marginal_kl']
      )
      self.assertAllClose(parts, rate, atol=1e-5, rtol=0)
    self.assertAllClose(
        result['z_separate_mutual_information']
        - result['z_mutual_information'],
        result['z_total_correlation'],
        atol=1e-5,
    )

  @parameterized.parameters(1, 7)
  def test_does_not_depend_on_the_batch_size(self, batch_size):
    whole = _update(metrics.CodeInformation(3, 4))
    parts = _update(metrics.CodeInformation(3, 4), batch_size)
    self.assertAllClose(parts, whole, rtol=1e-6)

  @parameterized.parameters(1, 2)
  def test_does_not_depend_on_the_number_of_replicas(self, num_replicas):
    self.check_does_not_depend_on_the_number_of_replicas(num_replicas)

  @pytest.mark.slow
  def test_does_not_depend_on_the_number_of_replicas_slow(self):
    self.check_does_not_depend_on_the_number_of_replicas(4)

  def check_does_not_depend_on_the_number_of_replicas(self, num_replicas):
    strategy = tf.distribute.MirroredStrategy(
        [f'CPU:{i}' for i in range(num_replicas)],
        cross_device_ops=tf.distribute.ReductionToOneDevice(),
    )
    with strategy.scope():
      metric = metrics.CodeInformation(3, 4)
    dataset = tf.data.Dataset.from_tensor_slices((LOGITS, WEIGHTS)).batch(20)
    dataset = strategy.experimental_distribute_dataset(dataset)

    @tf.function
    def update(batch):
      strategy.run(
          lambda logits, weights: metric.update_state(logits, PRIOR, weights),
          args=batch,
      )

    for batch in dataset:
      update(batch)
    result = {name: float(value) for name, value in metric.result().items()}
    self.assertAllClose(
        result, _update(metrics.CodeInformation(3, 4)), rtol=1e-6
    )

  def test_leaves_out_the_joint_of_too_many_codes(self):
    metric = metrics.CodeInformation(20, 10)
    metric.update_state(tf.zeros([5, 20, 10]))
    result = metric.result()
    self.assertNotIn('latent_mutual_information', result)
    self.assertNotIn('latent_joint_usage', result)
    self.assertAllClose(result['latent_perplexity'], 10.0)
    self.assertAllClose(result['latent_usage'], 0.1)
    with self.assertRaisesRegex(ValueError, r'at most 2\*\*16 = 65536 codes'):
      metric.joint_aggregate_posterior()

  def test_is_zero_after_a_reset(self):
    metric = metrics.CodeInformation(3, 4)
    before = [float(x) for x in metric.result().values()]
    _update(metric)
    metric.reset_state()
    self.assertAllEqual([float(x) for x in metric.result().values()], before)
    self.assertEqual(float(metric.result()['latent_usage']), 0.0)
    self.assertEqual(float(metric.result()['latent_rate']), 0.0)

  def test_updates_under_xla_and_in_half_precision(self):
    eager = metrics.CodeInformation(3, 4)
    compiled = metrics.CodeInformation(3, 4)
    logits = tf.cast(LOGITS, tf.bfloat16)
    eager.update_state(logits)
    tf.function(compiled.update_state, jit_compile=True)(logits)
    self.assertAllClose(compiled.result(), eager.result(), rtol=1e-5)

  def test_is_functional_on_its_variables(self):
    # Those of the metrics that it holds are its own, too.
    metric = metrics.CodeInformation(3, 4)
    self.assertLen(metric.variables, 5 + 3 + 2)
    state = metric.stateless_update_state(
        [v.value for v in metric.variables], LOGITS, PRIOR, WEIGHTS
    )
    self.assertEqual(float(metric.result()['latent_rate']), 0.0)
    result = metric.stateless_result(state)
    self.assertAllClose(result, _update(metric), rtol=1e-6)

  def test_survives_its_config(self):
    metric = metrics.CodeInformation(3, 5, 0.1, name='z')
    config = keras.saving.serialize_keras_object(metric)
    restored = keras.saving.deserialize_keras_object(config, safe_mode=True)
    self.assertEqual(restored.get_config(), metric.get_config())
    self.assertIn('z_rate', restored.result())

  def test_takes_integer_logits(self):
    logits = np.random.default_rng(0).integers(-2, 3, size=[5, 3, 4])
    results = []
    for dtype in ('int32', 'float32'):
      metric = metrics.CodeInformation(3, 4)
      metric.update_state(logits.astype(dtype))
      results.append(metric.result())
    self.assertAllEqual(*results)

  def test_rejects_other_shapes(self):
    metric = metrics.CodeInformation(3, 4)
    for shape in ([5, 3], [5, 3, 5], [5, 2, 4]):
      with self.assertRaisesRegex(ValueError, r'\[batch, 3, 4\]; received'):
        metric.update_state(tf.zeros(shape))
    with self.assertRaisesRegex(ValueError, r'`prior_logits` of shape'):
      metric.update_state(LOGITS, tf.zeros([3, 1]))
    with self.assertRaisesRegex(ValueError, r'of shape \(60,\), one an'):
      metric.update_state(LOGITS, sample_weight=[1.0])
    with self.assertRaisesRegex(ValueError, 'of at least 0; received -1'):
      metrics.CodeInformation(3, 4, threshold=-1)

  def test_does_not_count_the_mode_of_nan(self):
    metric = metrics.CodeInformation(num_latents=2, num_classes=3)
    logits = np.log(np.eye(3, dtype='float32')[[[2, 1], [1, 2]]] + 0.1)
    logits[0, 0, 1] = np.nan
    metric.update_state(logits)
    result = metric.result()
    self.assertTrue(np.isnan(result['latent_rate']))
    self.assertTrue(np.isnan(result['latent_active_units']))
    # Of the first latent the class of one example, of the second those of both.
    self.assertAllClose(result['latent_usage'], (1 + 2) / 6)
    self.assertAllClose(result['latent_joint_usage'], 1 / 9)


if __name__ == '__main__':
  tf.test.main()
