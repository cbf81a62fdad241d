"""The pages keep their word: examples are run, links lead somewhere, and nothing public goes unmentioned.

A page is a script. Its Python is executed, its tests are run, and each request in it is answered as it says by the
bookshop, with the settings and URLs that the Python before it has set.
"""

from __future__ import annotations

import ast
import doctest
import json
import re
from collections.abc import Iterator
from http import HTTPStatus
from inspect import signature
from io import StringIO
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any
from unittest import TestCase, TextTestRunner, defaultTestLoader

import pytest
from django.dispatch import Signal
from django.test import Client

import django_batch
from django_batch import errors, signals
from django_batch.conf import SETTINGS
from django_batch.jobs import signals as job_signals
from django_batch.jobs.conf import SETTINGS as JOBS_SETTINGS
from example_project.urls import urlpatterns as bookshop_urls
from tests.jobs.engines import Inline
from tests.markdown import ROOT, Block, anchors, blocks, links, name, pages, shown
from tests.parts import answers

CLASSES_PAGE = "docs/reference/classes.md"
GLOSSARY = "docs/glossary.md"
TUTORIAL = "docs/tutorial/first_batch.md"  # a project of its own, followed in test_tutorial
OTHERS = "docs/reference/other_packages.md"  # tests/packages runs what needs these packages
OURS = {"django", "django_batch", "rest_framework"}
RUN = {"python", "pycon", "http", "json"}
NOT_RUN = {"bash", "javascript", "text"}  # the JavaScript is, over a real server
SCRIPTS = [page for page in pages() if name(page) != TUTORIAL and RUN & {block.language for block in blocks(page)}]

CLASSES = [
    *("BatchView", "AsyncBatchView", "Batch", "Subrequest", "Subresponse"),
    *("BatchClient", "AsyncBatchClient", "Item", "Members", "Answer"),
    *("Dialect", "Writer", "NativeDialect", "ODataJSON", "ODataMultipart", "GoogleMultipart", "FacebookBatch"),
    *("Executor", "SerialExecutor", "ThreadExecutor", "RequestBatch", "BatchRateThrottle", "Description"),
    *("Contract", "Content", "Endpoint", "Exchange"),
    *("SharedTokenAuthentication", "SharedBasicAuthentication", "SharedTokenMixin", "SharedPasswordMixin"),
    *("BatchTransport", "AsyncBatchTransport", "BatchBuilder", "AsyncBatchBuilder", "PlannedRequest", "AnswerValue"),
    *("SharedUserMixin", "ModelBackend", "SessionStore", "Engine", "ThreadEngine"),
]
FUNCTIONS = [
    *("run_batch", "set_cookies", "batch_exempt", "group_exempt", "not_repeatable", "is_subrequest", "batch_of"),
    *("subrequest_scope", "contract_of", "batch", "assert_atomic", "batch_limit", "describe", "run_chunk"),
]
SIGNALS = [key for module in (signals, job_signals) for key, value in vars(module).items() if isinstance(value, Signal)]
CODES = sorted({value.code for value in vars(errors).values() if isinstance(value, type) and hasattr(value, "code")})

# Classes in the code, members on the wire, or both.
NOUNS = [
    *("batch", "subrequest", "subresponse", "reference", "plan", "step", "schedule", "atomicity_group", "batch run"),
    *(
        "step runner",
        "client",
        "lookups",
        "branch",
        "transaction",
        "dialect",
        "envelope",
        "writer",
        "executor",
        "dry run",
        "limit",
        "description",
        "job",
        "chunk",
        "lease",
        "engine",
    ),
]
ENTRIES = [re.findall(r"^\w.*$", entry, re.MULTILINE) for entry in (ROOT / GLOSSARY).read_text().split("\n\n")[2:]]


