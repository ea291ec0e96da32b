import { type LedgerChange, targetOfRow } from '@changeover/bridge';

/** Whether a line is about all of its backend. */
export function isWhole({ dataset }: LedgerChange): boolean {
  return targetOfRow(dataset).kind === 'all';
}

/** Whether a line is about a key: its own, or its whole backend's. */
export function concerns(line: LedgerChange, key: string): boolean {
  const target = targetOfRow(line.dataset);
  return target.kind === 'all' || (target.kind === 'key' && target.name === key);
}

/** Whom a line is about, in a table's cell. */
export function lineSubject({ dataset }: LedgerChange): string {
  const target = targetOfRow(dataset);
  return target.kind === 'key' ? target.name : `(${target.kind})`;
}

/** A line in a JSON answer: `key` is null where it is about no key or about all of them, which `target` says. */
export function lineJson({ dataset, ...line }: LedgerChange): object {
  const target = targetOfRow(dataset);
  return { ...line, target: target.kind, key: target.kind === 'key' ? target.name : null };
}
