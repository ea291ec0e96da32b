import type { ClientRequest, IncomingMessage, request as requestHttp } from 'node:http';
import { type Clock, loadBuiltin, type Timer } from '@changeover/core';

/** What a poller is made of. */
export interface FlagPollerOptions {
  /** The server's API: `https://unleash.example.com/api`. */
  readonly url: string;
  /** A client token, or a function that is asked for it before each request, so that it can be changed at run time. */
  readonly token: string | (() => string);
  readonly appName: string;
  /** Only flags of this project. Default: all that the token may see. */
  readonly project?: string | undefined;
  readonly refreshIntervalMs: number;
  /** A request without a whole answer after this long is given up. */
  readonly timeoutMs: number;
  readonly clock: Clock;
  /** Random numbers in [0, 1), so that many processes don't ask at the same moment. */
  readonly random: () => number;
  /** Called with each answer and each failure. */
  readonly onOutcome: (outcome: PollOutcome) => void;
}

/** What one request came to. */
export type PollOutcome =
  | { readonly kind: 'data'; readonly document: unknown }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'failed'; readonly message: string };

interface Answer {
  readonly status: number;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

const maxBodyBytes = 16 * 1024 * 1024;
/** After failures requests get rarer, up to this many intervals, and never rarer than {@link maxPauseMs}. */
const maxBackoff = 8;
const maxPauseMs = 60_000;
/** What a server may ask for by `Retry-After`. */
const maxRetryAfterMs = 300_000;
/** The version of Unleash's specification that the evaluating client implements. */
const clientSpecification = '5.2.0';

/**
 * Fetches flags from an Unleash server, one request at a time, for good: no status and no failure ends it.
 *
 * `unleash-client` evaluates the flags, but doesn't fetch them. Its own fetching ends at the first 401 or 403, ends the
 * process when it is stopped during a request that fails, waits up to ten intervals after a server came back, and its
 * timers keep a process alive while a server hangs.
 */
export class FlagPoller {
  readonly #options: FlagPollerOptions;
  #timer: Timer | undefined = undefined;
  #request: ClientRequest | undefined = undefined;
  #etag: string | undefined = undefined;
  #failures = 0;
  #closed = false;

  constructor(options: FlagPollerOptions) {
    this.#options = options;
    this.#pollAfter(0);
  }

  /** Gives up the request that is out. No outcome is told any more. Idempotent. */
  close(): void {
    this.#closed = true;
    this.#timer?.cancel();
    this.#request?.destroy();
  }

  #pollAfter(delayMs: number): void {
    if (this.#closed) return;
    this.#timer = this.#options.clock.after(delayMs, () => {
      this.#poll();
    });
  }

  #poll(): void {
    let done = false;
    const finish = (outcome: PollOutcome, pauseMs = 0): void => {
      if (done || this.#closed) return;
      done = true;
      this.#request = undefined;
      this.#failures = outcome.kind === 'failed' ? this.#failures + 1 : 0;
      // The next one is planned first: whoever listens can't stop the polling.
      this.#pollAfter(Math.max(pauseMs, this.#nextMs()));
      this.#options.onOutcome(outcome);
    };
    try {
      this.#send(
        (answer) => {
          const { outcome, pauseMs } = this.#outcomeOf(answer);
          finish(outcome, pauseMs);
        },
        (error) => {
          finish({ kind: 'failed', message: failureText(error) });
        },
      );
    } catch (error) {
      finish({ kind: 'failed', message: failureText(error) });
    }
  }

  #nextMs(): number {
    const { refreshIntervalMs, random } = this.#options;
    const factor = Math.min(2 ** this.#failures, maxBackoff);
    const pauseMs = Math.max(refreshIntervalMs, Math.min(refreshIntervalMs * factor, maxPauseMs));
    return pauseMs * (0.9 + 0.2 * random());
  }

  #send(answered: (answer: Answer) => void, failed: (error: unknown) => void): void {
    const { clock, timeoutMs } = this.#options;
    const url = this.#address();
    // Loaded here: flags of a file need neither, and they are a third of what importing this package takes.
    const client = loadBuiltin(url.protocol === 'https:' ? 'node:https' : 'node:http');
    const { request: send } = client as { readonly request: typeof requestHttp };
    const request = send(url, { headers: this.#headers() });
    this.#request = request;
    const deadline = clock.after(timeoutMs, () => {
      request.destroy(new Error(`no answer within ${String(timeoutMs)} ms`));
    });
    const end = (error: unknown): void => {
      deadline.cancel();
      failed(error);
    };
    // A server that hangs must not keep a process from ending.
    request.on('socket', (socket) => {
      socket.unref();
    });
    request.on('error', end);
    request.on('response', (response) => {
      readBody(
        response,
        (body) => {
          deadline.cancel();
          answered({ status: response.statusCode ?? 0, headers: response.headers, body });
        },
        (error) => {
          request.destroy();
          end(error);
        },
      );
    });
    request.end();
  }

  #address(): URL {
    const { url, project } = this.#options;
    const address = new URL(`${url.replace(/\/+$/, '')}/client/features`);
    if (project !== undefined) address.searchParams.set('project', project);
    return address;
  }

  #headers(): Record<string, string> {
    const { token, appName, refreshIntervalMs } = this.#options;
    return {
      authorization: typeof token === 'function' ? token() : token,
      accept: 'application/json',
      'user-agent': appName,
      'unleash-appname': appName,
      'unleash-client-spec': clientSpecification,
      'unleash-interval': String(refreshIntervalMs),
      ...(this.#etag === undefined ? {} : { 'if-none-match': this.#etag }),
    };
  }

  #outcomeOf({ status, headers, body }: Answer): {
    readonly outcome: PollOutcome;
    readonly pauseMs?: number;
  } {
    if (status === 304) return { outcome: { kind: 'unchanged' } };
    if (status !== 200) {
      const pauseMs = retryAfterMs(headers['retry-after']);
      return { outcome: { kind: 'failed', message: statusText(status) }, pauseMs };
    }
    let document: unknown;
    try {
      document = JSON.parse(body);
    } catch {
      return {
        outcome: {
          kind: 'failed',
          message: 'the answer is no JSON: is this the API of an Unleash server?',
        },
      };
    }
    this.#etag = headers.etag;
    return { outcome: { kind: 'data', document } };
  }
}

function readBody(
  response: IncomingMessage,
  read: (body: string) => void,
  failed: (error: unknown) => void,
): void {
  const chunks: Buffer[] = [];
  let size = 0;
  response.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > maxBodyBytes)
      failed(new Error(`the answer has more than ${String(maxBodyBytes)} bytes`));
    else chunks.push(chunk);
  });
  response.on('end', () => {
    read(Buffer.concat(chunks).toString('utf8'));
  });
  response.on('error', failed);
}

function statusText(status: number): string {
  if (status === 401 || status === 403) {
    return `the server refuses the token (${String(status)}): give a valid client token`;
  }
  if (status === 404) return 'the server has no such address (404): the URL ends in /api';
  if (status === 429) return 'the server is asked too often (429)';
  return `the server answered with status ${String(status)}`;
}

/** `Retry-After` in ms, within bounds; a date or nonsense counts as none. */
function retryAfterMs(header: string | undefined): number {
  const seconds = Number(header ?? 0);
  return Number.isFinite(seconds) ? Math.min(Math.max(seconds, 0) * 1_000, maxRetryAfterMs) : 0;
}

/** A connection's failure in words; the token can't be in it. */
function failureText(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  const text = typeof message === 'string' && message !== '' ? message : String(code);
  return text.slice(0, 300);
}
