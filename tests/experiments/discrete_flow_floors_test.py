from absl.testing import absltest
import numpy as np

from experiments import discrete_flow_floors
from experiments import flow_floors
from tests.experiments import binary


class DiscreteFlowFloorsTest(binary.BinaryTestCase):

  def test_runs(self):
    self.output_dir.mkdir(parents=True)
    text_file = binary.write_text(self.output_dir / 'text')
    printed = self.run_main(
        discrete_flow_floors,
        text_file=text_file,
        max_order=2,
        num_characters=1000,
    )
    for row in ('2-gram source', 'multiscale', 'length 64'):
      self.assertRegex(printed, rf'{row} *│ \d\.\d{{3}}')

  def test_too_few_characters_to_place(self):
    self.output_dir.mkdir(parents=True)
    error = self.run_failing(
        discrete_flow_floors,
        text_file=binary.write_text(self.output_dir / 'text'),
        max_order=2,
        num_characters=20,
    )
    self.assertIn('at least 33 characters that are placed; received 20', error)

  def test_families_are_ordered(self):
    rng = np.random.default_rng(0)
    contexts = flow_floors.Contexts(
        rng.dirichlet(np.full(5, 0.2), size=40), np.full(40, 1 / 40)
    )
    bits = list(discrete_flow_floors.families(contexts).values())
    self.assertEqual(bits, sorted(bits))

  def test_placement_takes_what_certainty_tells(self):
    # Half of the predictions are certain, half know nothing.
    rng = np.random.default_rng(0)
    is_sure = rng.random(20_000) < 0.5
    probs = np.full([20_000, 4], 0.25)
    probs[is_sure] = [1 - 3e-6, 1e-6, 1e-6, 1e-6]
    noise = rng.integers(4, size=20_000)
    # Equals go by the class; the likeliest of the rest has no rank of its own.
    codes = np.where(is_sure, 0, noise)
    probs[~is_sure] += [3e-3, 1e-3, -1e-3, -3e-3]
    found = discrete_flow_floors.placed(codes, probs, 100)
    self.assertAlmostEqual(found['sorted within the event'], 1, delta=0.1)
    self.assertBetween(
        found['nearest free slot'], found['sorted within the event'], 1.15
    )
    mixed = flow_floors.entropy_bits(np.array([5, 1, 1, 1]) / 8)
    self.assertAlmostEqual(found['unplaced'], mixed, delta=0.02)


if __name__ == '__main__':
  absltest.main()
