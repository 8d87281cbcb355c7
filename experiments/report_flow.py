"""The reports of a discrete flow, on a known law and on text."""

import functools
import math

import numpy as np

import discrete_lvm as dlvm
from experiments import addition
from experiments import finished_runs
from experiments import flow_evaluation
from experiments import flow_text_evaluation
from experiments import flow_truths
from experiments import report_measures
from experiments import report_pictures
from experiments import reports
from experiments import shared_flags
from experiments import text as text_lib

_NUM_EVENTS = 100_000
_NUM_SAMPLES = 1000
_NUM_SHOWN = 12
_NUM_TEXTS = 6


def report(run: finished_runs.FinishedRun) -> reports.Report:
  """Measures and draws.

  Args:
    run: The run.

  Returns:
    The exact log-likelihood and samples; of a known law also its entropy.
  """
  return (_text if run.is_of_text else _known_law)(run)


def _known_law(run):
  truth = flow_truths.build(run.data)
  is_conditional = isinstance(truth, addition.Addition)
  evaluate = (
      flow_evaluation.evaluate_conditional
      if is_conditional
      else flow_evaluation.evaluate
  )
  # The events on which the run itself was evaluated.
  num_events = run.found.get('num_events', _NUM_EVENTS)
  seed = dlvm.ops.fold_in(run.config['data_seed'], 'test')
  measures, events = evaluate(run.model, truth, num_events, seed)
  nats = measures.pop('nats')
  error = measures.get('nats_above_entropy_stderr')
  if error is not None:
    measures['negative_log_likelihood_stderr'] = error
  parts = {
      'likelihood': {
          'negative_log_likelihood': nats,
          'bits_per_position': report_measures.bits_per_dim(
              -nats, truth.length
          ),
          **measures,
      },
      'truth': {
          'entropy': truth.entropy(),
          'factorized_entropy': truth.factorized_entropy(),
      },
  }
  if is_conditional:
    panel = report_pictures.shares(
        events['shares'], 'share of sampled digits that are right'
    )
    return reports.Report(parts, [panel, _sums(run.model, truth)])
  codes = _draw(run.model, _NUM_SAMPLES)
  drawn = truth.sample(_NUM_SAMPLES, dlvm.ops.fold_in(0, 'truth')).numpy()
  shares = functools.partial(_shares, truth.num_classes)
  return reports.Report(
      parts,
      [
          report_pictures.log_probs(
              events['true_log_probs'], events['model_log_probs']
          ),
          report_pictures.usage(
              shares(codes), 'classes of samples', ylabel='position'
          ),
          report_pictures.usage(
              shares(drawn), 'classes of draws of the truth', ylabel='position'
          ),
          report_pictures.text(
              [' '.join(map(str, code)) for code in codes[:_NUM_SHOWN]],
              'samples',
          ),
      ],
  )


def _text(run):
  model = run.model
  test = text_lib.windows(run.text().test, model.length)
  found = flow_text_evaluation.bits(model, test)
  bits, error = found.pop('bits'), found.pop('bits_stderr')
  to_nats = model.length * math.log(2)
  return reports.Report(
      {
          'num_examples': len(test),
          'likelihood': {
              'negative_log_likelihood': bits * to_nats,
              'negative_log_likelihood_stderr': error * to_nats,
              'bits_per_character': bits,
              'bits_per_character_stderr': error,
              **found,
          },
      },
      [
          report_pictures.texts(
              [text_lib.decode(code) for code in _draw(model, _NUM_TEXTS)],
              'samples',
          )
      ],
  )


def _sums(model, truth):
  """Returns a panel of sums, each beside what the model drew."""
  context, codes = truth.sample(_NUM_SHOWN, dlvm.ops.fold_in(0, 'truth'))
  seed = dlvm.ops.fold_in(shared_flags.SEED.value, 'samples')
  drawn = model.sample(1, seed, context)[0].numpy()
  digits = (''.join(map(str, code)) for code in (*codes.numpy(), *drawn))
  digits = [*digits]
  pairs = zip(digits[:_NUM_SHOWN], digits[_NUM_SHOWN:], strict=True)
  return report_pictures.text(
      [f'{true}  {found}' for true, found in pairs], 'sums, and as drawn'
  )


def _draw(model, size):
  seed = dlvm.ops.fold_in(shared_flags.SEED.value, 'samples')
  return model.sample(size, seed).numpy()


def _shares(num_classes, codes):
  return np.mean(np.eye(num_classes)[codes], axis=0)
