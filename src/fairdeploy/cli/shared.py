"""What every command can be told."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, TypeAlias, final

from cyclopts import Parameter

from fairdeploy.cli.output import Form, Output
from fairdeploy.configuration.file import FILE, Configuration, read_configuration

__all__ = ["DEFAULTS", "Shared", "SharedOptions"]


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """What every command can be told.

    Args:
        config: The configuration file.
        output: text for people; json, one document; ndjson, a document a line while it goes on.
        quiet: Print the result only.
        verbose: Print also what happens below a step.
    """

    config: Annotated[Path, Parameter(alias="-c", env_var="FAIRDEPLOY_CONFIG")] = Path(FILE)
    output: Annotated[Form, Parameter(alias="-o")] = "text"
    quiet: Annotated[bool, Parameter(alias="-q", negative="")] = False
    verbose: Annotated[bool, Parameter(alias="-v", negative="")] = False

    @property
    def out(self) -> Output:
        """How the command speaks."""
        return Output(form=self.output, quiet=self.quiet, verbose=self.verbose)

    def configuration(self) -> Configuration:
        """Read the file.

        Raises:
            InvalidInput: If it cannot be read.
        """
        return read_configuration(self.config)


SharedOptions: TypeAlias = Annotated[Shared, Parameter(name="*")]
"""As options of the command itself."""
DEFAULTS: Final = Shared()
"""What a command is told where it is told nothing."""
