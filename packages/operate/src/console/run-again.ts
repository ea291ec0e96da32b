import { sampleNamed } from '@changeover/bridge';
import { ChangeoverError } from '@changeover/core';
import type { Migration } from '../command/migration.ts';
import { nobodyText, repeatInPrograms } from '../command/repeat-in-programs.ts';
import { reproductionText } from '../command/run-reproduce.ts';

/** Shorter than in a terminal: a page says that it took too long sooner. */
const timeoutMs = 20_000;

/** What came of a mismatch's call that the page asked for. */
export interface RunAgain {
  readonly ok: boolean;
  readonly text: string;
  /** What does the same in a terminal. */
  readonly command: string;
}

/** Makes a mismatch's call again by a program that runs, or says what to type. Never rejects. */
export async function runAgain(migration: Migration, request: unknown): Promise<RunAgain> {
  const { id } = (request ?? {}) as { readonly id?: unknown };
  const typed = typeof id === 'string' ? id : '';
  const command = `changeover reproduce ${typed}`;
  try {
    const group = sampleNamed(migration.recordings?.sampleGroups ?? [], typed);
    const asked = await repeatInPrograms(migration.place, group, timeoutMs);
    if (asked.kind === 'made')
      return { ok: true, text: reproductionText(asked.made, group.id).join('\n'), command };
    const text = asked.kind === 'refused' ? asked.message : nobodyText(group, asked.kind);
    return { ok: false, text, command };
  } catch (error) {
    const text = String((error as { readonly message?: unknown } | null)?.message);
    return {
      ok: false,
      text: error instanceof ChangeoverError ? text : `It could not be asked for: ${text}`,
      command,
    };
  }
}
