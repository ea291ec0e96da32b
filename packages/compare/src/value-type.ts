import { types } from 'node:util';
import { className, isPlain } from './canonical.ts';

/** A value's type as a report names it. An integer that a number holds exactly is a `number`, however it came. */
export function typeName(value: unknown): string {
  switch (typeof value) {
    case 'bigint':
      return value >= Number.MIN_SAFE_INTEGER && value <= Number.MAX_SAFE_INTEGER
        ? 'number'
        : 'bigint';
    case 'object':
      return value === null ? 'null' : objectType(value);
    case 'boolean':
    case 'function':
    case 'number':
    case 'string':
    case 'symbol':
    case 'undefined':
      return typeof value;
  }
}

function objectType(value: object): string {
  if (Array.isArray(value)) return 'list';
  if (types.isUint8Array(value)) return 'bytes';
  if (types.isDate(value)) return 'date';
  if (types.isMap(value)) return 'map';
  if (types.isSet(value)) return 'set';
  return isPlain(value) ? 'struct' : className(value);
}

/** Whether two values that differ are of different types. NULL is a value of every type. */
export function typesDiffer(a: unknown, b: unknown): boolean {
  return a !== null && b !== null && typeName(a) !== typeName(b);
}
