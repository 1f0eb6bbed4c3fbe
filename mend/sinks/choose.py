"""Which sink the settings ask for."""

from importlib import import_module
from pathlib import Path

from mend.runtime.errors import UserError
from mend.runtime.layout import Layout
from mend.runtime.logging import get_logger
from mend.runtime.settings import Settings, SinkMode
from mend.sinks.parquet import ParquetSink
from mend.sinks.port import Sink


def choose_sink(layout: Layout) -> Sink:
    """Return the sink; Parquet when Snowflake is asked for and no account is configured, which is said in the log.

    SINK_MODE=package.module:Class makes a sink of the user's own, which is given the layout.
    A sink that does not exist here, or a folder in which no run could arrive as a whole, is a UserError.
    """
    settings = layout.settings
    if settings.effective_sink is SinkMode.SNOWFLAKE:
        raise UserError(
            f"SINK_MODE=SNOWFLAKE with SNOWFLAKE_ACCOUNT={settings.snowflake_account}: Snowflake is not supported yet. "
            "Set SINK_MODE=PARQUET."
        )
    if not isinstance(settings.sink_mode, SinkMode):
        return own_sink(settings.sink_mode, layout)
    if settings.sink_mode is SinkMode.SNOWFLAKE:
        get_logger().warning(
            "snowflake_not_configured", sink="PARQUET", hint="SNOWFLAKE_ACCOUNT is empty, rows go to PARQUET_OUT"
        )
    refuse_bare_mount(settings)
    return ParquetSink(layout)


VERBS = ("publish", "retract", "count", "location")


def own_sink(place: str, layout: Layout) -> Sink:
    """Make the sink that a class of the user's is; whatever is wrong with it is a UserError before anything starts."""
    module, _, name = place.partition(":")
    try:
        made = getattr(import_module(module), name)(layout)
    except (ImportError, AttributeError, TypeError) as error:
        raise UserError(
            f"SINK_MODE={place}: {error}. Expected a class, made with a layout, in a module on PYTHONPATH."
        ) from error
    missing = [verb for verb in VERBS if not callable(getattr(made, verb, None))]
    if missing:
        raise UserError(f"SINK_MODE={place}: a sink must also {', '.join(missing)}. See docs/extending.md.")
    sink: Sink = made
    return sink


def refuse_bare_mount(settings: Settings) -> None:
    """Refuse a PARQUET_OUT that is the root of another file system: there is no place beside it for a run to arrive."""
    published = settings.published
    here, beside, home = (device(path) for path in (published, published.parent, settings.home))
    if here not in {home, beside}:
        raise UserError(
            f"PARQUET_OUT={published} is the root of a file system of its own, where readers would see runs while they "
            f"are copied. Set it to a folder in it, for example {published / 'parquet'}."
        )


def device(path: Path) -> int:
    """Return the file system on which a path is, or would be."""
    return next(one for one in (path, *path.parents) if one.exists()).stat().st_dev
