import assert from "node:assert/strict";
import { test } from "node:test";
import { QueryClient } from "@tanstack/react-query";
import { paths, serve } from "./server.mjs";

globalThis.location = { href: "http://shop.test/page/" };
const { json } = await import("./queries.js");
const { page } = await import("./page.js");

test("queries of one tick share a POST", async () => {
  const site = serve({ answer: (item) => (item.path === "/c/" ? { status: 404 } : {}) });
  const client = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  const found = await Promise.allSettled(["/a/", "/b/", "/c/"].map((path) => client.fetchQuery(json(path))));
  assert.deepEqual(found.map((each) => each.value?.path ?? each.reason.message), ["/a/", "/b/", "404: /c/"]);
  assert.deepEqual(paths(site), [["/a/", "/b/", "/c/"]]);
});

test("the page is one POST", async () => {
  const site = serve();
  assert.equal((await page()).length, 3);
  assert.equal(site.posts.length, 1);
});
