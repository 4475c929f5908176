/**
 * Requests of operators to a node, with the operator key. The key is kept as long as the tab is open.
 */
const KEY = "tickingtickets.operator";
const TIMEOUT_MS = 5000;

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
  let response;
  try {
    response = await fetch(`/api/v1${path}`, {
      method: body ? "POST" : "GET",
      headers: { Authorization: `Bearer ${key.get() ?? ""}` },
      body: body && JSON.stringify(body),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0, "offline", "");
  }
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new ApiError(response.status, answer.error?.code ?? "internal", answer.error?.message ?? "");
  return answer;
}
