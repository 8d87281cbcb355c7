"""Any number of replicas trains as one does."""

import pathlib

from absl.testing import parameterized
import tensorflow as tf

from tests.training import families


class ReplicasTest(tf.test.TestCase, parameterized.TestCase):

  def setUp(self):
    super().setUp()
    self._dir = pathlib.Path(self.get_temp_dir()) / self.id()

  def _assert_same(self, a, b):
    for x, y in zip(families.weights(a), families.weights(b), strict=True):
      self.assertAllClose(x, y, atol=1e-6, rtol=0)

  @parameterized.parameters(*families.FAMILIES)
  def test_weights_and_losses_are_those_of_one(self, family):
    with families.shared_noise():
      one, losses = families.train(family, self._dir / 'one')
      four, losses_4 = families.train(family, self._dir / 'four', 4)
    self._assert_same(one, four)
    self.assertEqual(set(losses), set(losses_4))
    for name, values in losses.items():
      self.assertAllClose(values, losses_4[name], rtol=1e-5, atol=1e-6)

  @parameterized.parameters(*families.FAMILIES)
  def test_clips_and_accumulates(self, family):
    options = {'clip_norm': 0.3}
    with families.shared_noise():
      one, losses = families.train(family, self._dir / 'one', **options)
      two, losses_2 = families.train(
          family, self._dir / 'two', 2, accumulate_steps=2, **options
      )
    self._assert_same(one, two)
    for name, values in losses.items():
      self.assertAllClose(values, losses_2[name], rtol=1e-5, atol=1e-6)


if __name__ == '__main__':
  tf.test.main()
