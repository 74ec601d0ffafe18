// Calls of the langevin.v1 API in the Connect protocol, over fetch.

// ApiError is a call's status: its code, such as "invalid_argument", and the fields that are wrong.
export class ApiError extends Error {
  constructor(code, message, details = []) {
    super(message || code);
    this.code = code;
    this.fields = details
      .filter((d) => d.type === "google.rpc.BadRequest")
      .flatMap((d) => d.debug?.fieldViolations ?? []);
  }
}

let token = sessionStorage.getItem("token") ?? "";

export function setToken(value) {
  token = value;
  sessionStorage.setItem("token", value);
}

function post(method, type, body, signal) {
  const headers = { "Content-Type": type, "Connect-Protocol-Version": "1" };
  if (token) headers.Authorization = `Bearer ${token}`;
  return fetch(`/langevin.v1.${method}`, { method: "POST", headers, body, signal });
}

async function failure(response) {
  const text = await response.text();
  try {
    const e = JSON.parse(text);
    return new ApiError(e.code ?? e.error?.code ?? "unknown", e.message ?? e.error?.message, e.details);
  } catch {
    return new ApiError("unavailable", `the server answered ${response.status} ${response.statusText}`);
  }
}

// unary makes a call that has one answer.
export async function unary(method, request, signal) {
  const response = await post(method, "application/json", JSON.stringify(request), signal);
  if (!response.ok) throw await failure(response);
  return response.json();
}

// stream makes a call and yields its answers as they come. Leaving the loop, or aborting the signal, cancels the call.
export async function* stream(method, request, signal) {
  const response = await post(method, "application/connect+json", envelope(request), signal);
  if (!response.ok) throw await failure(response);
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let pending = new Uint8Array(0);
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) throw new ApiError("unavailable", "the connection broke");
      pending = joined(pending, value);
      let start = 0;
      while (pending.length - start >= 5) {
        const size = new DataView(pending.buffer, pending.byteOffset + start).getUint32(1);
        const end = start + 5 + size;
        if (pending.length < end) break;
        const message = JSON.parse(decoder.decode(pending.subarray(start + 5, end)) || "{}");
        const last = pending[start] & 2;
        start = end;
        if (!last) yield message;
        else if (message.error) throw new ApiError(message.error.code, message.error.message, message.error.details);
        else return;
      }
      pending = pending.slice(start);
    }
  } finally {
    reader.cancel().catch(() => {}); // it may have ended already
  }
}

function joined(a, b) {
  if (a.length === 0) return b;
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}

function envelope(message) {
  const json = new TextEncoder().encode(JSON.stringify(message));
  const body = new Uint8Array(5 + json.length);
  new DataView(body.buffer).setUint32(1, json.length);
  body.set(json, 5);
  return body;
}

// floats reads the elements of a tensor.
export function floats(tensor) {
  const text = atob(tensor?.data ?? "");
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return new Float32Array(bytes.buffer); // little-endian, as on every machine with a browser
}

// rows returns a tensor of points for a request.
export function rows(values) {
  const bytes = new Uint8Array(new Float32Array(values).buffer);
  let text = "";
  for (let i = 0; i < bytes.length; i += 4096) text += String.fromCharCode(...bytes.subarray(i, i + 4096));
  return { data: btoa(text) };
}

// describedSamplers returns the server's description of every kind of sampler.
export async function describedSamplers() {
  const response = await fetch("/v1/samplers");
  if (!response.ok) throw await failure(response);
  return (await response.json()).samplers;
}

// models returns every model that can be sampled.
export async function models() {
  const all = [];
  let pageToken = "";
  do {
    const page = await unary("ModelService/ListModels", { pageToken });
    all.push(...(page.models ?? []));
    pageToken = page.nextPageToken;
  } while (pageToken);
  return all.filter((m) => m.state === "MODEL_STATE_READY").map((m) => ({ ...m, shape: m.shape.map(Number) }));
}
