"""What the documents say exists: commands and their options, targets, files, links, keys, settings, the examples."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.main import get_command

import producer.__main__ as producer_command
from agent.decision_agent import parser
from cli.main import cli
from mend.contracts.schemas import CONTRACTS, FOLDER, documents
from mend.runtime.faults import POINTS
from mend.runtime.pipeline_file import KEYS
from mend.runtime.settings import Settings, variable
from mend.store.tables import RunState
from orchestration.check import check_pipeline
from orchestration.health import load_watching

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "CHANGELOG.md", *(ROOT / "docs").rglob("*.md")],
    key=lambda page: page.as_posix(),
)
README, ARCHITECTURE = ROOT / "README.md", ROOT / "docs" / "architecture.md"
DEPLOYMENT = ROOT / "docs" / "deployment.md"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
SEPARATORS = re.compile(r"\n|·| && | \| |#")
PACKAGES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["root_packages"]
FOLDERS = [*PACKAGES, "airflow", "docs", "kafka", "pipelines", "requirements", "tests"]
FILE = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w./-]*\w\.(?:py|yml|md|txt|xml|lock|avsc)")

pages = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())


def code(page: Path) -> Iterator[str]:
    """Return every piece of code of a page, fenced or inline, a command a piece."""
    text = page.read_text()
    fenced = [found[2] for found in FENCE.finditer(text)]
    inline = re.findall(r"`([^`\n]+)`", FENCE.sub("", text))
    for piece in (*fenced, *inline):
        yield from (part.strip() for part in SEPARATORS.split(piece.replace("\\\n", " ")))


def prose(page: Path) -> str:
    """Return a page without its code."""
    return re.sub(r"`[^`\n]+`", "", FENCE.sub("", page.read_text()))


def commands(page: Path, program: str) -> Iterator[list[str]]:
    """Return the words behind a program wherever the page's code calls it."""
    call = re.compile(rf"^(?:\$ )?(?:[A-Z_]+=\S+ )*(?:\.venv/bin/|\S+/)?{program}(?: |$)(.*)")
    for piece in code(page):
        found = call.match(piece)
        if found:
            yield shlex.split(found[1])


def unknown_options(words: list[str], options: set[str]) -> set[str]:
    """Return the options among the words that a command does not have."""
    return {word.partition("=")[0] for word in words if word.startswith("--")} - options - {"--help"}


def slug(heading: str) -> str:
    """Return the anchor of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def first_column(text: str) -> list[str]:
    """Return the first cell of every row of the tables in a text, without the marks of code."""
    cells = re.findall(r"^\| ?([^|]*?) ?\|", text, re.MULTILINE)
    return [cell.replace("`", "") for cell in cells if not set(cell) <= set("- ")]


def section(page: Path, heading: str) -> str:
    """Return what stands under a heading of the second level."""
    return re.split(r"^## ", page.read_text().split(f"\n## {heading}\n")[1], flags=re.MULTILINE)[0]


def test_schemas_are_up_to_date() -> None:
    """docs/schemas holds what the contracts say, no more files and no fewer: python -m mend.contracts.schemas."""
    assert {path.name: path.read_bytes() for path in FOLDER.iterdir()} == documents()


@pytest.mark.parametrize("name", CONTRACTS)
def test_schemas_refuse_unknown_fields(name: str) -> None:
    """A user who checks a document against its schema finds the misspelt field that the codec would refuse."""
    assert b'"additionalProperties": false' in documents()[f"{name}.schema.json"]


@pages
def test_make_targets_exist(page: Path) -> None:
    """Every `make X` in a document is a target of the Makefile."""
    targets = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = {words[0] for words in commands(page, "make") if words}
    assert named <= targets


@pages
def test_mend_commands_exist(page: Path) -> None:
    """Every `mend X` in a document is a command, sub-commands and options included."""
    for words in commands(page, "mend"):
        command: Any = get_command(cli)
        while words and not words[0].startswith("-") and hasattr(command, "commands"):
            assert words[0] in command.commands, f"mend has no '{words[0]}'"
            command = command.commands[words.pop(0)]
        options = {option for one in command.params for option in one.opts}
        assert not unknown_options(words, options), f"mend {command.name} lacks them"


@pages
def test_other_commands_have_the_options(page: Path) -> None:
    """Options of the producer and of the decision service in a document exist."""
    of_producer = {option for one in get_command(producer_command.app).params for option in one.opts}
    for words in commands(page, "python -m producer"):
        assert not unknown_options(words, of_producer)
    for words in commands(page, "python agent/decision_agent.py"):
        assert not unknown_options(words, set(parser()._option_string_actions))


@pages
def test_modules_exist(page: Path) -> None:
    """Every `python -m X` of the project is there."""
    for words in commands(page, "python -m"):
        path = ROOT / words[0].replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), words[0]


@pages
def test_files_exist(page: Path) -> None:
    """Every file of the project that a document names is there."""
    named = {word for piece in code(page) for word in re.split(r"[\s,;|]+", piece) if FILE.fullmatch(word)}
    examples = {
        "pipelines/measurements.yml",
        "pipelines/shop.yml",
        "kafka/schemas/measurements.v1.avsc",
        "airflow/include/measurement_rules.yml",
    }
    assert [name for name in sorted(named - examples) if not (ROOT / name).exists()] == []


@pages
def test_links_lead_somewhere(page: Path) -> None:
    """Every relative link leads to a file, and its anchor to a heading."""
    for target in LINK.findall(prose(page)):
        if target.startswith("https://"):
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name).resolve() if name else page
        assert there.exists(), target
        if anchor:
            assert anchor in {slug(heading) for heading in HEADING.findall(there.read_text())}, target


def test_every_document_can_be_reached() -> None:
    """Whoever starts at the README finds every document by links."""
    found, ahead = set[Path](), [README]
    while ahead:
        page = ahead.pop()
        if page in found or page.suffix != ".md":
            continue
        found.add(page)
        ahead += [(page.parent / link.partition("#")[0]).resolve() for link in LINK.findall(prose(page))]
    assert set(PAGES) - found == set()


def test_quick_start_names_the_two_commands() -> None:
    """The README's quick start shows the demo and the tests, before anything else to be typed."""
    block = FENCE.search(README.read_text())
    assert block
    assert re.findall(r"^make [a-z-]+", block[2], re.MULTILINE) == ["make demo", "make test"]
    assert block[0] in section(README, "Quick start")


