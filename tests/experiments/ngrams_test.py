from collections import Counter
import itertools

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import ngrams


def _prob(codes, gram, num_classes, continuation=False):
  """Returns the formula of the docstring, counted with dictionaries."""
  order = len(gram)
  if continuation:
    longer = {
        tuple(codes[i : i + order + 1]) for i in range(len(codes) - order)
    }
    counts = Counter(found[1:] for found in longer)
  else:
    counts = Counter(
        tuple(codes[i : i + order]) for i in range(len(codes) - order + 1)
    )
  shorter = 1 / num_classes
  if order > 1:
    shorter = _prob(codes, gram[1:], num_classes, continuation=True)
  seen = {g: c for g, c in counts.items() if g[:-1] == gram[:-1]}
  if not seen:
    return shorter
  ones, twos = (sum(c == i for c in counts.values()) for i in (1, 2))
  discount = ones / (ones + 2 * twos) if ones else 0.5
  kept = max(counts[gram] - discount, 0)
  return (kept + discount * len(seen) * shorter) / sum(seen.values())


class KneserNeyTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      order=(1, 2, 3, 4), num_classes=(2, 3, 5), size=(4, 60)
  )
  def test_agrees_with_the_formula(self, order, num_classes, size):
    codes = np.random.default_rng(order).integers(num_classes, size=size)
    codes = codes.astype(np.uint8)
    probs = ngrams.kneser_ney(codes, order, num_classes)
    self.assertEqual(probs.shape, (num_classes,) * order)
    for gram in itertools.product(range(num_classes), repeat=order):
      self.assertAllClose(
          probs[gram], _prob(codes.tolist(), gram, num_classes), rtol=1e-12
      )

  @parameterized.product(order=(1, 2, 3), symbols=(1, 5, 27))
  def test_sums_to_one_and_is_positive(self, order, symbols):
    # Of 27 classes the text may have few, or one.
    codes = np.random.default_rng(0).integers(symbols, size=500)
    probs = ngrams.kneser_ney(codes, order, num_classes=27)
    self.assertAllClose(
        np.sum(probs, axis=-1), np.ones([27] * (order - 1)), rtol=1e-12
    )
    self.assertGreater(np.min(probs), 0)

  @parameterized.parameters(
      (0, 3, [0, 1], r'from 1.* received 3\*\*0'),
      (6, 27, [0, 1], r'received 27\*\*6'),
      (3, 3, [0, 1], 'at least 3 codes from 0 to 2; received 2 from 0 to 1'),
      (1, 3, [], 'received 0 from'),
      (1, 3, [0, 3], 'received 2 from 0 to 3'),
      (1, 3, [-1, 0], 'received 2 from -1 to 0'),
  )
  def test_bad_arguments(self, order, num_classes, codes, message):
    with self.assertRaisesRegex(ValueError, message):
      ngrams.kneser_ney(np.array(codes, int), order, num_classes)


class NgramBitsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(1, 2, 3)
  def test_is_the_mean_over_full_contexts(self, order):
    rng = np.random.default_rng(0)
    train = rng.integers(3, size=50, dtype=np.uint8)
    test = rng.integers(3, size=20, dtype=np.uint8)
    bits = [
        -np.log2(_prob(train.tolist(), tuple(test[i : i + order]), 3))
        for i in range(20 - order + 1)
    ]
    found = ngrams.ngram_bits(train, test, order, num_classes=3)
    self.assertAllClose(found, np.mean(bits), rtol=1e-12)

  def test_finds_the_entropy_of_a_chain(self):
    # Stays with probability 0.9, which is worth 0.469 bits.
    rng = np.random.default_rng(0)
    codes = np.cumsum(rng.random(200_000) < 0.1) % 2
    train, test = codes[:100_000], codes[100_000:]
    # A step costs 0.152 or 3.322 bits, of deviation 0.951: 5 sigma.
    error = 5 * 0.951 / np.sqrt(100_000)
    for order in (2, 3, 5):
      bits = ngrams.ngram_bits(train, test, order, num_classes=2)
      self.assertAllClose(bits, 0.469, atol=error + 5e-4)
    # One symbol alone tells nothing.
    bits = ngrams.ngram_bits(train, test, 1, num_classes=2)
    self.assertAllClose(bits, 1.0, atol=0.01)

  def test_short_test_text(self):
    with self.assertRaisesRegex(ValueError, 'at least 3 codes .* received 2'):
      ngrams.ngram_bits(np.zeros(9, int), np.zeros(2, int), 3)


if __name__ == '__main__':
  absltest.main()
