// The server's data. Errors come as `ApiError` with the server's own sentence. Where the server asks
// for a token, so does the page, which keeps it for this tab alone.

const HOME = new URL("api/", document.baseURI);
const TOKEN = "rowspace-token";

/** What the server said it would not or could not do. */
export class ApiError extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

/** A GET with parameters, or a POST with `body`; the answer as JSON. */
export async function json(path, params = {}, options = {}) {
  const response = await request(path, params, options);
  return response.json();
}

/** The answer as { buffer, headers }; `onWait(state)` is called while the server is still making it. */
export async function binary(path, params = {}, options = {}) {
  for (;;) {
    const response = await request(path, params, options);
    if (response.status !== 202) return { buffer: await response.arrayBuffer(), headers: response.headers };
    options.onWait?.(await response.json());
    await pause(500, options.signal);
  }
}

/** A POST whose answer is saved as a file. */
export async function download(path, body, name) {
  const response = await request(path, {}, { body });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await response.blob());
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

async function request(path, params, { body, signal } = {}) {
  const url = new URL(path, HOME);
  for (const [name, value] of Object.entries(params)) {
    if (value != null && value !== "") url.searchParams.set(name, value);
  }
  const headers = {};
  const token = sessionStorage.getItem(TOKEN);
  if (token) headers.authorization = `Bearer ${token}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  const method = body === undefined ? "GET" : "POST";
  let response;
  try {
    response = await fetch(url, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError(0, "The server does not answer; is it still running?");
  }
  if (response.status === 401 && (await askForToken())) return request(path, params, { body, signal });
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response) {
  try {
    return new ApiError(response.status, (await response.json()).error.message);
  } catch {
    return new ApiError(response.status, `The server answered ${response.status}.`);
  }
}

let asking = null; // one dialog for all requests that wait

async function askForToken() {
  const { askForToken: ask } = await import("./token.js");
  asking ??= ask().finally(() => (asking = null));
  const token = await asking;
  if (token) sessionStorage.setItem(TOKEN, token);
  return Boolean(token);
}

/** Some milliseconds; an AbortError once `signal` is aborted. */
export function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(new DOMException("left", "AbortError"));
    const timer = setTimeout(resolve, milliseconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("left", "AbortError"));
    }, { once: true });
  });
}
