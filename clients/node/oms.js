/** The API of the OMS from Node: signs every call, repeats those that got no answer, follows pages and events. */

import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";

import { authorization } from "./signing.js";

export { authorization, verifyWebhook } from "./signing.js";

// The server may have done it or not, or will do it later: the same call again finds out.
const PASSING = new Set([429, 500, 502, 503, 504]);
const KEY_IN_USE = "idempotency_key_in_use";
const LONGEST_WAIT_MS = 30_000;

/** The server refused the call. `errors` has what is wrong: `code`, `detail` and `attr` of each. */
export class ApiError extends Error {
  constructor(status, data, headers) {
    const errors = Array.isArray(data?.errors) ? data.errors : [];
    const told = errors.map((one) => `${one.attr ?? one.code}: ${one.detail}`).join("; ");
    super(`${status} ${told || JSON.stringify(data)}`);
    this.name = "ApiError";
    this.status = status;
    this.data = data;
    this.errors = errors;
    this.codes = new Set(errors.map((one) => one.code));
    this.requestId = headers?.get("x-request-id") ?? "";
    this.retryAfter = headers?.get("retry-after") ?? "";
  }
}

/** The server did not answer, also not when asked again; whether it did something is not known. */
export class Unreachable extends Error {
  constructor(message, cause) {
    super(message, { cause });
    this.name = "Unreachable";
  }
}

/**
 * One merchant's access to the OMS at `baseUrl`.
 *
 * A call that gets no answer, or one of a passing trouble, is repeated up to `attempts` times: reads, and POSTs, which
 * carry the same Idempotency-Key each time. Other writes are sent once.
 */
export class Client {
  #secret;

  constructor({ baseUrl, appKey, secret, timeoutMs = 15_000, attempts = 4, language = "en", wait = sleep }) {
    if (!/^https?:$/.test(new URL(baseUrl).protocol)) throw new TypeError(`${baseUrl} is no address of a server.`);
    this.baseUrl = baseUrl.replace(/\/+$/, "");
    this.appKey = appKey;
    this.#secret = secret;
    Object.assign(this, { timeoutMs, attempts, language, wait });
  }

  /** Send one order and return it as the OMS keeps it. Throws ApiError, naming every wrong field. */
  async createOrder(order, { idempotencyKey } = {}) {
    return (await this.request("POST", "/api/v1/orders", { body: order, idempotencyKey })).data;
  }

  /** Send up to 1,000 orders; returns one result for each: `created`, `duplicate` or `refused`. */
  async createOrders(orders, { idempotencyKey } = {}) {
    return (await this.request("POST", "/api/v1/orders/bulk", { body: { orders }, idempotencyKey })).data.results;
  }

  /** One order with its lines, sub-orders, holds and timeline. Throws ApiError (404). */
  async getOrder(number) {
    return (await this.request("GET", `/api/v1/orders/${encodeURIComponent(number)}`)).data;
  }

  /** The orders for which the filters hold, newest first, page after page. */
  listOrders(filters = {}) {
    return this.pages("/api/v1/orders", filters);
  }

  /** Report parcels that left your own warehouses; one result for each. */
  async reportShipping(parcels, { idempotencyKey } = {}) {
    return (await this.request("POST", "/api/v1/shipping-reports", { body: { parcels }, idempotencyKey })).data.results;
  }

  /** The rows of a list, following `next`. */
  async *pages(path, query = {}) {
    let answer = await this.request("GET", path, { query });
    for (;;) {
      yield* answer.data.results;
      if (!answer.data.next) return;
      const { pathname, search } = new URL(answer.data.next);
      const own = new URL(this.baseUrl).pathname.replace(/\/$/, "");
      answer = await this.request("GET", pathname.slice(own.length) + search);
    }
  }

  /**
   * What happens from `since` (a Date; now without it) or `cursor` on, for ever: `{ event, cursor }`. Whoever was stopped
   * goes on with the `cursor` of the last event that was handled: nothing is lost, and the events of one page may come
   * again. Asks again after `everyMs` where there is nothing.
   */
  async *events({ since = new Date(), cursor, types, everyMs = 5_000 } = {}) {
    for (;;) {
      const place = cursor ? { cursor } : { updated_since: since.toISOString() };
      const { data } = await this.request("GET", "/api/v1/events", { query: { ...place, ...(types && { types }) } });
      const before = cursor;
      cursor = data.cursor;
      for (const [at, event] of data.results.entries()) {
        yield { event, cursor: at + 1 < data.results.length ? before : cursor };
      }
      if (!data.next) await this.wait(everyMs);
    }
  }

  /**
   * Make a call; returns `{ status, headers, data, wasReplayed }`. `body` is sent as JSON, a string or bytes as they are.
   * Throws ApiError for a refusal and Unreachable where no answer came.
   */
  async request(method, path, { query, body, idempotencyKey, ifMatch = "" } = {}) {
    method = method.toUpperCase();
    const url = new URL(this.baseUrl + path);
    for (const [name, value] of Object.entries(query ?? {})) url.searchParams.append(name, value);
    const raw = body === undefined ? "" : typeof body === "string" || body instanceof Uint8Array ? body : JSON.stringify(body);
    const key = idempotencyKey ?? (method === "POST" ? randomUUID() : "");
    const attempts = ["GET", "HEAD", "POST"].includes(method) ? this.attempts : 1;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.#send(method, url.href, raw, key, ifMatch);
      } catch (error) {
        const isRefusal = error instanceof ApiError;
        const passes = !isRefusal || PASSING.has(error.status) || error.codes.has(KEY_IN_USE);
        if (attempt >= attempts || !passes) {
          if (isRefusal) throw error;
          throw new Unreachable(`${method} ${url.href}: ${error.cause?.message ?? error.message}`, error);
        }
        await this.wait(waitOf(attempt, isRefusal ? error.retryAfter : ""));
      }
    }
  }

  async #send(method, url, body, idempotencyKey, ifMatch) {
    const headers = {
      Accept: "application/json",
      "Accept-Language": this.language,
      Authorization: authorization(this.appKey, this.#secret, method, url, body, { idempotencyKey, ifMatch }),
    };
    if (body.length) headers["Content-Type"] = "application/json";
    if (idempotencyKey) headers["Idempotency-Key"] = idempotencyKey;
    if (ifMatch) headers["If-Match"] = ifMatch;
    const answer = await fetch(url, {
      method,
      headers,
      body: body.length ? body : undefined,
      redirect: "manual", // a signature is good for one address
      signal: AbortSignal.timeout(this.timeoutMs),
    });
    const data = decoded(await answer.text());
    if (!answer.ok) throw new ApiError(answer.status, data, answer.headers);
    return {
      status: answer.status,
      headers: answer.headers,
      data,
      wasReplayed: answer.headers.get("idempotent-replayed") === "true",
    };
  }
}

/** As long as the server says, else a second, two, four …, and a little by chance; milliseconds. */
function waitOf(attempt, retryAfter) {
  const milliseconds = /^\d+$/.test(retryAfter) ? Number(retryAfter) * 1000 : 500 * 2 ** attempt;
  return Math.min(milliseconds, LONGEST_WAIT_MS) * (0.75 + Math.random() / 2);
}

function decoded(text) {
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}
