import { readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { type Clock, randomId, systemClock, type Timer } from '@changeover/core';
import type { Logger } from '../log.ts';

/** One backend's pools of one purpose, added up. */
export interface PoolFigures {
  readonly backend: string;
  /** `shadow`: for comparison, apart from the callers'. */
  readonly purpose: 'callers' | 'shadow';
  readonly pools: number;
  /** Connections that exist, those opening and closing included. */
  readonly connections: number;
  readonly budget: number;
  readonly inUse: number;
  readonly idle: number;
  /** Callers that wait for a connection. */
  readonly waiting: number;
  /** Keys whose circuit breaker lets no call through, or only a probe. */
  readonly openBreakers: number;
}

/** The pools of one running process. */
export interface ProcessPools {
  readonly host: string;
  readonly pid: number;
  /** When it said so, in milliseconds since 1970. */
  readonly at: number;
  readonly figures: readonly PoolFigures[];
}

/** What {@link publishPools} needs. */
export interface PublishPoolsOptions {
  readonly figures: () => readonly PoolFigures[];
  /** The comparison store: the figures lie beside it. */
  readonly storePath: string;
  readonly logger: Logger;
  readonly clock?: Clock | undefined;
}

const intervalMs = 2_000;
/** A process without news says so this often. */
const heartbeatMs = 10_000;
/** Who said nothing for that long has ended without taking its file along. */
const silentMs = 3 * heartbeatMs;
const forgottenMs = 3_600_000;
const mostProcesses = 64;
const maxFileBytes = 16_384;

/**
 * Keeps this process's pools in a small file beside the store, for the console, until the returned function is called. They
 * are no recordings: only the present counts, so each process has one file of its own, that nobody waits for a lock for.
 * Never throws; what can't be written is tried again.
 */
export function publishPools({
  figures: read,
  storePath,
  logger,
  clock = systemClock,
}: PublishPoolsOptions): () => void {
  if (storePath === ':memory:') return () => undefined;
  const path = `${storePath}${marker}${String(process.pid)}-${randomId().slice(0, 8)}.json`;
  let [written, writtenAt, told] = ['', -Infinity, false];
  let timer: Timer | undefined;
  const publish = (): void => {
    timer = clock.after(intervalMs, publish);
    try {
      const figures = read();
      const text = JSON.stringify(figures);
      const now = clock.monotonicMs();
      if (text === written && now - writtenAt < heartbeatMs) return;
      writeWhole(
        path,
        JSON.stringify({
          host: hostname(),
          pid: process.pid,
          at: clock.wallMs(),
          figures,
        } satisfies ProcessPools),
      );
      [written, writtenAt] = [text, now];
    } catch (error) {
      if (!told)
        logger.debug({ path, err: error }, "the pools' figures can not be kept for the console");
      told = true;
    }
  };
  removeForgotten(storePath, clock);
  publish();
  return () => {
    timer?.cancel();
    tryTo(() => {
      rmSync(path, { force: true });
    });
  };
}

/** What the running processes on this machine say of their pools, the oldest process last. Never throws. */
export function readPools(storePath: string, clock: Clock = systemClock): ProcessPools[] {
  const found = poolFiles(storePath)
    .slice(0, mostProcesses)
    .map((path) =>
      tryTo(() => {
        if (statSync(path).size > maxFileBytes) return undefined;
        return JSON.parse(readFileSync(path, 'utf8')) as ProcessPools;
      }),
    );
  return found
    .filter((one) => one !== undefined)
    .filter(isProcessPools)
    .filter(({ at }) => Math.abs(clock.wallMs() - at) < silentMs)
    .sort((a, b) => a.pid - b.pid);
}

const marker = '-pools-';

/** In one step, so that nobody reads half of it. */
function writeWhole(path: string, text: string): void {
  const temporaryPath = `${path}.new`;
  writeFileSync(temporaryPath, text, { mode: 0o600 });
  renameSync(temporaryPath, path);
}

function poolFiles(storePath: string): string[] {
  const [folder, prefix] = [dirname(storePath), `${basename(storePath)}${marker}`];
  const names = tryTo(() => readdirSync(folder)) ?? [];
  return names
    .filter((name) => name.startsWith(prefix) && name.endsWith('.json'))
    .map((name) => join(folder, name));
}

/** Of processes that were killed. */
function removeForgotten(storePath: string, clock: Clock): void {
  for (const path of poolFiles(storePath)) {
    tryTo(() => {
      if (clock.wallMs() - statSync(path).mtimeMs > forgottenMs) rmSync(path, { force: true });
    });
  }
}

/** Another version of this package may have written it. */
function isProcessPools(found: unknown): found is ProcessPools {
  if (typeof found !== 'object' || found === null) return false;
  const { host, pid, at, figures } = found as Readonly<
    Partial<Record<keyof ProcessPools, unknown>>
  >;
  return (
    typeof host === 'string' &&
    typeof pid === 'number' &&
    typeof at === 'number' &&
    Array.isArray(figures) &&
    figures.every(
      (one) =>
        typeof one === 'object' &&
        one !== null &&
        numbers.every((field) => typeof (one as Record<string, unknown>)[field] === 'number'),
    )
  );
}

const numbers = [
  'pools',
  'connections',
  'budget',
  'inUse',
  'idle',
  'waiting',
  'openBreakers',
] as const;

function tryTo<T>(use: () => T): T | undefined {
  try {
    return use();
  } catch {
    return undefined;
  }
}
