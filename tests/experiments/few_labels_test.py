from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import data
from experiments import few_labels

LABELS = np.random.default_rng(0).permutation(np.arange(60) % 3)


class FewLabelsTest(tf.test.TestCase, parameterized.TestCase):

  def test_chooses_as_many_of_each_class(self):
    known = few_labels.choose(LABELS, 9, seed=0)
    self.assertAllEqual(np.bincount(LABELS[known]), [3, 3, 3])
    self.assertLen(set(known), 9)
    self.assertAllEqual(few_labels.choose(LABELS, 9, seed=0), known)
    self.assertNotAllEqual(few_labels.choose(LABELS, 9, seed=1), known)

  @parameterized.parameters(
      (2, 'multiple of 3'), (10, 'received 10'), (63, 'at most 20 labels')
  )
  def test_rejects(self, num_labels, message):
    with self.assertRaisesRegex(ValueError, message):
      few_labels.choose(LABELS, num_labels, seed=0)

  def test_batches_show_known_labels_alone(self):
    # The first pixel tells the example, the second is grey.
    images = np.zeros([60, 8, 1, 1], 'float32')
    images[:, :6, 0, 0] = (np.arange(60)[:, np.newaxis] >> np.arange(6)) & 1
    images[:, 6] = 0.5
    known = few_labels.choose(LABELS, 6, seed=0)
    split = data.Split(images, LABELS.astype('int32'))
    batches = few_labels.batches(split, known, 20, 5, seed=0)
    steps = list(batches(0).take(30))
    seen, unlabeled = set(), []
    for x, y in steps:
      index = np.asarray(x)[:, :6, 0, 0] @ (1 << np.arange(6))
      index = index.astype(int)
      self.assertAllEqual(y, [*LABELS[index[:5]], *[-1] * 20])
      seen |= set(index[:5])
      unlabeled += list(index[5:])
    self.assertEqual(seen, set(known))
    # 30 batches of 20 are ten epochs, with the labelled ones in them.
    self.assertAllEqual(np.bincount(unlabeled), [10] * 60)
    grey = np.stack([x for x, _ in steps])[:, :, 6]
    self.assertAllEqual(np.unique(grey), [0, 1])
    self.assertBetween(grey.mean(), 0.4, 0.6)
    # The batch of a step is the same wherever the run resumes.
    x, y = next(iter(batches(7)))
    self.assertAllEqual(x, steps[7][0])
    self.assertAllEqual(y, steps[7][1])


if __name__ == '__main__':
  absltest.main()
