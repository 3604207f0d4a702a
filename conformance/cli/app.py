"""All commands, each in the module of its subject."""

import typer

from conformance import __version__
from conformance.cli.audit import audit
from conformance.cli.catalogue import requirements
from conformance.cli.doctor import doctor
from conformance.cli.environments import down, up
from conformance.cli.mutants import mutants
from conformance.cli.report import report
from conformance.cli.run import run
from conformance.cli.stack import stack
from conformance.cli.sweep import sweep

EPILOG = """\b
exit codes
  0  every required promise holds
  1  a promise is broken
  2  the command line asks for something that cannot be
  3  trouble of ours; it says nothing about Pod Identity
  4  partial: a required promise was not proved
  130, 143, 129  interrupted, terminated, the terminal was closed
"""

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EPILOG,
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def conformance(
    version: bool = typer.Option(
        False, "--version", help="Print the version.", callback=_version, is_eager=True
    ),
) -> None:
    """
    Prove what EKS Pod Identity promises, with evidence.

    \b
    conformance run                 certify an emulated EKS on this machine
    conformance run -k separation   only the scenarios that match
    conformance doctor              what this machine can do
    """


for command in (run, up, down, sweep, audit, report, doctor, requirements, mutants):
    app.command(context_settings={"help_option_names": ["-h", "--help"]})(command)
app.add_typer(stack, name="stack")
