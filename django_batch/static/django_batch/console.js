// The console of django_batch. It sends the batch as it stands in the editor, as any client of the site would. Whatever
// is in a batch or an answer becomes text, never markup; the pictures are parsed as documents of their own.

const told = JSON.parse(document.getElementById("told").textContent);
const here = location.origin + location.pathname;
const [text, lines, problems] = ["text", "lines", "problems"].map((id) => document.getElementById(id));
const [summary, chosen, har] = ["summary", "chosen", "har"].map((id) => document.getElementById(id));
const views = ["table", "graph", "waterfall"].map((id) => document.getElementById(id));
const policy = window.trustedTypes?.createPolicy("django-batch", {createHTML: (markup) => markup});
const AT_ONCE = 200; // rows of the table
const LONGEST = 100_000; // characters of a body
let last = null; // what was run: {text, started, took, status, items}
let filter = null; // the items of the table, if not all

// ---------------------------------------------------------------- small tools

/** An element with attributes and children. Texts are texts. */
function make(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value != null) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

const bytes = (value) => new TextEncoder().encode(value).length;
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;

function size(count) {
  return count < 1000 ? `${count} B` : count < 1e6 ? `${(count / 1e3).toFixed(1)} kB` : `${(count / 1e6).toFixed(1)} MB`;
}

function parsed(source) {
  try {
    return JSON.parse(source);
  } catch {
    return undefined;
  }
}

// ---------------------------------------------------------------- where things stand in the text

