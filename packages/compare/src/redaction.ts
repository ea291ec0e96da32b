import { types } from 'node:util';
import { encodeCanonical } from './canonical.ts';
import { typeName } from './value-type.ts';

/** A value as a log or report may show it. Equal values have equal digests under one key. */
export interface RedactedValue {
  readonly type: string;
  /** Characters of a text, bytes of a blob, entries of a list, struct, map or set. */
  readonly length?: number | undefined;
  readonly digest: string;
}

/** An error as a log or report may show it: its kind, and its message with what could be data hidden. */
export interface RedactedError {
  readonly kind: string;
  readonly message: string;
}

/** What stands for a value that could not be read. */
const hidden: RedactedValue = Object.freeze({ type: 'hidden', digest: '' });
/** Hexadecimal digits of a digest: 2^-48 that two values share one, and not enough to be worth keeping otherwise. */
const digestLength = 12;
/** Characters of an error's message that are looked at. */
const maxMessage = 500;
const smallestKey = 16;

/**
 * Hides values behind keyed digests (HMAC-SHA-256, cut). Without the key a digest can't be turned back by trying likely
 * values. Never throws: what can't be read is hidden altogether.
 */
export class Redactor {
  #key: Uint8Array | undefined;

  /**
   * @param key at least 16 bytes; default: random, so that digests can be compared within one process only. Give
   * processes one key to compare across them.
   * @throws {RangeError} for a shorter key.
   */
  constructor(key?: Uint8Array) {
    if (key === undefined) return;
    if (key.byteLength < smallestKey) {
      throw new RangeError(
        `a key of ${String(key.byteLength)} bytes is too short: ${String(smallestKey)} at least`,
      );
    }
    this.#key = Uint8Array.from(key);
  }

  redact(value: unknown): RedactedValue {
    try {
      const length = lengthOf(value);
      const digest = this.#digest(encodeCanonical(value));
      return { type: typeName(value), ...(length === undefined ? {} : { length }), digest };
    } catch {
      return hidden;
    }
  }

  /**
   * Hides in an error's message what could come from the data, a parameter or a connection string: quoted parts,
   * numbers, URLs, and what follows a password. Engines quote names the same way, so those are hidden too.
   */
  redactError(error: unknown): RedactedError {
    try {
      if (typeof error !== 'object' || error === null)
        return { kind: typeof error, message: 'hidden' };
      const { message } = error as { message?: unknown };
      return {
        kind: errorKind(error),
        message: typeof message === 'string' ? this.#redactText(message) : 'hidden',
      };
    } catch {
      return { kind: 'hidden', message: 'hidden' };
    }
  }

  #redactText(text: string): string {
    // What comes after a newline or "DETAIL" is where engines put rows and statements.
    const [first = ''] = text.slice(0, maxMessage).split(/\n|\bDETAIL\b/i, 1);
    return first
      .replaceAll(/[a-z][a-z0-9+.-]*:\/\/\S+/gi, (found) => this.#mark(found))
      .replaceAll(/\b(password|passwd|pwd|secret|token|key)\s*[=:]\s*\S+/gi, '$1=<hidden>')
      .replaceAll(/"(?:[^"]|"")*("|$)|'(?:[^']|'')*('|$)|`[^`]*(`|$)/g, (found) =>
        this.#mark(found),
      )
      .replaceAll(
        /([=:(]\s*)(?!<)([^\s<>(),;]+)(?=[\s),;]|$)/g,
        (_found, before: string, value: string) => before + this.#mark(value),
      )
      .replaceAll(/(?<![<\w])[^\s<>]*\d[^\s<>]*(?!\w*>)/g, (found) => this.#mark(found));
  }

  #mark(text: string): string {
    return `<${this.#digest(Buffer.from(text))}>`;
  }

  #digest(bytes: Uint8Array): string {
    const { createHmac, randomBytes } = process.getBuiltinModule('node:crypto');
    this.#key ??= randomBytes(32);
    return createHmac('sha256', this.#key).update(bytes).digest('hex').slice(0, digestLength);
  }
}

/** What errors are compared by: the stable `code` of the family of storage errors, else the class's name. */
export function errorKind(error: unknown): string {
  if (typeof error !== 'object' || error === null) return typeof error;
  const { code, name } = error as { code?: unknown; name?: unknown };
  if (typeof code === 'string' && /^[\w.-]{1,60}$/.test(code)) return code;
  return typeof name === 'string' && /^[\w.-]{1,60}$/.test(name) ? name : 'Error';
}

function lengthOf(value: unknown): number | undefined {
  if (typeof value === 'string' || Array.isArray(value)) return value.length;
  if (typeof value !== 'object' || value === null || types.isDate(value)) return undefined;
  if (ArrayBuffer.isView(value)) return value.byteLength;
  if (types.isMap(value) || types.isSet(value)) return value.size;
  return Object.keys(value).length;
}
