// What the client gathers, and what becomes of each call. The network is made up here; live.test.mjs has a real site.

import assert from "node:assert/strict";
import { afterEach, test } from "node:test";
import { paths, serve } from "./server.mjs";

const { createBatch } = await import(process.env.BATCH_JS);
const HOST = "http://shop.test";
const create = (options) => createBatch({ url: `${HOST}/batch/`, ...options });
const all = (fetch, ...addresses) => Promise.all(addresses.map((each) => fetch(HOST + each)));
const problem = (code) => ({ status: 403, headers: { "Content-Type": "application/problem+json" }, body: { code } });

afterEach(() => {
  delete globalThis.document;
});

test("calls of one tick share a POST", async () => {
  const site = serve();
  const { fetch } = create();
  const responses = await all(fetch, "/a/", "/b/?c=1");
  assert.deepEqual(await Promise.all(responses.map((each) => each.json())), [{ path: "/a/" }, { path: "/b/?c=1" }]);
  assert.deepEqual(paths(site), [["/a/", "/b/?c=1"]]);
  assert.equal(responses[0].url, `${HOST}/a/`);
  assert.equal(site.batches[0].parallel, true);
});

test("calls of two ticks are two POSTs, unless the client waits", async () => {
  let site = serve();
  const tick = () => new Promise((done) => setTimeout(done, 5));
  for (const [wait, posts] of [[0, 2], [50, 1]]) {
    site = serve();
    const { fetch } = create({ wait });
    const first = all(fetch, "/a/", "/b/");
    await tick();
    await Promise.all([first, all(fetch, "/c/", "/d/")]);
    assert.equal(site.posts.length, posts);
  }
});

test("a single call is sent alone", async () => {
  const site = serve();
  assert.deepEqual(await (await create().fetch(`${HOST}/a/`)).json(), { alone: true });
  assert.deepEqual([site.posts.length, site.alone], [0, ["/a/"]]);
});

test("what is not to be gathered is sent alone, and at once", async () => {
  const site = serve();
  const { fetch } = create();
  await Promise.all([
    fetch(`${HOST}/a/`, { batch: false }),
    fetch("http://other.test/b/"),
    fetch(`${HOST}/batch/`),
    fetch(`${HOST}/c/`, { headers: { "Content-Type": "image/png" } }),
  ]);
  assert.deepEqual([site.posts.length, site.alone], [0, ["/a/", "/b/", "/batch/", "/c/"]]);
});

test("writes are gathered only where that is asked for", async () => {
  const write = (fetch, body, type) =>
    fetch(`${HOST}/w/`, { method: "PUT", body, headers: type ? { "Content-Type": type } : {} });
  let site = serve();
  const calls = [];
  const found = globalThis.fetch;
  globalThis.fetch = (input, init) => (calls.push(input.method), found("http://shop.test/x/", init));
  await Promise.all([write(create().fetch, "{}"), write(create().fetch, "{}")]);
  assert.deepEqual(calls, ["PUT", "PUT"]);
  site = serve();
  const { fetch } = create({ writes: true });
  await Promise.all([
    write(fetch, '{"price": 1.10}', "application/json"),
    write(fetch, "a=1", "application/x-www-form-urlencoded"),
    write(fetch, "plain"),
    fetch(new Request(`${HOST}/w/`, { method: "DELETE" })),
  ]);
  const [json, form, text, empty] = site.batches[0].requests;
  assert.match(site.posts[0].body, /"body":\{"price": 1\.10\}/);
  assert.deepEqual([json.method, form.body, text.body, empty.method, "body" in empty], ["PUT", "a=1", "plain", "DELETE", false]);
  assert.equal("parallel" in site.batches[0], false);
  assert.equal(site.posts[0].headers.Accept, "application/json");
});

