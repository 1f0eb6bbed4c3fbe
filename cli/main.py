"""The `mend` command. Each group of commands is a file; heavy libraries are imported by the command that needs them."""

import sys
from typing import Annotated

import typer

from cli import (
    agent,
    alerts,
    backfill,
    circuit,
    contract,
    decide,
    decision,
    demo,
    doctor,
    event,
    incident,
    init,
    matrix,
    pipeline,
    prove,
    remap,
    report,
    reset,
    run,
    serve_metrics,
    setup,
    status,
    step,
    stream,
    watch,
)
from mend.runtime.errors import UserError

CONTEXT = {"help_option_names": ["-h", "--help"]}
INTERRUPTED = 130

cli = typer.Typer(
    name="mend",
    help="A data pipeline that publishes nothing wrong, loses nothing, and repairs itself inside limits you set.",
    epilog="Start with: mend demo · Exit codes: 0 done, 1 escalated or a finding, 2 wrong use, 3 refused by a gate",
    no_args_is_help=True,
    context_settings=CONTEXT,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
for module in (
    demo,
    init,
    run,
    backfill,
    stream,
    step,
    status,
    prove,
    report,
    doctor,
    decide,
    setup,
    reset,
    circuit,
    serve_metrics,
    watch,
):
    module.register(cli)
cli.add_typer(pipeline.cli, name="pipeline")
cli.add_typer(contract.cli, name="contract")
cli.add_typer(matrix.cli, name="matrix")
cli.add_typer(decision.cli, name="decision")
cli.add_typer(incident.cli, name="incident")
cli.add_typer(alerts.cli, name="alerts")
cli.add_typer(agent.cli, name="agent")
cli.add_typer(event.cli, name="event")
cli.add_typer(remap.cli, name="remap")


@cli.callback()
def configure(
    verbose: Annotated[int, typer.Option("-v", "--verbose", count=True, help="Say more; -vv says all.")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say only errors.")] = False,
) -> None:
    """Set how much is said on stderr."""
    from mend.runtime.logging import configure_logging

    configure_logging(verbose=verbose, quiet=quiet)


def app() -> None:
    """Run the command line; an error that a person can act on is one line, and Ctrl-C is no stack trace."""
    try:
        cli()
    except UserError as error:
        from mend.runtime.redact import masked

        sys.stderr.write(f"error: {masked(str(error))}\n")
        sys.exit(error.exit_code)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # what typer makes of Ctrl-C, without a word
            sys.stderr.write("interrupted; what was begun is picked up by the next run\n")
        raise