def test_prerequisites_are_stated() -> None:
    """The quick start says what a machine must have; the version of Python is the one that the package asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    needs = section(README, "Quick start")
    assert f"Python {project['requires-python'].removeprefix('>=')} or newer" in needs
    assert re.search(r"\bmake\b.*\bnetwork\b.*\d GB of memory and \d+ GB of disk", needs, re.DOTALL)
    assert "No Docker, no Java" in needs


@pytest.mark.parametrize(
    "stage",
    ["producer", "Kafka", "Spark", "DuckDB", "staging", "audit", "decision", "published", "quarantine", "dead letters",
     "duplicates", "store", "reports"],
)  # fmt: skip
def test_the_diagram_names_each_stage(stage: str) -> None:
    """The architecture has one diagram of the data's way, and every stage is a node or group of it."""
    diagrams = [found[2] for found in FENCE.finditer(ARCHITECTURE.read_text()) if found[1] == "mermaid"]
    assert len(diagrams) == 1
    labels = re.findall(r'[\[(]"([^"]+)"', diagrams[0])
    assert any(stage in label for label in labels)


def test_the_diagram_is_connected() -> None:
    """From the producer the arrows lead to each of the four places."""
    diagram = next(found[2] for found in FENCE.finditer(ARCHITECTURE.read_text()) if found[1] == "mermaid")
    plain = re.sub(r'[\[(]+"[^"]*"[\])]+', "", diagram)
    arrows = set(re.findall(r'^ *(\w+) (?:-->|-- "[^"]*" -->) (\w+)$', plain, re.MULTILINE))
    reached = {"producer"}
    while more := {to for since, to in arrows if since in reached} - reached:
        reached |= more
    assert reached >= {"kafka", "staging", "audit", "decision", "published", "quarantine", "dead", "duplicates"}


def test_steps_states_and_folders_are_complete() -> None:
    """The architecture lists each step, each state of a run and each package."""
    from cli.step import NAMES

    assert first_column(section(ARCHITECTURE, "Six steps"))[1:] == list(NAMES)
    states = section(ARCHITECTURE, "States of a run")
    assert [state for state in RunState if state.value not in states] == []
    folders = {cell.partition("/")[0] for cell in first_column(section(ARCHITECTURE, "Folders"))}
    assert set(PACKAGES) <= folders
    parts = {cell for cell in first_column(section(ARCHITECTURE, "Folders")) if cell.startswith("mend/")}
    assert parts == {f"mend/{path.parent.name}/" for path in (ROOT / "mend").glob("*/__init__.py")}


def test_every_key_of_a_pipeline_is_explained() -> None:
    """The reference has a row for each key that the loader knows, and none for another."""
    rows = first_column(section(ROOT / "docs" / "pipelines.md", "Every key"))[1:]
    assert {row for row in rows if "." not in row} == KEYS


def test_every_setting_is_explained() -> None:
    """The operator finds each environment variable, and none that is not read."""
    rows = first_column(section(ROOT / "docs" / "operations.md", "Settings"))[1:]
    assert set(rows) == {variable(name) for name in Settings.model_fields}


def test_every_fault_point_is_explained() -> None:
    """Who rehearses a crash finds each point, in the order of a run, with what it leaves behind."""
    table = section(ROOT / "docs" / "operations.md", "Rehearse a crash")
    assert first_column(table)[1:] == list(POINTS)
    assert all(f"| `{name}` | {left} |" in table for name, left in POINTS.items())


def test_every_state_is_explained() -> None:
    """Whatever `mend status` says, the operator finds what happens next."""
    rows = first_column(section(ROOT / "docs" / "operations.md", "What the state says"))[1:]
    assert {state for row in rows for state in row.split(", ")} == {state.value for state in RunState}


