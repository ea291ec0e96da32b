import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { systemClock } from '@changeover/core';
import { HourBook, inTurns, silentLogger, type StageSource } from '@changeover/bridge';
import type { ParsedSettings } from '@changeover/bridge';
import { CommandError } from '../command/command-error.ts';
import {
  Migration,
  type Reading,
  readPlace,
  statStore,
  unreadableStore,
  withoutLedger,
} from '../command/migration.ts';
import { openStageSource } from '@changeover/bridge';
import { readPools } from '@changeover/bridge';
import { consolePage } from './console-page.ts';
import { consoleScript } from './console-script.ts';
import { consoleStyle } from './console-style.ts';
import { type WorkedFigures, workedInSteps } from './console-figures.ts';
import { viewInSteps } from './console-view.ts';
import { makeChange, readingFor } from './make-change.ts';
import { runAgain } from './run-again.ts';
import { MinuteBook } from './minute-book.ts';
import { isPagePath, type PageRequest, pageRequest } from './page-request.ts';

/** Where the console listens, and whether it changes anything. */
export interface ConsoleOptions {
  readonly place: ParsedSettings;
  /** 0 for any free one. */
  readonly port: number;
  readonly readOnly: boolean;
}

/** A console that listens. */
export interface OpenConsole {
  close(): Promise<void>;
  /** With the token in its fragment, which browsers send to nobody. */
  readonly url: string;
}

const maxBodyBytes = 4_096;
/** Pages that are open at once; one more takes the place of the oldest, for all are the owner's. */
const maxListeners = 8;
/** Connections that have shown no token yet; one more takes the place of the oldest. */
const maxUnproven = 48;
const maxUnsentBytes = 4_000_000;
const tokenText = 'This console needs its token: open the address that changeover console printed.';
const betweenLooksMs = 1_000;
/** Of a large store a look takes most of a second: then pages wait rather than the machine's other programs. */
const restPerLook = 4;
const policy =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; base-uri 'none'; " +
  "form-action 'none'; frame-ancestors 'none'";
const assets: Readonly<Record<string, readonly [type: string, text: string]>> = {
  '/console.js': ['text/javascript', consoleScript],
  '/console.css': ['text/css', consoleStyle],
};

/** Serves the console on 127.0.0.1 until it is disposed of. Rejects where the port is taken. */
export async function openConsole({ place, port, readOnly }: ConsoleOptions): Promise<OpenConsole> {
  const flags = openStageSource(place, silentLogger);
  const token = randomBytes(32).toString('base64url');
  const console = new Console(place, flags, readOnly, token);
  const server = createServer(
    {
      requestTimeout: 10_000,
      headersTimeout: 5_000,
      keepAliveTimeout: 5_000,
      // Half-open ones are looked for this often: by default once in 30 s.
      connectionsCheckingInterval: 1_000,
    },
    (request, response) => void console.answer(request, response),
  );
  server.on('connection', (socket) => {
    console.connected(socket);
  });
  try {
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, '127.0.0.1', resolve);
    });
  } catch (error) {
    await flags.close();
    throw error;
  }
  console.port = (server.address() as AddressInfo).port;
  const timer = setInterval(() => void console.lookAgain(), betweenLooksMs);
  return {
    url: `http://127.0.0.1:${console.port}/#${token}`,
    async close() {
      clearInterval(timer);
      const closed = new Promise((resolve) => {
        server.close(resolve);
      });
      server.closeAllConnections();
      await closed;
      await flags.close();
    },
  };
}

class Console {
  port = 0;
  readonly #place: ParsedSettings;
  readonly #flags: StageSource;
  readonly #readOnly: boolean;
  readonly #token: Buffer;
  readonly #listeners = new Map<ServerResponse, PageRequest>();
  readonly #minutes = new MinuteBook();
  readonly #unproven = new Set<Socket>();
  #looking = false;
  #looksOnceMore = false;
  #restsUntilMs = 0;
  /** What was said last is what was read last. Never rejects. */
  #telling: Promise<void> = Promise.resolve();
  /** What is being made: a call that is run again holds no way back up. */
  readonly #making = new Set<unknown>();
  /** What was read last; a page that turns to another part of it need not wait for the next look. */
  #figures: WorkedFigures | undefined = undefined;

  constructor(place: ParsedSettings, flags: StageSource, readOnly: boolean, token: string) {
    this.#place = place;
    this.#flags = flags;
    this.#readOnly = readOnly;
    this.#token = digestOf(token);
  }

