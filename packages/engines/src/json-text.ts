import { InvalidArgumentError } from './api/storage-errors.ts';

/** Node has it from 22 on, the library of ES2024's types has not. */
const { rawJSON: rawJson } = JSON as unknown as { rawJSON(text: string): unknown };

/** JSON of a nested value; `bigint` as a JSON number with all its digits. */
export function jsonText(value: unknown): string {
  const text = stringify(value);
  if (text === undefined)
    throw new InvalidArgumentError("A nested value that has no JSON form can't be stored.");
  return text;
}

function stringify(value: unknown): string | undefined {
  try {
    return JSON.stringify(value);
  } catch (error) {
    if (!holdsBigint(value)) {
      throw new InvalidArgumentError("A nested value that refers to itself can't be stored.", {
        cause: error,
      });
    }
  }
  return JSON.stringify(value, (_key, item: unknown) => {
    if (typeof item !== 'bigint') return item;
    return rawJson(String(item));
  });
}

/** Cyclic values end at the depth limit, not in an endless walk. */
function holdsBigint(value: unknown, depth = 0): boolean {
  if (typeof value === 'bigint') return true;
  if (typeof value !== 'object' || value === null || depth > 100) return false;
  return Object.values(value).some((item) => holdsBigint(item, depth + 1));
}
