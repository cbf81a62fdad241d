"""A real browser in front of the bookshop, which is served by a process of its own.

These fixtures need Playwright (the extra `browser`) and a Chromium (`apt-get install chromium`, or CHROMIUM). A test
that needs what is missing is skipped, and fails if REQUIRE_BROWSER is set. With Playwright, REQUIRE_SERVICES is enough.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import pytest

from tests.markdown import ROOT

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

OPEN = re.compile(r"is open at (http://\S+)/ ")
OPTIONS_OF_SITE = {
    "EXAMPLE_MAX_REQUESTS": "1000",
    "EXAMPLE_EXECUTOR": "django_batch.execution.executors.ThreadExecutor",
}
AXE = ROOT / ".tox" / "npm" / "node_modules" / "axe-core" / "axe.min.js"
OPTIONS = [
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update"),
]
# Whatever the page's own policy allows, nothing is asked of any other host.
HERE = re.compile(r"(http://127\.0\.0\.1:\d+/|data:|blob:|about:)")


def missing(what: str, *variables: str) -> NoReturn:
    """Skip the test, or fail if one of the environment variables is set."""
    if any(map(os.environ.get, ("REQUIRE_BROWSER", *variables))):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where the bookshop is served, without a slash at the end. Its rows are those of the demo, and are kept."""
    command = [sys.executable, "-u", "-m", "example_project.demo"]
    environment = {**os.environ, **OPTIONS_OF_SITE, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            yield next(found[1] for line in server.stdout if (found := OPEN.search(line)))
        finally:
            server.terminate()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium, without a window."""
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        missing("Playwright is not installed. Install the extra `browser`.")
    path = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if path is None:
        told = "There is no chromium. Install it (on Debian: apt-get install chromium), or set CHROMIUM to its path."
        missing(told, "REQUIRE_SERVICES")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=OPTIONS)
        yield browser
        browser.close()


@pytest.fixture
def new_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """Opens pages, each with cookies of its own. Its arguments are those of `browser.new_context()`.

    After the test, whatever a script has raised, the console of the browser has called an error, or a content security
    policy has stopped is a failure. A test that expects some of it takes it out of `page.faults`.
    """
    contexts, faults = [], []

    def new_page(**options: Any) -> Page:
        context = browser.new_context(base_url=address, **options)
        contexts.append(context)
        context.route(lambda url: not HERE.match(url), lambda route: faults.append(route.request.url) or route.abort())
        page = context.new_page()
        page.set_default_timeout(15_000)
        page.on("pageerror", lambda error: faults.append(f"{error}"))
        page.on("console", lambda message: message.type == "error" and faults.append(message.text))
        page.faults = faults  # type: ignore[attr-defined]
        return page

    yield new_page
    for context in contexts:
        context.close()
    assert faults == []


@pytest.fixture
def page(new_page: Callable[..., Page]) -> Page:
    """A page of 1366 by 768 pixels, still blank. `page.goto("/batch/")` takes paths of the bookshop.

    Wait by locators: `page.wait_for_function` evaluates a text in the page, which a strict policy stops.
    """
    return new_page(viewport={"width": 1366, "height": 768})


@pytest.fixture(scope="session")
def axe() -> str:
    """The script of axe-core, which finds what is not accessible."""
    path = Path(os.environ.get("AXE", AXE))
    if not path.is_file():
        told = f"There is no axe-core. Install it (npm install --prefix {AXE.parents[2]} axe-core), or set AXE."
        missing(told, "REQUIRE_SERVICES")
    return path.read_text()


@pytest.fixture
def assert_accessible(axe: str) -> Callable[[Page], None]:
    """Fails if axe finds anything on a page as it is now, with all rules of WCAG 2.2 and its best practices."""

    def assert_accessible(page: Page) -> None:
        # Evaluated by the debugger's protocol, which a content security policy does not hold for.
        page.evaluate(f"{axe}; 0")
        violations = page.evaluate("axe.run().then(results => results.violations)")
        assert [(each["id"], [node["target"] for node in each["nodes"]]) for each in violations] == []

    return assert_accessible
