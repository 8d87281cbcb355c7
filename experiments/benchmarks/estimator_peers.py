"""A step of the nearest estimators of other libraries, at the same problem.

All are PyTorch. Storchastic 0.3.7 takes an objective as ours do. Pyro's
estimators are part of its bounds: the step is that of `TraceGraph_ELBO` with
the objective as a factor, and so has the rate of the latents as well. Plain
PyTorch stands in where a library has an estimator that does not run.
"""

from collections.abc import Callable
from collections.abc import Mapping
import importlib.util
import types

_NAMES = {'torch': 'PyTorch', 'storch': 'Storchastic', 'pyro': 'Pyro'}


def make(
    size: tuple[int, int, int], num_pixels: int, num_hidden: int
) -> tuple[dict[str, Callable[[], float]], Mapping[str, str]]:
  """Makes steps, each of which has run once.

  Args:
    size: Batch size, number of latents and of classes.
    num_pixels: Pixels of an image.
    num_hidden: Units of the hidden layer of the decoder.

  Returns:
    Names to functions of nothing that take a step; and names of those that do
    not run here to the reason.
  """
  missing = {
      name: 'pip install discrete_lvm[benchmark] adds it'
      for module, name in _NAMES.items()
      if importlib.util.find_spec(module) is None
  }
  if 'PyTorch' in missing:
    return {}, missing
  problem = _problem(size, num_pixels, num_hidden)
  makers = _plain_torch(problem)
  if 'Storchastic' not in missing:
    makers |= _storchastic(problem)
  if 'Pyro' not in missing:
    makers |= _pyro(problem)
  steps, left_out = {}, dict(missing)
  for name, maker in makers.items():
    try:
      steps[name] = maker()
      steps[name]()
    except Exception as error:  # Whatever it is, the others are still timed.
      steps.pop(name, None)
      left_out[name] = ' '.join(f'{type(error).__name__}: {error}'.split())
  return steps, left_out


def _problem(size, num_pixels, num_hidden):
  import torch

  batch, num_latents, num_classes = size
  logits = torch.randn(size, requires_grad=True)
  log_odds = torch.randn([batch, num_latents], requires_grad=True)
  images = (torch.rand([batch, num_pixels]) < 0.5).float()
  decoder = torch.nn.Sequential(
      torch.nn.Linear(num_latents * num_classes, num_hidden),
      torch.nn.ReLU(),
      torch.nn.Linear(num_hidden, num_pixels),
  ).requires_grad_(
      False
  )  # A step of ours has the gradient for the logits.

  def cost(codes):
    outputs = decoder(codes.flatten(-2))
    return torch.nn.functional.binary_cross_entropy_with_logits(
        outputs, torch.zeros_like(outputs) + images, reduction='none'
    ).sum(-1)

  def binary_cost(bits):
    return cost(torch.stack([1 - bits, bits], -1))

  return types.SimpleNamespace(
      logits=logits,
      log_odds=log_odds,
      cost=cost,
      binary_cost=binary_cost,
      is_binary=num_classes == 2,
  )


def _step(leaf, backward):
  def step():
    leaf.grad = None
    backward()
    return float(leaf.grad.sum())

  return step


def _plain_torch(problem):
  import torch

  def disarm():
    """Both codes in one call of the objective, as ours."""
    log_odds = problem.log_odds
    noise = torch.logit(torch.rand_like(log_odds), eps=1e-7)
    bits = (torch.stack([log_odds + noise, log_odds - noise]) > 0).float()
    costs = problem.binary_cost(bits)
    weights = (bits[0] - bits[1]) * torch.sigmoid(log_odds.detach().abs())
    difference = ((costs[0] - costs[1]) / 2).detach()[:, None]
    surrogate = difference * weights * log_odds
    (costs.mean(0).sum() + surrogate.sum()).backward()

  if not problem.is_binary:
    return {}
  return {'PyTorch, DisARM': lambda: _step(problem.log_odds, disarm)}


def _storchastic(problem):
  # It replaces functions of PyTorch when it is imported.
  import storch
  import torch

  method = storch.method
  categorical = torch.distributions.OneHotCategorical

  def maker(make_method, leaf, make_distribution, cost):
    def make_step():
      # One of its own, since some keep state.
      estimator = make_method()
      objective = storch.deterministic(cost)

      def backward():
        # Not the leaf itself, in whose history it looks.
        batch = storch.denote_independent(leaf * 1.0, 0, 'batch')
        codes = estimator(make_distribution(batch))
        storch.add_cost(objective(codes), 'cost')
        storch.backward()

      return _step(leaf, backward)

    return make_step

  def of_logits(batch):
    return categorical(logits=batch)

  def of_probs(batch):
    return categorical(probs=torch.softmax(batch, -1))

  def of_log_odds(batch):
    return torch.distributions.Bernoulli(logits=batch)

  makers = {
      f'Storchastic, {name}': maker(
          make_method, problem.logits, distribution, problem.cost
      )
      for name, make_method, distribution in (
          ('ScoreFunction', lambda: method.ScoreFunction('z'), of_logits),
          (
              'ScoreFunction, 2, batch_average',
              lambda: method.ScoreFunction(
                  'z', n_samples=2, baseline_factory='batch_average'
              ),
              of_logits,
          ),
          (
              'GumbelSoftmax, straight-through',
              lambda: method.GumbelSoftmax('z', straight_through=True),
              of_logits,
          ),
          ('REBAR', lambda: method.REBAR('z'), of_probs),
      )
  }
  if problem.is_binary:
    for name in ('ARM', 'DisARM'):
      makers[f'Storchastic, {name}'] = maker(
          lambda name=name: getattr(method, name)('z'),
          problem.log_odds,
          of_log_odds,
          problem.binary_cost,
      )
  return makers


def _pyro(problem):
  import pyro
  import torch

  def maker(infer):
    def make_step():
      pyro.clear_param_store()
      categorical = pyro.distributions.OneHotCategorical
      batch = problem.logits.shape[0]

      def of(logits):
        return categorical(logits=logits).to_event(1)

      def model():
        with pyro.plate('batch', batch):
          codes = pyro.sample('z', of(torch.zeros_like(problem.logits)))
          pyro.factor('cost', -problem.cost(codes))

      def guide():
        with pyro.plate('batch', batch):
          pyro.sample('z', of(problem.logits), infer=infer)

      bound = pyro.infer.TraceGraph_ELBO()
      return _step(problem.logits, lambda: bound.loss_and_grads(model, guide))

    return make_step

  return {
      'Pyro, TraceGraph_ELBO': maker({}),
      'Pyro, TraceGraph_ELBO, decaying average': maker(
          {'baseline': {'use_decaying_avg_baseline': True}}
      ),
  }
