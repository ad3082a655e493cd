"""``fairdeploy.toml``: what it says, its JSON schema, and the objects that it names, for every face."""
