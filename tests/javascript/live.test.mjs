// The client against the bookshop in a process of its own, whose address the environment names.

import assert from "node:assert/strict";
import { before, test } from "node:test";

const { createBatch } = await import(process.env.BATCH_JS);
const { ADDRESS } = process.env;
const ADA = { Authorization: "Token ada-token" };
let posts = [];

before(() => {
  const sent = globalThis.fetch;
  globalThis.fetch = (input, init) => {
    if (init?.method === "POST") posts.push(JSON.parse(init.body));
    return sent(input, init);
  };
});

const page = (fetch, paths, init) => Promise.all(paths.map((path) => fetch(ADDRESS + path, init)));

test("a page is read in one POST", async () => {
  posts = [];
  const { fetch } = createBatch({ url: `${ADDRESS}/batch/` });
  const paths = Array.from({ length: 20 }, (_, number) => `/api/books/${number + 1}/`);
  const books = await Promise.all((await page(fetch, paths)).map((each) => each.json()));
  assert.deepEqual(books.map((book) => book.id), Array.from({ length: 20 }, (_, number) => number + 1));
  assert.equal(posts.length, 1);
});

test("each kind of content arrives as it is alone", async () => {
  const { fetch } = createBatch({ url: `${ADDRESS}/batch/` });
  const kinds = ["text", "latin-1", "html", "png", "empty", "missing"];
  const paths = kinds.map((kind) => `/api/content/${kind}/`);
  const [gathered, alone] = [await page(fetch, paths), await page(globalThis.fetch, paths)];
  for (const [number, response] of gathered.entries()) {
    assert.equal(response.status, alone[number].status);
    assert.equal(response.headers.get("content-type"), alone[number].headers.get("content-type"));
    const [found, expected] = [await response.arrayBuffer(), await alone[number].arrayBuffer()];
    if (kinds[number] !== "latin-1") assert.deepEqual(new Uint8Array(found), new Uint8Array(expected));
  }
});

test("an order is stored with its lines, or not at all", async () => {
  const { fetch, atomic } = createBatch({ url: `${ADDRESS}/batch/` });
  const write = (method, path, body) =>
    fetch(ADDRESS + path, { method, body: JSON.stringify(body), headers: { ...ADA, "Content-Type": "application/json" } });
  const order = (number, book) =>
    atomic(() =>
      Promise.all([
        write("PUT", `/api/orders/${number}/`, {}),
        write("POST", `/api/orders/${number}/lines/`, { book, quantity: 1 }),
      ]),
    );
  const number = `J-${process.pid}-${Date.now() % 1000}`;
  assert.deepEqual((await order(number, 2)).map((each) => each.status), [424, 400]);
  const read = () => globalThis.fetch(`${ADDRESS}/api/orders/${number}/`, { headers: ADA });
  assert.equal((await read()).status, 404);
  assert.deepEqual((await order(number, 1)).map((each) => each.status), [201, 201]);
  assert.equal((await (await read()).json()).lines.length, 1);
});

test("more calls than the server takes are split", async () => {
  posts = [];
  const { fetch } = createBatch({ url: `${ADDRESS}/batch/` });
  const responses = await page(fetch, Array(150).fill("/api/me/"));
  assert.ok(responses.every((each) => each.ok));
  assert.deepEqual(posts.map((batch) => batch.requests.length), [100, 50]);
});

test("a view that takes part in no batch is asked alone", async () => {
  posts = [];
  const { fetch } = createBatch({ url: `${ADDRESS}/batch/` });
  const [me, shelf] = await Promise.all([
    fetch(`${ADDRESS}/api/me/`),
    fetch(`${ADDRESS}/api/me/`, { headers: { "X-Shelf": "7" } }),
  ]);
  assert.deepEqual([me.status, shelf.status, posts.length], [200, 200, 1]);
});
