"""Every op, compiled by XLA."""

from absl.testing import absltest
import numpy as np
import tensorflow as tf

from discrete_lvm import ops
from tests.conformance import xla

RNG = np.random.default_rng(0)
K = 3


def _normal(*shape):
  return RNG.normal(size=shape).astype('float32')


LOGITS, OTHER = _normal(2, 2, K), _normal(2, 2, K)
NOISE = RNG.gumbel(size=[2, 2, K]).astype('float32')
CODES = RNG.integers(K, size=[2, 2]).astype('int32')
SHIFT = RNG.integers(K, size=[2, 2]).astype('int32')
SCALE = RNG.integers(1, K, size=[2, 2]).astype('int32')
X, S, A = (np.eye(K, dtype='float32')[c] for c in (CODES, SHIFT, SCALE))
# The sample that the noise makes.
HARD = np.eye(K, dtype='float32')[np.argmax(LOGITS + NOISE, axis=-1)]
LOC, STD = _normal(2, 4, 2), np.exp(_normal(2, 4, 2))
ALPHA = np.float32([0.9, 0.3])
VALUES = _normal(3, 2)
DECISIONS = ops.stick_breaking_decisions(K)
YES = RNG.integers(2, size=[2, 2, len(DECISIONS)]).astype(bool)
SEED = np.int32([1, 2])
STEP = np.int32(3)
case = xla.Case


def _own_gradient(values):
  """Has to have a variable, whose gradient is what it is about."""
  with tf.GradientTape() as tape:
    y = ops.with_own_gradient(values, [WEIGHT], [tf.constant(2.0)])
  return y, tape.gradient(y, WEIGHT)


def _gradient(function):
  """Also returns the gradient for the first argument, where it is the point."""

  def value_and_gradient(x, *arguments):
    with tf.GradientTape() as tape:
      tape.watch(x)
      y = function(x, *arguments)
      # Not alike everywhere, for which a sum of probabilities has no gradient.
      loss = tf.reduce_sum(y * tf.cumsum(tf.ones_like(y), axis=-1))
    return y, tape.gradient(loss, x)

  return value_and_gradient


