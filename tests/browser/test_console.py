"""The console in a browser: batches are typed, sent, looked at, corrected and copied."""

from __future__ import annotations

import ast
import json
import re
import subprocess

import pytest

BATCH = """{
  "parallel": true,
  "requests": [
    {"id": "books", "path": "/api/books/?page_size=1"},
    {"id": "first", "path": "/api/books/{books#/body/results/0/id}/", "depends_on": "books"},
    {"id": "nowhere", "path": "/api/nowhere/"},
    {"id": "late", "path": "/api/terms/", "depends_on": "nowhere"},
    {"id": "one", "method": "GET", "path": "/api/authors/1/", "atomicity_group": "both"},
    {"id": "two", "path": "/api/authors/2/", "atomicity_group": "both", "depends_on": "one"}
  ]
}"""
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script>\"'`${alert(3)}\x00\u202e"
VIEWS = ("table", "graph", "waterfall")


@pytest.fixture
def console(page):
    """The console, as a stranger sees it."""
    page.goto("/batch/")
    return page


def run(page, text=BATCH, button="Run"):
    """Type `text`, run it, and wait for the end."""
    page.get_by_label("The batch, as JSON").fill(text)
    page.get_by_role("button", name=button, exact=True).click()
    page.locator("#run:not([aria-disabled])").wait_for()


def refuse(page, text, button="Run"):
    """Run what is refused. The browser itself calls this an error."""
    run(page, text, button)
    page.locator("#problems li").first.wait_for()
    page.faults[:] = [fault for fault in page.faults if "Failed to load resource" not in fault]


def tab(page, name):
    page.get_by_role("tab", name=name).click()


def log_in(page):
    page.goto("/accounts/login/?next=/batch/")
    page.get_by_label("Username").fill("ada")
    page.get_by_label("Password").fill("ada-secret")
    page.locator("form button, form [type=submit]").first.click()
    page.get_by_text("as ada").wait_for()
    page.faults.clear()  # the icon of the bookshop is missing


def chosen(page, view):
    """The items that are chosen in a view."""
    return page.locator(f"#{view} [data-items].chosen").evaluate_all("all => all.map(each => each.dataset.items)")


def items(page):
    """Item and status of each row of the table."""
    rows = page.locator("#table tbody tr[data-items]")
    return rows.evaluate_all("all => all.map(row => [row.cells[0].innerText, row.cells[1].innerText.slice(2)])")


def test_batch_is_typed_run_and_one_item_chosen_in_all_views(console):
    run(console)
    assert "207 Multi-Status: 6 items, 2 failed" in console.locator("#summary").inner_text()
    statuses = [("books", 200), ("first", 200), ("nowhere", 404), ("late", 424), ("one", 200), ("two", 200)]
    assert items(console) == [[name, str(status)] for name, status in statuses]
    tab(console, "Graph")
    console.get_by_role("button", name="first: GET").click()
    tab(console, "Waterfall")
    assert console.locator("#waterfall .mark.chosen").get_attribute("aria-pressed") == "true"
    console.get_by_role("button", name="Show in the table").click()
    assert [chosen(console, view) for view in VIEWS] == [["1"]] * 3
    details = console.locator("#table .details")
    assert "application/json" in details.inner_text()
    assert json.loads(details.locator("pre").inner_text())["title"] == "The Last Harbour"


def test_row_that_is_opened_is_chosen_in_the_pictures(console):
    run(console)
    console.get_by_role("button", name="nowhere").click()
    assert [chosen(console, view) for view in VIEWS] == [["2"]] * 3
    console.get_by_role("button", name="nowhere").click()
    assert console.locator("#table .details").count() == 0


def test_pictures_show_groups_dependencies_and_workers(console):
    run(console)
    assert console.locator("#graph .frame text").text_content() == "both: all or nothing"
    assert console.locator("#graph .joins").count() == 3
    assert console.locator("#waterfall .mark").count() == 6
    assert "Worker" in console.locator("#waterfall").text_content()


