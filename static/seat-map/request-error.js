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
