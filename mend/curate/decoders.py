"""The decoder of a pipeline's format."""

from mend.curate.avro import avro_decoder
from mend.curate.decode import Decoder, decode_json
from mend.runtime.pipeline_file import Pipeline


def decoder(pipeline: Pipeline) -> Decoder:
    """Return the decoder of the format that the pipeline file names."""
    return avro_decoder(pipeline.schema_path) if pipeline.format == "avro" else decode_json
