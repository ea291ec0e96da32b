import { InvalidArgumentError, type InputValue } from '@changeover/engines/api';
import { isDate, jsonText, timestampText } from '@changeover/engines';

const biggest = 2n ** 63n - 1n;
const smallest = -(2n ** 63n);

/** A parameter as the driver binds it. It binds every number as a REAL, and then 5 / 2 would be 2.5 and 1 in a text column
 * '1.0': whole numbers go as `bigint`. */
export function boundValue(value: InputValue): unknown {
  switch (typeof value) {
    case 'number':
      return Number.isSafeInteger(value) && !Object.is(value, -0) ? BigInt(value) : value;
    case 'boolean':
      return value ? 1n : 0n;
    case 'bigint':
      if (value <= biggest && value >= smallest) return value;
      throw new InvalidArgumentError(
        'SQLite holds integers of 64 bits; found a larger one. Pass it as text.',
      );
    case 'string':
      return value;
    case 'undefined':
      return null;
    case 'object':
      if (value === null) return null;
      if (ArrayBuffer.isView(value))
        return Buffer.from(value.buffer, value.byteOffset, value.byteLength);
      return isDate(value) ? timestampText(value) : jsonText(value);
    default:
      throw new InvalidArgumentError(`A value of type ${typeof value} can't be stored.`);
  }
}

/** A value to insert. A column of text gets the value's own text, where the engine would make `1.0` of 1 and `0` of false. */
export function insertedValue(value: InputValue, columnType: string): unknown {
  const holdsText = /CHAR|CLOB|TEXT/i.test(columnType) && !/INT/i.test(columnType);
  if (!holdsText) return boundValue(value);
  if (Object.is(value, -0)) return '-0';
  return typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean'
    ? String(value)
    : boundValue(value);
}
