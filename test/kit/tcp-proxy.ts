import { createServer, connect } from 'node:net';
import { setImmediate as nextTurn } from 'node:timers/promises';
import type { AddressInfo, Server, Socket } from 'node:net';

/** What the proxy does to the bytes of its connections. `pass`: nothing. `blackHole`: takes them and sends none on, in
 * both directions. `halfOpen`: swallows what the server says, the caller's words arrive. `trickle`: one byte at a time.
 * `refuse`: ends new connections at once. `slowClose`: passes bytes on, but not that one side has ended. */
export type ProxyMode = 'pass' | 'blackHole' | 'halfOpen' | 'trickle' | 'refuse' | 'slowClose';

interface Pair {
  readonly caller: Socket;
  readonly server: Socket;
  /** The caller has ended it. */
  left: boolean;
  /** It has begun a session; one that asks the server to cancel what another does never does. */
  session: boolean;
}

/** What a PostgreSQL client says in place of its version to have another connection's statement cancelled. */
const cancelCode = 80_877_102;

/** A TCP proxy before a real server, for faults that only a network can make. */
export class TcpProxy {
  mode: ProxyMode = 'pass';
  /** Asked of each piece of data before the mode is: what is not passed on is lost. */
  intercept: ((bytes: Buffer, fromServer: boolean) => 'pass' | 'lose') | undefined;
  /** Tells how many bytes the next piece of what the server says has. Default: what comes is passed on in one. */
  pieceBytes: (() => number) | undefined;
  /** Connections taken so far. */
  accepted = 0;
  readonly #listener: Server;
  readonly #pairs = new Set<Pair>();
  #target: { host: string; port: number };

  private constructor(target: { host: string; port: number }) {
    this.#target = target;
    this.#listener = createServer({ allowHalfOpen: true }, (caller) => {
      this.#onCaller(caller);
    });
  }

  /** Starts one before the server of a `postgres://` URL. */
  static async start(url: string): Promise<TcpProxy> {
    const { hostname, port } = new URL(url);
    const proxy = new TcpProxy({ host: hostname, port: Number(port) });
    await new Promise<void>((resolve, reject) => {
      proxy.#listener.once('error', reject);
      proxy.#listener.listen(0, '127.0.0.1', resolve);
    });
    return proxy;
  }

  /** Sends connections that are made from now on to another server. */
  leadTo(url: string): void {
    const { hostname, port } = new URL(url);
    this.#target = { host: hostname, port: Number(port) };
  }

  /** The URL by which the server is reached through the proxy. */
  urlFor(url: string): string {
    const through = new URL(url);
    through.hostname = '127.0.0.1';
    through.port = String((this.#listener.address() as AddressInfo).port);
    return through.href;
  }

  /** Connections that are open. */
  get open(): number {
    return this.#pairs.size;
  }

  /** Sessions that their callers have not ended, whatever the server has heard of that. */
  get held(): number {
    let count = 0;
    for (const { left, session } of this.#pairs) if (!left && session) count += 1;
    return count;
  }

  /** Ends every connection as a crash would. */
  reset(): void {
    for (const { caller, server } of this.#pairs) {
      caller.resetAndDestroy();
      server.resetAndDestroy();
    }
  }

  async stop(): Promise<void> {
    for (const { caller, server } of this.#pairs) {
      caller.destroy();
      server.destroy();
    }
    await new Promise<void>((resolve) => {
      this.#listener.close(() => {
        resolve();
      });
    });
  }

  #onCaller(caller: Socket): void {
    this.accepted += 1;
    if (this.mode === 'refuse') {
      caller.resetAndDestroy();
      return;
    }
    const server = connect({ ...this.#target, allowHalfOpen: true });
    const pair: Pair = { caller, server, left: false, session: false };
    caller.once('data', (bytes) => {
      pair.session = bytes.length < 8 || bytes.readUInt32BE(4) !== cancelCode;
    });
    caller.once('end', () => {
      pair.left = true;
    });
    this.#pairs.add(pair);
    for (const socket of [caller, server]) {
      socket.setNoDelay(true);
      socket.on('error', () => {
        this.#drop(pair);
      });
      socket.on('close', () => {
        this.#drop(pair);
      });
    }
    this.#pipe(caller, server, false);
    this.#pipe(server, caller, true);
  }

  #pipe(from: Socket, to: Socket, fromServer: boolean): void {
    from.on('data', (bytes) => {
      if (this.intercept?.(bytes, fromServer) === 'lose') return;
      if (this.mode === 'blackHole' || (this.mode === 'halfOpen' && fromServer)) return;
      if (this.mode === 'trickle') this.#trickle(to, bytes);
      else if (fromServer && this.pieceBytes !== undefined)
        void inPieces(from, to, bytes, this.pieceBytes);
      else if (to.writable) to.write(bytes);
    });
    from.on('end', () => {
      if (this.mode !== 'slowClose' && this.mode !== 'blackHole') to.end();
    });
  }

  #trickle(to: Socket, bytes: Buffer): void {
    for (const byte of bytes) if (to.writable) to.write(Buffer.of(byte));
  }

  #drop(pair: Pair): void {
    this.#pairs.delete(pair);
    pair.caller.destroy();
    pair.server.destroy();
  }
}

/** A turn of the event loop apart, so that whoever reads them in this process gets each by itself. */
async function inPieces(
  from: Socket,
  to: Socket,
  bytes: Buffer,
  length: () => number,
): Promise<void> {
  from.pause();
  for (let at = 0; at < bytes.length && to.writable;) {
    const end = at + length();
    to.write(bytes.subarray(at, end));
    at = end;
    await nextTurn();
  }
  from.resume();
}
