import type { Row, Value } from '@changeover/core';

/** Names of columns made unique: where one comes again it is `name:1`, then `name:2`, so that no value is lost. */
export function uniqueNames(names: readonly string[]): string[] {
  const unique: string[] = [];
  for (const name of names) {
    let candidate = name;
    // One that is another column's own name is left to it.
    const isTaken = (): boolean =>
      unique.includes(candidate) || (candidate !== name && names.includes(candidate));
    for (let number = 1; isTaken(); number += 1) candidate = `${name}:${number}`;
    unique.push(candidate);
  }
  return unique;
}

/** An object from names and values. A column called `__proto__` is a column. */
export function objectOf(names: readonly string[], values: readonly Value[]): Row {
  const row: Row = {};
  for (let at = 0; at < names.length; at += 1) {
    const name = names[at] as string;
    const value = values[at] as Value;
    if (name === '__proto__') Object.defineProperty(row, name, { ...asOwn, value });
    else row[name] = value;
  }
  return row;
}

const asOwn = { writable: true, enumerable: true, configurable: true };

/** An integer as callers get it: a number where it holds it, else a `bigint`. */
export function narrowInteger(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
