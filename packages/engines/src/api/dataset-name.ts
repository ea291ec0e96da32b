import { InvalidNameError } from './storage-errors.ts';

/** PostgreSQL cuts identifiers at 63 bytes without an error, and a dataset is the schema `mdm_{name}` there. */
export const maxDatasetNameLength = 59;

const rule =
  `use 1 to ${maxDatasetNameLength} letters a-z, digits, "_", "-" or single dots inside, ` +
  'beginning with a letter, a digit or "_"';

/**
 * The one way from what a caller calls a dataset to what both legs call it: lower-cased and checked. One rule for all
 * engines, so that a dataset can move between them.
 *
 * @throws {InvalidNameError} for a name that could leave the base folder or break an identifier.
 */
export function parseDatasetName(name: unknown): string {
  if (typeof name !== 'string') throw new InvalidNameError('dataset', name, rule);
  const lower = name.toLowerCase();
  if (
    lower.length > maxDatasetNameLength ||
    !/^[a-z0-9_][a-z0-9_-]*(?:\.[a-z0-9_-]+)*$/.test(lower)
  ) {
    throw new InvalidNameError('dataset', name, rule);
  }
  return lower;
}
