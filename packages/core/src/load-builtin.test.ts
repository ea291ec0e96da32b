import { afterEach, describe, expect, test } from '@jest/globals';
import { loadBuiltin } from './load-builtin.ts';

const { emitWarning, getBuiltinModule } = process;

afterEach(() => {
  process.emitWarning = emitWarning;
  process.getBuiltinModule = getBuiltinModule;
});

describe("loading one of Node's own modules", () => {
  test('prints no warning that it is experimental, and every other one', () => {
    const printed: unknown[] = [];
    const kept = ((...warning: unknown[]) => printed.push(warning)) as typeof process.emitWarning;
    process.emitWarning = kept;
    process.getBuiltinModule = () => {
      process.emitWarning('SQLite is an experimental feature', 'ExperimentalWarning');
      process.emitWarning('so is this', { type: 'ExperimentalWarning' });
      process.emitWarning('that is going away', 'DeprecationWarning', 'DEP0');
      process.emitWarning('look here');
      return {};
    };
    expect(loadBuiltin('node:sqlite')).toEqual({});
    expect(printed).toEqual([['that is going away', 'DeprecationWarning', 'DEP0'], ['look here']]);
    expect(process.emitWarning).toBe(kept);
  });

  test('answers undefined for one that this Node lacks, and the warnings go on', () => {
    const before = process.emitWarning;
    expect(loadBuiltin('node:no-such-module')).toBeUndefined();
    expect(process.emitWarning).toBe(before);
  });
});
