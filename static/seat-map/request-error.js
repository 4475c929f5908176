/** A refusal by the server, or `offline` / `timeout` when it could not be asked. */
export class RequestError extends Error {
  /** @param {{code: string, message: string, retryable?: boolean, [detail: string]: unknown}} error */
  constructor(error) {
    super(error.message);
    this.code = error.code;
    this.retryable = error.retryable ?? false;
    this.details = error;
  }
}