const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]|[^\s{}[\],:"]+/gs;
const DEEPEST = 6;

/** JSON Pointer -> where the member or element begins and its value ends, down to the depth that problems point to. */
function places(source) {
  const found = new Map();
  const open = [];
  const begin = (at) => {
    const top = open.at(-1);
    if (!top) return {pointer: "", at};
    const step = top.object ? top.key.replaceAll("~", "~0").replaceAll("/", "~1") : top.index;
    return {pointer: `${top.pointer}/${step}`, at: top.object ? top.keyAt : at};
  };
  const note = ({pointer, at}, end) => open.length < DEEPEST && found.set(pointer, {at, end});
  for (const {0: token, index: at} of source.matchAll(TOKEN)) {
    const top = open.at(-1);
    if (token === "{" || token === "[") {
      open.push({...begin(at), object: token === "{", index: 0, key: null});
    } else if (token === "}" || token === "]") {
      const ended = open.pop();
      if (ended) note(ended, at + 1);
    } else if (token === ",") {
      if (top) Object.assign(top, {index: top.index + 1, key: null});
    } else if (token !== ":") {
      if (top?.object && top.key === null) Object.assign(top, {key: parsed(token) ?? token, keyAt: at});
      else note(begin(at), at + token.length);
    }
  }
  for (const left of open.reverse()) found.set(left.pointer, {at: left.at, end: source.length});
  return found;
}

/** Where in the text a problem is, of which the server knows a pointer, or the byte at which its JSON ends. */
function placeOf({pointer, detail}, found) {
  const byte = /\(byte (\d+)\)/.exec(detail);
  if (!pointer && byte) {
    const at = new TextDecoder().decode(new TextEncoder().encode(text.value).slice(0, +byte[1])).length;
    return {at: Math.min(at, Math.max(0, text.value.trimEnd().length - 1)), end: at + 1};
  }
  for (let known = pointer; ; known = known.slice(0, known.lastIndexOf("/"))) {
    if (found.has(known)) return found.get(known);
    if (!known) return {at: 0, end: 0};
  }
}

const lineAt = (at) => text.value.slice(0, at).split("\n").length;

// ---------------------------------------------------------------- the editor

const key = `django_batch ${location.pathname}`;

function edited() {
  try {
    sessionStorage.setItem(key, text.value);
  } catch {
    // There is no storage: the text is kept as long as the page is.
  }
  number([]);
}

/** Numbers of the lines, with a mark at those in `marked`. */
function number(marked) {
  const count = text.value.split("\n").length;
  lines.replaceChildren(
    ...Array.from({length: Math.min(count, 20_000)}, (_, line) =>
      marked.includes(line + 1) ? make("mark", {}, `${line + 1}\n`) : `${line + 1}\n`,
    ),
  );
  lines.scrollTop = text.scrollTop;
}

/** Put `value` in place of the text, which Ctrl Z brings back. */
function write(value) {
  text.select();
  if (!document.execCommand("insertText", false, value)) text.value = value;
  text.setSelectionRange(0, 0);
  text.scrollTo(0, 0);
  problems.replaceChildren();
  text.removeAttribute("aria-invalid");
  edited();
}

/** Put an item behind the others. The text around it stays as it was written. */
function add({method, path}) {
  const item = method === "GET" ? {path} : {method, path, ...(method !== "DELETE" && {body: {}})};
  const source = JSON.stringify(item).replaceAll('":', '": ').replaceAll(',"', ', "');
  const batch = parsed(text.value);
  const list = Array.isArray(batch) ? batch : batch?.requests;
  if (!Array.isArray(list)) return write(`{\n  "requests": [\n    ${source}\n  ]\n}\n`);
  const {end} = places(text.value).get(list === batch ? "" : "/requests");
  const before = text.value.slice(0, end - 1).trimEnd();
  const close = list === batch ? "\n]" : "\n  ]";
  write(`${before}${list.length ? "," : ""}\n    ${source}${close}${text.value.slice(end)}`);
  show({at: before.length + 1, end: before.length + 6 + source.length});
}

/** Select a part of the text, and scroll there. */
function show({at, end}) {
  text.focus();
  text.setSelectionRange(at, Math.min(end, (text.value + "\n").indexOf("\n", at)));
  text.scrollTop = Math.max(0, (lineAt(at) - 4) * 20);
}

/** List what is wrong, each with a button that leads to its line. `shift` is what the pointers have in excess. */
function complain(errors, shift) {
  const found = places(text.value);
  const placed = errors.map(({pointer = "", detail = ""}) => {
    const own = pointer.startsWith(shift) ? pointer.slice(shift.length) : pointer;
    const problem = {pointer: own, detail};
    const look = () => show(placeOf(problem, places(text.value))); // the text may have changed since
    return {detail, look, line: lineAt(placeOf(problem, found).at)};
  });
  number(placed.map(({line}) => line));
  text.toggleAttribute("aria-invalid", false);
  if (placed.length) text.setAttribute("aria-invalid", "true");
  const items = placed.map(({detail, look, line}) =>
    make("li", {}, make("button", {type: "button", onclick: look}, `Line ${line}`), ` ${detail}`),
  );
  problems.replaceChildren(...(items.length ? [make("ul", {}, ...items)] : []));
}

// ---------------------------------------------------------------- sending

/** The batch as it is sent: with its timing, and a bare array as the requests of an object, which has headers too. */
function timed(source) {
  const batch = parsed(source);
  if (Array.isArray(batch)) return {body: `{"requests":${source},"timing":true}`, shift: "/requests"};
  if (!batch || typeof batch !== "object" || !Object.keys(batch).length || "timing" in batch) return {body: source, shift: ""};
  const end = source.lastIndexOf("}");
  return {body: `${source.slice(0, end)},"timing":true${source.slice(end)}`, shift: ""};
}

function post(body, type) {
  const headers = {"Content-Type": type, Accept: "application/json", [told.csrf.header]: told.csrf.token};
  return fetch(here, {method: "POST", headers, body, credentials: "same-origin"});
}

const senders = ["run", "check"].map((id) => document.getElementById(id));
const isBusy = () => senders[0].hasAttribute("aria-disabled");

/** Not `disabled`, by which the button that was pressed would lose the focus. */
function busy(on) {
  for (const sender of senders) on ? sender.setAttribute("aria-disabled", "true") : sender.removeAttribute("aria-disabled");
}

async function run() {
  if (isBusy()) return;
  const source = text.value;
  const {body, shift} = timed(source);
  busy(true);
  summary.textContent = "Running …";
  complain([], "");
  const started = new Date();
  const clock = performance.now();
  try {
    const response = await post(body, "application/json");
    const answer = await response.text();
    const took = performance.now() - clock;
    const value = parsed(answer);
    if (!value?.responses) return refused(response, value, answer, shift);
    last = {source, batch: parsed(body), started, took, status: response.status, statusText: response.statusText, bytes: bytes(answer)};
    last.items = items(last.batch.requests, value.responses);
    answered();
    complain(problemsOf(value.responses), shift);
    await draw(body);
  } catch (error) {
    summary.textContent = `The batch was not answered: ${error.message}. It may have run.`;
  } finally {
    busy(false);
  }
}

/** Draw the batch without running it, or tell what is wrong with it. */
async function check() {
  if (isBusy()) return;
  const {body, shift} = timed(text.value);
  busy(true);
  summary.textContent = "Checking …";
  complain([], "");
  try {
    last = null;
    if (await draw(body, shift)) {
      views[0].replaceChildren(empty("The batch was checked, and not run."));
      views[2].replaceChildren(empty("The batch was checked, and not run."));
      har.hidden = chosen.hidden = true;
      summary.textContent = "It can be run.";
      open(views[1]);
    }
  } catch (error) {
    summary.textContent = `The server did not answer: ${error.message}.`;
  } finally {
    busy(false);
  }
}

const empty = (words) => make("p", {class: "empty"}, words);

function refused(response, value, answer, shift) {
  last = null;
  har.hidden = chosen.hidden = true;
  const why = value?.title ?? response.statusText;
  summary.textContent = `${response.status} ${why}. ${value?.errors ? "Nothing was run." : ""}`;
  complain(value?.errors ?? [{detail: value?.detail ?? answer.slice(0, 500)}], shift);
  for (const view of views) view.replaceChildren(empty("The batch was refused. What is wrong is told below its text."));
}

/** Items that were refused by the batch point to their place in it, too. */
function problemsOf(responses) {
  const refusals = responses.filter(({headers}) => headers?.["Content-Type"] === "application/problem+json");
  return refusals.flatMap(({body}) => (Array.isArray(body?.errors) ? body.errors : [])).filter(({pointer}) => /^\/requests\//.test(pointer));
}

function items(requests, responses) {
  return responses.map((response, index) => {
    const request = requests[index] ?? {};
    const body = response.body_base64 ? atob(response.body_base64).length : response.body == null ? 0
      : bytes(typeof response.body === "string" ? response.body : JSON.stringify(response.body));
    return {...response, index, request, method: String(request.method ?? "GET").toUpperCase(), path: String(request.path ?? request.url), size: body};
  });
}

// ---------------------------------------------------------------- the answer: table

const stateOf = ({status}) => (status === 424 ? "skipped" : status >= 400 ? "failed" : "ok");
const isTimed = ({duration}) => duration !== undefined; // unless the batch says "timing": false

function milliseconds(item) {
  if (!isTimed(item)) return "-";
  return item.started === undefined ? "not run" : `${item.duration.toFixed(1)} ms`;
}

function answered() {
  const failed = last.items.filter((item) => stateOf(item) !== "ok").length;
  const parts = [plural(last.items.length, "item"), failed ? `${failed} failed` : "all succeeded", `${last.took.toFixed(0)} ms`, size(last.bytes)];
  summary.textContent = `${last.status} ${last.statusText}`.trim() + `: ${parts.join(", ")}`;
  har.hidden = false;
  chosen.hidden = true;
  filter = null;
  list();
}

function list(shown = AT_ONCE) {
  const all = filter ? last.items.filter(({index}) => filter.has(index)) : last.items;
  const heads = [["id", "Item"], ["status", "Status"], ["method", "Method"], ["path", "Path"], ["time", "Time"], ["size", "Size"]];
  // The roles are said, because a narrow screen shows the rows as blocks.
  const head = make("tr", {role: "row"}, ...heads.map(([name, word]) => make("th", {role: "columnheader", scope: "col", class: name}, word)));
  const body = make("tbody", {role: "rowgroup"}, ...all.slice(0, shown).map(row));
  const parts = [make("table", {role: "table"}, make("thead", {role: "rowgroup"}, head), body)];
  const more = () => list(shown + 1000);
  if (all.length > shown) parts.push(make("button", {type: "button", onclick: more}, `Show more of ${plural(all.length, "item")}`));
  const back = () => ((filter = null), list());
  if (filter) parts.unshift(make("p", {class: "bar"}, plural(all.length, "item"), make("button", {type: "button", onclick: back}, "Show all")));
  views[0].replaceChildren(...parts);
}

const cell = (name, ...children) => make("td", {role: "cell", class: name}, ...children);

function row(item) {
  const state = stateOf(item);
  const sign = {ok: "✓", failed: "✕", skipped: "⊘"}[state];
  const open = () => {
    const is = document.getElementById(`opens-${item.index}`).getAttribute("aria-expanded") === "true";
    choose([item.index], {expand: !is, focus: false});
  };
  const opener = make("button", {type: "button", id: `opens-${item.index}`, "aria-expanded": "false", onclick: open}, item.id);
  return make(
    "tr",
    {role: "row", class: state, "data-items": item.index},
    make("th", {role: "rowheader", scope: "row", class: "id"}, opener),
    cell("status", make("span", {"aria-hidden": "true"}, `${sign} `), String(item.status)),
    cell("method", item.method),
    cell("path", item.path),
    cell("time", milliseconds(item)),
    cell("size", size(item.size)),
  );
}

/** Open or close the row of an item, which has its headers and its body behind it. */
function expand(index, is) {
  const opener = document.getElementById(`opens-${index}`);
  if (!opener || (opener.getAttribute("aria-expanded") === "true") === is) return;
  opener.setAttribute("aria-expanded", is);
  const own = opener.closest("tr");
  if (!is) return own.nextSibling.remove();
  own.after(make("tr", {role: "row", class: "details"}, make("td", {role: "cell", colspan: 6}, ...details(last.items[index]))));
}

function details(item) {
  const headers = Object.entries(item.headers ?? {});
  const facts = [`${milliseconds(item)}, ${size(item.size)}`];
  if (item.worker !== undefined) facts.push(`began after ${item.started.toFixed(1)} ms on worker ${item.worker + 1}`);
  if (item.atomicity_group !== undefined) facts.push(`in the group ${item.atomicity_group}`);
  const body = item.body_base64 ?? (typeof item.body === "string" ? item.body : JSON.stringify(item.body, null, 2));
  const short = body.length > LONGEST ? `${body.slice(0, LONGEST)} …` : body;
  const shown = headers.flatMap(([name, value]) => [make("dt", {}, name), make("dd", {}, value)]);
  return [
    make("p", {class: "facts"}, facts.join(" · ")),
    ...(shown.length ? [make("h3", {}, "Headers"), make("dl", {}, ...shown)] : []),
    make("h3", {}, item.body_base64 ? "Body (Base64)" : "Body"),
    make("pre", {tabindex: 0, role: "region", "aria-label": `Body of ${item.id}`}, short === "null" ? "(empty)" : short),
  ];
}

// ---------------------------------------------------------------- the answer: pictures

/** Ask for the pictures of the batch that was sent or checked. Whether it could be drawn. */
async function draw(body, shift) {
  const answers = (last?.items ?? []).filter(isTimed).map(({status, duration, started, worker}) => ({status, duration, started, worker}));
  const width = views.find((view) => !view.hidden).clientWidth - 24;
  const response = await post(JSON.stringify({batch: body, answers, width}), told.drawing);
  const answer = await response.text();
  const value = parsed(answer);
  if (!response.ok || !value?.graph) {
    if (shift !== undefined) refused(response, value, answer, shift);
    return false;
  }
  place(views[1], value.graph);
  if (value.waterfall) place(views[2], value.waterfall);
  else if (last) views[2].replaceChildren(empty("The batch asked for no timing."));
  return true;
}

function place(view, markup) {
  const root = new DOMParser().parseFromString(policy ? policy.createHTML(markup) : markup, "image/svg+xml").documentElement;
  view.replaceChildren(make("div", {class: "picture"}, document.importNode(root, true)));
}

const itemsOf = (mark) => mark.dataset.items.split(" ").map(Number);

for (const view of views.slice(1)) {
  view.addEventListener("click", ({target}) => {
    const mark = target.closest(".mark");
    if (mark) choose(itemsOf(mark), {mark});
  });
  view.addEventListener("keydown", (event) => {
    const mark = event.target.closest(".mark");
    if (!mark) return;
    const all = [...view.querySelectorAll(".mark")];
    const steps = {ArrowDown: 1, ArrowRight: 1, ArrowUp: -1, ArrowLeft: -1, Home: -all.length, End: all.length};
    if (event.key in steps) {
      const next = Math.max(0, Math.min(all.length - 1, all.indexOf(mark) + steps[event.key]));
      reach(view, all[next]);
      all[next].focus();
    } else if (event.key === "Enter" || event.key === " ") choose(itemsOf(mark), {mark});
    else return;
    event.preventDefault();
  });
}

/** Let Tab lead to `mark`, and to no other of its picture. */
function reach(view, mark) {
  for (const each of view.querySelectorAll('.mark[tabindex="0"]')) each.setAttribute("tabindex", "-1");
  mark.setAttribute("tabindex", "0");
}

// ---------------------------------------------------------------- one selection

/** Choose items in all three views. */
function choose(indices, {expand: is = true} = {}) {
  const wanted = new Set(indices);
  const same = (element) => itemsOf(element).some((index) => wanted.has(index));
  if (last && wanted.size > 1) {
    filter = wanted;
    list();
  } else if (last && filter && !filter.has(indices[0])) {
    filter = null;
    list(indices[0] + AT_ONCE);
  }
  if (last && wanted.size === 1 && !document.getElementById(`opens-${indices[0]}`)) list(indices[0] + AT_ONCE);
  for (const opener of views[0].querySelectorAll('[aria-expanded="true"]')) expand(itemsOf(opener.closest("tr"))[0], false);
  if (last && wanted.size === 1) expand(indices[0], is);
  for (const view of views) {
    for (const each of view.querySelectorAll("[data-items]")) {
      const chosen = same(each);
      each.classList.toggle("chosen", chosen);
      if (!each.classList.contains("mark")) continue;
      each.setAttribute("aria-pressed", chosen);
      if (chosen) reach(view, each);
    }
    for (const line of view.querySelectorAll(".joins")) {
      line.classList.toggle("chosen", line.dataset.line.split(" ").some((end) => wanted.has(Number(end))));
    }
  }
  tell(indices);
  reveal();
}

/** One line about what is chosen, below the pictures, which have no room for it. */
function tell(indices) {
  const item = last?.items[indices[0]];
  chosen.hidden = !item;
  if (!item) return;
  const words = indices.length > 1 ? `${plural(indices.length, "item")} like ${item.method} ${item.path}` : `${item.id}: ${item.status}, ${item.method} ${item.path}`;
  const look = () => (open(views[0]), reveal(), document.getElementById(`opens-${item.index}`).focus());
  chosen.replaceChildren(make("span", {}, words), make("button", {type: "button", onclick: look}, "Show in the table"));
}

const calm = matchMedia("(prefers-reduced-motion: reduce)");

function reveal() {
  const view = views.find((each) => !each.hidden);
  const found = view.querySelector("[data-items].chosen");
  found?.scrollIntoView({block: "nearest", inline: "nearest", behavior: calm.matches ? "auto" : "smooth"});
  chosen.classList.toggle("over", view === views[0]);
}

const tabs = [...document.querySelectorAll("[role=tab]")];

function open(view) {
  views.forEach((each, place) => {
    each.hidden = each !== view;
    tabs[place].setAttribute("aria-selected", each === view);
    tabs[place].tabIndex = each === view ? 0 : -1;
  });
  reveal();
}

tabs.forEach((tab, place) => {
  tab.addEventListener("click", () => open(views[place]));
  tab.addEventListener("keydown", ({key}) => {
    const step = {ArrowRight: 1, ArrowLeft: -1}[key];
    if (!step) return;
    const next = (place + step + tabs.length) % tabs.length;
    open(views[next]);
    tabs[next].focus();
  });
});

// ---------------------------------------------------------------- copies

const quoted = (source) => `'${source.replaceAll("'", "'\\''")}'`;

/** JSON text as an expression of Python, whose numbers and strings are written as they were. */
function python(source) {
  const words = {true: "True", false: "False", null: "None"};
  return source.replace(/"(?:[^"\\]|\\.)*"|\b(?:true|false|null)\b/gs, (token) => words[token] ?? JSON.stringify(JSON.parse(token)));
}

const indented = (source, by) => source.trim().replaceAll("\n", `\n${by}`);

const languages = {
  curl: (source) => `curl ${quoted(here)} \\\n  -H 'Content-Type: application/json' \\\n  --data-raw ${quoted(source.trim())}\n`,
  fetch: (source) => `const response = await fetch(${JSON.stringify(here)}, {
  method: "POST",
  headers: {"Content-Type": "application/json"},
  body: JSON.stringify(${indented(source, "  ")}),
});
console.log(response.status, await response.json());\n`,
  httpx: (source) => `import httpx

batch = ${python(source.trim())}
response = httpx.post(${JSON.stringify(here)}, json=batch)
print(response.status_code, response.json())\n`,
  test: (source) => {
    const bare = Array.isArray(JSON.parse(source));
    const statuses = last?.source === source ? `[${last.items.map(({status}) => status).join(", ")}]` : "[]";
    return `import pytest

from django_batch.testing import BatchClient


@pytest.mark.django_db(transaction=True)
def test_batch():
    batch = ${indented(python(source), "    ")}
    response = BatchClient().send_batch(batch, path=${JSON.stringify(location.pathname)})
    answers = response.json()${bare ? "" : '["responses"]'}
    assert [each["status"] for each in answers] == ${statuses}\n`;
  },
};

const [copies, language, copied, taken] = ["copies", "language", "copied", "taken"].map((id) => document.getElementById(id));

function copy() {
  const known = parsed(text.value) !== undefined || language.value === "curl";
  copied.value = known ? languages[language.value](text.value) : "The batch is not JSON.";
  taken.textContent = "";
}

document.getElementById("copy").addEventListener("click", () => (copy(), copies.showModal()));
document.getElementById("close").addEventListener("click", () => copies.close());
language.addEventListener("change", copy);
document.getElementById("take").addEventListener("click", async () => {
  copied.select();
  try {
    await navigator.clipboard.writeText(copied.value);
    taken.textContent = "Copied.";
  } catch {
    taken.textContent = "It is selected: copy it by Ctrl C."; // only secure pages may write to the clipboard
  }
});

// ---------------------------------------------------------------- HAR

const pairs = (headers) => Object.entries(headers ?? {}).map(([name, value]) => ({name, value: String(value)}));

/** An HTTP archive (HAR 1.2) of the batch, and of each item as if it had been sent alone. */
function archive() {
  const entry = ({at, took, method, url, headers, body, status, statusText, told, text, mime, length}) => ({
    startedDateTime: new Date(last.started.getTime() + at).toISOString(),
    time: took,
    request: {
      method, url, httpVersion: "HTTP/1.1", cookies: [], headers: pairs(headers), headersSize: -1,
      queryString: [...(URL.canParse(url) ? new URL(url).searchParams : [])].map(([name, value]) => ({name, value})),
      bodySize: body === undefined ? 0 : bytes(body),
      ...(body !== undefined && {postData: {mimeType: "application/json", text: body}}),
    },
    response: {
      status, statusText, httpVersion: "HTTP/1.1", cookies: [], headers: pairs(told), redirectURL: told?.Location ?? "",
      content: {size: length, mimeType: mime, text}, headersSize: -1, bodySize: length,
    },
    cache: {},
    timings: {send: 0, wait: took, receive: 0},
  });
  const json = "application/json";
  const batch = entry({
    at: 0, took: last.took, method: "POST", url: here, headers: {"Content-Type": json}, body: last.source, status: last.status,
    statusText: last.statusText, told: {"Content-Type": json}, text: "", mime: json, length: last.bytes,
  });
  const each = last.items.map((item) => entry({
    at: item.started ?? 0, took: item.duration ?? 0, method: item.method, url: new URL(item.path, here).href, headers: item.request.headers,
    body: item.request.body === undefined ? undefined : JSON.stringify(item.request.body), status: item.status, statusText: "",
    told: item.headers, text: item.body == null ? "" : typeof item.body === "string" ? item.body : JSON.stringify(item.body),
    mime: item.headers?.["Content-Type"] ?? "", length: item.size,
  }));
  return {log: {version: "1.2", creator: {name: "django_batch", version: "1"}, entries: [batch, ...each]}};
}

har.addEventListener("click", () => {
  const url = URL.createObjectURL(new Blob([JSON.stringify(archive(), null, 1)], {type: "application/json"}));
  make("a", {href: url, download: "batch.har"}).click();
  setTimeout(() => URL.revokeObjectURL(url), 60_000);
});

// ---------------------------------------------------------------- the beginning

const menus = [...document.querySelectorAll(".menu")];

function fill(id, entries, act) {
  const list = document.getElementById(id);
  const chosen = (entry) => () => (act(entry), (list.parentElement.open = false));
  list.append(...entries.map(([words, entry]) => make("li", {}, make("button", {type: "button", onclick: chosen(entry)}, words))));
  list.parentElement.hidden = !entries.length;
}

fill("examples", told.examples.map(({title, text: source}) => [title, source]), (source) => (write(source), text.focus()));
fill("routes", told.routes.map((each) => [`${each.method} ${each.path}`, each]), add);
for (const menu of menus) {
  menu.addEventListener("keydown", ({key: pressed}) => {
    if (pressed === "Escape") (menu.open = false), menu.firstElementChild.focus();
  });
  menu.addEventListener("focusout", ({relatedTarget}) => {
    if (relatedTarget && !menu.contains(relatedTarget)) menu.open = false;
  });
}
document.addEventListener("click", ({target}) => menus.forEach((menu) => menu.contains(target) || (menu.open = false)));
text.addEventListener("input", edited);
text.addEventListener("scroll", () => (lines.scrollTop = text.scrollTop));
document.getElementById("run").addEventListener("click", run);
document.getElementById("check").addEventListener("click", check);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !copies.open) {
    event.preventDefault();
    run();
  }
});
let kept = null;
try {
  kept = sessionStorage.getItem(key);
} catch {
  // There is no storage.
}
write(kept || told.examples[0].text);
