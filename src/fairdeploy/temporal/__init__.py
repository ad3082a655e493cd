"""Rollouts as workflows of Temporal, for those who outgrow one machine: ``pip install "fairdeploy[temporal]"``.

Each step of a plan is an activity that carries it out by the same engine, on whichever worker is free. The journal
stays the truth; Temporal brings placement, retries, visibility, signals and queries.
"""
