import itertools

from absl.testing import absltest
from absl.testing import parameterized
import numpy as np

from experiments import flow_floors


def _contexts(num_contexts=4, num_classes=5, seed=0):
  rng = np.random.default_rng(seed)
  probs = rng.dirichlet(np.full(num_classes, 0.3), size=num_contexts)
  return flow_floors.Contexts(probs, rng.dirichlet(np.ones(num_contexts)))


def _least(contexts, maps):
  """Tries all maps in all contexts."""
  best = np.inf
  for chosen in itertools.product(range(len(maps)), repeat=len(contexts.probs)):
    base = np.zeros(maps.shape[-1])
    for weight, probs, index in zip(*contexts, chosen, strict=True):
      np.add.at(base, maps[index], weight * probs)
    best = min(best, flow_floors.entropy_bits(base))
  return best


class FlowFloorsTest(parameterized.TestCase):

  @parameterized.parameters(range(4))
  def test_ranks_are_the_best_of_all_permutations(self, seed):
    contexts = _contexts(num_contexts=3, num_classes=4, seed=seed)
    maps = np.array(list(itertools.permutations(range(4))))
    self.assertAlmostEqual(
        flow_floors.rank_floor(contexts), _least(contexts, maps), places=9
    )

  @parameterized.product(seed=(0, 1, 2, 3), with_scale=(False, True))
  def test_finds_the_best_maps(self, seed, with_scale):
    contexts = _contexts(num_contexts=4, num_classes=4, seed=seed)
    maps = flow_floors.affine_maps(4, with_scale)
    found = flow_floors.map_floor(contexts, maps, num_starts=50)
    self.assertAlmostEqual(found, _least(contexts, maps), places=9)
    self.assertGreaterEqual(found, flow_floors.rank_floor(contexts) - 1e-9)

  def test_maps_are_permutations_by_invertible_scales(self):
    for num_classes, number in ((5, 20), (6, 12), (27, 27 * 18)):
      maps = flow_floors.affine_maps(num_classes, with_scale=True)
      self.assertLen(np.unique(maps, axis=0), number)
      np.testing.assert_array_equal(
          np.sort(maps), np.broadcast_to(np.arange(num_classes), maps.shape)
      )

  def test_confidence_is_worth_what_ranks_lose(self):
    contexts = _contexts(num_contexts=300)
    floors = [
        flow_floors.confidence_floor(contexts, groups)
        for groups in (1, 2, 8, 300)
    ]
    self.assertAlmostEqual(floors[0], flow_floors.rank_floor(contexts))
    self.assertEqual(floors, sorted(floors, reverse=True))
    self.assertGreater(floors[0], floors[1] + 0.05)
    self.assertGreaterEqual(floors[-1], contexts.entropy())
    # Of a base for each context nothing is lost.
    weights = np.full(300, 1 / 300)
    even = contexts._replace(weights=weights)
    self.assertAlmostEqual(
        flow_floors.confidence_floor(even, 300), even.entropy(), places=3
    )

  def test_the_chain_of_an_ngram_model_is_stationary(self):
    codes = np.random.default_rng(0).integers(3, size=500) ** 2 % 3
    chain = flow_floors.ngram_contexts(codes, 3, num_classes=3)
    joint = (chain.weights[:, np.newaxis] * chain.probs).reshape([3, 3, 3])
    np.testing.assert_allclose(joint.sum(0).ravel(), chain.weights, atol=1e-8)
    self.assertAlmostEqual(chain.weights.sum(), 1, places=9)
    frequent = flow_floors.frequent(chain, 0.05)
    self.assertLess(len(frequent.weights), 9)
    self.assertAlmostEqual(frequent.weights.sum(), 1, places=9)

  def test_couplings_over_all_distances_lose_nothing_to_the_chain(self):
    rng = np.random.default_rng(0)
    codes = np.cumsum(rng.choice([0, 0, 0, 1, 2], size=3000)) % 4
    chain = flow_floors.ngram_contexts(codes, 2, num_classes=4)
    unigram = flow_floors.entropy_bits(chain.weights)
    total = unigram / 64
    for distance in (1, 2, 4, 8, 16, 32):
      between = flow_floors.between(chain, distance)
      np.testing.assert_allclose(between.probs.sum(-1), 1)
      total += between.entropy() / (2 * distance)
    # Next to nothing is left to tell at a distance of 64.
    self.assertAlmostEqual(total, chain.entropy(), places=6)
    self.assertLess(flow_floors.between(chain, 1).entropy(), chain.entropy())


if __name__ == '__main__':
  absltest.main()
