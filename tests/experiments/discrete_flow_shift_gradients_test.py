from unittest import mock

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from experiments import discrete_flow_shift_gradients as binary_under_test
from experiments import flow_floors
from tests.experiments import binary


class DiscreteFlowShiftGradientsTest(
    binary.BinaryTestCase, parameterized.TestCase
):

  @parameterized.parameters(*binary_under_test.GRADIENTS)
  def test_finds_the_shifts(self, gradient):
    # A law and its rotations: shifts undo them all.
    law = np.array([0.7, 0.15, 0.1, 0.05, 0.0])
    probs = np.stack([np.roll(law, shift) for shift in (0, 3, 1, 2)])
    contexts = flow_floors.Contexts(probs, np.full(4, 0.25))
    bits = binary_under_test.descend(
        contexts, gradient, 'likeliest', 'fitted', num_steps=5
    )
    self.assertAlmostEqual(bits, float(flow_floors.entropy_bits(law)), 4)
    bits = binary_under_test.descend(
        contexts, gradient, 'identity', 'stepped', num_steps=1
    )
    least = flow_floors.rank_floor(contexts)
    unigram = flow_floors.entropy_bits(contexts.weights @ contexts.probs)
    self.assertBetween(bits, least - 1e-4, unigram + 1e-4)

  def test_runs(self):
    self.output_dir.mkdir(parents=True)
    text_file = binary.write_text(self.output_dir / 'text')
    with (
        mock.patch.object(binary_under_test, 'GRADIENTS', ('gumbel',)),
        mock.patch.object(binary_under_test, 'STARTS', ('random',)),
    ):
      printed = self.run_main(
          binary_under_test, text_file=text_file, order=2, num_descents=2
      )
    self.assertRegex(printed, r'gumbel *│ random *│ \d\.\d{3}')


if __name__ == '__main__':
  absltest.main()
