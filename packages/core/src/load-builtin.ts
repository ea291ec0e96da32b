/**
 * One of Node's own modules by its full name (`node:` included), without the warning that some versions of Node print when an
 * experimental one is first loaded: a library's choice is no news to the program's user. All other warnings stay as they are.
 *
 * @returns undefined where this Node has no such module, or only behind a flag.
 */
export function loadBuiltin(name: string): object | undefined {
  const emitWarning = process.emitWarning;
  // Node calls this while it loads the module, in the same tick.
  process.emitWarning = (warning: string | Error, ...rest: unknown[]): void => {
    if (!isExperimental(rest[0])) Reflect.apply(emitWarning, process, [warning, ...rest]);
  };
  try {
    return process.getBuiltinModule(name);
  } finally {
    process.emitWarning = emitWarning;
  }
}

function isExperimental(kind: unknown): boolean {
  const type = typeof kind === 'object' && kind !== null && 'type' in kind ? kind.type : kind;
  return type === 'ExperimentalWarning';
}