def test_problem_is_shown_at_its_line_and_can_be_corrected(console):
    refuse(
        console,
        '{\n  "requests": [\n    {"id": "a",\n     "pth": "/api/me/"},\n    {"path": "/", "depends_on": "b"}\n  ]\n}',
    )
    assert console.locator("#lines mark").all_inner_texts() == ["4\n", "5\n"]
    assert "Did you mean 'path'?" in console.locator("#problems").inner_text()
    assert "Nothing was run." in console.locator("#summary").inner_text()
    console.get_by_role("button", name="Line 4").click()
    text = console.get_by_label("The batch, as JSON")
    assert text.evaluate("text => text.value.slice(text.selectionStart, text.selectionEnd)") == '"pth": "/api/me/"'
    console.keyboard.type('"path": "/api/me/"')
    console.get_by_role("button", name="Line 5").click()
    console.keyboard.type('"depends_on": "a"')
    console.keyboard.press("Control+Enter")
    console.get_by_text("2 items").wait_for()
    assert console.locator("#lines mark").count() == 0
    assert text.get_attribute("aria-invalid") is None


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ('{\n  "requests": [\n    {"path": tru}\n  ]\n}', 3),
        ('{\n  "requests": [\n    {"path": "/"},\n  ]\n}', 4),
        ('{\n  "atomik": true,\n  "requests": []\n}', 2),
        ('[\n  {"path": "/"},\n  {"path": "x"}\n]', 3),
        ('[\n  {"path": "/"},\n  {"path": "/",\n "body_base64": "*"}\n]', 4),
        ("", 1),
    ],
)
def test_line_of_a_problem_is_found(console, text, line):
    refuse(console, text)
    assert f"{line}\n" in console.locator("#lines mark").all_inner_texts()


def test_item_that_is_refused_is_marked_too(console):
    run(console, '[\n  {"path": "/api/me/"},\n  {"path": "/api/me/", "headers": {"X-Odd": "1"}}\n]')
    console.get_by_role("button", name="Line 3").wait_for()


def test_batch_that_wants_no_timing_gets_none(console):
    run(console, '{"timing": false, "requests": [{"path": "/api/me/"}]}')
    assert console.locator("#table td.time").inner_text() == "-"
    tab(console, "Waterfall")
    assert "no timing" in console.locator("#waterfall").inner_text()


def test_check_runs_nothing(console):
    sent = []
    console.on("request", lambda request: sent.append(request.headers["content-type"]))
    run(console, BATCH, "Check only")
    assert console.locator("#summary").inner_text() == "It can be run."
    assert console.locator("#graph .mark.planned").count() == 6
    assert sent == ["application/vnd.django-batch.drawing+json"]
    refuse(console, "[]", "Check only")


def test_batch_that_writes_is_sent_in_the_name_of_the_user(page):
    log_in(page)
    run(page, '[{"path": "/api/me/"}, {"method": "PUT", "path": "/api/orders/C-1/", "body": {"note": "typed"}}]')
    assert items(page)[1][1] in ("200", "201")


def test_curl_that_is_copied_can_be_run(console):
    odd = '[{"path": "/api/me/", "id": "it\'s \\"odd\\" $HOME `x` \\\\"},\n {"path": "/api/terms/"}]'
    run(console, odd)
    console.get_by_role("button", name="Copy as").click()
    console.context.grant_permissions(["clipboard-read", "clipboard-write"])
    console.get_by_role("button", name="Copy", exact=True).click()
    console.get_by_text("Copied.").wait_for()
    copied = console.evaluate("navigator.clipboard.readText()")
    done = subprocess.run(["sh", "-c", copied.replace("curl ", "curl --silent --noproxy '*' ", 1)], capture_output=True)
    assert [each["status"] for each in json.loads(done.stdout)] == [200, 200]


def copied(page, language):
    page.get_by_role("button", name="Copy as").click()
    page.get_by_label("As", exact=True).select_option(language)
    text = page.get_by_label("The text to copy").input_value()
    page.get_by_role("button", name="Close").click()
    return text


def test_python_that_is_copied_has_the_same_values(console):
    text = (
        '{"requests": [{"path": "/api/echo/", "method": "POST", "body": [true, null, "a\\/\\ud83d\\ude00\'", 1.50]}]}'
    )
    run(console, text)
    module = ast.parse(copied(console, "httpx"))
    assert ast.literal_eval(module.body[1].value) == json.loads(text)
    test = copied(console, "test")
    ast.parse(test)
    assert 'response.json()["responses"]' in test
    assert "== [200]" in test or "== [403]" in test


