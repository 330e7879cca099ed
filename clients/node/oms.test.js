import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { test } from "node:test";

import { ApiError, Client, Unreachable, authorization, verifyWebhook } from "./oms.js";
import { canonicalText, signature } from "./signing.js";

const VECTORS = JSON.parse(readFileSync(new URL("../../docs/signature-vectors.json", import.meta.url)));

/** What the request's header should say, from the rest of the request. */
function expected(request) {
  const [, key, timestamp, nonce] = /key=([^,]+), timestamp=(\d+), nonce=([^,]+),/.exec(request.authorization);
  const { method, path, query, body } = request;
  return canonicalText({ key, timestamp, nonce, method, path, query, body, idempotencyKey: request.idempotency_key, ifMatch: request.if_match });
}

for (const vector of VECTORS.vectors.filter((one) => one.valid)) {
  test(`signs as published: ${vector.name}`, () => {
    const text = expected(vector.request);
    assert.equal(text, vector.canonical_text);
    assert.equal(signature(VECTORS.secret, text), vector.signature);
    assert.ok(vector.request.authorization.endsWith(`signature=${vector.signature}`));
  });
}

for (const vector of VECTORS.vectors.filter((one) => one.code === "signature_mismatch")) {
  test(`does not sign what is refused: ${vector.name}`, () => {
    const { authorization: header } = vector.request;
    assert.notEqual(signature(VECTORS.secret, expected(vector.request)), header.slice(-64));
  });
}

test("the header of a whole address is that of the vector", () => {
  const vector = VECTORS.vectors.find((one) => one.name === "a read with an empty body");
  const options = { timestamp: VECTORS.now, nonce: "4f1c2b7a9d3e8f60" };
  const header = authorization(VECTORS.app_key, VECTORS.secret, "GET", "https://oms.example/api/v1/orders", "", options);
  assert.equal(header, vector.request.authorization);
});

/** A server that answers as told, one after the other, and a client of it that does not wait. */
async function withServer(answers, run, options = {}) {
  const seen = [];
  const waits = [];
  const server = createServer((request, response) => {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      seen.push({ method: request.method, url: request.url, headers: request.headers, body: Buffer.concat(chunks).toString() });
      const [status, headers, body] = answers.shift() ?? [500, {}, ""];
      if (status === null) return request.socket.destroy();
      response.writeHead(status, headers).end(body);
    });
  });
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const baseUrl = `http://127.0.0.1:${server.address().port}/`;
  const wait = async (milliseconds) => void waits.push(milliseconds);
  try {
    await run(new Client({ baseUrl, appKey: "ak_1", secret: "sk_1", wait, ...options }), seen, waits);
  } finally {
    server.close();
    server.closeAllConnections();
  }
}

test("a call without an answer is repeated with the same key and a new nonce", async () => {
  const inUse = JSON.stringify({ errors: [{ code: "idempotency_key_in_use", detail: "x", attr: null }] });
  const answers = [[null], [409, { "Retry-After": "1" }, inUse], [503, {}, "down"], [201, {}, '{"a": 1}']];
  await withServer(answers, async (client, seen, waits) => {
    assert.deepEqual(await client.createOrder({ name: "张" }), { a: 1 });
    assert.equal(new Set(seen.map((one) => one.headers["idempotency-key"])).size, 1);
    assert.equal(new Set(seen.map((one) => one.headers.authorization)).size, 4);
    assert.equal(waits.length, 3);
    assert.ok(waits[1] > 700 && waits[1] < 1300);
    assert.equal(seen[3].body, '{"name":"张"}');
  });
});

