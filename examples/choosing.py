"""A notebook for a data steward: which way to host can we defend?

`choosing.ipynb` beside it holds the same cells for Jupyter. VS Code and PyCharm open this file as a notebook too; as a
program it runs from top to bottom:

    uv run --extra notebook --extra yaml examples/choosing.py
"""

# %% [markdown]
# # Where shall our database run?
#
# You answer a form, and get a recommendation with its reasons. Nothing here is sent anywhere, and nothing is legal advice.
# Change the answers in the next cell to your own, and run all cells. A word that cannot be read is refused, and the
# message says what you can choose from. What you leave out is not asked for.

# %%
from __future__ import annotations

import sys
from importlib import import_module

from fairdeploy import InstitutionRequirements, Recommendation, recommend
from fairdeploy.patterns import CRITERIA, Comparison, compare, estimate_cost, read_catalogue, strategies_for


def show(thing: Recommendation | Comparison) -> None:
    """Show a table as a page in a notebook, and as text elsewhere."""
    if "ipykernel" in sys.modules:
        import_module("IPython.display").display(thing)
    else:
        print(thing.to_markdown())


needs = InstitutionRequirements(
    budget="Medium",
    compliance=["GDPR", "NEN 7510"],
    expertise="Intermediate",
    expected_growth="Medium",
    data_sovereignty="yes",
    own_services="yes",
    traffic="Seasonal",
    staff_fte=0.6,
    availability_percent=99.5,
)
advice = recommend(needs)

# %% [markdown]
# ## The answer, and the decision matrix
#
# First a paragraph for the board. Then points for each criterion, weights in parentheses. What is excluded stays visible,
# with the reason; "eligible if" means that the conditions must be met first.

# %%
show(advice)
matrix = advice.plot("matrix")

# %% [markdown]
# ## How firm is that?
#
# Nobody agrees on weights. So we look at all of them: in which share of weightings does each pattern win? And what is
# the smallest change of an answer that changes the winner?

# %%
print(advice.sensitivity())
for change in advice.changes()[:6]:
    print("-", change)
bars = advice.plot("acceptability")
lines = advice.plot("parallel")

# %% [markdown]
# ## If things were otherwise
#
# The same question with less money, and with data that may not leave the building.

# %%
answers = needs.record()
scenarios = compare(
    {
        "as answered": advice,
        "less money": recommend(InstitutionRequirements.read({**answers, "budget": "low"})),
        "nothing leaves": recommend(InstitutionRequirements.read({**answers, "sensitive_on_site": "yes"})),
    }
)
show(scenarios)

# %% [markdown]
# ## What does it cost?
#
# In ranges. Replace the prices by your own: the defaults are orders of magnitude, and people are most of it.

# %%
PRICES = {"fte_year": (70_000, 80_000, 95_000)}
for each in advice.eligible:
    print(estimate_cost(each.key, years=5, data_gb=800, prices=PRICES))
best = advice.best
if best is not None:
    cost = estimate_cost(best.key, years=5, data_gb=800, prices=PRICES)
    tornado = cost.plot()
    for way in strategies_for(best.key):
        print(f"- {way.text}: worth it when {way.applies}")

# %% [markdown]
# ## A pattern and a criterion of our own
#
# As data: our national research cloud, and how much carbon counts for us.

# %%
OWN = """
patterns:
  research_cloud:
    name: National research cloud
    complexity: Medium
    cost_range: $-$$
    scalability: Moderate
    control_level: Partial
    compliance_support: [GDPR, {regime: NEN 7510, status: conditional, conditions: [our own certificate covers it]}]
    min_technical_expertise: Intermediate
    setup_time: Days
    maintenance_burden: Low
    runs_services: true
    staff_fte: [0.2, 0.5]
    availability_percent: 99.8
    attributes: {carbon: 2}
criteria:
  - {key: carbon, title: Carbon, weight: 1, scale: {attribute: carbon, worst: 10, best: 0}}
"""
own = read_catalogue(OWN)
ours = recommend(needs, patterns={**advice.patterns, **own.patterns}, criteria=[*CRITERIA, *own.criteria])
show(ours)

# %% [markdown]
# ## From advice to action
#
# What this library can do for each pattern now, and what it only recommends.

# %%
for action in advice.actions():
    print("-", action)

# %% [markdown]
# ## Everything, for the minutes
#
# Every gate and every point with its source; and a record that gives the same answer when it is read again.

# %%
print(advice.explain())
record = advice.to_json()
assert type(advice).from_json(record) == advice  # noqa: S101 -- a notebook may say what it relies on