test("each answer is a response with the status, headers and body of its own", async () => {
  const answers = {
    "/text/": { headers: { "Content-Type": "text/plain" }, body: "Grüße" },
    "/string/": { body: "a" },
    "/nothing/": { status: 204, headers: {}, body: null },
    "/missing/": { status: 404, body: { detail: "No." } },
    "/png/": { headers: { "Content-Type": "image/png" }, body: null, body_base64: "AP8=" },
  };
  serve({ answer: (item) => answers[item.path] });
  const [text, string, nothing, missing, png] = await all(create().fetch, ...Object.keys(answers));
  assert.equal(await text.text(), "Grüße");
  assert.equal(await string.json(), "a");
  assert.deepEqual([nothing.status, await nothing.text()], [204, ""]);
  assert.deepEqual([missing.ok, missing.status, await missing.json()], [false, 404, { detail: "No." }]);
  assert.deepEqual(new Uint8Array(await png.arrayBuffer()), new Uint8Array([0, 255]));
  assert.equal(png.headers.get("content-type"), "image/png");
});

test("headers of one call are its own, and split no batch", async () => {
  const site = serve();
  const { fetch } = create();
  await Promise.all([fetch(`${HOST}/a/`, { headers: { "Accept-Language": "de" } }), fetch(`${HOST}/b/`)]);
  const [first, second] = site.batches[0].requests;
  assert.equal(first.headers["accept-language"], "de");
  assert.equal("accept-language" in second.headers, false);
});

test("calls of different senders share no POST", async () => {
  const site = serve();
  const { fetch } = create();
  const call = (path, token) => fetch(HOST + path, { headers: { Authorization: token } });
  await Promise.all([call("/a/", "Token a"), call("/b/", "Token b"), call("/c/", "Token a")]);
  assert.deepEqual(paths(site), [["/a/", "/c/"], ["/b/"]]);
  assert.deepEqual(site.posts.map((post) => post.headers.Authorization), ["Token a", "Token b"]);
  assert.equal("authorization" in site.batches[0].requests[0].headers, false);
});

test("the CSRF token of the cookie is sent, and credentials as the calls have them", async () => {
  globalThis.document = { cookie: "a=1; csrftoken=secret; b=2" };
  const site = serve();
  await all(create().fetch, "/a/", "/b/");
  assert.equal(site.posts[0].headers["X-CSRFToken"], "secret");
  assert.equal(site.posts[0].credentials, "same-origin");
});

test("an atomic group is one POST, whatever its methods", async () => {
  const site = serve();
  const { fetch, atomic } = create();
  const other = all(fetch, "/r/", "/s/");
  const [order] = await atomic(() =>
    Promise.all([fetch(`${HOST}/a/`, { method: "PUT", body: "{}" }), fetch(`${HOST}/b/`), other]),
  );
  assert.equal(order.status, 200);
  assert.deepEqual(paths(site).sort(), [["/a/", "/b/"], ["/r/", "/s/"]]);
  assert.equal(site.batches.find((batch) => batch.atomic).requests.length, 2);
  assert.equal(atomic(() => 7), 7);
});

test("an atomic group tells of its rollback, and is neither taken apart nor sent again", async () => {
  const site = serve({
    answer: (item) => (item.path === "/a/" ? { status: 429, headers: { "Retry-After": "0" } } : problem("batch_exempt")),
  });
  const { fetch, atomic } = create();
  const responses = await atomic(() => all(fetch, "/a/", "/b/"));
  assert.deepEqual(responses.map((each) => each.status), [429, 403]);
  assert.deepEqual([site.posts.length, site.alone.length], [1, 0]);
});

test("a refusal of an atomic group is the answer to each of its calls", async () => {
  for (const status of [400, 413]) {
    const site = serve({ refuse: () => new Response("Refused.", { status }) });
    const { fetch, atomic } = create();
    const responses = await atomic(() => all(fetch, "/a/", "/b/"));
    assert.deepEqual(await Promise.all(responses.map((each) => each.text())), ["Refused.", "Refused."]);
    assert.deepEqual([site.posts.length, site.alone.length], [1, 0]);
  }
});

test("what cannot be in a group is an error, and ends the group", async () => {
  const site = serve();
  const { fetch, atomic } = create();
  assert.throws(() => atomic(() => fetch("http://other.test/")), /cannot be part of a batch/);
  await all(fetch, "/a/", "/b/");
  assert.equal("atomic" in site.batches[0], false);
});

