import math
from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from experiments import discrete_flow_potts
from experiments import potts
from tests.experiments import flow_binary


class DiscreteFlowPottsTest(
    flow_binary.FlowBinaryTestCase, parameterized.TestCase
):

  def run_main(self, module=discrete_flow_potts, **flag_values):
    flag_values = {
        'side': 2,
        'num_classes': 2,
        'coupling': 0.5,
        'num_chains': 500,
        'num_sweeps': 20,
        'models': ['factorized+autoregressive'],
        **flag_values,
    }
    return super().run_main(module, **flag_values)

  @parameterized.parameters('exact', 'metropolis')
  def test_runs(self, sampler):
    printed = self.run_main(sampler=sampler)
    truth = potts.Potts(2, 2, 0.5)
    energy = -0.5 * truth.mean_agreements()
    self.assertRegex(
        printed, rf'^mean energy -\d.* 500 Metropolis.*; exact {energy:.4f}\n'
    )
    self.assertIn(f'{truth.entropy():.3f}', printed)
    results = self.results('factorized+autoregressive')
    self.assertGreater(results['nats_above_entropy'], 0)
    self.assertGreater(np.std(self.picture()), 5)

  def test_chains_out_of_equilibrium(self):
    # Ten thousand chains of one sweep are still near the noise they began with.
    stderr = self.run_failing(
        discrete_flow_potts,
        side=3,
        coupling=2.0,
        num_chains=10_000,
        num_sweeps=1,
    )
    self.assertIn('Expected chains in equilibrium', stderr)

  def test_energies_that_are_no_numbers(self):
    agreements = mock.patch.object(
        potts.Potts, 'mean_agreements', return_value=math.nan
    )
    with agreements:
      stderr = self.run_failing(discrete_flow_potts)
    self.assertIn('Expected chains in equilibrium', stderr)

  @parameterized.parameters(
      ({'side': 9}, '300 states of a row'),
      ({'boundary': 'periodic'}, 'side of at least 3'),
      ({'coupling': 1000.0}, 'Expected a coupling'),
  )
  def test_bad_flags(self, flag_values, message):
    self.assertIn(message, self.run_failing(discrete_flow_potts, **flag_values))


if __name__ == '__main__':
  absltest.main()
