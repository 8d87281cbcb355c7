from absl.testing import absltest
import numpy as np

from experiments import discrete_flow_quantized_mixture
from tests.experiments import flow_binary


class DiscreteFlowQuantizedMixtureTest(flow_binary.FlowBinaryTestCase):

  def test_runs(self):
    printed = self.run_main(
        discrete_flow_quantized_mixture,
        bipartite_network='table',
        models=['factorized+bipartite'],
        num_steps=2,
    )
    self.assertRegex(printed, r'exact entropy *│ *6\.320')
    self.assertRegex(printed, r'best factorised *│ *7\.352')
    results = self.results('factorized+bipartite')
    # Two steps from uniform, which is 2 log 91.
    self.assertAllClose(results['nats'], 2 * np.log(91), atol=0.2)
    self.assertAllClose(results['total_probability'], 1, atol=1e-4)
    self.assertGreater(np.std(self.picture()), 5)


if __name__ == '__main__':
  absltest.main()