  /** Whoever has shown no token makes room for those that come later: many of them must not shut the owner out. */
  connected(socket: Socket): void {
    this.#unproven.add(socket);
    socket.once('close', () => this.#unproven.delete(socket));
    const [oldest] = this.#unproven;
    if (this.#unproven.size > maxUnproven) oldest?.destroy();
  }

  #isOwner(given: unknown): boolean {
    return typeof given === 'string' && timingSafeEqual(digestOf(given), this.#token);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    response.on('error', () => undefined);
    try {
      if (!this.#isOurs(request)) {
        send(response, 403, { ok: false, text: 'This console answers only its own page.' });
        return;
      }
      const asset = assets[request.url ?? ''];
      if (request.method === 'GET' && asset !== undefined) {
        send(response, 200, asset[1], asset[0]);
        return;
      }
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://console');
      if (request.method === 'GET' && isPagePath(pathname)) {
        send(response, 200, consolePage, 'text/html');
        return;
      }
      if (request.method === 'GET' && pathname === '/events') {
        if (!this.#isOwner(searchParams.get('token'))) {
          send(response, 403, { ok: false, text: tokenText });
          return;
        }
        this.#unproven.delete(request.socket);
        this.#listen(response, pageRequest(searchParams));
        return;
      }
      if (request.method === 'POST' && request.url === '/change') {
        await this.#ordered(request, response, async (body) => {
          const answer = await makeChange(await this.#read(readingFor(body)), body);
          return { answer, changes: true };
        });
        return;
      }
      if (request.method === 'POST' && request.url === '/reproduce') {
        await this.#ordered(request, response, async (body) => {
          // What the page shows is known, counts alone too: with them come the mismatches that were kept.
          const migration = this.#figures?.migration ?? (await this.#read());
          return { answer: await runAgain(migration, body), changes: false };
        });
        return;
      }
      send(response, 404, { ok: false, text: 'There is nothing here.' });
    } catch {
      if (response.headersSent) {
        request.destroy();
        return;
      }
      // Ended before the answer is out, the page would only know that it was cut off.
      response.once('finish', () => {
        request.destroy();
      });
      send(response, 400, { ok: false, text: 'The request could not be read.' });
    }
  }

  /** Reads all anew and tells every page. One look at a time. */
  async look(): Promise<void> {
    if (this.#listeners.size === 0) return;
    // The one that is under way may have read what was there before a change.
    if (this.#looking) {
      this.#looksOnceMore = true;
      return;
    }
    this.#looking = true;
    const beganMs = performance.now();
    let message: (request: PageRequest) => Promise<string>;
    try {
      if (this.#figures === undefined && this.#place.ledgerUrl !== undefined)
        await this.#lookAtCounts();
      const figures = await this.#worked(await this.#read(), 'all');
      this.#figures = figures;
      message = (request) => viewMessage(figures, request);
    } catch (error) {
      this.#figures = undefined;
      message = () => Promise.resolve(this.#troubleMessage(error));
    }
    this.#looking = false;
    const endedMs = performance.now();
    this.#restsUntilMs = endedMs + restPerLook * (endedMs - beganMs);
    for (const listener of [...this.#listeners.keys()]) await this.#tell(listener, message);
    if (!this.#looksOnceMore) return;
    this.#looksOnceMore = false;
    await this.look();
  }

  /** What a large shared store has takes longer to read than somebody waits for a page: what is wrong by its counts comes first. */
  async #lookAtCounts(): Promise<void> {
    const figures = await this.#worked(await this.#read('counts'), 'counts');
    this.#figures = figures;
    for (const listener of [...this.#listeners.keys()])
      void this.#tell(listener, (request) => viewMessage(figures, request));
  }

  /** One page after another: a view takes some milliseconds, and there may be several pages. */
  #tell(
    listener: ServerResponse,
    message: (request: PageRequest) => Promise<string>,
  ): Promise<void> {
    this.#telling = this.#telling.then(async () => {
      const request = this.#listeners.get(listener);
      if (request === undefined) return;
      if (listener.writableLength > maxUnsentBytes) listener.destroy();
      else
        listener.write(
          await message(request).catch((error: unknown) => this.#troubleMessage(error)),
        );
    });
    return this.#telling;
  }

  #troubleMessage(error: unknown): string {
    return `event: trouble\ndata: ${JSON.stringify(this.#trouble(error))}\n\n`;
  }

  /** In a few words, and with what to do. */
  #trouble(error: unknown): { readonly text: string; readonly help: string } {
    const isKnown = error instanceof CommandError;
    const { message } = isKnown ? error : unreadableStore(this.#place, error);
    const why = isKnown ? 'this page says why' : String((error as { message?: unknown }).message);
    return { text: `It can't be read: ${why}`, help: `${message} ${withoutLedger}` };
  }

  #worked(migration: Migration, reading: WorkedFigures['reading']): Promise<WorkedFigures> {
    const steps = workedInSteps({
      migration,
      reading,
      pools: readPools(this.#place.storePath),
      readOnly: this.#readOnly,
      minutes: this.#minutes,
    });
    return inTurns(systemClock, steps);
  }

  /** As {@link look}, unless the last one took so long that it isn't its turn. */
  async lookAgain(): Promise<void> {
    if (!this.#looking && performance.now() >= this.#restsUntilMs) await this.look();
  }

  async #read(reading: Reading = 'all'): Promise<Migration> {
    const beganMs = performance.now();
    statStore(this.#place);
    const hours = new HourBook(systemClock.wallMs());
    const read = await readPlace(this.#place, reading, hours);
    if (reading === 'all') this.#minutes.look(hours);
    return new Migration({ place: this.#place, flags: this.#flags, beganMs, ...read });
  }

  /** A page elsewhere may name this address (another Host) or send to it (another site): neither is answered. */
  #isOurs({ headers, method }: IncomingMessage): boolean {
    const hosts = [`127.0.0.1:${this.port}`, `localhost:${this.port}`];
    const { host = '', origin } = headers;
    if (!hosts.includes(host)) return false;
    const site = headers['sec-fetch-site'];
    if (site !== undefined && site !== 'same-origin' && (site !== 'none' || method !== 'GET'))
      return false;
    return origin === undefined ? method === 'GET' : origin === `http://${host}`;
  }

  #listen(response: ServerResponse, request: PageRequest): void {
    const [oldest] = this.#listeners.keys();
    if (this.#listeners.size >= maxListeners && oldest !== undefined) {
      this.#listeners.delete(oldest);
      oldest.destroy();
    }
    response.writeHead(200, headersFor('text/event-stream'));
    this.#listeners.set(response, request);
    response.on('close', () => this.#listeners.delete(response));
    // Read while somebody was looking: less than a rest ago.
    const figures = this.#figures;
    if (
      figures !== undefined &&
      (figures.reading === 'counts' || performance.now() < this.#restsUntilMs)
    )
      void this.#tell(response, () => viewMessage(figures, request));
    else void this.look();
  }

  /** What only the owner may ask for, one of its kind at a time. */
  async #ordered(
    request: IncomingMessage,
    response: ServerResponse,
    make: (body: unknown) => Promise<{ readonly answer: object; readonly changes: boolean }>,
  ): Promise<void> {
    if (!this.#isOwner(request.headers['x-changeover-token'])) {
      send(response, 403, { ok: false, text: tokenText });
      return;
    }
    this.#unproven.delete(request.socket);
    if (this.#readOnly) {
      send(response, 403, { ok: false, text: 'This console was started with --read-only.' });
      return;
    }
    if (request.headers['content-type'] !== 'application/json') {
      send(response, 415, { ok: false, text: 'JSON is expected.' });
      return;
    }
    const body: unknown = JSON.parse(await bodyOf(request));
    const kind = request.url;
    if (this.#making.has(kind)) {
      send(response, 409, { ok: false, text: 'Another one is being made: try again.' });
      return;
    }
    this.#making.add(kind);
    try {
      const { answer, changes } = await make(body);
      send(response, 200, answer);
      if (!changes) return;
    } finally {
      this.#making.delete(kind);
    }
    await this.look();
  }
}

async function viewMessage(figures: WorkedFigures, request: PageRequest): Promise<string> {
  const view = await inTurns(systemClock, viewInSteps(figures, request));
  return `data: ${JSON.stringify(view)}\n\n`;
}

function digestOf(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const part of request as AsyncIterable<Buffer>) {
    bytes += part.length;
    if (bytes > maxBodyBytes) throw new RangeError('The body is too long.');
    parts.push(part);
  }
  return Buffer.concat(parts).toString('utf8');
}

function headersFor(type: string): Record<string, string> {
  return {
    'content-type': `${type}; charset=utf-8`,
    'content-security-policy': policy,
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-resource-policy': 'same-origin',
    'cross-origin-opener-policy': 'same-origin',
  };
}

function send(
  response: ServerResponse,
  status: number,
  body: string | object,
  type = 'application/json',
): void {
  response
    .writeHead(status, headersFor(type))
    .end(typeof body === 'string' ? body : JSON.stringify(body));
}
