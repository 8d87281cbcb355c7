"""The columns of the table that compares ways to keep a latent in use."""

# Key of a result, heading, sign of what is shown, decimals. A bound is shown as
# that of -log p(x), so that lower is better in all columns of nats.
COLUMNS = (
    ('committed_rate', 'committed', 1, 2),
    ('rate', 'rate', 1, 3),
    ('distortion', 'distortion', 1, 2),
    ('elbo', 'bound', -1, 2),
    ('auxiliary_elbo', 'auxiliary bound', -1, 2),
    ('auxiliary_importance_weighted_bound', 'weighted bound', -1, 2),
    ('bits_per_element', 'bits', 1, 3),
    ('active_units', 'active', 1, 0),
    ('information', 'information', 1, 2),
    ('probe_samples', 'probe, samples', 1, 1),
    ('probe_means', 'probe, means', 1, 1),
)