def test_fetch_that_is_copied_can_be_run(console, new_page):
    run(console)
    script = copied(console, "fetch").replace(
        "console.log(response.status, await response.json())", "return response.status"
    )
    page = new_page()
    page.goto("/batch/?as-json", wait_until="commit")
    assert page.evaluate(f"(async () => {{ {script} }})()") == 207


def test_text_that_is_not_json_is_copied_as_curl_only(console):
    console.get_by_label("The batch, as JSON").fill("{")
    assert "--data-raw '{'" in copied(console, "curl")
    assert copied(console, "httpx") == "The batch is not JSON."


def test_archive_has_the_batch_and_each_item(console):
    run(console)
    with console.expect_download() as download:
        console.get_by_role("button", name="Download HAR").click()
    log = json.loads(download.value.path().read_text())["log"]
    assert log["version"] == "1.2"
    assert [entry["response"]["status"] for entry in log["entries"]] == [207, 200, 200, 404, 424, 200, 200]
    assert log["entries"][1]["request"]["queryString"] == [{"name": "page_size", "value": "1"}]
    assert all({"startedDateTime", "time", "cache", "timings"} <= entry.keys() for entry in log["entries"])


def test_text_is_kept_when_the_page_is_loaded_again(console):
    console.get_by_label("The batch, as JSON").fill("[ ]")
    console.reload()
    assert console.get_by_label("The batch, as JSON").input_value() == "[ ]"


def test_examples_and_routes_are_those_of_the_sender(console, new_page):
    assert json.loads(console.get_by_label("The batch, as JSON").input_value())["requests"][0]["path"].startswith(
        "/api/"
    )
    console.get_by_text("Examples").click()
    console.get_by_role("button", name="All or nothing").click()
    assert '"atomic": true' in console.get_by_label("The batch, as JSON").input_value()
    routes = console.locator("#routes button").all_text_contents()
    assert "GET /api/books/" in routes
    assert not any(route.startswith(("POST /api/reviews", "GET /api/orders")) for route in routes)
    member = new_page()
    log_in(member)
    assert "POST /api/reviews/" in member.locator("#routes button").all_text_contents()


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"requests": [\n  {"path": "/"}\n], "atomic": true}', ["/", "/api/books/"]),
        ('{"requests": []}', ["/api/books/"]),
        ('[{"path": "/"}]', ["/", "/api/books/"]),
        ("nonsense", ["/api/books/"]),
    ],
)
def test_request_is_added_to_what_is_there(console, text, paths):
    console.get_by_label("The batch, as JSON").fill(text)
    console.get_by_text("Add request").click()
    console.get_by_role("button", name="GET /api/books/", exact=True).click()
    batch = json.loads(console.get_by_label("The batch, as JSON").input_value())
    found = batch if isinstance(batch, list) else batch["requests"]
    assert [each["path"] for each in found] == paths


def test_hostile_batch_is_text_everywhere(console):
    console.on("dialog", lambda dialog: console.faults.append("a dialog"))
    requests = [
        {"id": HOSTILE, "method": "POST", "path": "/api/echo/", "body": HOSTILE, "atomicity_group": HOSTILE + "g"}
    ]
    run(console, json.dumps({"requests": requests}))
    assert console.locator("#table img, #graph img, #waterfall img, main script").count() == 0
    console.locator("#opens-0").click()
    assert "onerror=alert(1)" in console.locator("#table .details").inner_text()
    assert "<img src=x" in console.locator("#graph .mark title").text_content()
    for language in ("curl", "fetch", "httpx", "test"):
        copied(console, language)


def test_policy_stops_inline_scripts_markup_and_frames(console, new_page):
    handler = "() => { try { document.body.setAttribute('onclick', '1') } catch (error) { return error.name } }"
    assert console.evaluate(handler) == "TypeError"
    refused = "() => { try { document.body.innerHTML = '<b>x</b>' } catch (error) { return error.name } }"
    assert console.evaluate(refused) == "TypeError"
    console.faults.clear()
    outside = new_page()
    outside.goto("/")
    outside.evaluate("document.body.append(Object.assign(document.createElement('iframe'), {src: '/batch/'}))")
    outside.wait_for_timeout(500)
    assert any("frame" in fault.lower() for fault in outside.faults)
    assert not any(frame.query_selector("#run") for frame in outside.frames[1:])
    outside.faults.clear()