test("calls are split by the limit that the server tells, which is asked once", async () => {
  const refuse = (batch) => batch.requests.length > 3 && new Response("", { status: 413 });
  const describe = () => Response.json({ limits: { requests: 3 } });
  const site = serve({ refuse, describe });
  const { fetch } = create();
  const addresses = Array.from({ length: 7 }, (_, number) => `/${number}/`);
  const responses = await all(fetch, ...addresses);
  assert.deepEqual(await Promise.all(responses.map(async (each) => (await each.json()).path)), addresses);
  await all(fetch, ...addresses);
  assert.deepEqual(paths(site).map((each) => each.length), [7, 3, 3, 1, 3, 3, 1]);
  assert.equal(site.asked, 1);
});

test("a server that tells no limit is sent ever smaller batches", async () => {
  const refuse = (batch) => batch.requests.length > 2 && new Response("", { status: 413 });
  for (const describe of [() => Response.json({}), () => new Response("<html>"), () => { throw new TypeError("Lost."); }]) {
    const site = serve({ refuse, describe });
    const { fetch } = create({ writes: true });
    const addresses = Array.from({ length: 9 }, (_, number) => `/${number}/`);
    const responses = await all(fetch, ...addresses);
    const found = await Promise.all(responses.map((each) => each.json()));
    assert.equal(found.filter(({ path, alone }) => path || alone).length, 9);
    assert.equal(site.asked, 1);
  }
});

test("many calls are split before they are sent", async () => {
  const site = serve({ describe: () => Response.json({ limits: { requests: 60 } }) });
  await all(create().fetch, ...Array.from({ length: 101 }, (_, number) => `/${number}/`));
  assert.deepEqual(paths(site).map((each) => each.length), [60, 41]);
});

test("what is put off is sent again under its id, and nothing else", async () => {
  for (const after of ["0", new Date().toUTCString()])
    for (const status of [429, 503]) {
      let busy = true;
      const answer = (item) => {
        if (item.path !== "/a/" || !busy) return {};
        busy = false;
        return { status, headers: { "retry-after": after } };
      };
      const site = serve({ answer });
      const responses = await all(create().fetch, "/a/", "/b/");
      assert.deepEqual(responses.map((each) => each.status), [200, 200]);
      assert.deepEqual(paths(site), [["/a/", "/b/"], ["/a/"]]);
      assert.equal(site.batches[1].requests[0].id, site.batches[0].requests[0].id);
    }
});

test("what is put off too often, or for too long, is told so", async () => {
  for (const [after, posts, status] of [["0", 3, 429], ["3600", 1, 429], ["soon", 1, 503], ["0", 1, 500], [undefined, 1, 429]]) {
    const site = serve({ answer: () => ({ status, headers: after ? { "Retry-After": after } : {} }) });
    const responses = await all(create().fetch, "/a/", "/b/");
    assert.deepEqual(responses.map((each) => each.status), [status, status]);
    assert.equal(site.posts.length, posts);
  }
});

test("a batch that is put off is sent again whole", async () => {
  let left = 1;
  const refuse = () => left-- > 0 && new Response("", { status: 429, headers: { "Retry-After": "0" } });
  const site = serve({ refuse });
  assert.equal((await all(create().fetch, "/a/", "/b/"))[1].status, 200);
  assert.deepEqual(site.batches[0], site.batches[1]);
});

test("a refusal that is no less true alone is the answer to each call", async () => {
  for (const status of [401, 403, 500]) {
    const site = serve({ refuse: () => new Response("No.", { status }) });
    const responses = await all(create().fetch, "/a/", "/b/");
    assert.deepEqual(await Promise.all(responses.map((each) => each.text())), ["No.", "No."]);
    assert.equal(site.alone.length, 0);
  }
});

test("calls of a batch that is refused as such are sent alone", async () => {
  for (const status of [200, 400, 404, 405, 415]) {
    const site = serve({ refuse: () => new Response("No.", { status }) });
    await all(create().fetch, "/a/", "/b/");
    assert.deepEqual([site.posts.length, site.alone], [1, ["/a/", "/b/"]]);
  }
});

