"""`mend pipeline`: check a pipeline file before anything starts, and see what it compiles to."""

from typing import Annotated

import typer

cli = typer.Typer(help="Pipeline files: check, explain.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A pipeline's name, or the path of its file.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@cli.command()
def check(name: Name = "customers", as_json: Json = False) -> None:
    """Check a pipeline file, its schema, its rules and every expression.

    [dim]Example:[/dim] mend pipeline check pipelines/customers.yml
    """
    import orjson

    from mend.runtime.pipeline_file import find_pipeline
    from mend.runtime.settings import load_settings
    from orchestration.check import check_pipeline

    plan = check_pipeline(find_pipeline(load_settings().pipelines, name))
    found = {
        "pipeline": plan.pipeline.name,
        "topic": plan.pipeline.topic,
        "fields": len(plan.fields),
        "rules": len(plan.rules.rules),
        "columns": list(plan.columns),
    }
    if as_json:
        typer.echo(orjson.dumps(found).decode())
    else:
        typer.echo(f"{plan.pipeline.path}: good ({len(plan.fields)} fields, {len(plan.rules.rules)} rules, "
                   f"{len(plan.columns)} columns)")  # fmt: skip


@cli.command()
def explain(name: Name = "customers") -> None:
    """Print the DuckDB query that a pipeline file compiles to.

    [dim]Example:[/dim] mend pipeline explain customers
    """
    from mend.runtime.pipeline_file import find_pipeline
    from mend.runtime.settings import load_settings
    from orchestration.check import check_pipeline

    plan = check_pipeline(find_pipeline(load_settings().pipelines, name))
    typer.echo(f"-- every event{plan.judged_sql}\n-- why events do not fit{plan.reasons_sql}")
