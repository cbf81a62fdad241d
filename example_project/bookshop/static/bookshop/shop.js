// A page of the bookshop: ten reads in one POST, and an order that is saved whole or not at all.
import { createBatch } from "../django_batch/batch.js";

const { fetch, atomic } = createBatch({ url: "/batch/" });
const element = (id) => document.getElementById(id);

// The client looks fetch up when it sends, so this counts what really goes over the network.
let requests = 0;
const sent = globalThis.fetch;
globalThis.fetch = (...parameters) => {
  requests += 1;
  return sent(...parameters);
};

async function json(fetch, path) {
  const response = await fetch(path);
  if (!response.ok) throw new Error((await response.json()).detail);
  return response.json();
}

function list(parent, texts) {
  parent.replaceChildren(
    ...texts.map((text) => {
      const item = document.createElement("li");
      item.append(text);
      return item;
    }),
  );
}

function choice({ id, title, price, stock }) {
  const [label, box] = [document.createElement("label"), document.createElement("input")];
  Object.assign(box, { type: "checkbox", name: "book", value: id });
  label.append(box, ` ${title}, ${price} (${stock || "none"} in stock)`);
  return label;
}

// A stranger has no orders, and sees one review more.
const isStranger = !element("orders");
const reviewed = isStranger ? [1, 2, 3, 4, 5, 6] : [1, 2, 3, 4, 5];

function readOrders(fetch) {
  return json(fetch, "/api/orders/").then(({ results }) => {
    list(element("orders"), results.map(({ number, total }) => `${number}: ${total}`));
  });
}

/** Fill the page by ten calls of `fetch`, each of which knows nothing of the others. */
async function fill(fetch) {
  const began = performance.now();
  requests = 0;
  const shown = [
    json(fetch, "/api/me/").then(({ username }) => (element("who").textContent = username || "a stranger")),
    json(fetch, "/api/books/?page_size=5").then(({ results }) => list(element("shelf"), results.map(choice))),
    json(fetch, "/api/books/?ordering=-id&page_size=3").then(({ results }) => {
      list(element("newest"), results.map(({ title }) => title));
    }),
    json(fetch, "/api/authors/?page_size=3").then(({ results }) => {
      list(element("authors"), results.map(({ name }) => name));
    }),
    isStranger || readOrders(fetch),
    Promise.all(reviewed.map((book) => json(fetch, `/api/reviews/?book=${book}&page_size=1`))).then((pages) => {
      list(element("reviews"), pages.flatMap(({ results }) => results.map(({ text, reviewer }) => `${text} (${reviewer})`)));
    }),
  ];
  await Promise.all(shown);
  const took = Math.round(performance.now() - began);
  element("network").textContent = `10 answers came in ${requests} ${requests === 1 ? "request" : "requests"}, in ${took} ms.`;
}

const write = (method, path, value) =>
  fetch(path, { method, body: JSON.stringify(value), headers: { "Content-Type": "application/json" } });

/** Save an order of `books` with one copy of each. The answers tell whether all of it was saved, or why nothing was. */
async function order(books) {
  const path = `/api/orders/W-${Date.now() % 1e9}/`;
  const responses = await atomic(() =>
    Promise.all([
      write("PUT", path, { note: "From the shop." }),
      ...books.map((book) => write("POST", `${path}lines/`, { book, quantity: 1 })),
    ]),
  );
  const failure = responses.find(({ status }) => status >= 400 && status !== 424);
  return failure ? `Nothing was saved: ${await failure.text()}` : `Saved, with ${books.length} lines.`;
}

element("order").addEventListener("submit", async (event) => {
  event.preventDefault();
  const chosen = new FormData(event.target).getAll("book").map(Number);
  element("outcome").textContent = await order(chosen).catch(String);
  await fill(fetch);
});
element("again").addEventListener("click", () => fill(fetch));
element("alone").addEventListener("click", () => fill((path) => globalThis.fetch(path)));

await fill(fetch);
