/** How long to wait for an answer for which the node asks the payment gateway: up to twice, 8 s each. */
export const GATEWAY_WAIT = { ackMs: 20000, timeoutMs: 40000 };

/** The server refused a request (`code` is one of the protocol's), or could not be reached (`offline`). */
export class RequestError extends Error {
  /** @param {{code: string, message: string, retryable?: boolean, [detail: string]: unknown}} error */
  constructor(error) {
    super(error.message);
    this.code = error.code;
    this.retryable = error.retryable ?? false;
    this.details = error;
  }
}
