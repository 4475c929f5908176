// The part of the official client that the pages use; the client itself comes from npm at install (static/vendor/).

export interface Socket {
  readonly connected: boolean;
  readonly id?: string;
  auth: object | ((send: (data: object) => void) => void);
  // biome-ignore lint/suspicious/noExplicitAny: each event has its own payload
  on(event: string, listener: (...args: any[]) => void): this;
  off(event?: string, listener?: (...args: unknown[]) => void): this;
  emit(event: string, ...args: unknown[]): this;
  connect(): this;
  disconnect(): this;
  // biome-ignore lint/suspicious/noExplicitAny: each event has its own acknowledgement
  timeout(ms: number): { emitWithAck(event: string, ...args: unknown[]): Promise<any> };
}

export interface Options {
  auth?: object | ((send: (data: object) => void) => void);
  transports?: (new () => object)[];
  tryAllTransports?: boolean;
  reconnection?: boolean;
  forceNew?: boolean;
  timeout?: number;
}

export function io(url: string, options?: Options): Socket;

declare class WebSocketTransport {
  createSocket(address: string, protocols: string[], options: object): globalThis.WebSocket;
}

export { WebSocketTransport as WebSocket };
export class XHR {}
