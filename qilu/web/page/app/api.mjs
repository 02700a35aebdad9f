// The HTTP interface: addresses relative to the document, errors with their remedy.

const BASE = new URL("api/v1/", document.baseURI);

/** An answer that refuses, with the words of the server. */
export class Refused extends Error {
  constructor(status, { code = "", text = "", remedy = "" } = {}) {
    super(text || `HTTP ${status}`);
    Object.assign(this, { status, code, remedy });
  }
}

export function address(path, query = {}) {
  const url = new URL(path, BASE);
  for (const [key, value] of Object.entries(query)) {
    if (value !== undefined && value !== null) url.searchParams.set(key, String(value));
  }
  return url;
}

export function liveAddress() {
  const url = address("live");
  url.protocol = url.protocol.replace("http", "ws");
  return url;
}

/** The parsed answer; raises Refused, or TypeError where the server cannot be reached. */
export async function ask(path, { query, method = "GET", body, signal } = {}) {
  const response = await fetch(address(path, query), {
    method,
    signal,
    credentials: "same-origin",
    headers: body === undefined ? {} : { "Content-Type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });
  const text = await response.text();
  let value = null;
  try {
    value = text ? JSON.parse(text) : null;
  } catch {
    value = null;
  }
  if (!response.ok) throw new Refused(response.status, value?.error);
  return value;
}

export const device = (name) => `devices/${encodeURIComponent(name)}`;
