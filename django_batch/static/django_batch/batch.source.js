// Gathers fetch() calls into batches. The how-to page "Call from JavaScript" describes it.
// batch.js is made of this file, by the command in tests/javascript/test_javascript.py.

/** @typedef {{ id: string, request: Request, text: Promise<string>, resolve: (response: Response) => void, reject: (error: unknown) => void, drop?: () => void }} Call */
/** @typedef {{ id: string, status: number, headers: Record<string, string>, body: any, body_base64?: string }} Answer */

/** @param {Request | RequestInfo | URL} input @param {RequestInit} [init] */
const plain = (input, init) => globalThis.fetch(input, init); // looked up late, because monitoring wraps it

/** @param {Call} call */
const alone = ({ request, resolve, reject }) => plain(request).then(resolve, reject);

/** @param {Request} request */
const isSafe = ({ method }) => /^(GET|HEAD|OPTIONS)$/.test(method);

/** Milliseconds after which to send again, or NaN. @param {number} status @param {Headers} headers */
function pause(status, headers) {
  const after = headers.get("Retry-After");
  if (!after || (status != 429 && status != 503)) return NaN;
  const wait = Math.max(0, isNaN(+after) ? Date.parse(after) - Date.now() : +after * 1e3);
  return wait > 6e4 ? NaN : wait;
}

/** @param {Call} call */
async function itemOf({ id, request: { method, url, headers }, text }) {
  const { pathname, search } = new URL(url), body = await text, fields = Object.fromEntries(headers);
  delete fields.authorization;
  const item = JSON.stringify({ id, method, path: pathname + search, headers: fields });
  return body ? `${item.slice(0, -1)},"body":${/json/.test(fields["content-type"]) ? body : JSON.stringify(body)}}` : item;
}

/** @param {Answer} answer @param {Headers} headers @param {Request} request */
function responseOf({ status, body, body_base64 }, headers, { url }) {
  if (body_base64) body = Uint8Array.from(atob(body_base64), (character) => character.charCodeAt(0));
  else if (body !== null && /json/.test(headers.get("Content-Type") ?? "")) body = JSON.stringify(body);
  return Object.defineProperty(new Response(body, { status, headers }), "url", { value: url });
}

/** @param {Response} response @param {(answer: Answer) => void} take */
async function readLines(response, take) {
  const reader = /** @type {ReadableStream<BufferSource>} */ (response.body).pipeThrough(new TextDecoderStream()).getReader();
  for (let rest = "", done, value; ; ) {
    ({ done, value } = await reader.read());
    if (done) return;
    const lines = (rest + value).split("\n");
    rest = /** @type {string} */ (lines.pop());
    for (const line of lines) take(JSON.parse(line));
  }
}