test("what is refused is not repeated, nor other writes, nor are redirects followed", async () => {
  const duplicate = '{"errors": [{"code": "duplicate", "detail": "x", "attr": null}]}';
  const answers = [[409, {}, duplicate], [503, {}, ""], [302, { Location: "/elsewhere" }, ""]];
  await withServer(answers, async (client, seen) => {
    await assert.rejects(client.createOrder({}), (error) => error instanceof ApiError && error.codes.has("duplicate"));
    await assert.rejects(client.request("PATCH", "/x", { body: {} }), { status: 503 });
    await assert.rejects(client.createOrder({}), (error) => error instanceof ApiError);
    assert.equal(seen.length, 3);
  });
});

test("a server that never answers is told from a refusal", async () => {
  await withServer([[null], [null]], async (client) => {
    await assert.rejects(client.getOrder("1"), (error) => error instanceof Unreachable);
  }, { attempts: 2 });
});

test("events go on where they ended", async () => {
  const page = (ids, next) => JSON.stringify({ results: ids.map((id) => ({ id })), next, cursor: `after-${ids.at(-1)}` });
  const answers = [[200, {}, page(["1", "2"], "http://x/next")], [200, {}, page(["3"], null)], [200, {}, page(["4"], null)]];
  await withServer(answers, async (client, seen) => {
    const told = [];
    for await (const { event, cursor } of client.events({ types: "order.*" })) {
      if (told.push([event.id, cursor]) === 4) break;
    }
    assert.deepEqual(told, [["1", undefined], ["2", "after-2"], ["3", "after-3"], ["4", "after-4"]]);
    assert.match(seen[0].url, /updated_since=/);
    assert.equal(seen[1].url, "/api/v1/events?cursor=after-2&types=order.*");
  });
});

test("a webhook is verified, and nothing else", () => {
  const secret = "whsec_" + Buffer.from("a secret of a shop").toString("base64");
  const [id, timestamp, body] = ["msg_1", "1767315603", '{"type":"order.created"}'];
  const own = createHmac("sha256", "a secret of a shop").update(`${id}.${timestamp}.${body}`).digest("base64");
  const headers = { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,AAAA v1,${own}` };
  const at = { now: 1767315600 };
  assert.deepEqual(verifyWebhook(secret, body, headers, at), { type: "order.created" });
  assert.throws(() => verifyWebhook(secret, body + " ", headers, at), /signature/);
  assert.throws(() => verifyWebhook(secret, body, headers, { now: 1767316000 }), /too old/);
  assert.throws(() => verifyWebhook(secret, body, {}, at), /missing/);
});

test("an address that is none is refused", () => {
  for (const baseUrl of ["ftp://x", "oms.example", ""]) {
    assert.throws(() => new Client({ baseUrl, appKey: "k", secret: "s" }));
  }
});

// Against a running instance, where one is named: see tests/api/test_node_client.py.
test("an order goes to a running instance and comes back", { skip: !process.env.OMS_URL && "no OMS_URL" }, async () => {
  const { OMS_URL, OMS_APP_KEY, OMS_SECRET, OMS_ORDER } = process.env;
  const client = new Client({ baseUrl: OMS_URL, appKey: OMS_APP_KEY, secret: OMS_SECRET });
  const order = JSON.parse(OMS_ORDER);
  const created = await client.createOrder(order, { idempotencyKey: "node-1" });
  assert.equal(created.external_number, order.external_number);
  const again = await client.request("POST", "/api/v1/orders", { body: order, idempotencyKey: "node-1" });
  assert.deepEqual([again.wasReplayed, again.data.number], [true, created.number]);
  assert.deepEqual(await client.getOrder(created.number), created);
  const listed = [];
  for await (const one of client.listOrders({ buyer: order.buyer.id, limit: 1 })) listed.push(one.number);
  assert.deepEqual(listed, [created.number]);
  await assert.rejects(client.createOrder(order), (error) => error.codes.has("duplicate"));
  const wrong = new Client({ baseUrl: OMS_URL, appKey: OMS_APP_KEY, secret: "sk_wrong" });
  await assert.rejects(wrong.getOrder(created.number), (error) => error.codes.has("signature_mismatch"));
});
