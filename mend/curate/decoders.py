"""The decoder of a pipeline's format."""

import pyarrow as pa

from mend.curate.avro import avro_decoder
from mend.curate.decode import Decoder, decode_json
from mend.runtime.pipeline_file import Pipeline
from mend.runtime.schema_registry import RegistryAddress


def decoder(
    pipeline: Pipeline, registry: RegistryAddress | None = None, direct: pa.StructType | None = None
) -> Decoder:
    """Return the decoder of the format that the pipeline file names; without a registry the schema files are it.

    `direct` are the columns that the plan takes decoded.
    """
    if pipeline.format == "json":
        return decode_json
    return avro_decoder(pipeline.schema_path, registry=registry, sources=pipeline.mapping, direct=direct)
