import { allKeys, ChangeoverError, keyTarget } from '@changeover/core';
import { changeOptions, type ChangeOptions } from '../command/command-context.ts';
import { CommandError } from '../command/command-error.ts';
import { hold } from '../command/hold.ts';
import type { Migration, Reading } from '../command/migration.ts';
import { promote } from '../command/promote.ts';
import { resume, resumeWhole } from '../command/resume.ts';
import { keyNamed, backendNamed } from '../command/subject.ts';
import type { Terminal } from '../command/terminal.ts';

/** What came of a change that the page asked for. */
export interface ChangeOutcome {
  readonly ok: boolean;
  readonly text: string;
}

const maxReasonLength = 500;

/** Does what the command line does under the same name, or shows its plan. Never rejects. */
export async function makeChange(migration: Migration, request: unknown): Promise<ChangeOutcome> {
  const lines: string[] = [];
  const terminal: Terminal = {
    format: 'text',
    answer: (text) => {
      lines.push(...text);
    },
    say: (text) => {
      lines.push(...text);
    },
    paint: (_style, text) => text,
  };
  try {
    await change(migration, terminal, fieldsOf(request));
    return { ok: true, text: lines.join('\n') };
  } catch (error) {
    if (error instanceof CommandError || error instanceof ChangeoverError)
      return { ok: false, text: error.message };
    return {
      ok: false,
      text: `It failed: ${String((error as { message?: unknown } | null)?.message)}`,
    };
  }
}

async function change(
  migration: Migration,
  terminal: Terminal,
  { action, backend: typed, key: named, reason, plan }: Fields,
): Promise<void> {
  const backend = backendNamed(migration, typed);
  const options: ChangeOptions = changeOptions({ reason: reason.slice(0, maxReasonLength), plan });
  const key = named === undefined ? undefined : keyNamed(migration, backend, named, false);
  const subject = { backend, target: key === undefined ? allKeys : keyTarget(key) };
  if (action === 'kill' && key === undefined)
    return hold(migration, terminal, subject, { ...options, at: 'legacy' });
  if (action === 'resume') {
    const end = key === undefined ? resumeWhole : resume;
    return end(migration, terminal, subject, options);
  }
  if (key !== undefined) {
    if (action === 'promote')
      return promote(migration, terminal, { backend, key }, { ...options, force: false });
    if (action === 'hold') return hold(migration, terminal, subject, { ...options, at: undefined });
    if (action === 'rollback')
      return hold(migration, terminal, subject, { ...options, at: 'legacy' });
  }
  throw new CommandError(
    'That is no change: promote, hold, rollback and resume of a key, kill and resume of a backend are.',
  );
}

const stepsBack: readonly unknown[] = ['hold', 'rollback', 'kill'];

/** What a change needs of the store: a step back waits for no count. */
export function readingFor(request: unknown): Reading {
  const action = (request as { readonly action?: unknown } | null | undefined)?.action;
  return stepsBack.includes(action) ? 'names' : 'all';
}

interface Fields {
  readonly action: string;
  readonly backend: string;
  /** Undefined for all of the backend. */
  readonly key: string | undefined;
  readonly reason: string;
  readonly plan: boolean;
}

function fieldsOf(request: unknown): Fields {
  const given = (typeof request === 'object' && request !== null ? request : {}) as Readonly<
    Record<string, unknown>
  >;
  const text = (field: string): string => {
    const value = given[field];
    if (typeof value === 'string') return value;
    throw new CommandError(`A change needs the text ${field}.`);
  };
  // Whatever isn't a clear order to change something only shows the plan.
  return {
    action: text('action'),
    backend: text('backend'),
    key: given['key'] === undefined ? undefined : text('key'),
    reason: text('reason'),
    plan: given['plan'] !== false,
  };
}
