"""One module for each kind of command: thin, as no decision lives here."""
