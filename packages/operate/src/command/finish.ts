import { allKeys } from '@changeover/core';
import { textTable } from '../report/text-table.ts';
import { type FoundWiring, findWiring, type Wiring } from './bridge-wiring.ts';
import { concerns, isWhole } from './ledger-lines.ts';
import { type KeyStatus, keyStatuses, type Migration } from './migration.ts';
import { nextOfKeys } from './next-commands.ts';
import type { Terminal } from './terminal.ts';

const dayMs = 86_400_000;

/** What is asked of {@link finish}. */
export interface FinishOptions {
  /** Default: all that have a key. */
  readonly backend: string | undefined;
  /** How long every key must have stood at `pooled`, in ms. */
  readonly afterMs: number;
  /** Where the program's sources are. */
  readonly folder: string;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Whether a migration is over. */
export type Ready = 'ready' | 'not yet' | 'unknown';

interface KeyReadiness {
  readonly backend: string;
  readonly key: string;
  readonly stage: KeyStatus['stage'];
  /** Since when it stands at `pooled`, in ms since 1970; undefined where that can't be told, or it doesn't. */
  readonly since: number | undefined;
  readonly ready: Ready;
  readonly why: string;
}

/** Says whether a migration is over, and lists what is left of it in the sources. */
export function finish(migration: Migration, terminal: Terminal, options: FinishOptions): Ready {
  const statuses = keyStatuses(migration).filter(
    ({ backend }) => options.backend === undefined || backend === options.backend,
  );
  const keys = statuses.map((status) => readiness(migration, status, options));
  const found = findWiring(options.folder);
  const wiring = found.wiring.filter(
    ({ bridge }) =>
      options.backend === undefined || bridge === undefined || bridge === options.backend,
  );
  const ready = decided(keys, found);
  terminal.answer(
    [
      ...(keys.length === 0
        ? [
            "No key has been seen yet, so nothing can be told. Name the program's store with --store PLACE.",
          ]
        : textTable(
            [
              { title: 'backend' },
              { title: 'key', cut: 'middle' },
              { title: 'stage' },
              { title: 'ready' },
              { title: 'why', cut: 'end' },
            ],
            keys.map((one) => [one.backend, one.key, one.stage, one.ready, one.why]),
            terminal.width,
          )),
      ...found.todos.map(({ file, line }) => `${file}:${String(line)} still says TODO.`),
      '',
      answers[ready],
      ...wiringText(wiring),
    ],
    {
      ready,
      after: options.afterMs,
      keys,
      todos: found.todos,
      wiring,
      rest: wiring.length === 0 ? [] : restOf,
      next: nextOfKeys(migration, statuses),
    },
  );
  return ready;
}

const answers: Readonly<Record<Ready, string>> = {
  ready: 'Every key has stood at pooled long enough. What is left to delete:',
  'not yet': 'Not yet. What there will be to delete:',
  unknown: "Whether it is over can't be told. What there would be to delete:",
};

/** What no source file shows. */
const restOf: readonly string[] = [
  'npm uninstall changeover',
  "the bridge's flags, in the flags file or on the flag server",
  'the comparison store and its ledger, when nobody needs the history',
  'the legacy leg, once nothing names it any more',
];

function decided(keys: readonly KeyReadiness[], { todos }: FoundWiring): Ready {
  if (keys.length === 0) return 'unknown';
  if (keys.some(({ ready }) => ready === 'not yet') || todos.length > 0) return 'not yet';
  return keys.some(({ ready }) => ready === 'unknown') ? 'unknown' : 'ready';
}

function readiness(
  migration: Migration,
  { backend, key, stage, why }: KeyStatus,
  { afterMs, now }: FinishOptions,
): KeyReadiness {
  const base = { backend, key, stage };
  if (migration.ledgerError !== undefined)
    return {
      ...base,
      since: undefined,
      ready: 'unknown',
      why: `the ledger can't be read: ${migration.ledgerError}`,
    };
  if (stage !== 'pooled') return { ...base, since: undefined, ready: 'not yet', why };
  const since = pooledSince(migration, backend, key);
  if (since === undefined)
    return {
      ...base,
      since,
      ready: 'unknown',
      why: 'the ledger does not say since when: flags alone decide',
    };
  // Negative where the machine's clock was ahead when it got there.
  const stood = Math.max(0, now - since);
  const text = `at pooled for ${timeText(stood)} of ${timeText(afterMs)}`;
  return { ...base, since, ready: stood >= afterMs ? 'ready' : 'not yet', why: text };
}

/** The latest of what put the key there, and of what concerned its whole backend: a kill in between ends the time. */
function pooledSince(migration: Migration, backend: string, key: string): number | undefined {
  const lines = migration.ledger.filter((line) => line.backend === backend && concerns(line, key));
  const moved = lines.findLast((line) => !isWhole(line) && line.from !== line.to);
  if (moved?.to !== 'pooled') return undefined;
  return Math.max(moved.at, migration.lastLine(backend, allKeys)?.at ?? 0);
}

function wiringText(wiring: readonly Wiring[]): string[] {
  if (wiring.length === 0) return ['  No file imports changeover.'];
  const files = [...new Set(wiring.map(({ file }) => file))];
  return [
    ...files.flatMap((file) => [
      '',
      file,
      ...wiring
        .filter((one) => one.file === file)
        .flatMap(({ line, remove, write, note }) => [
          `  ${String(line)}: ${write === '' ? 'delete' : 'in the place of'} ${firstLine(remove)}`,
          ...(write === '' ? [] : [`    write ${write.split('\n').join('\n    ')}`]),
          ...(note === undefined ? [] : [`    ${note}`]),
        ]),
    ]),
    '',
    'And then:',
    ...restOf.map((one) => `  ${one}`),
  ].flatMap((one) => one.split('\n'));
}

function firstLine(text: string): string {
  const [first = '', ...more] = text.split('\n');
  return more.length === 0 ? first : `${first} … (${String(more.length + 1)} lines)`;
}

function timeText(ms: number): string {
  const [size, unit] =
    ms >= 2 * dayMs
      ? [dayMs, 'days']
      : ms >= 7_200_000
        ? [3_600_000, 'hours']
        : [60_000, 'minutes'];
  return `${String(Math.floor((ms / size) * 10) / 10)} ${unit}`;
}