/** @param {{ url: string | URL, wait?: number, writes?: boolean, retries?: number }} options */
export function createBatch({ url, wait = 0, writes = false, retries = 2 }) {
  const base = globalThis.location?.href, endpoint = new URL(url, base);
  let number = 0, limit = 100, /** @type {Promise<void> | undefined} */ asked;
  let /** @type {Call[] | undefined} */ queue, /** @type {Call[] | undefined} */ group;

  const ask = () => asked ??= plain(endpoint, { method: "OPTIONS", headers: { Accept: "application/json" } })
    .then(async (response) => { limit = (await response.json()).limits.requests; }).catch(() => {});

  /** @param {Call[]} calls @param {number} [left] */
  async function send(calls, left = retries) {
    if (calls.length < 2) return calls.forEach(alone);
    if (calls.length > limit) await ask();
    const /** @type {Record<string, Call[]>} */ senders = {};
    for (const call of calls) (senders[call.request.headers.get("Authorization") ?? ""] ??= []).push(call);
    for (const same of Object.values(senders))
      while (same.length) {
        const sent = post(same.splice(0, limit), left);
        if (writes) await sent;
      }
  }

  /** @param {Call[]} calls @param {number} left @param {boolean} [atomic] */
  async function post(calls, left, atomic) {
    calls = calls.filter(({ request }) => !request.signal.aborted);
    if (!calls[0]) return;
    const reads = !atomic && calls.every(({ request }) => isSafe(request));
    const control = new AbortController(), pending = new Map(calls.map((call) => [call.id, call]));
    const /** @type {Call[]} */ again = [];
    let delay = 0, token = globalThis.document?.cookie.match(/\bcsrftoken=([^;]+)/)?.[1];
    for (const call of calls) call.drop = () => pending.delete(call.id) && !pending.size && control.abort();

    /** @param {Answer} answer */
    const take = (answer) => {
      const call = pending.get(answer.id), headers = new Headers(answer.headers), wait = pause(answer.status, headers);
      if (!call) return;
      pending.delete(call.id);
      if (!atomic && /^(batch_exempt|(header|method)_not_allowed)$/.test(answer.body?.code)) alone(call);
      else if (!atomic && left && wait >= 0) again.push(call), (delay = Math.max(delay, wait));
      else if (isSafe(call.request) && answer.status > 300 && headers.has("Location")) alone(call); // fetch follows
      else call.resolve(responseOf(answer, headers, call.request));
    };

    try {
      const { request } = calls[0], { credentials } = request, authorization = request.headers.get("Authorization");
      const items = await Promise.all(calls.map(itemOf));
      const response = await plain(endpoint, {
        method: "POST", credentials, signal: control.signal,
        body: `{${atomic ? '"atomic":true,' : reads ? '"parallel":true,' : ""}"requests":[${items}]}`,
        headers: {
          "Content-Type": "application/json", Accept: `application/json${reads ? "l" : ""}`,
          ...(token && { "X-CSRFToken": token }), ...(authorization && { Authorization: authorization }),
        },
      });
      const { status } = response, wait = pause(status, response.headers), waiting = [...pending.values()];
      if (status == 207) {
        if (reads) await readLines(response, take);
        else (await response.json()).responses.forEach(take);
        for (const call of pending.values()) call.reject(new TypeError("The batch was cut off."));
      } else if (left && wait >= 0) {
        await new Promise((done) => setTimeout(done, wait));
        return post(waiting, left - 1, atomic);
      } else if (!atomic && status == 413 && waiting[1]) {
        await ask();
        if (waiting.length <= limit) limit = waiting.length >> 1;
        return send(waiting, left);
      } else if (!atomic && (status < 401 || /40[45]|41[35]/.test(`${status}`))) waiting.forEach(alone);
      else for (const call of waiting) call.resolve(response.clone());
    } catch (error) {
      for (const call of [...pending.values(), ...again]) call.reject(error);
    }
    if (again[0]) setTimeout(() => post(again, left - 1), delay);
  }

  return {
    /** @param {RequestInfo | URL} input @param {RequestInit & { batch?: boolean }} [init] @returns {Promise<Response>} */
    fetch(input, init) {
      const request = new Request(input instanceof Request ? input : new URL(input, base), init), { signal } = request;
      const { origin, pathname } = new URL(request.url), type = request.headers.get("Content-Type") ?? "text";
      const fits = origin == endpoint.origin && pathname != endpoint.pathname && /json|^text|urlencoded/.test(type);
      if (group && !fits) throw new TypeError(`${request.url} cannot be part of a batch.`);
      if (!fits || init?.batch === false || !(group || writes || isSafe(request))) return plain(request);
      return new Promise((resolve, reject) => {
        const /** @type {Call} */ call = { id: `${++number}`, request, text: request.clone().text(), resolve, reject };
        let calls = group ?? queue;
        if (!calls) {
          const /** @type {Call[]} */ begun = (calls = queue = []);
          setTimeout(() => { queue = undefined; send(begun); }, wait);
        }
        calls.push(call);
        const abort = () => { reject(signal.reason); call.drop?.(); };
        signal.aborted ? abort() : signal.addEventListener("abort", abort);
      });
    },

    /** All or nothing: the calls that `make` makes before its first `await`. @template T @param {() => T} make */
    atomic(make) {
      const outer = group, calls = (group = /** @type {Call[]} */ ([]));
      try { return make(); }
      finally { group = outer; if (calls[0]) post(calls, retries, true); }
    },
  };
}
