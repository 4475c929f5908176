/**
 * Requests of operators to a node, with the operator key. The key is kept as long as the tab is open.
 */
const KEY = "tickingtickets.operator";
const TIMEOUT_MS = 5000;
const UPLOAD_TIMEOUT_MS = 120000;

export class ApiError extends Error {
  /** @param {number} status 0: no answer @param {string} code @param {string} message */
  constructor(status, code, message) {
    super(message);
    this.status = status;
    this.code = code;
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
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function ask(path, body) {
  return send(path, body ? "POST" : "GET", body && JSON.stringify(body), TIMEOUT_MS);
}

/**
 * POST a file.
 * @param {string} path below /api/v1
 * @param {Blob} file
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function upload(path, file) {
  return send(path, "POST", file, UPLOAD_TIMEOUT_MS);
}

/** @param {string} path @param {string} method @param {BodyInit | undefined} body @param {number} timeout ms */
async function send(path, method, body, timeout) {
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method,
      headers: { Authorization: `Bearer ${key.get() ?? ""}` },
      body,
      signal: AbortSignal.timeout(timeout),
    });
  } catch {
    throw new ApiError(0, "offline", "");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error?.code ?? "internal", answer.error?.message ?? "");
  return answer;
}
