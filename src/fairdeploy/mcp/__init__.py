"""The face for assistants: a server of the Model Context Protocol (extra ``mcp``), read-only unless the operator says more.

`fairdeploy.mcp.server` imports the protocol's library; `fairdeploy.mcp.approvals` needs none, so that a person can approve
where the server does not run.
"""
