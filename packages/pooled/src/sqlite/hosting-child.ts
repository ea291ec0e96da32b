import type { ChildProcess, ForkOptions } from 'node:child_process';
import type { Readable } from 'node:stream';
import { ownProgram } from '@changeover/core';
import { endWhenOrphaned } from './orphan-watch.ts';
import { PendingCalls } from './pending-calls.ts';
import type { OnFailure, RequestBody, WorkerAnswer } from './pending-calls.ts';
import { SqliteHost } from './sqlite-host.ts';
import { childReady, commitMarksFd } from './worker-messages.ts';
import type { WorkerMessage } from './worker-messages.ts';

/** One child process that hosts connections, and can be ended in the middle of a statement. It does not keep this process
 * alive, and ends with it. */
export class HostingChild extends SqliteHost {
  /** The process itself. */
  readonly process: ChildProcess;
  readonly #ready = Promise.withResolvers<undefined>();
  readonly #ended = Promise.withResolvers<undefined>();
  readonly #endWatch: () => void;
  /** The call that told last of its commit; they run one after the other. */
  #committing: number | undefined;

  /** @param onLost called once, when the process has ended for whatever reason. */
  constructor(onLost: () => void) {
    super(new PendingCalls('process'), onLost);
    this.process = startChild();
    const { pid } = this.process;
    this.#endWatch = pid === undefined ? () => undefined : endWhenOrphaned(pid);
    this.process.unref();
    this.process.channel?.unref();
    this.#readMarks();
    this.process.on('message', (message: WorkerMessage | typeof childReady) => {
      if (message === childReady) this.#ready.resolve(undefined);
      else this.calls.received(message);
    });
    this.process.on('error', (error) => {
      this.cause = error;
      // It was not even started, so that nothing will close.
      if (this.process.pid === undefined) this.#onEnd();
    });
    // Comes when the process has ended and all that it wrote was read.
    this.process.on('close', () => {
      this.#onEnd();
    });
  }

  ask(dataset: string, request: RequestBody, onFailure: OnFailure): Promise<WorkerAnswer> {
    if (this.lost || !this.process.connected) return Promise.reject(this.calls.lostError(dataset));
    return this.calls.ask(dataset, request, onFailure, (message) => {
      // What could not be sent is rejected when the process has ended.
      this.process.send(message, () => undefined);
    });
  }

  /** Resolves when the process has started, or has ended before. */
  get ready(): Promise<undefined> {
    return this.#ready.promise;
  }

  /** Resolves when the process has ended and all that waited for it were told. */
  get ended(): Promise<undefined> {
    return this.#ended.promise;
  }

  /** Ends the process now, whatever it is at. What runs in it is rejected some ms later. */
  kill(): void {
    this.process.kill('SIGKILL');
  }

  /** Each call that is about to commit is told in a pipe, which outlives the one who wrote to it. */
  #readMarks(): void {
    const marks = this.process.stdio[commitMarksFd] as Readable & { unref?(): void };
    let rest = Buffer.alloc(0);
    marks.on('data', (bytes: Buffer) => {
      rest = Buffer.concat([rest, bytes]);
      let at = 0;
      for (; at + 4 <= rest.length; at += 4) this.#committing = rest.readUInt32LE(at);
      rest = rest.subarray(at);
    });
    marks.on('error', () => undefined);
    marks.unref?.();
  }

  #onEnd(): void {
    if (this.lost) return;
    this.#endWatch();
    this.end((call) => (this.#committing === call ? 'committing' : 'nothing'));
    this.#ready.resolve(undefined);
    this.#ended.resolve(undefined);
  }
}

function startChild(): ChildProcess {
  const { path, execArgv } = ownProgram('@changeover/pooled/sqlite/child', import.meta.url);
  return process.getBuiltinModule('node:child_process').fork(path, [], {
    // Keeps what JSON loses: bytes, large integers, -0, NaN.
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'inherit', 'ipc', 'pipe'],
    // What the program's own process is started with (loaders, a debugger's port) is not for this one.
    env: { ...process.env, NODE_OPTIONS: '', CHANGEOVER_SQLITE_CHILD: '1' },
    execArgv: [...execArgv],
    windowsHide: true,
  } as ForkOptions);
}