def test_everything_can_be_done_by_the_keyboard(console):
    console.get_by_label("The batch, as JSON").fill(BATCH)
    console.get_by_label("The batch, as JSON").focus()
    console.keyboard.press("Tab")
    assert console.evaluate("document.activeElement.id") == "run"
    console.keyboard.press("Enter")
    console.locator("#waterfall .mark").first.wait_for(state="attached")
    assert console.evaluate("document.activeElement.id") == "run"
    console.get_by_role("tab", name="Table").focus()
    console.keyboard.press("ArrowRight")
    assert console.locator("#graph").is_visible()
    for key in ("Tab", "Tab", "ArrowDown", "End", "Home", "ArrowRight", "Enter"):
        console.keyboard.press(key)
    assert chosen(console, "graph") == ["1"]
    console.keyboard.press("Tab")
    console.keyboard.press("Enter")  # Show in the table
    assert console.evaluate("document.activeElement.id") == "opens-1"
    console.keyboard.press("Enter")
    assert console.locator("#table .details").count() == 0
    console.get_by_text("Examples").focus()
    console.keyboard.press("Enter")
    console.keyboard.press("Escape")
    assert not console.locator("#examples").is_visible()


def test_routes_of_many_items_are_put_together(console):
    requests = [{"path": f"/api/{'books' if place % 3 else 'authors'}/{place % 20 + 1}/"} for place in range(600)]
    run(console, json.dumps({"requests": requests}))
    assert "600 items" in console.locator("#summary").inner_text()
    assert console.locator("#table tbody tr").count() == 200
    console.get_by_role("button", name="Show more").click()
    assert console.locator("#table tbody tr").count() == 600
    tab(console, "Graph")
    console.get_by_role("button", name="GET /api/authors/*/").click()
    console.get_by_role("button", name="Show in the table").click()
    assert len(items(console)) == 200
    assert len(chosen(console, "waterfall")) == 1
    console.get_by_role("button", name="Show all").click()
    tab(console, "Graph")


def test_server_that_does_not_answer_is_told(console):
    console.route("**/batch/", lambda route: route.abort())
    run(console)
    assert "was not answered" in console.locator("#summary").inner_text()
    run(console, BATCH, "Check only")
    assert "did not answer" in console.locator("#summary").inner_text()
    console.faults.clear()


def test_answer_that_is_no_json_is_told(console):
    console.route("**/batch/", lambda route: route.fulfill(status=502, body="Bad gateway <b>"))
    refuse(console, BATCH)
    assert "Bad gateway <b>" in console.locator("#problems").inner_text()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1366, 320])
def test_page_is_accessible_and_fits_in_every_state(new_page, assert_accessible, scheme, width):
    page = new_page(color_scheme=scheme, viewport={"width": width, "height": 700}, reduced_motion="reduce")
    page.goto("/batch/")
    assert_accessible(page)
    run(page)
    page.locator("#opens-0").click()
    fits(page, width)
    assert_accessible(page)
    for name in ("Graph", "Waterfall"):
        tab(page, name)
        fits(page, width)
        assert_accessible(page)
    page.get_by_role("button", name="Copy as").click()
    assert_accessible(page)
    page.get_by_role("button", name="Close").click()
    page.get_by_text("Add request").click()
    assert_accessible(page)
    refuse(page, '{"requests": [{"pth": 1}, {}]}')
    fits(page, width)
    assert_accessible(page)


def fits(page, width):
    assert page.evaluate("document.scrollingElement.scrollWidth") <= width


def test_nothing_moves_for_those_who_want_no_motion(new_page):
    page = new_page(reduced_motion="reduce")
    page.goto("/batch/")
    assert re.fullmatch(
        r"(all )?0s( ease)?|none.*|all", page.locator("#run").evaluate("each => getComputedStyle(each).transition")
    )


def test_browsable_pages_link_to_the_console(page):
    page.goto("/api/books/")
    page.get_by_role("link", name="Batch console").click()
    page.get_by_role("heading", name="Batch console").wait_for()
    page.faults.clear()
