import math

from absl.testing import absltest
import numpy as np
import tensorflow as tf

import discrete_lvm as dlvm
from experiments import addition
from experiments import flow_evaluation
from experiments import table


class FlowEvaluationTest(tf.test.TestCase):

  def setUp(self):
    super().setUp()
    weights = np.random.default_rng(0).random([3, 3])
    weights[0, 1] = 0
    self.probs = weights / weights.sum()
    self.truth = table.Table(weights)
    self.model = dlvm.models.DiscreteFlow([], length=2, num_classes=3)
    logits = np.random.default_rng(1).normal(size=[2, 3])
    self.model.base_logits.assign(logits)
    log_probs = np.log(np.exp(logits) / np.exp(logits).sum(1, keepdims=True))
    self.log_probs = log_probs[0][:, np.newaxis] + log_probs[1]
    probs = self.probs[self.probs > 0]
    entropy = -np.dot(probs, np.log(probs))
    self.above = -np.vdot(self.probs, self.log_probs) - entropy

  def test_lists_a_small_space(self):
    measures, events = flow_evaluation.evaluate(self.model, self.truth, 10, 0)
    self.assertAllClose(measures['nats_above_entropy'], self.above)
    self.assertAllClose(measures['nats'], -np.vdot(self.probs, self.log_probs))
    self.assertAllClose(measures['total_probability'], 1)
    self.assertNotIn('nats_above_entropy_stderr', measures)
    self.assertAllClose(events['model_log_probs'], self.log_probs.ravel())
    self.assertAllClose(np.exp(events['true_log_probs']), self.probs.ravel())

  def test_samples_a_large_one(self):
    with absltest.mock.patch.object(flow_evaluation, 'MAX_LISTED', 8):
      measures, _ = flow_evaluation.evaluate(self.model, self.truth, 50_000, 0)
      again, _ = flow_evaluation.evaluate(self.model, self.truth, 50_000, 0)
    self.assertEqual(measures, again)
    error = measures['nats_above_entropy_stderr']
    self.assertBetween(error, 1e-4, 1e-2)
    # 5 sigma, by its own account.
    self.assertAllClose(
        measures['nats_above_entropy'], self.above, atol=5 * error
    )
    self.assertNotIn('total_probability', measures)

  def test_conditional(self):
    truth = addition.Addition(2)
    model = dlvm.models.DiscreteFlow([], length=2, num_classes=10)
    measures, events = flow_evaluation.evaluate_conditional(
        model, truth, 5000, 0
    )
    # A uniform model: each digit is right once in ten, at 5 sigma.
    self.assertAllClose(measures['nats'], 2 * math.log(10))
    self.assertAllClose(measures['nats_above_entropy_stderr'], 0, atol=1e-5)
    self.assertAllClose(
        events['shares'], [0.1, 0.1], atol=5 * 0.3 / math.sqrt(5000)
    )


if __name__ == '__main__':
  absltest.main()
