"""The versions of a pipeline's mapping as files: each one for ever, and the newest under the name that scripts read."""

from mend.contracts.codec import dumps
from mend.contracts.mapping import Mapping
from mend.runtime.files import write_atomic
from orchestration.workspace import Workspace


def write_mapping(workspace: Workspace) -> None:
    """Write the versions that have no file yet, and the newest as schema_remap.json; repeatable."""
    versions = workspace.store.mappings.versions(workspace.pipeline.name)
    folder = workspace.layout.ops / "mappings" / workspace.pipeline.name
    for one in versions:
        path = folder / f"v{one.version}.json"
        if not path.exists():
            write_atomic(path, dumps(one))
    if versions:
        workspace.layout.write_latest("schema_remap", document(versions[-1]))


def document(mapping: Mapping) -> dict[str, object]:
    """Return the newest mapping as users know it: the fields that it adds and those that it reads elsewhere."""
    added = {one.source: {"type": one.type, "nullable": one.nullable} for one in mapping.fields if one.added}
    renamed = {one.source: {"renamed_from": one.renamed_from} for one in mapping.fields if one.renamed_from}
    return {
        "version": mapping.version, "updated_at": mapping.created_at, "mappings": added | renamed, "applied": True,
    }  # fmt: skip
