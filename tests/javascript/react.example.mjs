import assert from "node:assert/strict";
import { test } from "node:test";
import { act, createElement } from "react";
import { create } from "react-test-renderer";
import { paths, serve } from "./server.mjs";

globalThis.location = { href: "http://shop.test/page/" };
globalThis.IS_REACT_ACT_ENVIRONMENT = true;
const { useJSON } = await import("./use_json.js");
const Shelf = ({ path }) => useJSON(path)?.path ?? "…";
const shelves = (...names) => names.map((path) => createElement(Shelf, { key: path, path }));
const settled = () => act(() => new Promise((done) => setTimeout(done, 50)));

test("effects of one commit share a POST, and a component that goes drops out", async () => {
  const site = serve();
  let root;
  await act(() => {
    root = create(createElement("main", {}, shelves("/a/", "/b/", "/c/")));
  });
  await settled();
  assert.deepEqual(root.toJSON().children, ["/a/", "/b/", "/c/"]);
  assert.deepEqual(paths(site), [["/a/", "/b/", "/c/"]]);
  await act(() => {
    root.update(createElement("main", {}, shelves("/d/", "/e/", "/f/")));
  });
  await act(() => {
    root.update(createElement("main", {}, shelves("/e/", "/f/")));
  });
  await settled();
  assert.deepEqual(root.toJSON().children, ["/e/", "/f/"]);
});