test("a view that takes part in no batch, or leads elsewhere, is asked alone", async () => {
  const moved = { status: 302, headers: { Location: "/b/" }, body: null };
  for (const found of [problem("batch_exempt"), problem("header_not_allowed"), moved]) {
    const site = serve({ answer: (item) => (item.path === "/a/" ? found : {}) });
    await all(create().fetch, "/a/", "/b/");
    assert.deepEqual([site.posts.length, site.alone], [1, ["/a/"]]);
  }
});

test("a quick answer waits for no slow one", async () => {
  let finish;
  const encoder = new TextEncoder();
  serve({
    refuse: ({ requests: [quick, slow] }) => {
      const line = (item) => encoder.encode(JSON.stringify({ id: item.id, status: 200, headers: {}, body: null }) + "\n");
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(line(quick));
          finish = () => (controller.enqueue(line(slow)), controller.close());
        },
      });
      return new Response(body, { status: 207 });
    },
  });
  const { fetch } = create();
  let slow = false;
  const waiting = [fetch(`${HOST}/quick/`), fetch(`${HOST}/slow/`).then(() => (slow = true))];
  await waiting[0];
  assert.equal(slow, false);
  finish();
  await waiting[1];
  assert.equal(slow, true);
});

test("an answer that is cut off or none fails each call that has none", async () => {
  for (const body of ["", '{"id": "x"}\n', "<html>\n"]) {
    serve({ refuse: () => new Response(body, { status: 207 }) });
    const found = await Promise.allSettled([...["/a/", "/b/"]].map(((fetch) => (each) => fetch(HOST + each))(create().fetch)));
    assert.deepEqual(found.map((each) => each.status), ["rejected", "rejected"]);
  }
});

test("a network that is gone fails each call", async () => {
  globalThis.fetch = () => Promise.reject(new TypeError("Lost."));
  await assert.rejects(all(create().fetch, "/a/", "/b/"), /Lost/);
  await assert.rejects(create().fetch(`${HOST}/a/`), /Lost/);
});

/** A batch that is never answered. */
function held() {
  const site = serve({
    refuse: (_, init) =>
      new Promise((_, reject) => {
        site.signal = init.signal;
        init.signal.addEventListener("abort", () => reject(init.signal.reason));
        site.reached();
      }),
  });
  site.isReached = new Promise((done) => (site.reached = done));
  return site;
}

test("aborting one call drops one, aborting all aborts the POST", async () => {
  const site = held();
  const { fetch } = create();
  const controls = [new AbortController(), new AbortController()];
  const calls = controls.map(({ signal }) => fetch(`${HOST}/a/`, { signal }).catch((error) => error.name));
  await site.isReached;
  controls[0].abort();
  assert.equal(await calls[0], "AbortError");
  assert.equal(site.signal.aborted, false);
  controls[1].abort();
  assert.equal(await calls[1], "AbortError");
  assert.equal(site.signal.aborted, true);
});

test("a call that is aborted before the POST is not in it", async () => {
  const site = serve();
  const { fetch } = create();
  const control = new AbortController();
  const late = fetch(`${HOST}/a/`, { signal: control.signal }).catch((error) => error.name);
  const early = fetch(`${HOST}/b/`, { signal: AbortSignal.abort() }).catch((error) => error.name);
  const rest = all(fetch, "/c/", "/d/");
  control.abort();
  await rest;
  assert.deepEqual([await late, await early, paths(site)], ["AbortError", "AbortError", [["/c/", "/d/"]]]);
  const gone = [1, 2].map(() => fetch(`${HOST}/a/`, { signal: AbortSignal.abort() }).catch((error) => error.name));
  assert.deepEqual(await Promise.all(gone), ["AbortError", "AbortError"]);
  await new Promise((done) => setTimeout(done, 5));
  assert.equal(site.posts.length, 1);
});

test("fetch is looked up when it is called", async () => {
  const { fetch } = create();
  const site = serve();
  await all(fetch, "/a/", "/b/");
  assert.equal(site.posts.length, 1);
});
