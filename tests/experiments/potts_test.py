import math

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np
import tensorflow as tf

from experiments import potts


def _enumerate(side, num_classes, coupling, boundary, pairs):
  """Returns all events, their log-weights and agreements, by four loops."""
  codes = np.array(list(np.ndindex(*[num_classes] * side**2)))
  counts = np.zeros(len(codes), int)
  for y in range(side):
    for x in range(side):
      for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        v, u = y + dy, x + dx
        if boundary == 'periodic':
          v, u = v % side, u % side
        if 0 <= v < side and 0 <= u < side:
          counts += codes[:, y * side + x] == codes[:, v * side + u]
  if pairs == 'once':
    counts //= 2
  return codes, coupling * counts, counts


class PottsTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.product(
      side_classes=((2, 3), (3, 2), (3, 3)),
      coupling=(0.0, 0.5, -0.3),
      boundary=potts.BOUNDARIES,
      pairs=potts.PAIRS,
  )
  def test_agrees_with_enumeration(
      self, side_classes, coupling, boundary, pairs
  ):
    if side_classes[0] == 2 and boundary == 'periodic':
      return
    arguments = (*side_classes, coupling, boundary, pairs)
    codes, log_weights, counts = _enumerate(*arguments)
    log_probs = log_weights - np.log(np.sum(np.exp(log_weights)))
    truth = potts.Potts(*arguments)
    self.assertAllEqual(truth.agreements(codes), counts)
    self.assertAllClose(truth.log_prob(codes), log_probs, rtol=1e-12)
    probs = np.exp(log_probs)
    self.assertAllClose(truth.entropy(), -np.dot(probs, log_probs), rtol=1e-12)
    self.assertAllClose(truth.mean_agreements(), probs @ counts, rtol=1e-12)

  # The published figures for both conventions of the paper's four lattices.
  @parameterized.parameters(
      (0.1, 'open', 'once', (9.87, 17.55, 12.47, 14.48)),
      (0.1, 'periodic', 'twice', (9.79, 17.43, 12.40, 14.42)),
      (0.5, 'open', 'once', (9.50, 16.79, 12.14, 14.19)),
      (0.5, 'periodic', 'twice', (3.98, 6.80, 6.19, 8.54)),
  )
  def test_entropies_of_the_paper_lattices(
      self, coupling, boundary, pairs, expected
  ):
    lattices = ((3, 3), (4, 3), (3, 4), (3, 5))
    entropies = [
        potts.Potts(*lattice, coupling, boundary, pairs).entropy()
        for lattice in lattices
    ]
    self.assertAllClose(entropies, expected, atol=6e-3)

  @parameterized.parameters(
      (3, 3, 0.5, 'open', 'once'),
      (4, 2, 0.4, 'open', 'twice'),
      (3, 4, 0.5, 'periodic', 'twice'),
  )
  def test_samples_are_exact(self, *arguments):
    truth = potts.Potts(*arguments)
    size = 50_000
    codes = truth.sample(size, [0, 1]).numpy()
    self.assertEqual(codes.dtype, np.int32)
    log_probs = truth.log_prob(codes)
    # Mean energy and the agreement of each edge by symmetry, at 5 sigma.
    self.assertAllClose(
        -np.mean(log_probs),
        truth.entropy(),
        atol=5 * np.std(log_probs) / math.sqrt(size),
    )
    shares = np.mean(codes[..., np.newaxis] == range(arguments[1]), axis=0)
    expected = 1 / arguments[1]
    self.assertAllClose(
        shares,
        np.full_like(shares, expected),
        atol=5 * math.sqrt(expected * (1 - expected) / size),
    )
    # The lattice is its own mirror image: so are the agreements of neighbours.
    lattice = codes.reshape([size, arguments[0], arguments[0]])
    edges = [
        np.mean(pair[..., 0] == pair[..., 1])
        for pair in (
            lattice[:, 0, :2],
            lattice[:, -1, -2:],
            lattice[:, :2, 0],
            lattice[:, -2:, -1],
        )
    ]
    self.assertAllClose(
        edges, [np.mean(edges)] * 4, atol=5 * 0.5 / math.sqrt(size)
    )

  def test_samples_are_a_function_of_the_seed(self):
    truth = potts.Potts(3, 3, 0.5)
    first = truth.sample(100, [0, 1])
    sample = tf.function(truth.sample)
    self.assertAllEqual(sample(100, [0, 1]), first)
    self.assertNotAllEqual(sample(100, [0, 2]), first)

  # At the last one the lattice is ordered, and a chain seldom leaves its phase;
  # chains from noise reach each phase alike.
  @parameterized.parameters(
      (3, 3, 0.5, 'open', 'once'), (3, 4, 0.5, 'periodic', 'twice')
  )
  def test_metropolis_reaches_the_exact_energy(self, *arguments):
    truth = potts.Potts(*arguments)
    codes = truth.metropolis(20_000, num_sweeps=100, seed=0)
    counts = truth.agreements(codes)
    # 5 sigma of the mean over independent chains.
    self.assertAllClose(
        np.mean(counts),
        truth.mean_agreements(),
        atol=5 * np.std(counts) / math.sqrt(20_000),
    )
    self.assertAllEqual(codes[:10], truth.metropolis(20_000, 100, 0)[:10])

  @parameterized.parameters(
      ({'boundary': 'closed'}, "received 'closed' and 'once'"),
      ({'pairs': 'thrice'}, "received 'open' and 'thrice'"),
      ({'side': 1}, r'at least 2 .* received 3\*\*1'),
      ({'side': 2, 'boundary': 'periodic'}, r'at least 3 .* 3\*\*2'),
      ({'side': 6}, r'300 states of a row; received 3\*\*6'),
      ({'coupling': 100.0}, r'weights are finite .* received 100\.0'),
      ({'coupling': -1e4, 'boundary': 'periodic', 'num_classes': 2}, '-10000'),
      ({'coupling': math.nan}, 'received nan'),
      ({'coupling': math.inf}, 'received inf'),
  )
  def test_bad_arguments(self, changed, message):
    with self.assertRaisesRegex(ValueError, message):
      potts.Potts(**{'side': 3, 'num_classes': 3, 'coupling': 0.5, **changed})


if __name__ == '__main__':
  absltest.main()