class Script:
    """What the blocks of one page have done so far."""

    def __init__(self, settings, request) -> None:
        self.module = ModuleType("page")
        self.settings = settings
        self.request = request
        self.response = None

    def run(self, block: Block) -> None:
        getattr(self, f"run_{block.language}", lambda block: None)(block)

    def run_python(self, block: Block) -> None:
        before = dict(vars(self.module))
        exec(compile(block.code, block.place, "exec", dont_inherit=True), vars(self.module))
        new = {key: value for key, value in vars(self.module).items() if before.get(key) is not value}
        if "BATCH" in new:
            self.settings.BATCH = new["BATCH"]
        if "urlpatterns" in new:
            self.settings.ROOT_URLCONF = tuple(new["urlpatterns"] + bookshop_urls)
        for key, value in new.items():
            if isinstance(value, type) and issubclass(value, TestCase) and value.__module__ == "page":
                run_test_case(value)
            elif key.startswith("test_"):
                value(**{fixture: self.request.getfixturevalue(fixture) for fixture in signature(value).parameters})

    def run_pycon(self, block: Block) -> None:
        test = doctest.DocTestParser().get_doctest(block.code, vars(self.module), block.place, block.place, 0)
        runner, report = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE), StringIO()
        assert runner.run(test, out=report.write, clear_globs=False).failed == 0, report.getvalue()
        vars(self.module).update(test.globs)

    def run_json(self, block: Block) -> None:
        json.loads(block.code)

    def run_http(self, block: Block) -> None:
        # The pages have the name of 413 that Python had before 3.13.
        message = block.code.replace("Request Entity Too Large", HTTPStatus(413).phrase)
        first, fields, content = parse(message)
        if first.startswith("HTTP/"):
            assert f"HTTP/1.1 {self.response.status_code} {self.response.reason_phrase}" == first, block.place
            if fields.get("Content-Type", "").startswith("multipart/mixed"):
                expected = answers(content.replace("\n", "\r\n").encode() + b"\r\n", fields.pop("Content-Type"))
                found = answers(self.response.content, self.response.headers["Content-Type"])
                assert [*map(as_shown, found, expected)] == expected, block.place
            else:
                found, expected = values(self.response.getvalue().decode()), values(content)
                assert [*map(shown, found, expected)] == expected, block.place
            assert {field: self.response.headers[field] for field in fields} == fields, block.place
        else:
            method, path, _ = first.split()
            content_type = fields.pop("Content-Type", "")
            if content_type.startswith("multipart/form-data"):
                content = content.replace("\n", "\r\n") + "\r\n"  # RFC 7578 §4.1
            client = Client(raise_request_exception=False, SERVER_NAME="localhost")
            self.response = client.generic(method, path, content, content_type, headers=fields)


def parse(message: str) -> tuple[str, dict[str, str], str]:
    """The first line, the headers and the body of an HTTP message."""
    head, _, body = message.partition("\n\n")
    first, *lines = head.splitlines()
    return first, dict(line.split(": ", 1) for line in lines), body.strip()


def as_shown(found: Any, expected: Any) -> Any:
    """A part of an answer with those of its headers that the page shows; of a change set, all of its parts."""
    if isinstance(found, list):
        return [*map(as_shown, found, expected)]
    return found._replace(headers={name: found.headers.get(name) for name in expected.headers})


def values(content: str) -> list[object]:
    """The JSON values that follow each other in `content`."""
    decoder, found = json.JSONDecoder(), []
    while content := content.lstrip():
        value, end = decoder.raw_decode(content)
        found.append(value)
        content = content[end:]
    return found


def run_test_case(case: type[TestCase]) -> None:
    report = StringIO()
    assert TextTestRunner(report).run(defaultTestLoader.loadTestsFromTestCase(case)).wasSuccessful(), report.getvalue()


@pytest.mark.django_db(transaction=True, databases="__all__")
@pytest.mark.parametrize("page", SCRIPTS, ids=name)
def test_page_run_as_a_script_does_what_it_says(page: Path, bookshop, settings, request) -> None:
    settings.JOBS = {"ENGINE": Inline()}
    script = Script(settings, request)
    for block in blocks(page):
        if name(page) != OTHERS or roots(block) <= OURS:
            script.run(block)


@pytest.mark.parametrize("page", sorted((ROOT / "docs/howto").glob("write_a_*dialect*.md")), ids=name)
def test_dialect_of_the_how_to_has_under_sixty_lines(page: Path) -> None:
    [dialect] = [each for each in blocks(page) if "(Dialect)" in each.code]
    assert len([line for line in dialect.code.splitlines() if line]) < 60


