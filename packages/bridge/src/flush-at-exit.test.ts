import { EventEmitter } from 'node:events';
import { describe, expect, test } from '@jest/globals';
import { type EndingProcess, ExitFlush, type Holder } from './flush-at-exit.ts';

/** A process of which only the signals and the end are real. */
class FakeProcess extends EventEmitter {
  readonly pid = 1;
  readonly killed: string[] = [];

  kill(_pid: number, signal: string): boolean {
    // What the system does with a signal that nobody listens to.
    if (!this.emit(signal, signal)) this.killed.push(signal);
    return true;
  }
}

function opened(holder: Partial<Holder> = {}) {
  const process = new FakeProcess();
  const asked: string[] = [];
  const flush = new ExitFlush(process as unknown as EndingProcess);
  const end = flush.add({
    flush: () => {
      asked.push('flush');
      return undefined;
    },
    flushAtOnce: () => {
      asked.push('flushAtOnce');
    },
    ...holder,
  });
  return { process, asked, end };
}

describe('flushing at the end of the process', () => {
  test('lets a signal that nobody listens to end the process, after flushing', () => {
    const { process, asked } = opened();
    process.kill(1, 'SIGTERM');
    expect([asked, process.killed]).toEqual([['flush'], ['SIGTERM']]);
  });

  test('leaves a signal to the program as soon as it listens, and takes it again when it no longer does', async () => {
    const { process, asked } = opened();
    const own = (): undefined => undefined;
    process.on('SIGTERM', own);
    await Promise.resolve();
    // A library that ends the process by itself if it alone listens must find itself alone.
    expect(process.listeners('SIGTERM')).toEqual([own]);
    process.kill(1, 'SIGTERM');
    expect([asked, process.killed]).toEqual([[], []]);
    process.off('SIGTERM', own);
    await Promise.resolve();
    process.kill(1, 'SIGTERM');
    expect([asked, process.killed]).toEqual([['flush'], ['SIGTERM']]);
  });

  test('lets a second signal end the process while the first one waits for the store', async () => {
    const stored = Promise.withResolvers<undefined>();
    const { process } = opened({ flush: () => stored.promise });
    process.kill(1, 'SIGINT');
    expect(process.killed).toEqual([]);
    process.kill(1, 'SIGINT');
    expect(process.killed).toEqual(['SIGINT']);
    stored.resolve(undefined);
    await stored.promise;
  });

  test('asks no holder that has ended, and leaves no listener behind', () => {
    const { process, asked, end } = opened();
    end();
    process.emit('exit', 0);
    process.kill(1, 'SIGTERM');
    expect(asked).toEqual([]);
    expect(process.eventNames()).toEqual([]);
  });

  test('keeps a process that ends by itself until the store has what it held', async () => {
    const stored = Promise.withResolvers<undefined>();
    let waits: Promise<undefined> | undefined = stored.promise;
    const { process, asked } = opened({ flush: () => waits });
    process.emit('beforeExit', 0);
    stored.resolve(undefined);
    await stored.promise;
    waits = undefined;
    process.emit('beforeExit', 0);
    process.emit('exit', 0);
    expect(asked).toEqual(['flushAtOnce']);
  });
});
