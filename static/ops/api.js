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
  return (await fetched(path, {}, UPLOAD_TIMEOUT_MS)).blob();
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
  return (await fetched(path, init, timeoutMs)).json().catch(() => ({}));
}

/** @param {string} path @param {RequestInit} init @param {number} timeoutMs */
async function fetched(path, init, timeoutMs) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      ...init,
      headers: { Authorization: `Bearer ${key.get() ?? ""}`, ...init.headers },
      signal: AbortSignal.timeout(timeoutMs),
    });
  } catch {
    throw new ApiError(0, { code: "offline" });
  }
  if (!response.ok) {
    const { error } = await response.json().catch(() => ({}));
    throw new ApiError(response.status, error);
  }
  return response;
}
