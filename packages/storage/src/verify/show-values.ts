import { Redactor, typeName } from '@changeover/compare';
import { StorageError } from '@changeover/engines';
import type { ShownValue } from './verify-types.ts';

const longestShown = 200;

/** Shows values of the data, hidden unless it was asked for. */
export class ValueShower {
  readonly #redactor: Redactor;
  readonly #open: boolean;

  /** @param open shows values as they are. */
  constructor(open: boolean, redactor: Redactor = new Redactor()) {
    this.#open = open;
    this.#redactor = redactor;
  }

  show(value: unknown): ShownValue {
    if (!this.#open) return this.#redactor.redact(value);
    const text = textOf(value);
    return {
      type: typeName(value),
      value: text.length > longestShown ? `${text.slice(0, longestShown)}…` : text,
    };
  }

  /** Why something could not be compared. An engine's own words may quote the data. */
  reason(error: unknown): string {
    if (error instanceof StorageError && error.code !== 'STATEMENT_FAILED') return error.message;
    const { kind, message } = this.#redactor.redactError(error);
    return `${kind}: ${message}`;
  }
}

function textOf(value: unknown): string {
  if (value instanceof Uint8Array)
    return `0x${Buffer.from(value.subarray(0, longestShown)).toString('hex')}`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : String(value);
  if (typeof value === 'string' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  return JSON.stringify(value, (_key, item: unknown) =>
    typeof item === 'bigint' ? String(item) : item,
  );
}
