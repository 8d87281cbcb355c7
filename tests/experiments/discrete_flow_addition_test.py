from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import pytest

from experiments import addition
from experiments import discrete_flow_addition
from tests.experiments import flow_binary

_MODEL = 'factorized+bipartite+autoregressive'


class DiscreteFlowAdditionTest(
    flow_binary.FlowBinaryTestCase, parameterized.TestCase
):

  def test_runs(self):
    printed = self.run_main(
        discrete_flow_addition,
        causal_network='lstm',
        bipartite_network='transformer',
        length=3,
        models=[_MODEL],
        num_steps=2,
    )
    bound = addition.Addition(3).left_to_right_entropy()
    self.assertRegex(printed, rf'best from left to right *│ *{bound:.3f}')
    results = self.results(_MODEL)
    self.assertEqual(results['nats'], results['nats_above_entropy'])
    self.assertGreater(results['nats_above_entropy_stderr'], 0)
    # Hardly trained: near uniform digits.
    self.assertBetween(results['nats'], 5, 9)
    self.assertGreater(np.std(self.picture()), 5)

  @pytest.mark.slow
  def test_runs_on_two_replicas(self):
    self.run_main(
        discrete_flow_addition,
        strategy='mirrored',
        num_replicas=2,
        causal_network='convolution',
        length=3,
        models=['autoregressive'],
        num_steps=2,
    )
    self.assertEqual(self.results('autoregressive')['step'], 2)

  @parameterized.parameters(
      ('autoregressive', 'table', 'table', 'received table'),
      ('made', 'lstm', 'table', 'received made'),
      ('factorized+forward_autoregressive', 'made', 'table', 'received made'),
      ('factorized+bipartite', 'table', 'dense', 'received dense'),
      ('lstm+2xsorting', 'made', 'table', 'received table'),
  )
  def test_networks_that_cannot_see_the_numbers(
      self, model, causal_network, bipartite_network, message
  ):
    stderr = self.run_failing(
        discrete_flow_addition,
        causal_network=causal_network,
        bipartite_network=bipartite_network,
        length=3,
        models=['factorized', model],
    )
    self.assertIn('Expected networks that take a context', stderr)
    self.assertIn(f"{message} for '{model}'", stderr)
    self.assertFalse(self.output_dir.exists())


if __name__ == '__main__':
  absltest.main()
