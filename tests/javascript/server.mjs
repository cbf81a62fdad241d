// A site in place of the network: `fetch` answers batches as django_batch does, and each of its requests by `answer`.

const lines = (answers) => {
  const text = [...answers, { done: true }].map((each) => JSON.stringify(each) + "\n").join("");
  const bytes = new TextEncoder().encode(text);
  return new ReadableStream({
    start(controller) {
      for (let at = 0; at < bytes.length; at += 7) controller.enqueue(bytes.slice(at, at + 7)); // in the middle of a line
      controller.close();
    },
  });
};

const headersOf = (headers) => ({ "Content-Type": "application/json", ...headers });

/** Put a site in place of `fetch`. `refuse` may answer a whole batch; `describe` answers OPTIONS. */
export function serve({ answer = () => ({}), refuse = () => undefined, describe = () => new Response("{}") } = {}) {
  const site = { posts: [], alone: [], asked: 0, batches: [] };
  globalThis.fetch = async (input, init = {}) => {
    const url = `${input.url ?? input}`;
    init.signal?.throwIfAborted();
    if (init.method === "OPTIONS") {
      site.asked += 1;
      return describe();
    }
    if (init.method !== "POST") {
      site.alone.push(new URL(url).pathname);
      return Response.json({ alone: true });
    }
    const batch = JSON.parse(init.body);
    site.posts.push(init);
    site.batches.push(batch);
    const refusal = await refuse(batch, init);
    if (refusal) return refusal;
    const answers = await Promise.all(
      batch.requests.map(async (item) => {
        const { status = 200, headers, ...rest } = await answer(item);
        return { id: item.id, status, headers: headersOf(headers), body: { path: item.path }, ...rest };
      }),
    );
    const streamed = init.headers.Accept === "application/jsonl";
    return new Response(streamed ? lines(answers) : JSON.stringify({ responses: answers }), { status: 207 });
  };
  return site;
}

/** The paths of each batch. */
export const paths = (site) => site.batches.map((batch) => batch.requests.map((item) => item.path));