WEIGHT = tf.Variable(1.0)
CASES = {
    'CosineSchedule': case(ops.CosineSchedule(1.0, 0.1, 9), [STEP]),
    'CyclicSchedule': case(ops.CyclicSchedule(0.1, 1.0, 9), [STEP]),
    'ExponentialSchedule': case(ops.ExponentialSchedule(1.0, 0.1), [STEP]),
    'LinearSchedule': case(ops.LinearSchedule(1.0, 0.1, 9), [STEP]),
    'add_gradient': case(ops.add_gradient, [LOGITS, OTHER]),
    'all_codes': case(lambda: ops.all_codes(2, K)),
    'antithetic_score': case(
        lambda x, y, z: ops.antithetic_score(x, y, z, DECISIONS),
        [X, S, _normal(2, 2, len(DECISIONS))],
    ),
    'ar1_alpha_for_rate': case(
        lambda rate: ops.ar1_alpha_for_rate(rate, 8), [np.float32([0.5, 3])]
    ),
    'ar1_committed_rate': case(lambda a: ops.ar1_committed_rate(a, 8), [ALPHA]),
    'ar1_from_innovations': case(ops.ar1_from_innovations, [LOC, ALPHA]),
    'ar1_innovations': case(ops.ar1_innovations, [LOC, ALPHA]),
    'ar1_optimal_scale': case(lambda a: ops.ar1_optimal_scale(a, 8), [ALPHA]),
    'as_seed': case(ops.as_seed, [SEED]),
    'bits_per_dim': case(lambda x: ops.bits_per_dim(x, 8), [VALUES]),
    'categorical_entropy': case(_gradient(ops.categorical_entropy), [LOGITS]),
    'categorical_kl': case(_gradient(ops.categorical_kl), [LOGITS, OTHER]),
    'categorical_score': case(ops.categorical_score, [X, LOGITS]),
    'decide': case(lambda x: ops.decide(x, DECISIONS), [YES]),
    'decision_logits': case(
        lambda x: ops.decision_logits(x, DECISIONS), [LOGITS]
    ),
    'decisions_of': case(lambda x: ops.decisions_of(x, DECISIONS), [X]),
    'delta_categorical': case(
        _gradient(lambda x: ops.delta_categorical(x, 0.4)), [LOGITS]
    ),
    'delta_gaussian': case(ops.delta_gaussian, [LOC, STD, np.float32(0.4)]),
    'delta_gaussian_min_mean': case(
        ops.delta_gaussian_min_mean, [np.float32([0.9, 1.1]), np.float32(0.4)]
    ),
    'delta_gaussian_scales': case(
        ops.delta_gaussian_scales, [np.float32([0.1, 4])]
    ),
    'exponential': case(lambda s: ops.exponential([4], s), [SEED]),
    'fold_in': case(lambda s, i: ops.fold_in(s, i, 'name'), [SEED, STEP]),
    'fold_in_replica': case(ops.fold_in_replica, [SEED]),
    'gapped_straight_through': case(
        lambda x, hard: ops.gapped_straight_through(hard, x, 0.5), [LOGITS, X]
    ),
    'gaussian_ar1_kl': case(
        _gradient(lambda *x: ops.gaussian_ar1_kl(*x)[:, tf.newaxis]),
        [LOC, STD, ALPHA],
    ),
    'gaussian_ar1_kl_terms': case(ops.gaussian_ar1_kl_terms, [LOC, STD, ALPHA]),
    'gibbs_stein': case(ops.gibbs_stein, [_normal(2, 2, K), X, LOGITS]),
    'gibbs_stein_score': case(
        ops.gibbs_stein_score, [_normal(2, 2, K), X, LOGITS]
    ),
    'gumbel': case(lambda s: ops.gumbel([4], s), [SEED]),
    'gumbel_argmax': case(
        _gradient(lambda x, z: ops.gumbel_argmax(x, 0.5, noise=z)),
        [LOGITS, NOISE],
    ),
    'gumbel_rao': case(
        lambda x, hard, noise: ops.gumbel_rao(hard, x, 0.5, noise),
        [LOGITS, X, RNG.gumbel(size=[4, 2, 2, K]).astype('float32')],
    ),
    'gumbel_softmax': case(
        _gradient(lambda x, z: ops.gumbel_softmax(x, 0.5, noise=z)),
        [LOGITS, NOISE],
    ),
    'gumbel_to_logistic': case(ops.gumbel_to_logistic, [NOISE[..., :2]]),
    'is_one_hot': case(ops.is_one_hot, [X]),
    'joint_log_probs': case(ops.joint_log_probs, [LOGITS]),
    'leave_one_out_log_mean_exp': case(
        ops.leave_one_out_log_mean_exp, [VALUES]
    ),
    'leave_one_out_mean': case(ops.leave_one_out_mean, [VALUES]),
    'likeliest_codes': case(lambda x: ops.likeliest_codes(x, 3), [LOGITS]),
    'linear_recurrence': case(_gradient(ops.linear_recurrence), [LOC, ALPHA]),
    'log_mass_excluding': case(
        ops.log_mass_excluding, [LOGITS, np.stack([X, S])]
    ),
    'log_mean_exp': case(_gradient(ops.log_mean_exp), [VALUES]),
    'logistic': case(lambda s: ops.logistic([4], s), [SEED]),
    'minimum_variance': case(
        _gradient(lambda x, hard: ops.minimum_variance(hard, x)), [LOGITS, X]
    ),
    'modular_affine': case(
        lambda *x: ops.modular_affine(*x, num_classes=K), [CODES, SHIFT, SCALE]
    ),
    'modular_affine_inverse': case(
        lambda *x: ops.modular_affine_inverse(*x, num_classes=K),
        [CODES, SHIFT, SCALE],
    ),
    'nats_to_bits': case(ops.nats_to_bits, [VALUES]),
    'normal_noise': case(lambda s: ops.normal_noise([4], s), [SEED]),
    'nucleus_logits': case(lambda x: ops.nucleus_logits(x, 0.8), [LOGITS]),
    'one_hot_add': case(_gradient(ops.one_hot_add), [X, S]),
    'one_hot_affine': case(_gradient(ops.one_hot_affine), [X, S, A]),
    'one_hot_affine_inverse': case(
        _gradient(ops.one_hot_affine_inverse), [X, S, A]
    ),
    'one_hot_argmax': case(ops.one_hot_argmax, [LOGITS]),
    'one_hot_inverse': case(_gradient(ops.one_hot_inverse), [A]),
    'one_hot_log_prob': case(_gradient(ops.one_hot_log_prob), [X, LOGITS]),
    'one_hot_multiply': case(_gradient(ops.one_hot_multiply), [X, A]),
    'one_hot_rank': case(_gradient(ops.one_hot_rank), [X, LOGITS]),
    'one_hot_subtract': case(_gradient(ops.one_hot_subtract), [X, S]),
    'one_hot_unrank': case(_gradient(ops.one_hot_unrank), [X, LOGITS]),
    'perturb': case(
        lambda x, s: ops.perturb(x, seed=s, sample_shape=[2]), [LOGITS, SEED]
    ),
    'perturb_given_argmax': case(
        ops.perturb_given_argmax, [LOGITS, NOISE, HARD]
    ),
    'random_bits': case(lambda s: ops.random_bits([4], s), [SEED]),
    'rank_codes': case(ops.rank_codes, [CODES, LOGITS]),
    'rebar_gradient': case(
        ops.rebar_gradient,
        [_normal(2), _normal(2, 2, K), NOISE, LOGITS],
    ),
    'reinmax': case(
        _gradient(lambda x, hard: ops.reinmax(hard, x, 1.5)), [LOGITS, X]
    ),
    'reinmax_argmax': case(_gradient(ops.reinmax_argmax), [LOGITS]),
    'resample_noise': case(
        lambda *x: ops.resample_noise(*x, 4), [LOGITS, NOISE, HARD]
    ),
    'safe_log': case(_gradient(ops.safe_log), [X]),
    'sample_excluding': case(
        ops.sample_excluding, [LOGITS, np.stack([X, S]), NOISE]
    ),
    'sample_joint': case(ops.sample_joint, [_normal(2, K**2), NOISE]),
    'sample_one_hot': case(
        lambda x, s: ops.sample_one_hot(x, seed=s, sample_shape=[2]),
        [LOGITS, SEED],
    ),
    'sample_without_replacement': case(
        ops.sample_without_replacement,
        [LOGITS, RNG.gumbel(size=[4, 2, 2, K]).astype('float32')],
    ),
    'softmax_argmax': case(_gradient(ops.softmax_argmax), [LOGITS]),
    'split': case(lambda s: ops.split(s, 2), [SEED]),
    'standard_normal_kl': case(_gradient(ops.standard_normal_kl), [LOC, STD]),
    'straight_through': case(
        _gradient(lambda x, hard: ops.straight_through(hard, x)), [LOGITS, X]
    ),
    'top_k_logits': case(lambda x: ops.top_k_logits(x, 2), [LOGITS]),
    'unordered_set_weights': case(
        ops.unordered_set_weights,
        [-np.exp(_normal(3, 2)) - 1.5, np.float32([-0.5, -0.7])],
    ),
    'unrank_codes': case(ops.unrank_codes, [CODES, LOGITS]),
    'with_logits_gradient': case(
        _gradient(lambda x, v, g: ops.with_logits_gradient(v, x, g)),
        [LOGITS, _normal(2), OTHER],
    ),
    'with_own_gradient': case(_own_gradient, [_normal(2)]),
}

_STATIC = 'returns a NumPy array or a Python number, a constant of the graph'
EXEMPT = dict.fromkeys(
    (
        'all_but_one_mask',
        'alternating_mask',
        'as_mask',
        'as_order',
        'balanced_decisions',
        'half_mask',
        'invertible_scales',
        'is_enumerable',
        'modular_inverse_table',
        'num_codes',
        'random_mask',
        'static_num_classes',
        'stick_breaking_decisions',
    ),
    _STATIC,
)


class OpsTest(tf.test.TestCase):

  def test_compiled_equals_eager(self):
    xla.compare(self, CASES)


if __name__ == '__main__':
  absltest.main()
