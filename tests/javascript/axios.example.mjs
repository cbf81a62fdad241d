import assert from "node:assert/strict";
import { test } from "node:test";
import { paths, serve } from "./server.mjs";

globalThis.location = { href: "http://shop.test/page/", origin: "http://shop.test" };
const { http } = await import("./http.js");
http.defaults.baseURL = "http://shop.test"; // axios makes a Request of the path first, which needs a host in node
const { order } = await import("./order.js");

test("requests of one tick share a POST", async () => {
  const site = serve({ answer: (item) => (item.path === "/b/" ? { status: 404, body: { detail: "No." } } : {}) });
  const [a, b] = await Promise.allSettled([http.get("/a/", { headers: { "Accept-Language": "de" } }), http.get("/b/")]);
  assert.deepEqual(a.value.data, { path: "/a/" });
  assert.deepEqual([b.reason.response.status, b.reason.response.data], [404, { detail: "No." }]);
  assert.deepEqual(paths(site), [["/a/", "/b/"]]);
  assert.equal(site.batches[0].requests[0].headers["accept-language"], "de");
});

test("a request that is cancelled drops out", async () => {
  const site = serve();
  const control = new AbortController();
  const late = http.get("/a/", { signal: control.signal });
  const rest = [http.get("/b/"), http.get("/c/")];
  control.abort();
  await assert.rejects(late, { code: "ERR_CANCELED" });
  await Promise.all(rest);
  assert.deepEqual(paths(site), [["/b/", "/c/"]]);
});

test("an order is a group, and its failure an error", async () => {
  let site = serve();
  await order("A-1", [1, 3]);
  assert.deepEqual(paths(site), [["/api/orders/A-1/", "/api/orders/A-1/lines/", "/api/orders/A-1/lines/"]]);
  assert.equal(site.batches[0].atomic, true);
  site = serve({ answer: (item) => ({ status: item.body.book ? 400 : 424, body: "Not so many." }) });
  await assert.rejects(order("A-1", [2]), /Not so many/);
});