@pytest.mark.parametrize("page", pages(), ids=name)
def test_links_of_page_lead_to_what_is_there(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


def test_blocks_of_pages_are_in_languages_that_are_run_or_known_not_to_be() -> None:
    assert {block.language for page in pages() for block in blocks(page)} <= RUN | NOT_RUN


@pytest.fixture(scope="module")
def words() -> set[str]:
    """What stands in the manual as code."""
    manual = "\n".join(page.read_text() for page in pages() if "docs" in page.parts)
    return {word for code in re.findall(r"`([^`\n]+)`", manual) for word in re.findall(r"\w+", code)}


@pytest.mark.parametrize("public", [*CLASSES, *FUNCTIONS, *SIGNALS, *SETTINGS, *JOBS_SETTINGS, *CODES])
def test_public_name_is_described_in_the_manual(words: set[str], public: str) -> None:
    assert public in words


def imported(block: Block) -> Iterator[str]:
    """The names that `block` imports from the package, other than values of settings."""
    for node in ast.walk(ast.parse(block.code)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("django_batch"):
            yield from (alias.name for alias in node.names if not alias.name.isupper())


def roots(block: Block) -> set[str]:
    """The packages that `block` imports."""
    nodes = [*ast.walk(ast.parse(block.code))]
    modules = [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    modules += [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    return {module.partition(".")[0] for module in modules}


@pytest.fixture(scope="module")
def generated() -> set[str]:
    """The names whose entries are generated from their docstrings."""
    return set(re.findall(r"^\.\. auto\w+:: (?:\S+\.)?(\w+)$", (ROOT / CLASSES_PAGE).read_text(), re.MULTILINE))


@pytest.mark.parametrize("public", [*CLASSES, *FUNCTIONS, *SIGNALS])
def test_public_name_has_an_entry_that_is_generated(generated: set[str], public: str) -> None:
    assert public in generated


@pytest.mark.parametrize("page", [page for page in SCRIPTS if "docs" in page.parts], ids=name)
def test_names_that_examples_import_have_entries_that_are_generated(generated: set[str], page: Path) -> None:
    examples = [block for block in blocks(page) if block.language == "python"]
    errors_of_the_package = {key for key, value in vars(errors).items() if isinstance(value, type)}
    assert {each for block in examples for each in imported(block)} <= generated | errors_of_the_package


def test_sidebar_has_four_captions_and_every_page_once() -> None:
    index = (ROOT / "docs/index.md").read_text()
    assert re.findall(r"^:caption: (.+)$", index, re.MULTILINE) == ["Tutorial", "How-to", "Reference", "Explanation"]
    listed = re.findall(r"^[a-z_]+(?:/[a-z_]+)?$", index, re.MULTILINE)
    there = [page.relative_to(ROOT / "docs").with_suffix("").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(listed) == sorted({*there} - {"index"})


def test_entries_of_the_glossary_are_in_alphabetical_order() -> None:
    assert sorted(ENTRIES) == ENTRIES


def test_each_term_of_the_glossary_has_one_entry() -> None:
    terms = [*chain.from_iterable(ENTRIES)]
    assert len(terms) == len(set(terms))


@pytest.mark.parametrize("noun", NOUNS)
def test_noun_of_the_code_is_in_the_glossary(noun: str) -> None:
    assert noun in chain.from_iterable(ENTRIES)


@pytest.mark.parametrize("page", pages(), ids=name)
def test_terms_that_page_refers_to_are_in_the_glossary(page: Path) -> None:
    terms = set(re.findall(r"\{term\}`(?:[^`<]*<)?([^`>]+)>?`", page.read_text()))
    assert terms <= set(chain.from_iterable(ENTRIES))


def test_commands_of_the_readme_are_targets_of_the_makefile() -> None:
    commands = re.findall(r"^ +make (\w+)", (ROOT / "README.md").read_text(), re.MULTILINE)
    targets = re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(commands) == {"demo", "test"} <= set(targets)


def test_changelog_sorts_changes_by_kind() -> None:
    kinds = re.findall(r"^### (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert {*kinds} <= {"Added", "Changed", "Deprecated", "Removed", "Fixed", "Security"}


def test_changelog_begins_with_the_version_of_the_package() -> None:
    [first, *_] = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert first == django_batch.__version__
