import math

from absl.testing import parameterized
import numpy as np
from scipy import special
import tensorflow as tf
import tensorflow_probability as tfp

from discrete_lvm import distributions

tfd = tfp.distributions

_SEED = (3, 5)
_Q = np.array([[1.0, -0.5, 0.3], [0.0, 2.0, -2.0]], np.float32)
_P = np.array([0.2, 0.1, -0.7], np.float32)


def _discrete_kl(q_logits, p_logits):
  log_q, log_p = special.log_softmax(q_logits, -1), special.log_softmax(
      p_logits
  )
  return np.sum(np.exp(log_q) * (log_q - log_p), axis=-1)


class KlTest(tf.test.TestCase, parameterized.TestCase):

  @parameterized.parameters(
      lambda logits: distributions.GumbelSoftmax(0.3, logits),
      lambda logits: distributions.ExpGumbelSoftmax(0.3, logits),
      lambda logits: distributions.OneHotCategorical(logits=logits),
      lambda logits: tfd.OneHotCategorical(logits=logits),
      lambda logits: tfd.Categorical(probs=tf.nn.softmax(logits)),
      lambda logits: tfd.RelaxedOneHotCategorical(0.3, logits),
  )
  def test_categorical_kl_of_all_that_have_logits(self, make):
    self.assertAllClose(
        distributions.categorical_kl(make(_Q), make(_P)), _discrete_kl(_Q, _P)
    )

  @parameterized.parameters(
      lambda logits: distributions.RelaxedBernoulli(0.3, logits),
      lambda logits: distributions.LogitRelaxedBernoulli(0.3, logits),
      lambda logits: distributions.Bernoulli(logits),
      lambda logits: tfd.Bernoulli(logits=logits),
      lambda logits: tfd.RelaxedBernoulli(0.3, logits=logits),
  )
  def test_categorical_kl_of_binary_laws(self, make):
    expected = tfd.Bernoulli(logits=_Q).kl_divergence(tfd.Bernoulli(logits=_P))
    self.assertAllClose(
        distributions.categorical_kl(make(_Q), make(_P)), expected
    )

  def test_categorical_kl_to_uniform_is_log_k_minus_entropy(self):
    q = distributions.GumbelSoftmax(0.3, _Q)
    uniform = distributions.OneHotCategorical(logits=tf.zeros([3]))
    self.assertAllClose(
        distributions.categorical_kl(q, uniform),
        math.log(3) - q.to_categorical().entropy(),
    )

  def test_categorical_kl_at_zero_probability(self):
    q = distributions.GumbelSoftmax(1.0, probs=[[1.0, 0.0], [0.5, 0.5]])
    p = distributions.GumbelSoftmax(1.0, probs=[1.0, 0.0])
    self.assertAllEqual(distributions.categorical_kl(q, p), [0.0, math.inf])

  # Against a sum over a grid of log-ratios of two classes; 4 standard errors.
  @parameterized.parameters((0.5, 0.5), (0.4, 1.5))
  def test_relaxed_kl_is_the_divergence_of_the_densities(self, q_t, p_t):
    q = distributions.GumbelSoftmax(np.float64(q_t), np.array([1.5, 0.0]))
    p = distributions.GumbelSoftmax(np.float64(p_t), np.array([-0.5, 0.0]))

    u = np.arange(-40 / q_t, 40 / q_t, 0.01)
    y = special.log_softmax(np.stack([u, 0 * u], axis=-1), axis=-1)
    log_q = q.to_log_space().log_prob(y).numpy()
    log_ratio = log_q - p.to_log_space().log_prob(y).numpy()
    weight = np.exp(log_q) * 0.01
    expected = np.sum(weight * log_ratio)
    sigma = np.sqrt(np.sum(weight * (log_ratio - expected) ** 2) / 100000)
    kl = distributions.relaxed_kl(q, p, num_samples=100000, seed=_SEED)
    self.assertLess(abs(kl - expected), 4 * sigma)
    self.assertLess(sigma, 0.02)
    # The three objectives are three numbers.
    self.assertNotAllClose(
        expected, distributions.categorical_kl(q, p), atol=0.05
    )

  # Where the simplex has long underflowed, and the same for either space.
  @parameterized.parameters(1e-3, 0.1, 100.0)
  def test_relaxed_kl_is_finite_at_any_temperature(self, temperature):
    logits = tf.Variable(50 * _Q)
    with tf.GradientTape() as tape:
      kl = distributions.relaxed_kl(
          distributions.GumbelSoftmax(temperature, logits),
          distributions.GumbelSoftmax(temperature, _P),
          num_samples=100,
          seed=_SEED,
      )
    same = distributions.relaxed_kl(
        distributions.ExpGumbelSoftmax(temperature, logits),
        distributions.ExpGumbelSoftmax(temperature, _P),
        num_samples=100,
        seed=_SEED,
    )
    self.assertEqual(kl.shape, [2])
    self.assertAllEqual(kl, same)
    self.assertAllInSet(tf.math.is_finite(kl), [True])
    gradient = tape.gradient(kl, logits)
    self.assertAllInSet(tf.math.is_finite(gradient), [True])

  def test_relaxed_kl_of_binary_laws_is_that_of_two_classes(self):
    logits = np.float32([1.5, -0.5])
    binary = [
        distributions.relaxed_kl(
            distributions.RelaxedBernoulli(0.5, logits),
            distributions.RelaxedBernoulli(1.0, 0.0),
            num_samples=40000,
            seed=(i, 0),
        ).numpy()
        for i in range(5)
    ]
    categorical = [
        distributions.relaxed_kl(
            distributions.GumbelSoftmax(
                0.5, np.stack([logits, 0 * logits], axis=-1)
            ),
            distributions.GumbelSoftmax(1.0, [0.0, 0.0]),
            num_samples=40000,
            seed=(i, 1),
        ).numpy()
        for i in range(5)
    ]
    # 4.5 standard errors of a difference of two means, each of five.
    error = np.sqrt((np.var(binary, 0) + np.var(categorical, 0)) / 4)
    difference = np.abs(np.mean(binary, 0) - np.mean(categorical, 0))
    self.assertAllInSet(difference < 4.5 * error, [True])

  def test_plug_in_kl_is_the_log_mass_at_relaxed_samples(self):
    q = distributions.GumbelSoftmax(0.5, _Q)
    p = distributions.OneHotCategorical(logits=_P)
    x = q.sample(50, seed=_SEED).numpy()
    log_ratio = special.log_softmax(_Q, -1) - special.log_softmax(_P)
    self.assertAllClose(
        distributions.plug_in_kl(q, p, num_samples=50, seed=_SEED),
        np.mean(np.sum(x * log_ratio, axis=-1), axis=0),
        rtol=1e-5,
    )

  # 4.5 standard errors: at a low temperature the samples are one-hot.
  def test_plug_in_kl_tends_to_the_categorical_one(self):
    q = distributions.GumbelSoftmax(1e-3, _Q)
    p = distributions.GumbelSoftmax(1.0, _P)
    log_ratio = special.log_softmax(_Q, -1) - special.log_softmax(_P)
    second = np.sum(special.softmax(_Q, -1) * log_ratio**2, axis=-1)
    expected = _discrete_kl(_Q, _P)
    sigma = np.sqrt((second - expected**2) / 40000)
    kl = distributions.plug_in_kl(q, p, num_samples=40000, seed=_SEED)
    self.assertAllInSet(np.abs(kl - expected) < 4.5 * sigma + 1e-3, [True])

  def test_plug_in_kl_of_binary_laws(self):
    q = distributions.RelaxedBernoulli(0.5, _Q)
    x = q.sample(50, seed=_SEED).numpy().mean(axis=0)
    expected = x * (special.log_expit(_Q) - special.log_expit(_P)) + (1 - x) * (
        special.log_expit(-_Q) - special.log_expit(-_P)
    )
    p = tfd.Bernoulli(logits=_P)
    self.assertAllClose(
        distributions.plug_in_kl(q, p, num_samples=50, seed=_SEED),
        expected,
        rtol=1e-4,
        atol=1e-5,
    )

  def test_plug_in_kl_at_zero_probability(self):
    q = distributions.GumbelSoftmax(1.0, probs=[[1.0, 0.0], [0.5, 0.5]])
    p = distributions.GumbelSoftmax(1.0, probs=[1.0, 0.0])
    kl = distributions.plug_in_kl(q, p, seed=_SEED)
    self.assertAllEqual(kl, [0.0, math.inf])

  @parameterized.parameters(
      lambda q, p: distributions.categorical_kl(q, p),
      lambda q, p: distributions.relaxed_kl(q, p, seed=_SEED),
      lambda q, p: distributions.plug_in_kl(q, p, seed=_SEED),
  )
  def test_independent_latents_add_up(self, kl):
    q = distributions.GumbelSoftmax(0.5, np.stack([_Q, -_Q, _Q + 1.0]))
    p = distributions.GumbelSoftmax(1.0, np.stack([_P, -_P]))
    joint = kl(tfd.Independent(q, 1), tfd.Independent(p, 1))
    self.assertEqual(joint.shape, [3])
    self.assertAllClose(joint, tf.reduce_sum(kl(q, p), axis=-1))

  def test_refuses_what_does_not_match(self):
    q = distributions.GumbelSoftmax(0.5, _Q)
    normal = tfd.Normal(0.0, 1.0)
    two = distributions.GumbelSoftmax(0.5, [0.0, 0.0])
    binary = distributions.RelaxedBernoulli(0.5, 0.0)
    for kl in (
        distributions.categorical_kl,
        distributions.relaxed_kl,
        distributions.plug_in_kl,
    ):
      with self.assertRaisesRegex(ValueError, 'received Normal'):
        kl(q, normal)
      with self.assertRaisesRegex(ValueError, 'Expected'):
        kl(q, two)
      with self.assertRaisesRegex(ValueError, 'Expected'):
        kl(q, binary)
      with self.assertRaisesRegex(ValueError, 'received 1 and 0'):
        kl(tfd.Independent(q, 1), q)
    with self.assertRaisesRegex(ValueError, 'received OneHotCategorical'):
      distributions.relaxed_kl(q, q.to_categorical())
    with self.assertRaisesRegex(ValueError, 'no more dimensions'):
      distributions.relaxed_kl(distributions.GumbelSoftmax(0.5, _P), q)

  @parameterized.parameters(
      lambda: distributions.GumbelSoftmax(0.5, _Q),
      lambda: distributions.ExpGumbelSoftmax(0.5, _Q),
      lambda: distributions.RelaxedBernoulli(0.5, _Q),
      lambda: distributions.LogitRelaxedBernoulli(0.5, _Q),
  )
  def test_tfp_is_not_left_to_choose(self, make):
    one_hot = distributions.OneHotCategorical(logits=_Q)
    for q, p in (
        (make(), make()),
        (make(), one_hot),
        (one_hot, make()),
        (make(), tfd.RelaxedOneHotCategorical(0.5, _Q)),
        (tfd.Independent(make(), 1), tfd.Independent(make(), 1)),
    ):
      with self.assertRaisesRegex(
          NotImplementedError,
          '`categorical_kl`, `relaxed_kl` and `plug_in_kl`',
      ):
        tfd.kl_divergence(q, p)

  def test_of_a_batch_of_temperatures_counts_all_of_it(self):
    q, p = (
        distributions.GumbelSoftmax(tf.fill([5], 0.5), logits=[logits])
        for logits in ([0.0, 1.0, 2.0], [0.0, 0.0, 0.0])
    )
    one = distributions.categorical_kl(q[:1], p[:1])
    self.assertAllClose(
        distributions.categorical_kl(
            tfd.Independent(q, 1), tfd.Independent(p, 1)
        ),
        5 * one[0],
        rtol=1e-6,
    )

  def test_rejects_independent_events_of_other_lengths(self):
    one, three = (
        distributions.GumbelSoftmax(0.5, tf.zeros([n, 4])) for n in (1, 3)
    )
    for q, p in ((one, three), (three, one)):
      for kl in (
          distributions.categorical_kl,
          distributions.relaxed_kl,
          distributions.plug_in_kl,
      ):
        with self.assertRaisesRegex(ValueError, 'to sum over the same shape'):
          kl(tfd.Independent(q, 1), tfd.Independent(p, 1))

  @parameterized.parameters(0.0, -math.inf)
  def test_an_impossible_class_leaves_plug_in_kl_its_gradient(self, p_logit):
    def gradient(q_logit, p_logit):
      logits = tf.Variable([0.0, 1.0, q_logit])
      p = distributions.OneHotCategorical([0.0, 0.5, p_logit])
      with tf.GradientTape() as tape:
        q = distributions.GumbelSoftmax(0.5, logits)
        kl = distributions.plug_in_kl(q, p, 4, seed=[0, 1])
      return kl, tape.gradient(kl, logits)

    kl, slopes = gradient(-math.inf, p_logit)
    # All but impossible, and no infinity.
    expected_kl, expected_slopes = gradient(-60.0, max(p_logit, -60.0))
    self.assertAllClose(kl, expected_kl)
    self.assertAllClose(slopes, expected_slopes)

  @parameterized.parameters(distributions.relaxed_kl, distributions.plug_in_kl)
  def test_rejects_a_mean_of_no_samples(self, kl):
    q = distributions.GumbelSoftmax(0.5, _Q)
    with self.assertRaisesRegex(ValueError, '`num_samples` of at least 1'):
      kl(q, q, num_samples=0)

  @parameterized.parameters(
      (distributions.Bernoulli, distributions.Bernoulli),
      (distributions.Bernoulli, tfd.Bernoulli),
      (tfd.Bernoulli, distributions.Bernoulli),
  )
  def test_bernoulli_has_its_divergence(self, make_q, make_p):
    expected = sum(
        special.rel_entr(special.expit(s * _Q), special.expit(s * _P))
        for s in (-1, 1)
    )
    q, p = make_q(logits=_Q), make_p(logits=_P)
    self.assertAllClose(tfd.kl_divergence(q, p), expected)
    q, p = (tfd.Independent(d, 1) for d in (q, make_p(logits=[_P, _P])))
    self.assertAllClose(tfd.kl_divergence(q, p), expected.sum(-1))

  @parameterized.parameters(
      lambda logits: distributions.FactorizedCategorical(logits),
      lambda logits: tfd.Independent(
          distributions.OneHotCategorical(logits), 1
      ),
      lambda logits: tfd.Independent(tfd.OneHotCategorical(logits), 1),
  )
  def test_factorized_categorical_is_an_independent(self, make):
    factorized, other = distributions.FactorizedCategorical(_Q), make(2 * _Q)
    for q, p, q_logits, p_logits in (
        (factorized, other, _Q, 2 * _Q),
        (other, factorized, 2 * _Q, _Q),
    ):
      q_log, p_log = (
          special.log_softmax(logits, -1) for logits in (q_logits, p_logits)
      )
      expected = np.sum(np.exp(q_log) * (q_log - p_log))
      self.assertAllClose(tfd.kl_divergence(q, p), expected)
      self.assertAllClose(distributions.categorical_kl(q, p), expected)

  def test_factorized_categorical_of_codes(self):
    q, p = (
        distributions.FactorizedCategorical(logits, dtype=tf.int32)
        for logits in (_Q, 2 * _Q)
    )
    theirs = tfd.Independent(tfd.Categorical(2 * _Q), 1)
    expected = tfd.kl_divergence(
        tfd.Independent(tfd.Categorical(_Q), 1), theirs
    )
    self.assertAllClose(tfd.kl_divergence(q, p), expected)
    self.assertAllClose(tfd.kl_divergence(q, theirs), expected)
    one_hot = distributions.FactorizedCategorical(_Q)
    for a, b in ((q, one_hot), (one_hot, q), (one_hot, theirs)):
      with self.assertRaisesRegex(ValueError, 'event shape of `p`'):
        tfd.kl_divergence(a, b)

  def test_factorized_categorical_has_no_divergence_from_other_laws(self):
    q = distributions.FactorizedCategorical(_Q)
    for inner in (distributions.GumbelSoftmax(0.5, _Q), tfd.Dirichlet(_Q**2)):
      p = tfd.Independent(inner, 1)
      with self.assertRaisesRegex(NotImplementedError, 'categorical laws'):
        tfd.kl_divergence(q, p)


if __name__ == '__main__':
  tf.test.main()
