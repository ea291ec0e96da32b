import type { Value } from '@changeover/core';
import type { JobAnswer } from '../job.ts';

/** Bytes as every other way gives them: on their way between threads a `Buffer` becomes a bare `Uint8Array`, whose
 * `toString('hex')` is another text. Changes the answer, which is the receiver's own. */
export function restoreBytes(answer: JobAnswer): void {
  if (answer.rows === 'cells') {
    for (const values of answer.cells) restoreIn(values);
  } else if (answer.rows === 'none' && typeof answer.value === 'object' && answer.value !== null) {
    restoreIn(answer.value as Record<string, Value>);
  }
}

/** SQLite's values hold no others. */
function restoreIn(values: Value[] | Record<string, Value>): void {
  if (Array.isArray(values)) {
    for (let at = 0; at < values.length; at += 1) {
      const value = values[at];
      if (isBytes(value)) values[at] = bufferOf(value);
    }
  } else {
    for (const [name, value] of Object.entries(values))
      if (isBytes(value)) values[name] = bufferOf(value);
  }
}

function isBytes(value: Value | undefined): value is Uint8Array {
  return typeof value === 'object' && value !== null && ArrayBuffer.isView(value);
}

function bufferOf({ buffer, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, byteLength);
}
