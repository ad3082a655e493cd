"""What proves a rollout: simulation, conformance suites, crash points, load, and applications to deploy.

Nothing is imported here; import the submodule that you need.
"""