def test_the_example_pipeline_is_good(tmp_path: Path) -> None:
    """The three files of the walk-through, put where it says, pass the check with the counts that it shows."""
    text = (ROOT / "docs" / "pipelines.md").read_text()
    files = re.findall(r"`((?:pipelines|rules|schemas)/[\w.]+)`:\n\n```\w+\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    assert len(files) == 3
    for name, content in files:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(content)
    plan = check_pipeline(tmp_path / "pipelines" / "shop.yml")
    assert f"good ({len(plan.fields)} fields, {len(plan.rules.rules)} rules, {len(plan.columns)} columns)" in text


def test_the_example_names_its_events_as_they_arrive() -> None:
    """Each field of the walk-through's event is a field of its contract, or what the mapping says it arrives as."""
    text = (ROOT / "docs" / "pipelines.md").read_text()
    event, schema = [found[2] for found in FENCE.finditer(text) if found[1] == "json"]
    arriving = set(re.findall(r'"(\w+)":', event)) - {"city", "zip"}
    declared = set(re.findall(r'^    \{"name": "(\w+)"', schema, re.MULTILINE))
    assert arriving - declared == {"total"}
    assert declared - arriving == {"amount", "currency"}


def test_every_incident_is_in_the_runbook() -> None:
    """Whoever is called finds what the incident means, where to look and what to do; no line is about nothing."""
    matrix = yaml.safe_load((ROOT / "agent" / "decision_matrix.yml").read_text())
    of_rules = {rule["id"] for rule in matrix["rules"] if "escalate" in rule["actions"]}
    checks = {f"health_{name}" for name in load_watching().checks}
    others = {
        "decision_failed", "act_failed", "task_failure", "airflow_task_failure", "offsets_gone", "load_validation",
        "dead_letters_unsent",
    }  # fmt: skip
    page = (ROOT / "docs" / "runbook.md").read_text()
    lines = [line for line in page.splitlines() if line.startswith("| `")]
    told = {name for line in lines for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert told == of_rules | checks | others
    assert all(len([cell for cell in line.split("|") if cell.strip()]) == 4 for line in lines)


def test_every_port_can_be_moved_as_the_document_says() -> None:
    """The table of ports has each variable of the compose files with its default."""
    files = (ROOT / "docker-compose.yml", ROOT / "kafka" / "docker-compose.kafka.yml")
    opened = {
        found for path in files for found in re.findall(r'"127\.0\.0\.1:\$\{(\w+):-(\d+)\}:\d+"', path.read_text())
    }
    rows = re.findall(r"^\| `(\w+)` \| (\d+) \|", section(ROOT / "docs" / "deployment.md", "Ports"), re.MULTILINE)
    assert set(rows) == opened


def test_the_memory_of_the_containers_is_what_the_document_says() -> None:
    """Each service is in the table with its limit."""
    services: dict[str, Any] = {}
    for path in (ROOT / "docker-compose.yml", ROOT / "kafka" / "docker-compose.kafka.yml"):
        services |= yaml.safe_load(path.read_text())["services"]
    said: dict[str, float] = {}
    for names, limits in re.findall(
        r"^\| (`[^|]*`) \| ([\d., GMB]+) \|", section(DEPLOYMENT, "In containers"), re.MULTILINE
    ):
        sizes = [
            float(number) * {"MB": 1, "GB": 1024}[unit] for number, unit in re.findall(r"([\d.]+) ([GM]B)", limits)
        ]
        said |= dict(zip(re.findall(r"`([\w-]+)`", names), sizes, strict=True))
    limits = {name: one["mem_limit"] for name, one in services.items() if one.get("restart") != "no"}
    assert said == {name: float(text[:-1]) * {"m": 1, "g": 1024}[text[-1]] for name, text in limits.items()}


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ("security.md", "secret store|Vault|Network|TLS|At rest|In transit|ACLs|Airflow's auth manager|pii: true"),
        (
            "deployment.md",
            "2 cores|16 GB|SSD|Prometheus and Grafana|spark-defaults.conf|external storage|retention",
        ),
        ("deployment.md", "secrets|alerting|monitoring|backup and recovery|logs|load|delivery|runbook"),
        ("deployment.md", "Amazon MSK|Azure Event Hubs|Confluent Cloud|Disaster recovery"),
    ],
)
def test_what_an_operator_must_know_is_said(page: str, words: str) -> None:
    """Secrets, network, encryption and rights; sizing, tuning and external storage; the list before production."""
    text = (ROOT / "docs" / page).read_text()
    assert [word for word in words.split("|") if word not in text] == []


def test_the_licence_is_mit_and_who_contributes_finds_the_way() -> None:
    """The licence is the one that the package names; the README leads to how to contribute."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert (ROOT / "LICENSE").read_text().startswith(f"{project['license']} License")
    assert "(CONTRIBUTING.md)" in README.read_text()
    assert {"Set up", "Tests", "House rules"} <= set(HEADING.findall((ROOT / "CONTRIBUTING.md").read_text()))
