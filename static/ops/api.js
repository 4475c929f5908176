/**
 * Requests of operators and gate staff to a node, with the operator key. The key is kept as long as the tab is open.
 */
const KEY = "tickingtickets.operator";
const TIMEOUT_MS = 5000;
const UPLOAD_TIMEOUT_MS = 120000;

export class ApiError extends Error {
  /** @param {number} status 0: no answer @param {{code?: string, message?: string, [detail: string]: any}} [error] as the node sent it */
  constructor(status, error = {}) {
    super(error.message ?? "");
    this.status = status;
    this.code = error.code ?? "internal";
    this.details = error;
  }
}

/** Whether the server does not accept the key: who was signed in has to sign in again. @param {unknown} error */
export function isKeyRefused(error) {
  return error instanceof ApiError && (error.status === 401 || error.status === 403);
}

export const key = {
  get: () => sessionStorage.getItem(KEY),
  /** @param {string} value */
  set: (value) => sessionStorage.setItem(KEY, value),
  forget: () => sessionStorage.removeItem(KEY),
};

/**
 * Send a request.
 * @param {string} path below /api/v1
 * @param {object} [body] makes it a POST
 * @param {{timeoutMs?: number, headers?: Record<string, string>}} [how]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function ask(path, body, { timeoutMs = TIMEOUT_MS, headers = {} } = {}) {
  return send(path, { method: body ? "POST" : "GET", headers, body: body && JSON.stringify(body) }, timeoutMs);
}

/** GET a file. @param {string} path below /api/v1 @returns {Promise<Blob>} @throws {ApiError} */
export async function download(path) {
  return fetched(path, {}, UPLOAD_TIMEOUT_MS, (response) => response.blob());
}

/**
 * POST a file.
 * @param {string} path below /api/v1
 * @param {Blob} file
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function upload(path, file) {
  return send(path, { method: "POST", body: file }, UPLOAD_TIMEOUT_MS);
}

/** @param {string} path @param {RequestInit} init @param {number} timeoutMs */
async function send(path, init, timeoutMs) {
  return fetched(path, init, timeoutMs, json);
}

/** @param {Response} response @returns {Promise<any>} `{}` if it has no body @throws if it is cut off, or not JSON */
async function json(response) {
  const text = await response.text();
  return text ? JSON.parse(text) : {};
}

/**
 * @template T
 * @param {string} path
 * @param {RequestInit} init
 * @param {number} timeoutMs for the whole answer
 * @param {(response: Response) => Promise<T>} read reads the body of an answer that is no error
 * @returns {Promise<T>}
 * @throws {ApiError}
 */
async function fetched(path, init, timeoutMs, read) {
  let response;
  let text;
  try {
    response = await fetch(`/api/v1${path}`, {
      ...init,
      headers: { Authorization: `Bearer ${key.get() ?? ""}`, ...init.headers },
      signal: AbortSignal.timeout(timeoutMs),
    });
    if (response.ok) return await read(response);
    text = await response.text();
  } catch {
    // Also an answer that was cut off, or that is none of a node's, such as the sign-in page of a network.
    throw new ApiError(0, { code: "offline" });
  }
  throw new ApiError(response.status, errorIn(text));
}

/** What a node says about an error; undefined where a balancer has answered. @param {string} text */
function errorIn(text) {
  try {
    return JSON.parse(text).error;
  } catch {
    return undefined;
  }
}
