import { createHmac, randomBytes } from 'node:crypto';
import { typeName } from './difference.ts';

/** A value as a log or report may show it: equal values of one run have equal digests. */
export interface RedactedValue {
  readonly type: string;
  /** Characters of a text, bytes of a blob, entries of a list or struct. */
  readonly length?: number | undefined;
  readonly digest: string;
}

/** Hides values behind keyed digests. Without the key a digest can't be turned back by trying likely values. */
export class Redactor {
  readonly #key: Uint8Array;

  /** @param key default: random, so that digests can be compared within one process only. */
  constructor(key: Uint8Array = randomBytes(32)) {
    this.#key = key;
  }

  /** Never throws: a value that can't be read is hidden altogether. */
  redact(value: unknown): RedactedValue {
    try {
      const length = lengthOf(value);
      return { type: typeName(value), ...(length === undefined ? {} : { length }), digest: this.#digest(value) };
    } catch {
      return { type: 'hidden', digest: '' };
    }
  }

  #digest(value: unknown): string {
    const text = JSON.stringify(value, (_name, item: unknown) => {
      if (typeof item === 'bigint') return `${String(item)}n`;
      return ArrayBuffer.isView(item) ? Buffer.from(item.buffer, item.byteOffset, item.byteLength).toString('base64') : item;
    }) as string | undefined;
    return createHmac('sha256', this.#key).update(`${typeName(value)}:${text ?? ''}`).digest('hex').slice(0, 12);
  }
}

function lengthOf(value: unknown): number | undefined {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  return typeof value === 'object' && value !== null ? Object.keys(value).length : undefined;
}
