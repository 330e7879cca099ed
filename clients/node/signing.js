/** The signature of a request, by the rules of docs/signing.md. Nothing but node:crypto. */

import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export const SCHEME = "OMS1-HMAC-SHA256";

/** The bytes of a text in which every %XX stands for its byte; a percent sign without two hex digits is itself. */
function decoded(text) {
  const raw = Buffer.from(text, "utf8");
  const bytes = [];
  for (let at = 0; at < raw.length; at += 1) {
    const hex = raw[at] === 0x25 ? raw.toString("latin1", at + 1, at + 3) : "";
    if (/^[0-9A-Fa-f]{2}$/.test(hex)) {
      bytes.push(Number.parseInt(hex, 16));
      at += 2;
    } else {
      bytes.push(raw[at]);
    }
  }
  return bytes;
}

/** Written in one way only: all but letters, digits, `-._~` and what is kept as %XX with capital digits. */
function rewritten(text, kept = "") {
  return decoded(text)
    .map((byte) => {
      const character = String.fromCharCode(byte);
      const stays = /[A-Za-z0-9._~-]/.test(character) || (kept !== "" && kept.includes(character));
      return stays ? character : `%${byte.toString(16).toUpperCase().padStart(2, "0")}`;
    })
    .join("");
}

/** The path with every %XX read as its byte and written again in one way only. */
export function canonicalPath(path) {
  return rewritten(path, "/");
}

/** The parameters, written in one way only and sorted by name; those of one name keep their order. */
export function canonicalQuery(query) {
  const pairs = query
    .split("&")
    .filter((piece) => piece !== "")
    .map((piece) => {
      const at = piece.indexOf("=");
      const [name, value] = at < 0 ? [piece, ""] : [piece.slice(0, at), piece.slice(at + 1)];
      return [name, value].map((part) => rewritten(part.replaceAll("+", " ")));
    });
  // By code unit, not by language; the sort is stable.
  pairs.sort(([one], [other]) => (one < other ? -1 : one > other ? 1 : 0));
  return pairs.map(([name, value]) => `${name}=${value}`).join("&");
}

/** The ten lines that are signed. `path` and `query` as in the address; `body` a string or bytes. */
export function canonicalText({ key, timestamp, nonce, method, path, query = "", body = "", idempotencyKey = "", ifMatch = "" }) {
  const digest = createHash("sha256").update(body).digest("hex");
  return [
    SCHEME,
    key,
    String(timestamp),
    nonce,
    method,
    canonicalPath(path),
    canonicalQuery(query),
    digest,
    idempotencyKey,
    ifMatch,
  ].join("\n");
}

/** HMAC-SHA256 of the text under the secret, in lower-case hex. */
export function signature(secret, text) {
  return createHmac("sha256", secret).update(text, "utf8").digest("hex");
}

/** The Authorization header of a request to `url`, signed now with a new nonce unless these are given. */
export function authorization(appKey, secret, method, url, body = "", options = {}) {
  const timestamp = options.timestamp ?? Math.floor(Date.now() / 1000);
  const nonce = options.nonce ?? randomBytes(18).toString("base64url");
  const { idempotencyKey = "", ifMatch = "" } = options;
  const { pathname, search } = new URL(url, "http://localhost");
  const query = search.slice(1);
  const text = canonicalText({ key: appKey, timestamp, nonce, method, path: pathname, query, body, idempotencyKey, ifMatch });
  return `${SCHEME} key=${appKey}, timestamp=${timestamp}, nonce=${nonce}, signature=${signature(secret, text)}`;
}

/**
 * The message of a webhook, verified by the Standard Webhooks specification: `body` is the text as it came, `headers`
 * has names in lower case. Throws an Error that says what is wrong.
 */
export function verifyWebhook(secret, body, headers, { toleranceSeconds = 300, now = Date.now() / 1000 } = {}) {
  const [id, timestamp, given] = ["id", "timestamp", "signature"].map((part) => headers[`webhook-${part}`] ?? "");
  if (!id || !/^\d+$/.test(timestamp) || !given) throw new Error("The headers of a webhook are missing.");
  if (Math.abs(now - Number(timestamp)) > toleranceSeconds) throw new Error("The message is too old, or from the future.");
  const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
  const wanted = createHmac("sha256", key).update(`${id}.${timestamp}.${body}`, "utf8").digest();
  const matches = given.split(" ").some((one) => {
    const [version, text = ""] = one.split(",");
    const told = Buffer.from(text, "base64");
    return version === "v1" && told.length === wanted.length && timingSafeEqual(told, wanted);
  });
  if (!matches) throw new Error("The signature is not that of this message.");
  return JSON.parse(body);
}
