import { type Digest, type Leg, type ShadowCall } from '@changeover/core';
import {
  type Engine,
  InvalidArgumentError,
  parseDatasetName,
  type StorageBackend as StorageApi,
  storageOperations,
  type StorageOperation,
} from '@changeover/engines/api';
import { abortedError } from './call-queue.ts';
import { StorageBackend } from './storage-backend.ts';

/** What the legacy leg takes. */
export interface LegacyLegOptions {
  /** The checksum of an operation's result. */
  readonly digest: (operation: string, result: unknown) => Digest;
  /** Which statements may leave something on their connection: behind a pooler that gives each transaction another one, that is taken away.
   * Default: by their words. Those of one engine's last leg count. */
  readonly mayLeave?: ((dataset: string, sql: string) => boolean) | undefined;
}

/** The adapter over a legacy singleton: its API as it is, and reads for comparison that never stand before a caller's. */
export function createLegacyLeg(engine: Engine, options: LegacyLegOptions): Leg<StorageApi> {
  const api = StorageBackend.getInstance(engine);
  const connection = StorageBackend.connectionOf(api);
  connection.mayLeave = options.mayLeave;
  const read = async (
    { operation, args, signal }: ShadowCall,
    snapshot?: string,
  ): Promise<unknown> => {
    if (signal.aborted) throw abortedError(signal);
    const shadow = StorageBackend.asShadow(api, { signal, snapshot });
    const method: unknown = Reflect.get(shadow, readOperation(operation));
    if (typeof method !== 'function') throw notRead(operation);
    // Shadow calls may be made from inside a caller's transaction and are no part of it.
    const answer = connection.outsideTransaction(
      () => Reflect.apply(method, shadow, args) as Promise<unknown>,
    );
    return givenUpAt(signal, answer);
  };
  return {
    name: 'legacy',
    api,
    closedWhile: (dataset, work) => connection.closedWhile(parseDatasetName(dataset), work),
    shadow: {
      admits: () => connection.idle,
      read: (call) => read(call),
      ...(engine === 'postgresql' ? { readInSnapshot: read } : {}),
      digest: async (call) => options.digest(call.operation, await read(call)),
    },
  };
}

function readOperation(operation: string): StorageOperation {
  if (!Object.hasOwn(storageOperations, operation)) throw notRead(operation);
  const name = operation as StorageOperation;
  if (storageOperations[name].kind !== 'read') throw notRead(operation);
  return name;
}

function notRead(operation: string): InvalidArgumentError {
  return new InvalidArgumentError(
    `Only reads can be called for comparison on the legacy leg; found ${operation}.`,
  );
}

/** Answers at the signal, whatever the engine does; what it still runs ends by itself. */
function givenUpAt<T>(signal: AbortSignal, answer: Promise<T>): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const giveUp = (): void => {
      reject(abortedError(signal));
    };
    signal.addEventListener('abort', giveUp, { once: true });
    answer.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', giveUp);
    });
  });
}
