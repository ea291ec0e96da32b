import type { Value } from '@changeover/core';
import type { JobAnswer } from '../job.ts';

/** Bytes as the driver gives them on the main thread: between threads a Buffer becomes a bare Uint8Array, whose
 * `toString('hex')` says something else. The bytes themselves are not copied. */
export function withBuffers(answer: JobAnswer): JobAnswer {
  if (answer.rows !== 'cells') return answer;
  for (const values of answer.cells) {
    for (let column = 0; column < values.length; column += 1) {
      const value = values[column];
      if (typeof value === 'object' && value !== null) values[column] = asBuffer(value);
    }
  }
  return answer;
}

/** One value of those. */
export function asBuffer(value: Value): Value {
  return value instanceof Uint8Array && !Buffer.isBuffer(value)
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength)
    : value;
}
